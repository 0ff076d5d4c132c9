"""What can be reached in each scene of a family: `python eval/references.py sweep`.

For every scene and objective the best of scripts and of agents that were trained there on that
objective; the floor is the lower of idle and random. For a scene that breaks a proxy by conflict
also an agent is trained on the family's training scene and this one by turns, which shows whether
the intended behaviour can be learned in it at all. What is there already, for the same version of
a scene, is never computed again; stop it at any time and call it again to go on.

Those of the shipped families are committed, one file per scene. All others are kept with the
training runs, one file per version of a scene, so that families and variants of one name do not
overwrite each other.

An agent that turned out better than its reference is made one with --adopt RUN; then
`python eval/judging.py RUN...` judges by the new reference.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro
from tqdm import tqdm

from sandbox_envs.errors import UserError, one_sentence
from sandbox_envs.eval.episodes import SEED, Maker, play
from sandbox_envs.eval.jobs import Job, find_run, run_jobs
from sandbox_envs.eval.reference_files import family_folder, keep, read_known, wanting
from sandbox_envs.eval.scores import HALF, REWARD, Reference
from sandbox_envs.eval.scripts import candidates as scripted
from sandbox_envs.eval.scripts import scripts
from sandbox_envs.eval.subjects import Subject, check_fits, read_subjects
from sandbox_envs.eval.verdict import unfit_because
from sandbox_envs.family import load_family
from sandbox_envs.scene import Scene
from sandbox_envs.train.ppo_lstm import Args as TrainerArgs
from sandbox_envs.train.run import load_policy
from sandbox_envs.train.run_files import progress

TRAINING_SEED = 1001  # apart from those of the agents that are judged
EPISODES = 256
CORES = os.cpu_count() or 1
WORKERS = min(CORES, 4)
STEPS_PER_SECOND = 7000  # of one training on one core of a 2-core machine, roughly


@dataclass
class Args:
    """Compute the references of a family that are missing."""

    family: tyro.conf.Positional[str]
    """a shipped family, or a folder with a train.xml"""
    out: Path | None = None
    """folder to keep them in (default: for a shipped family eval/references, where the committed
    ones are, otherwise that of the training runs)"""
    run_dir: Path = Path("runs/references")
    """folder of the training runs; finished ones that are found in it are used"""
    train: bool = True
    """also train agents on each objective; without, only scripts are played"""
    total_timesteps: int = TrainerArgs.total_timesteps
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
        wanted=[],
    )


def wanted(scene: Scene, train: bool = True) -> list[str]:
    """The candidates that a scene's reference is to hold."""
    return [*scripted(scene), *(trainings(scene) if train else ())]


def complete(
    scenes: Mapping[str, Scene], known: Mapping[str, Reference], folder: Path, effort: Effort
) -> dict[str, Reference]:
    """The references of all scenes; what is missing is computed, and kept in the folder.

    known: references that are there already, whole or not.
    """
    lacking = _lacking(scenes, known, effort)
    found = {
        name: wanting(known.get(name, blank(scene)), wanted(scene, effort.train))
        for name, scene in scenes.items()
    }
    makers = {name: dict(scripted(scene)) for name, scene in scenes.items()}
    for (name, candidate), run in _train(_jobs(scenes, lacking, effort), effort).items():
        makers[name][candidate] = _trained(run)
    count = sum(map(len, lacking.values()))
    with tqdm(total=count, desc="playing references", unit="policy", disable=not count) as bar:
        for name, candidates in lacking.items():
            for candidate in candidates:
                found[name] = _with(found[name], candidate, scenes[name], makers[name][candidate])
                keep(found[name], folder)
                bar.update()
    return found


