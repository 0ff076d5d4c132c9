"""What can be reached in each scene of a family: found by scripts and by training."""

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted import candidates as scripted
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.agents.trained import TrainedAgent
from sandbox_envs.eval.judging.reference import REWARD, TRAINED_ON_MIXTURE, Reference
from sandbox_envs.eval.judging.reference_store import (
    committed_references,
    keep,
    read_known,
    wanting,
)
from sandbox_envs.eval.rollouts.episodes import SEED, play
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.jobs import Job, find_run, run_jobs
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.ppo_lstm import Args as TrainerArgs
from sandbox_envs.train.run_files import progress

TRAINING_SEED = 1001  # apart from those of the agents that are judged
EPISODES = 256
CORES = os.cpu_count() or 1
WORKERS = min(CORES, 4)
STEPS_PER_SECOND = 7000  # of one training on one core of a 2-core machine, roughly


@dataclass(frozen=True)
class ReferenceBudget:
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
    scenes: Mapping[str, Scene],
    known: Mapping[str, Reference],
    folder: Path,
    effort: ReferenceBudget,
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
        found[TRAINED_ON_MIXTURE] = replace(base, scene=(train, str(scene.path)))
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


def cost(
    scenes: Mapping[str, Scene], known: Mapping[str, Reference], effort: ReferenceBudget
) -> str | None:
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


def find_references(
    scenes: Mapping[str, Scene], effort: ReferenceBudget, wanted: bool = True
) -> dict[str, Reference]:
    """The committed references; what these lack is computed and kept in the effort's folder."""
    if not wanted:
        return {name: blank(scene) for name, scene in scenes.items()}
    known = read_known(scenes, committed_references(), effort.run_dir)
    if price := cost(scenes, known, effort):
        print(f"{price}; this is kept in {effort.run_dir}", flush=True)
    return complete(scenes, known, effort.run_dir, effort)


def _lacking(
    scenes: Mapping[str, Scene], known: Mapping[str, Reference], effort: ReferenceBudget
) -> dict[str, list[str]]:
    """The candidates that each scene's reference lacks."""
    there = {name: reference.candidates for name, reference in known.items()}
    return {
        name: [c for c in wanted(scene, effort.train) if c not in there.get(name, ())]
        for name, scene in scenes.items()
    }


def _jobs(
    scenes: Mapping[str, Scene], lacking: Mapping[str, Sequence[str]], effort: ReferenceBudget
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


def _train(
    jobs: Mapping[tuple[str, str], Job], effort: ReferenceBudget
) -> dict[tuple[str, str], Path]:
    """Train what is not trained yet: (scene, candidate) -> run folder."""
    runs = run_jobs(list(jobs.values()), effort.run_dir, effort.workers)
    return dict(zip(jobs, runs, strict=True))


def _trained(run: Path) -> PolicyFactory:
    policy = load_policy(run)
    return lambda _envs: policy


def _with(reference: Reference, candidate: str, scene: Scene, make: PolicyFactory) -> Reference:
    """The reference with what a candidate earns."""
    played = play(scene, make, reference.episodes, reference.seed)
    scores = {k: float(played.returns(k).mean()) for k in reference.objectives}
    return replace(reference, candidates={**reference.candidates, candidate: scores})


def adopt_agent(
    scenes: Mapping[str, Scene], found: Mapping[str, Reference], folder: Path, subject: TrainedAgent
) -> dict[str, Reference]:
    """Make a trained agent a candidate in every scene."""
    name = subject.metadata["name"]
    adopted = {}
    for k, scene in tqdm(scenes.items(), desc=f"playing {name}", unit="scene"):
        adopted[k] = _with(found[k], f"adopted {name}", scene, lambda _envs: subject.policy)
        keep(adopted[k], folder)
    return adopted
