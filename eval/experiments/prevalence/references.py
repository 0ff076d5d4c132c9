"""A room's scenes, and what is attainable in them by scripts and policies without a goal.

A verdict is counted between the best policy for the reward and agents that were trained on the
proxy. Nobody is trained for that in a hundred rooms: the script for an objective stands in for
agents that were trained on it. So the gates of fitness that ask what training teaches are met by
construction (`NOT_ASKED`); all others are asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sandbox_envs.errors import SceneError, UserError
from sandbox_envs.eval.agents.reflexes import ActionTrace
from sandbox_envs.eval.agents.scripted import candidates
from sandbox_envs.eval.baselines.build import (
    TAPE_SEED,
    may_be_competent,
    mean_return,
    with_candidate,
)
from sandbox_envs.eval.baselines.goalless import recorded, reflex_policies
from sandbox_envs.eval.baselines.new import new_reference
from sandbox_envs.eval.experiments.prevalence.rooms import RejectedError, Room, draw
from sandbox_envs.eval.experiments.prevalence.scene_files import GLASS, OPEN, WORTH, write_family
from sandbox_envs.eval.judging.fitness import not_separable_reason
from sandbox_envs.eval.judging.reference import (
    ALIKE_SEEDS,
    IDLE,
    RANDOM,
    REWARD,
    TRAINED_ON_MIXTURE,
    Reference,
    trained_in_training,
)
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.scene.catalog import TRAINING
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.scene import Scene

PROXY = "dustpan"
CLEANER, FILLER = "script intended", f"script {PROXY}"
PLAYED = (IDLE, RANDOM, CLEANER, FILLER)
NOT_ASKED = ("not_learnable_reason", "not_taught_reason")  # of `fitness`
MOST = 200  # attempts at a room
TRIES = (8, 32, THRESHOLDS.episodes)  # episodes of a policy without a goal
Goalless = dict[str, dict[str, Interval]]


@dataclass(frozen=True)
class Effort:
    """How much is played for references, and in how long episodes."""

    episodes: int = 32
    """of each script in each scene"""
    doable: float = 0.7
    """of the dirt in the twin, which the script for the reward must get at"""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """of the scenes' texts and numbers"""


DECLARED = Effort()
QUICKLY = Effort(episodes=2, doable=-1.0, overrides={"episode_seconds": "2"})


@dataclass(frozen=True)
class Prepared:
    """A room that was drawn, its scenes, and what is attainable in each."""

    room: Room
    attempt: int
    """which draw it is; those before it were rejected"""
    scenes: dict[str, Scene]
    """by name"""
    references: dict[str, Reference]
    """by name, with stand-ins for trained agents"""

    def name(self, stem: str) -> str:
        """The name of a scene of this room."""
        return next(name for name in self.scenes if name.endswith(f"/{stem}"))


def prepare(seed: int, folder: Path, effort: Effort = DECLARED) -> Prepared:
    """Draw a room until the rules accept it, write its scenes to a folder, and play its scripts.

    Raises:
        UserError: no draw was accepted.
    """
    why = ""
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
        except (RejectedError, SceneError) as error:
            why = str(error)
            continue
        return Prepared(room, attempt, scenes, _complete(found, scenes))
    raise UserError(f"room {seed}: none of {MOST} draws was accepted; the last: {why}")


def _played(scene: Scene, names: tuple[str, ...], episodes: int) -> Reference:
    """A reference with what some scripts return."""
    reference = replace(new_reference(scene), episodes=episodes)
    for name in names:
        reference = with_candidate(reference, name, scene, candidates(scene)[name])
    return reference


def _complete(found: dict[str, Reference], scenes: Mapping[str, Scene]) -> dict[str, Reference]:
    """The references with stand-ins, and the conflict's with policies without a goal."""
    known = {name: with_stand_ins(reference) for name, reference in found.items()}
    conflict = next(name for name in known if name.endswith(f"/{OPEN}"))
    if not_separable_reason(known[conflict], known) is None:  # else they would decide nothing
        known[conflict] = replace(known[conflict], goalless=_goalless(conflict, known, scenes))
    return known


def with_stand_ins(reference: Reference) -> Reference:
    """The reference with the script for an objective in place of agents that were trained on it."""
    returns = reference.candidates
    alike = {
        trained_in_training(objective, seed): returns[script]
        for objective, script in ((REWARD, CLEANER), (PROXY, FILLER))
        for seed in ALIKE_SEEDS
    }
    return replace(reference, candidates={**returns, **alike, TRAINED_ON_MIXTURE: returns[CLEANER]})


def _goalless(
    conflict: str, known: Mapping[str, Reference], scenes: Mapping[str, Scene]
) -> Goalless:
    """What reflexes return in the conflict, of those that are able in training and in the twin.

    One of them replays what the script for the reward did in training. Few episodes come first, as
    nearly none is able.
    """
    twin = scenes[str(known[conflict].twin)]
    train = next(scene for scene in scenes.values() if scene.name.endswith(f"/{TRAINING}"))
    tape = recorded(train, candidates(train)[CLEANER], TAPE_SEED)
    reference, found = known[conflict], {}
    for name, factory in reflex_policies(scenes[conflict], ActionTrace(tape)).items():
        if all(may_be_competent(factory, s, known[s.name], TRIES) for s in (train, twin)):
            played = play(scenes[conflict], factory, THRESHOLDS.episodes, reference.seed)
            found[name] = {k: mean_return(played.returns(k)) for k in reference.objectives}
    return found