def trainings(scene: Scene) -> dict[str, TrainerArgs]:
    """The trainings that a scene's reference takes: candidate -> the trainer's arguments.

    A removal describes what an agent still does and judges nobody, so it takes none where scripts
    pursue all there is to pursue.
    """
    if (
        scene.texts.get("break") == "removal"
        and {"intended", *scene.proxies} <= scripts(scene).keys()
    ):
        return {}
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

    So a proxy is rewarded on the same scale, and at the same price of effort, as the truth is. A
    reward that does not speak of the intended measure offers no place: it is the measure's gain.
    """
    place = rf"\b(gain|level)\(\s*{re.escape(scene.intended)}\s*\)"
    text = scene.texts.get("reward", f"gain({scene.intended})")
    reward, count = re.subn(place, rf"\1({measure})", text)
    return reward if count else f"gain({measure})"


def cost(scenes: Mapping[str, Scene], known: Mapping[str, Reference], effort: Effort) -> str | None:
    """What computing the missing references takes, in a sentence; None where none is missing."""
    lacking = _lacking(scenes, known, effort)
    if not any(lacking.values()):
        return None
    names = ", ".join(name for name, candidates in lacking.items() if candidates)
    count = sum(map(len, lacking.values()))
    told = f"references are missing for {names}: {count} policies to play"
    jobs = _jobs(scenes, lacking, effort).values()
    if steps := [left for job in jobs if (left := _steps_left(job, effort.run_dir))]:
        at_once = min(effort.workers, CORES, len(steps))
        minutes = math.ceil(sum(steps) / at_once / STEPS_PER_SECOND / 60)
        told += (
            f", {len(steps)} of them to train first, {sum(steps) / 1e6:.3g} million steps in all: "
            f"about {minutes} min with {at_once} at a time"
        )
    return told


def _lacking(
    scenes: Mapping[str, Scene], known: Mapping[str, Reference], effort: Effort
) -> dict[str, list[str]]:
    """The candidates that each scene's reference lacks."""
    there = {name: reference.candidates for name, reference in known.items()}
    return {
        name: [c for c in wanted(scene, effort.train) if c not in there.get(name, ())]
        for name, scene in scenes.items()
    }


def _jobs(
    scenes: Mapping[str, Scene], lacking: Mapping[str, Sequence[str]], effort: Effort
) -> dict[tuple[str, str], Job]:
    """The trainings that the candidates take that are lacking: (scene, candidate) -> job."""
    jobs = {}
    for name, scene in scenes.items():
        for candidate, args in trainings(scene).items():
            if candidate in lacking[name]:
                label = f"{name}-{candidate}".replace("/", "-").replace(",", "").replace(" ", "_")
                args = replace(args, total_timesteps=effort.total_timesteps)
                jobs[name, candidate] = Job(label, args)
    return jobs


def _steps_left(job: Job, run_dir: Path) -> int:
    """The environment steps that a training still takes."""
    run = find_run(job, run_dir)
    done, total = progress(run) if run else (0, job.args.total_timesteps)
    return max(total - done, 0)


def _train(jobs: Mapping[tuple[str, str], Job], effort: Effort) -> dict[tuple[str, str], Path]:
    """Train what is not trained yet: (scene, candidate) -> run folder."""
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
    scenes: Mapping[str, Scene], found: Mapping[str, Reference], folder: Path, subject: Subject
) -> dict[str, Reference]:
    """Make a trained agent a candidate in every scene."""
    name = subject.told["name"]
    adopted = {}
    for k, scene in tqdm(scenes.items(), desc=f"playing {name}", unit="scene"):
        adopted[k] = _with(found[k], f"adopted {name}", scene, lambda _envs: subject.policy)
        keep(adopted[k], folder)
    return adopted


# --- the command -----------------------------------------------------------------------------


@one_sentence
def main(args: Args) -> None:
    """Compute what is missing and print what is known."""
    if args.workers < 1 or args.total_timesteps < 1:
        raise UserError("--workers and --total-timesteps must be 1 or more")
    scenes = load_family(args.family)
    family = next(iter(scenes.values())).path.parent
    folder = family_folder(family, args.out, args.run_dir)
    subjects = read_subjects(args.adopt) if args.adopt else []
    for subject in subjects:
        for scene in scenes.values():
            check_fits(subject, scene)
    effort = Effort(args.run_dir, args.train, args.total_timesteps, args.workers)
    known = read_known(scenes, folder)
    price = cost(scenes, known, effort)
    print(f"{price}; kept in {folder}" if price else f"all references are there, in {folder}")
    found = complete(scenes, known, folder, effort)
    for subject in subjects:
        found = _adopt(scenes, found, folder, subject)
    print("\n".join(_summary(found)))


def _summary(found: Mapping[str, Reference]) -> Iterator[str]:
    for name, reference in found.items():
        yield f"\n{name}"
        for k in reference.objectives:
            best, floor = reference.best(k), reference.floor(k)
            yield f"  {k:13}{floor:8.3f} to {best:.3f} ({reference.best_by(k)})"
        if reference.how == "conflict":
            yield f"  {_fitness(reference, found)}"


def _fitness(reference: Reference, found: Mapping[str, Reference]) -> str:
    if unfit := unfit_because(reference, found):
        return f"judges nobody: {unfit}"
    k = str(reference.breaks)
    of_reward, of_proxy = reference.separation(REWARD, k), reference.separation(k, REWARD)
    return (
        f"fit to judge: pursuing {k} loses {of_reward:.0%} of the reward, pursuing the reward "
        f"{of_proxy:.0%} of {k}; trained with it in half of its episodes, an agent earns "
        f"{reference.sufficiency:.2f} here"
    )


if __name__ == "__main__":
    main(tyro.cli(Args))
