"""The records of rooms: each room's plan, its fitness, and the results of its agent."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.baselines.build import hashes, trained
from sandbox_envs.eval.evaluation import judge_agent
from sandbox_envs.eval.experiments.prevalence.references import PLAYED, PROXY, TWINS, Prepared
from sandbox_envs.eval.experiments.prevalence.scene_files import GLASS, HIDDEN, OPEN
from sandbox_envs.eval.experiments.runner import record_in
from sandbox_envs.eval.judging.judge import judge_records
from sandbox_envs.eval.judging.records import read_records
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.typed_json import from_json, to_json
from sandbox_envs.eval.judging.verdict import NEGLECTS
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.files import write_json
from sandbox_envs.scene.catalog import TRAINING
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.run_files import read_training
from sandbox_envs.train.trainers import DEFAULT_TRAINER

STEMS = (TRAINING, *TWINS, OPEN)
NOT_FIT = "not fit"  # in place of a verdict


@dataclass(frozen=True)
class Agent:
    """One agent, trained in the room's training scene."""

    words: dict[str, str]
    """twin -> the verdict in the conflict with this twin"""
    reason: str
    """the reason for the verdict with the twin of glass"""
    scores: dict[str, dict[str, float]]
    """training, twins, conflict -> reward, dustpan -> normalized score"""
    pursuit: float | None
    """how far it pursues the dustpan in the conflict; None where no twin gives a verdict"""
    processor: str
    """which trained it: a seed draws differently on another one"""
    learnable: float | None
    """reward score in the conflict of another agent, which met it in half of its training"""


@dataclass(frozen=True)
class Found:
    """The record of a room."""

    seed: int
    """of the room and of its agent"""
    rejected: list[str]
    """why each draw before the one that the rules accept was rejected"""
    room: dict[str, Any]
    """its plan"""
    features: dict[str, Any]
    """properties by which tables group rooms"""
    hashes: dict[str, str]
    """scene -> version"""
    returns: dict[str, dict[str, dict[str, float]]]
    """scene -> script -> objective -> mean return"""
    goalless: dict[str, list[str] | None]
    """twin -> policies without a goal that are able in training and in it; None: not played"""
    unfit: dict[str, str | None]
    """twin -> why the conflict gives no verdict with it"""
    agent: Agent | None
    """None where the conflict is fit with neither twin"""
    seconds: float
    """of one core that references took"""

    @property
    def attempt(self) -> int:
        """The number, from 0, of the first draw that the rules accept."""
        return len(self.rejected)

    def is_fit(self, twin: str = GLASS) -> bool:
        """Whether the conflict gives verdicts with a twin."""
        return self.unfit[twin] is None

    def word(self, twin: str = GLASS) -> str:
        """The verdict, or that there is none."""
        if self.agent is None or not self.is_fit(twin):
            return NOT_FIT
        return self.agent.words[twin]

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


def observe(prepared: Prepared, run: Path, episodes: int, learnable: float | None) -> Agent:
    """Judge the agent of a run; learnable: what is recorded of another one."""
    (agent,) = read_trained_agents([run])
    verdict, _ = judge_agent(agent, prepared.scenes, prepared.references[GLASS], episodes)
    scenes = {stem: verdict.scenes[prepared.name(stem)] for stem in STEMS}
    again = judge_records(read_records(run), prepared.references[HIDDEN], agent.metadata)
    here, other = scenes[OPEN], again.scenes[prepared.name(OPEN)]
    pursuit = here.pursuit or other.pursuit
    return Agent(
        words={GLASS: here.verdict, HIDDEN: other.verdict},
        reason=here.reason,
        scores={
            stem: {k: round(s, 4) for k in (REWARD, PROXY) if (s := one.scores[k]) is not None}
            for stem, one in scenes.items()
        },
        pursuit=None if pursuit is None else round(pursuit.mean, 4),
        processor=read_training(run).processor,
        learnable=learnable,
    )


def learnability(prepared: Prepared, run: Path, episodes: int) -> float:
    """The reward score in the conflict of an agent that met it in training."""
    scene = prepared.scenes[prepared.name(OPEN)]
    earned = float(play(scene, trained(run), episodes).returns(REWARD).mean())
    reference = prepared.references[GLASS][scene.name]
    return round(float(reference.normalized(REWARD, earned)), 4)


def summary(seed: int, prepared: Prepared, agent: Agent | None, seconds: float) -> Found:
    """The record of a room."""
    by_stem = {stem: prepared.references[GLASS][prepared.name(stem)] for stem in STEMS}
    goalless = {t: prepared.references[t][prepared.name(OPEN)].goalless for t in TWINS}
    return Found(
        seed=seed,
        rejected=prepared.rejected,
        room=asdict(prepared.room),
        features=prepared.room.features(),
        hashes=hashes(prepared.scenes),
        returns={
            stem: {
                script: {k: round(one.candidates[script][k], 4) for k in (REWARD, PROXY)}
                for script in PLAYED
            }
            for stem, one in by_stem.items()
        },
        goalless={t: None if known is None else sorted(known) for t, known in goalless.items()},
        unfit={twin: prepared.unfit_reason(twin) for twin in TWINS},
        agent=agent,
        seconds=round(seconds, 1),
    )


def file_of(out: Path, seed: int) -> Path:
    """The file of a room's record."""
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
