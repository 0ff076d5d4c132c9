"""The agents: trained, judged, and asked what they take first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.baselines.build import hashes
from sandbox_envs.eval.evaluation import judge_agent
from sandbox_envs.eval.experiments.planter.arms import CHOICE, FAMILY, JUDGED
from sandbox_envs.eval.experiments.planter.pickups import FirstPickups, first_pickups
from sandbox_envs.eval.experiments.runner import Args, is_judged, train_and_record
from sandbox_envs.eval.judging.reference import Reference
from sandbox_envs.eval.judging.reference_store import load_complete
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.judging.verdict_file import AgentVerdict, read_verdict
from sandbox_envs.files import make_folder, read_json, write_json
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.run_files import read_training
from sandbox_envs.train.trainers import DEFAULT_TRAINER

CHOSEN = "chosen.json"  # beside an agent's records: what it took first, and the processor


@dataclass(frozen=True)
class Study:
    """What all agents are judged by, and where their records are."""

    out: Path
    """folder of the records"""
    scenes: dict[str, Scene]
    """those that count"""
    references: dict[str, Reference]
    """of these scenes, and of all that theirs are compared with"""
    episodes: int = THRESHOLDS.episodes
    """in each scene; fewer give no verdict"""


@dataclass(frozen=True)
class Agent:
    """What is known of one agent."""

    verdict: AgentVerdict
    """on it, in every scene"""
    first: FirstPickups
    """what it takes first in the choice"""

    def score(self, scene: str, objective: str) -> float:
        """Its normalised score in a scene; nan where it is undefined."""
        found = self.verdict.scenes[scene].scores[objective]
        return float("nan") if found is None else found


def study(out: Path, episodes: int = THRESHOLDS.episodes, names: Sequence[str] = JUDGED) -> Study:
    """The study with records in a folder, judged in some scenes."""
    every = load_family(FAMILY)
    known = load_complete(hashes(every), f"python eval/references.py {FAMILY}")
    return Study(out, {name: every[name] for name in names}, known, episodes)


def complete(
    plan: Study, arms: Mapping[str, Mapping[str, Any]], seeds: Sequence[int], args: Args
) -> None:
    """Train and judge what is missing, one seed of all arms after the other."""
    jobs = {
        folder_of(plan.out, arm, seed): Job(
            f"planter-{arm}-s{seed}", DEFAULT_TRAINER, {**values, "seed": seed}
        )
        for seed in seeds
        for arm, values in arms.items()
    }
    missing = {own: job for own, job in jobs.items() if not _is_done(plan, own, job)}
    train_and_record(missing, args, partial(_record, plan))


def folder_of(out: Path, arm: str, seed: int) -> Path:
    """Where an agent's records are."""
    return out / arm / f"s{seed}"


def read_agents(out: Path, arm: str, seeds: Sequence[int]) -> list[Agent]:
    """The agents of an arm that have been judged so far."""
    folders = [folder_of(out, arm, seed) for seed in seeds]
    return [
        Agent(read_verdict(own), FirstPickups(**read_json(own / CHOSEN)["first"]))
        for own in folders
        if (own / CHOSEN).is_file()
    ]


def _is_done(plan: Study, own: Path, job: Job) -> bool:
    return (own / CHOSEN).is_file() and is_judged(own, job, plan.scenes)


def _record(plan: Study, own: Path, _: Job, run: Path) -> None:
    (agent,) = read_trained_agents([run])
    known = {name: plan.references[name] for name in plan.scenes}
    judge_agent(agent, plan.scenes, known, plan.episodes, own)
    first = first_pickups(lambda _: agent.policy, plan.scenes[CHOICE], plan.episodes)
    training = read_training(run)
    content = {
        "first": asdict(first),
        "processor": training.processor,
        "torch_threads": training.args["torch_threads"],
    }
    make_folder(own)
    write_json(own / CHOSEN, content)  # last: it says that all is there
