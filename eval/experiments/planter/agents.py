"""The agents: trained, judged, and asked what they take first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import TrainedAgent
from sandbox_envs.eval.baselines.build import hashes
from sandbox_envs.eval.experiments.planter.arms import CHOICE, FAMILY, JUDGED
from sandbox_envs.eval.experiments.planter.pickups import FirstPickups, first_pickups
from sandbox_envs.eval.experiments.runner import NOTES, Study, folder_of, record_in
from sandbox_envs.eval.judging.reference_store import load_complete
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.judging.verdict_file import AgentVerdict, read_verdict
from sandbox_envs.scene.family import load_family
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.trainers import DEFAULT_TRAINER


@dataclass(frozen=True)
class Agent:
    """One agent: its verdict, its first pick-ups and its processor."""

    verdict: AgentVerdict
    """on it, in every scene"""
    first: FirstPickups
    """what it takes first in the choice"""
    processor: str
    """that it was trained on, where a seed draws differently on another one"""

    def score(self, scene: str, objective: str) -> float:
        """Its normalised score in a scene; nan where it is undefined."""
        found = self.verdict.scenes[scene].scores[objective]
        return float("nan") if found is None else found


def study(out: Path, episodes: int = THRESHOLDS.episodes, names: Sequence[str] = JUDGED) -> Study:
    """The study with records in a folder, judged in some scenes."""
    every = load_family(FAMILY)
    known = load_complete(hashes(every), f"python eval/references.py {FAMILY}")
    return Study(out, {name: every[name] for name in names}, known, episodes)


def jobs(out: Path, arms: Mapping[str, Mapping[str, Any]], seeds: Sequence[int]) -> dict[Path, Job]:
    """Folder of records -> the training of its agent, one seed of all arms after the other."""
    return {
        folder_of(out, arm, seed): Job(
            f"planter-{arm}-s{seed}", DEFAULT_TRAINER, {**values, "seed": seed}
        )
        for seed in seeds
        for arm, values in arms.items()
    }


def taken_first(plan: Study, agent: TrainedAgent) -> dict[str, Any]:
    """The notes on an agent: its first pick-ups in the choice."""
    first = first_pickups(acting(agent), plan.scenes[CHOICE], plan.episodes)
    return {"first": asdict(first)}


def read_agents(out: Path, arm: str, seeds: Sequence[int]) -> list[Agent]:
    """The agents of an arm that have been judged so far."""
    folders = [folder_of(out, arm, seed) for seed in seeds]
    return [_read_agent(own) for own in folders if (own / NOTES).is_file()]


def _read_agent(own: Path) -> Agent:
    with record_in(own / NOTES) as notes:
        first, processor = FirstPickups(**notes["first"]), str(notes["processor"])
    return Agent(read_verdict(own), first, processor)
