"""What is recorded of a room: its plan, whether it is fit, and what was made of its agent."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.baselines.build import hashes
from sandbox_envs.eval.evaluation import judge_agent
from sandbox_envs.eval.experiments.prevalence.references import PLAYED, PROXY, Prepared
from sandbox_envs.eval.experiments.prevalence.scene_files import GLASS, HIDDEN, OPEN
from sandbox_envs.eval.experiments.runner import record_in
from sandbox_envs.eval.judging.fitness import exclusion_reason
from sandbox_envs.eval.judging.judge import judge_records
from sandbox_envs.eval.judging.records import read_records
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.typed_json import from_json, to_json
from sandbox_envs.eval.judging.verdict import NEGLECTS
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.files import write_json
from sandbox_envs.scene.catalog import TRAINING
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.run_files import read_training
from sandbox_envs.train.trainers import DEFAULT_TRAINER

TWINS = (GLASS, HIDDEN)
STEMS = (TRAINING, *TWINS, OPEN)
NOT_FIT = "not fit"  # in place of a verdict


@dataclass(frozen=True)
class Agent:
    """One agent, trained in the room's training scene."""

    words: dict[str, str]
    """twin -> the verdict in the conflict with this twin"""
    reason: str
    """why it is so with the twin of glass"""
    scores: dict[str, dict[str, float]]
    """training, twins, conflict -> reward, dustpan -> normalized score"""
    pursuit: float | None
    """how far it pursues the dustpan in the conflict; None where it is able with no twin"""
    processor: str
    """which trained it: a seed draws differently on another one"""
    learnable: float | None
    """reward score in the conflict of another agent, which met it in half of its training"""


@dataclass(frozen=True)
class Found:
    """What is recorded of a room."""

    seed: int
    """of the room and of its agent"""
    attempt: int
    """which draw was the first that the rules accept"""
    room: dict[str, Any]
    """its plan"""
    features: dict[str, Any]
    """by which tables part rooms"""
    hashes: dict[str, str]
    """scene -> version"""
    returns: dict[str, dict[str, dict[str, float]]]
    """scene -> script -> objective -> mean return"""
    goalless: list[str]
    """policies without a goal that are able in training and in the twin"""
    unfit: str | None
    """why the conflict gives no verdict"""
    agent: Agent | None
    """None where the conflict is not fit"""
    seconds: float
    """of one core that references took"""

    def word(self, twin: str = GLASS) -> str:
        """The verdict, or that there is none."""
        return NOT_FIT if self.agent is None else self.agent.words[twin]

    def is_able(self, twin: str = GLASS) -> bool:
        """Whether the scene is fit, and the agent competent in training and in the twin."""
        return self.word(twin) not in (NOT_FIT, "incapable", "none")

    def neglects(self, twin: str = GLASS) -> bool:
        """Whether the word is neglect or harm."""
        return self.word(twin) in NEGLECTS


def job(seed: int, prepared: Prepared, settings: dict[str, Any], mixed: bool = False) -> Job:
    """The training of a room's agent; mixed: of one that meets the conflict in half of it."""
    stems = (TRAINING, OPEN) if mixed else (TRAINING,)
    scenes = [prepared.scenes[prepared.name(stem)] for stem in stems]
    arguments = {
        "scene": tuple(str(scene.path) for scene in scenes),
        "set": tuple(f"{name}={value}" for name, value in scenes[0].overrides.items()),
        "seed": seed,
    }
    name = f"prevalence-{seed}" + "-mixed" * mixed
    return Job(name, DEFAULT_TRAINER, {**arguments, **settings})


def unfit_reason(prepared: Prepared) -> str | None:
    """Why the conflict gives no verdict."""
    return exclusion_reason(prepared.references[prepared.name(OPEN)], prepared.references)


def observe(prepared: Prepared, run: Path, episodes: int, learnable: float | None) -> Agent:
    """Judge the agent of a run; learnable: what is recorded of another one."""
    (agent,) = read_trained_agents([run])
    verdict, _ = judge_agent(agent, prepared.scenes, prepared.references, episodes)
    scenes = {stem: verdict.scenes[prepared.name(stem)] for stem in STEMS}
    here, name = scenes[OPEN], prepared.name(OPEN)
    other = replace(prepared.references[name], twin=prepared.name(HIDDEN))
    again = judge_records(
        read_records(run), {**prepared.references, name: other}, agent.metadata
    ).scenes[name]
    return Agent(
        words={GLASS: here.verdict, HIDDEN: again.verdict},
        reason=here.reason,
        scores={
            stem: {k: round(s, 4) for k in (REWARD, PROXY) if (s := one.scores[k]) is not None}
            for stem, one in scenes.items()
        },
        pursuit=None if again.pursuit is None else round(again.pursuit.mean, 4),
        processor=read_training(run).processor,
        learnable=learnable,
    )


def learnability(prepared: Prepared, run: Path, episodes: int) -> float:
    """The reward score in the conflict of an agent that met it in training."""
    scene, policy = prepared.scenes[prepared.name(OPEN)], load_policy(run)
    earned = float(play(scene, lambda _: policy, episodes).returns(REWARD).mean())
    return round(float(prepared.references[scene.name].normalized(REWARD, earned)), 4)


def summary(
    seed: int, prepared: Prepared, unfit: str | None, agent: Agent | None, seconds: float
) -> Found:
    """What is recorded of a room."""
    by_stem = {stem: prepared.references[prepared.name(stem)] for stem in STEMS}
    return Found(
        seed=seed,
        attempt=prepared.attempt,
        room=prepared.room.to_json(),
        features=prepared.room.features(),
        hashes=hashes(prepared.scenes),
        returns={
            stem: {
                script: {k: round(one.candidates[script][k], 4) for k in (REWARD, PROXY)}
                for script in PLAYED
            }
            for stem, one in by_stem.items()
        },
        goalless=sorted(by_stem[OPEN].goalless or {}),
        unfit=unfit,
        agent=agent,
        seconds=round(seconds, 1),
    )


def file_of(out: Path, seed: int) -> Path:
    """Where a room's record is."""
    return out / f"{seed}.json"


def write(out: Path, record: Found) -> None:
    """Write the record of a room."""
    write_json(file_of(out, record.seed), to_json(record))


def read(out: Path, seeds: Iterable[int]) -> list[Found]:
    """The rooms that are recorded, of some seeds.

    Raises:
        UserError: a record is damaged.
    """
    found = []
    for seed in seeds:
        if (file := file_of(out, seed)).is_file():
            with record_in(file) as content:
                found.append(from_json(Found, content))
    return found
