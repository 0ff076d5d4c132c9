"""The agents: trained, and played in larger mazes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs.eval.agents.scripted import candidates, scripts
from sandbox_envs.eval.baselines.build import ReferenceBudget, obtain
from sandbox_envs.eval.experiments.arrow.arms import (
    ARMS,
    CONTROL_HZ,
    EPISODES,
    JUDGED,
    STEPS,
    seeds_of,
)
from sandbox_envs.eval.experiments.runner import NOTES, Study, folder_of
from sandbox_envs.eval.judging.records import FILE, Record, read_records, write_records
from sandbox_envs.eval.judging.reference import Reference
from sandbox_envs.eval.judging.verdict_file import AgentVerdict, read_verdict
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.capacity import matched_width
from sandbox_envs.train.jobs import Job


@dataclass(frozen=True)
class Agent:
    """The records of one agent or script in each scene, and an agent's verdict."""

    records: dict[str, list[Record]]
    """scene -> its episodes"""
    verdict: AgentVerdict | None = None
    """with its normalised scores; None for scripts"""

    @property
    def seed(self) -> int | None:
        """Of its training; None of scripts."""
        return self.verdict.agent.seed if self.verdict else None

    def returns(self, scene: str, objective: str) -> np.ndarray:
        """(episodes,) of an objective in a scene."""
        return np.array([record.returns[objective] for record in self.records[scene]])

    def away(self, scene: str, place: str) -> np.ndarray:
        """(episodes,) seconds that are not spent at a place, which a measure names.

        Of a script that goes there at once and stays, these are the seconds of the way.
        """
        lengths = np.array([record.length for record in self.records[scene]])
        return lengths / CONTROL_HZ - self.returns(scene, place)

    def score(self, scene: str, objective: str = "reward") -> float:
        """Its normalised score in a scene; nan where it is undefined."""
        found = self.verdict.scenes[scene].scores[objective] if self.verdict else None
        return float("nan") if found is None else found

    def share_first(self, scene: str, place: str) -> float:
        """The share of episodes in which the agent comes to a place before it comes to the exit.

        Of the episodes in which it comes to arrow, disc or exit; nan if there are none.

        Args:
            place: "arrow" or "placebo", which is the disc.
        """
        first = {one: self.returns(scene, f"{one}_first") > 0 for one in ("arrow", "placebo")}
        any_place = first["arrow"] | first["placebo"] | (self.returns(scene, "end_reached") > 0)
        return float(first[place].sum() / any_place.sum()) if any_place.any() else float("nan")


def study(out: Path, family: str, run_dir: Path, episodes: int = EPISODES) -> Study:
    """The study with records in a folder, of agents that are judged in a family's scenes.

    Agents that were trained for references are left out, so that all are on one scale.
    """
    every = load_family(family)
    scenes = {name: every[name] for name in JUDGED[family]}
    known = obtain(scenes, "compute", ReferenceBudget(run_dir / "references", train=False))
    return Study(
        out, scenes, {k: _by_scripts(one, scenes[k]) for k, one in known.items()}, episodes
    )


def _by_scripts(known: Reference, scene: Scene) -> Reference:
    """A reference of scripts alone."""
    played = candidates(scene)
    return replace(known, candidates={k: v for k, v in known.candidates.items() if k in played})


def jobs(
    out: Path, agents: Iterable[tuple[str, int]], settings: Mapping[str, Any]
) -> dict[Path, Job]:
    """Folder of records -> the training of each agent, given by arm and seed.

    settings: arguments that differ from the declared ones, to try the study out.
    """
    return {folder_of(out, arm, seed): _job(arm, seed, settings) for arm, seed in agents}


def _job(arm: str, seed: int, settings: Mapping[str, Any]) -> Job:
    one = ARMS[arm]
    given = {
        "scene": (one.scene,),
        "total_timesteps": STEPS,
        "hidden_size": matched_width(one.trainer, one.scene),
        **one.settings,
        **settings,
        "seed": seed,
    }
    return Job(f"arrow-{arm}-s{seed}", one.trainer, given)


def read_agents(out: Path, arm: str) -> list[Agent]:
    """The agents of an arm that have been judged so far, in the order of their seeds."""
    folders = [folder_of(out, arm, seed) for seed in seeds_of(arm)]
    return [
        Agent(records_by_scene(own), read_verdict(own))
        for own in folders
        if (own / NOTES).is_file()
    ]


def played_scripts(plan: Study) -> dict[str, Agent]:
    """Scripts as agents, for comparison: read from records, or else played and recorded."""
    names = scripts(next(iter(plan.scenes.values())))
    for name in names:
        own = plan.out / "scripts" / name
        if not _is_of(own, plan):
            played = (play(one, scripts(one)[name], plan.episodes) for one in plan.scenes.values())
            write_records(own, [record for one in played for record in one.records(name)])
    return read_scripts(plan.out)


def _is_of(own: Path, plan: Study) -> bool:
    """Whether a script's records are of these scenes and as many episodes."""
    if not (own / FILE).is_file():
        return False
    found = Counter((one.scene, one.hash) for one in read_records(own))
    return found == {(name, one.hash): plan.episodes for name, one in plan.scenes.items()}


def read_scripts(out: Path) -> dict[str, Agent]:
    """The recorded scripts, by name."""
    folders = sorted((out / "scripts").glob("*"))
    return {own.name: Agent(records_by_scene(own)) for own in folders}


def records_by_scene(own: Path) -> dict[str, list[Record]]:
    """The records of a folder: scene -> its episodes."""
    found: dict[str, list[Record]] = {}
    for record in read_records(own):
        found.setdefault(record.scene, []).append(record)
    return found
