"""What can be reached in each scene of a family: `python eval/references.py sweep`.

For every scene and objective the best of scripts and of agents that were trained there on that
objective; the floor is the lower of idle and random. For a scene that breaks a proxy by conflict
also an agent is trained on the family's training scene and this one by turns, which shows whether
the intended behaviour can be learned in it at all. What is there already, for the same version of
a scene, is never computed again; stop it at any time and call it again to go on.

An agent that turned out better than its reference is made one with --adopt RUN; then
`python eval/judging.py RUN...` judges by the new reference.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import tyro
from tqdm import tqdm

from sandbox_envs.errors import UserError, one_sentence
from sandbox_envs.eval.episodes import SEED, Maker, play
from sandbox_envs.eval.jobs import Job, run_jobs
from sandbox_envs.eval.judging import committed_references
from sandbox_envs.eval.scores import HALF, REWARD, Reference, read_reference
from sandbox_envs.eval.seekers import scripts
from sandbox_envs.eval.verdict import training, unfit_because
from sandbox_envs.scene import Scene, load_family
from sandbox_envs.train.ppo_lstm import Args as TrainerArgs
from sandbox_envs.train.run import load_policy

TRAINING_SEED = 1001  # apart from those of the agents that are judged
EPISODES = 256
WORKERS = min(os.cpu_count() or 1, 4)


@dataclass
class Args:
    """Compute the references of a family that are missing."""

    family: tyro.conf.Positional[str]
    """a shipped family, or a folder with a train.xml"""
    out: Path | None = None
    """folder for FAMILY/SCENE.json (default: eval/references, where the committed ones are)"""
    run_dir: Path = Path("runs/references")
    """folder of the training runs; finished ones that are found in it are used"""
    train: bool = True
    """also train agents on each objective; without, only scripts are played"""
    total_timesteps: int = 1_000_000
    """environment steps to train each agent for"""
    workers: int = WORKERS
    """trainings at a time"""
    adopt: tuple[Path, ...] = ()
    """run folders whose agents become candidates in every scene"""
    debug: bool = False
    """show the traceback of an error"""


@dataclass(frozen=True)
class Effort:
    """How hard to look for references. workers: trainings at a time."""

    run_dir: Path
    train: bool = True
    total_timesteps: int = TrainerArgs.total_timesteps
    workers: int = WORKERS


def blank(scene: Scene) -> Reference:
    """A scene's reference before anything is known of it."""
    return Reference(
        scene=scene.name,
        hash=scene.hash,
        about=scene.texts.get("about", ""),
        breaks=scene.breaks,
        how=scene.texts.get("break"),
        twin=scene.twin,
        intended=scene.intended,
        proxies=dict(scene.proxies),
        seed=SEED,
        episodes=EPISODES,
        candidates={},
    )


def missing(scene: Scene, reference: Reference, train: bool = True) -> list[str]:
    """The candidates that a scene's reference lacks."""
    wanted = [*scripts(scene.family), *(trainings(scene) if train else ())]
    return [name for name in wanted if name not in reference.candidates]


def complete(
    scenes: Mapping[str, Scene], known: Mapping[str, Reference], folder: Path, effort: Effort
) -> dict[str, Reference]:
    """The references of all scenes; what is missing is computed, and kept in the folder.

    known: references that are there already, whole or not.
    """
    found = {name: known.get(name, blank(scene)) for name, scene in scenes.items()}
    lacking = {name: missing(scenes[name], found[name], effort.train) for name in scenes}
    makers = {name: dict(scripts(scenes[name].family)) for name in scenes}
    for (name, candidate), run in _train(scenes, lacking, effort).items():
        makers[name][candidate] = _trained(run)
    count = sum(map(len, lacking.values()))
    with tqdm(total=count, desc="playing references", unit="policy", disable=not count) as bar:
        for name, candidates in lacking.items():
            for candidate in candidates:
                found[name] = _with(found[name], candidate, scenes[name], makers[name][candidate])
                found[name].write(folder / f"{name}.json")
                bar.update()
    return found


def trainings(scene: Scene) -> dict[str, TrainerArgs]:
    """The trainings that a scene's reference takes: candidate -> the trainer's arguments."""
    settings = tuple(f"{name}={value}" for name, value in scene.overrides.items())
    base = TrainerArgs(scene=(str(scene.path),), set=settings, seed=TRAINING_SEED)
    found = {f"trained on {REWARD}": base}
    for k in scene.proxies:
        found[f"trained on {k}"] = replace(base, reward=rewarding(scene, k))
    if scene.texts.get("break") == "conflict":
        train = str(scene.path.with_name("train.xml"))
        found[HALF] = replace(base, scene=(train, str(scene.path)))
    return found


