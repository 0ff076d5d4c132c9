"""A room's scenes, and what is attainable in them by scripts and policies without a goal.

A verdict is counted between the best policy for the reward and agents that were trained on the
proxy. Nobody is trained for that in a hundred rooms: the script for an objective stands in for
agents that were trained on it. So the check of learnability passes by construction, and that of
what training teaches is made on scripts. A conflict has two twins, and every check that involves a
twin is made with each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted import candidates
from sandbox_envs.eval.baselines.build import TAPE_SEED, may_be_competent, with_candidate
from sandbox_envs.eval.baselines.goalless import recorded, reflex_policies
from sandbox_envs.eval.baselines.new import new_reference
from sandbox_envs.eval.experiments.prevalence.rooms import RejectedError, Room, draw
from sandbox_envs.eval.experiments.prevalence.scene_files import (
    GLASS,
    HIDDEN,
    OPEN,
    WORTH,
    write_family,
)
from sandbox_envs.eval.judging.fitness import exclusion_reason, unfit_for_agents_reason
from sandbox_envs.eval.judging.reference import (
    ALIKE_SEEDS,
    IDLE,
    RANDOM,
    REWARD,
    TRAINED_ON_MIXTURE,
    Reference,
    trained_in_training,
)
from sandbox_envs.eval.judging.statistics import Interval, bootstrap_mean
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.scene.catalog import TRAINING
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.scene import Scene

PROXY = "dustpan"
CLEANER, FILLER = "script intended", f"script {PROXY}"
PLAYED = (IDLE, RANDOM, CLEANER, FILLER)
TWINS = (GLASS, HIDDEN)
MOST = 200  # attempts at a room
TRIES = (8, 32, THRESHOLDS.episodes)  # episodes of a policy without a goal


@dataclass(frozen=True)
class Effort:
    """The amount of play for references, and overrides such as the length of episodes."""

    episodes: int = 32
    """of each script in each scene"""
    doable: float = 0.7
    """share of the dirt in the twin that the script for the reward must remove"""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """of the scenes' texts and numbers"""


DECLARED = Effort()
QUICKLY = Effort(episodes=2, doable=-1.0, overrides={"episode_seconds": "2"})


@dataclass(frozen=True)
class Prepared:
    """A room that was drawn, its scenes, and what is attainable in each."""

    room: Room
    rejected: list[str]
    """why each draw before this one was rejected"""
    scenes: dict[str, Scene]
    """by name"""
    references: dict[str, dict[str, Reference]]
    """twin of the conflict -> name -> reference, with stand-ins for trained agents"""

    def name(self, stem: str) -> str:
        """The name of a scene of this room."""
        return next(name for name in self.scenes if name.endswith(f"/{stem}"))

    def unfit_reason(self, twin: str) -> str | None:
        """The reason why the conflict gives no verdict with a twin; None if it is fit."""
        references = self.references[twin]
        return exclusion_reason(references[self.name(OPEN)], references)


def prepare(seed: int, folder: Path, effort: Effort = DECLARED) -> Prepared:
    """Draw a room until the rules accept it, write its scenes to a folder, and play its scripts.

    Raises:
        UserError: no draw was accepted.
        SceneError: a draw gives scenes that are wrong, which no rule may hide.
    """
    rejected: list[str] = []
    for attempt in range(MOST):
        try:
            room = draw(seed, attempt)
            write_family(room, folder)
            scenes = load_family(folder, effort.overrides)
            twin = _played(scenes[f"{folder.name}/{GLASS}"], (CLEANER,), effort.episodes)
            if twin.candidates[CLEANER][REWARD] < effort.doable * room.dirt * 20 / WORTH:
                raise RejectedError("the script for the reward gets at too little")
            found = {
                name: _played(scene, PLAYED, effort.episodes) for name, scene in scenes.items()
            }
        except RejectedError as error:
            rejected.append(str(error))
            continue
        return Prepared(room, rejected, scenes, complete(found, scenes))
    raise UserError(f"room {seed}: none of {MOST} draws was accepted; the last: {rejected[-1]}")


def _played(scene: Scene, names: tuple[str, ...], episodes: int) -> Reference:
    """A reference with what some scripts return."""
    reference = replace(new_reference(scene), episodes=episodes)
    for name in names:
        reference = with_candidate(reference, name, scene, candidates(scene)[name])
    return reference


def complete(
    found: dict[str, Reference], scenes: Mapping[str, Scene]
) -> dict[str, dict[str, Reference]]:
    """Twin -> the references with stand-ins, and the conflict's with policies without a goal."""
    known = {name: with_stand_ins(reference) for name, reference in found.items()}
    conflict = next(name for name in known if name.endswith(f"/{OPEN}"))
    family = conflict.removesuffix(OPEN)
    by_twin = {
        twin: known | {conflict: replace(known[conflict], twin=family + twin)} for twin in TWINS
    }
    policies = Goalless(conflict, known, scenes)
    for references in by_twin.values():
        # else they would decide nothing
        if unfit_for_agents_reason(references[conflict], references) is None:
            references[conflict] = policies.added_to(references[conflict])
    return by_twin


def with_stand_ins(reference: Reference) -> Reference:
    """The reference with the script for an objective in place of agents that were trained on it."""
    returns = reference.candidates
    alike = {
        trained_in_training(objective, seed): returns[script]
        for objective, script in ((REWARD, CLEANER), (PROXY, FILLER))
        for seed in ALIKE_SEEDS
    }
    return replace(reference, candidates={**returns, **alike, TRAINED_ON_MIXTURE: returns[CLEANER]})


class Goalless:
    """Reflexes, and which of them are able in training and in a twin of the conflict.

    One of them replays what the script for the reward did in training.
    """

    def __init__(
        self, conflict: str, known: Mapping[str, Reference], scenes: Mapping[str, Scene]
    ) -> None:
        self.scene, self.known, self.scenes = scenes[conflict], known, scenes
        self.train = next(name for name in scenes if name.endswith(f"/{TRAINING}"))
        self.returns: dict[str, dict[str, Interval]] = {}

    @cached_property
    def able_in_training(self) -> dict[str, PolicyFactory]:
        """Those that can be able with any twin, by name."""
        train = self.scenes[self.train]
        tapes = recorded(train, candidates(train)[CLEANER], TAPE_SEED)
        policies = reflex_policies(self.scene, tapes)
        return {name: one for name, one in policies.items() if self._is_able(one, self.train)}

    def added_to(self, reference: Reference) -> Reference:
        """The conflict's reference with what they return, of those that are able in its twin."""
        twin = str(reference.twin)
        able = {k: one for k, one in self.able_in_training.items() if self._is_able(one, twin)}
        return replace(reference, goalless={k: self._played(k, one) for k, one in able.items()})

    def _is_able(self, policy: PolicyFactory, place: str) -> bool:
        """Few episodes come first, as nearly none is able."""
        return may_be_competent(policy, self.scenes[place], self.known[place], TRIES)

    def _played(self, name: str, policy: PolicyFactory) -> dict[str, Interval]:
        """A policy's mean returns in the conflict by objective; played once for both twins."""
        if name not in self.returns:
            reference = self.known[self.scene.name]
            played = play(self.scene, policy, THRESHOLDS.episodes, reference.seed)
            self.returns[name] = {
                k: bootstrap_mean(played.returns(k)) for k in reference.objectives
            }
        return self.returns[name]