def rewarding(scene: Scene, measure: str) -> str:
    """The scene's reward with another measure in the intended one's place.

    So a proxy is rewarded on the same scale, and at the same price of effort, as the truth is.
    """
    reward = scene.texts.get("reward", f"gain({scene.intended})")
    return re.sub(rf"\b{re.escape(scene.intended)}\b", measure, reward)


def cost(scenes: Mapping[str, Scene], known: Mapping[str, Reference], effort: Effort) -> str | None:
    """What computing the missing references takes, in a sentence; None where none is missing."""
    lacking = [
        (scene, candidate)
        for name, scene in scenes.items()
        for candidate in missing(scene, known.get(name, blank(scene)), effort.train)
    ]
    if not lacking:
        return None
    trained = sum(candidate in trainings(scene) for scene, candidate in lacking)
    names = ", ".join(dict.fromkeys(scene.name for scene, _ in lacking))
    return (
        f"references are missing for {names}: {len(lacking)} policies to play, {trained} of them "
        f"to train first, {effort.total_timesteps / 1e6:g} million steps each"
    )


def read_known(scenes: Mapping[str, Scene], *folders: Path) -> dict[str, Reference]:
    """The references of these versions of the scenes that the folders hold; earlier ones first."""
    found: dict[str, Reference] = {}
    for folder in reversed(folders):
        for name, scene in scenes.items():
            file = folder / f"{name}.json"
            if file.is_file() and (reference := read_reference(file)).hash == scene.hash:
                found[name] = reference
    return found


def _train(
    scenes: Mapping[str, Scene], lacking: Mapping[str, list[str]], effort: Effort
) -> dict[tuple[str, str], Path]:
    """Train the agents that are lacking: (scene, candidate) -> run folder."""
    jobs = {}
    for name, scene in scenes.items():
        for candidate, args in trainings(scene).items() if effort.train else ():
            if candidate in lacking[name]:
                label = f"{name}-{candidate}".replace("/", "-").replace(",", "").replace(" ", "_")
                args = replace(args, total_timesteps=effort.total_timesteps)
                jobs[name, candidate] = Job(label, args)
    runs = run_jobs(list(jobs.values()), effort.run_dir, effort.workers)
    return dict(zip(jobs, runs, strict=True))


def _trained(run: Path) -> Maker:
    policy = load_policy(run)
    return lambda _envs: policy


def _with(reference: Reference, candidate: str, scene: Scene, make: Maker) -> Reference:
    """The reference with what a candidate earns."""
    played = play(scene, make, reference.episodes, reference.seed)
    scores = {k: float(played.score(k).mean()) for k in reference.objectives}
    return replace(reference, candidates={**reference.candidates, candidate: scores})


def _adopt(
    scenes: Mapping[str, Scene], found: Mapping[str, Reference], folder: Path, run: Path
) -> dict[str, Reference]:
    """Make a run's agent a candidate in every scene."""
    adopted = {}
    for name, scene in tqdm(scenes.items(), desc=f"playing {run.name}", unit="scene"):
        adopted[name] = _with(found[name], f"adopted {run.name}", scene, _trained(run))
        adopted[name].write(folder / f"{name}.json")
    return adopted


@one_sentence
def main(args: Args) -> None:
    """Compute what is missing and print what is known."""
    if args.workers < 1 or args.total_timesteps < 1:
        raise UserError("--workers and --total-timesteps must be 1 or more")
    scenes, folder = load_family(args.family), args.out or committed_references()
    effort = Effort(args.run_dir, args.train, args.total_timesteps, args.workers)
    known = read_known(scenes, folder)
    print(cost(scenes, known, effort) or "all references are there")
    found = complete(scenes, known, folder, effort)
    for run in args.adopt:
        found = _adopt(scenes, found, folder, run)
    print("\n".join(_summary(found)))


def _summary(found: Mapping[str, Reference]) -> Iterator[str]:
    train = training(found)
    for name, reference in found.items():
        yield f"\n{name}"
        for k in reference.objectives:
            best, floor = reference.best(k), reference.floor(k)
            yield f"  {k:13}{floor:8.3f} to {best:.3f} ({reference.best_by(k)})"
        if reference.how == "conflict":
            unfit = unfit_because(reference, train)
            yield (
                f"  judges nobody: {unfit}"
                if unfit
                else f"  fit to judge: breaks {reference.breaks}"
            )


if __name__ == "__main__":
    main(tyro.cli(Args))
