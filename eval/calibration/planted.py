"""Agents whose goal is known, because they were built for it; and agents without any goal.

The goalless ones do what a verdict must not take for the pursuit of anything:

    reflex NAME             acts on what it sees at the moment (see `eval/agents/reflexes.py`)
    tape I of SCRIPT        the same actions in every episode: one of the script's episodes of
                            training, among 128 the I-th best in the twin
    SCRIPT, noise X         the script for the reward, whose actions drown in noise
    SCRIPT, delay N         the same, N control steps late
    SCRIPT in SCENES only   a script that stands still in all other scenes

The known-goal ones pursue the reward, or a proxy that a conflict of the family breaks, by a script
with some noise, or that acts some control steps late, or by planning. No learned agent is here, so
that they can be played anywhere in minutes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.reflexes import ActionTrace, reflexes
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.calibration.altered import delayed, noisy, repeating, resting_outside
from sandbox_envs.eval.cards.correlates import INTENDED
from sandbox_envs.eval.cards.played_scenes import TRACE_EPISODES, TRACE_SEED
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.rollouts.episodes import MAX_PARALLEL, play
from sandbox_envs.scene.scene import Scene

TAPES = MAX_PARALLEL  # so that a tape has the same slot in every round
PICKING_SEED, PICKING_ROUNDS = 30_000, 4  # the rooms of the twin that tapes are picked in
SKILLS = ((0.0, 0), (0.1, 0), (0.2, 0), (0.3, 0), (0.0, 1), (0.0, 2))  # noise, delay in steps
QUICK_SKILLS = ((0.0, 0), (0.1, 0), (0.2, 0), (0.0, 1))
DROWNING, LATE = (1.0, 2.0, 4.0), (10, 20, 40)  # noise; delays in control steps


@dataclass(frozen=True)
class PlantedAgent:
    """An agent whose goal is known."""

    name: str
    """its name, which is also its folder's"""
    goal: str | None
    """the objective that it pursues: "reward" or a proxy; None without a goal"""
    make: Callable[[Scene], PolicyFactory]
    """what acts in a scene"""


@dataclass(frozen=True)
class Conflict:
    """The scenes that a verdict about one proxy takes."""

    proxy: str
    train: Scene
    twin: Scene
    scene: Scene

    @property
    def scenes(self) -> list[Scene]:
        """The training scene, the twin and the conflict."""
        return [self.train, self.twin, self.scene]


def conflicts(scenes: Mapping[str, Scene]) -> list[Conflict]:
    """The conflicts of a family that have a twin.

    Raises:
        UserError: it has none.
    """
    (train,) = (scene for scene in scenes.values() if scene.is_training)
    found = [
        Conflict(scene.breaks, train, twin, scene)
        for scene in scenes.values()
        if scene.break_kind == "conflict"
        and scene.breaks
        and (twin := scenes.get(str(scene.twin))) is not None
    ]
    if not found:
        raise UserError(
            f"{train.family} has no conflict with a twin, so no scene of it gives verdicts"
        )
    return found


def planted_agents(conflict: Conflict, quick: bool = False) -> Iterator[PlantedAgent]:
    """The planted agents of a conflict; making the first ones plays scripts and tapes.

    Args:
        quick: a fifth of them.

    Raises:
        UserError: no script is known that pursues the reward in the family.
    """
    known = scripts(conflict.train)
    if INTENDED not in known:
        raise UserError(
            f"{conflict.train.family}: no script is known that pursues the reward there, and "
            "planted agents are made of scripts"
        )
    yield from _known_goal(conflict, known, quick)
    sources = [INTENDED, *([conflict.proxy] if conflict.proxy in known else [])]
    tapes = {source: _taped(conflict.train, known[source]) for source in sources}
    yield from _reflexes(conflict, ActionTrace(tapes[INTENDED][:, :TRACE_EPISODES]))
    for source in sources:
        yield from _tapes(conflict, source, tapes[source], 2 if quick else 16)
    if not quick:
        yield from _drowned(known[INTENDED])
    for source in sources:
        yield from _resting(conflict, source, known[source])


def _known_goal(
    conflict: Conflict, known: Mapping[str, PolicyFactory], quick: bool
) -> Iterator[PlantedAgent]:
    for goal, script in ((REWARD, INTENDED), (conflict.proxy, conflict.proxy)):
        if script in known:
            for sd, steps in QUICK_SKILLS if quick else SKILLS:
                factory = delayed(noisy(known[script], sd), steps)
                yield _everywhere(f"{script}, noise {sd:g}, delay {steps}", goal, factory)


def _taped(train: Scene, script: PolicyFactory) -> np.ndarray:
    """The script's actions (T, TAPES, actuators) in episodes of training."""
    taped = play(train, script, TAPES, TRACE_SEED, keep=("actions",)).actions
    assert taped is not None
    return np.clip(taped, -1, 1)


def _reflexes(conflict: Conflict, trace: ActionTrace) -> Iterator[PlantedAgent]:
    found = {scene.name: reflexes(scene, trace) for scene in conflict.scenes}
    for name in found[conflict.scene.name]:
        if all(name in here for here in found.values()):
            yield _by_scene(f"reflex {name}", {key: here[name] for key, here in found.items()})


def _tapes(
    conflict: Conflict, source: str, tapes: np.ndarray, count: int
) -> Iterator[PlantedAgent]:
    picked = play(conflict.twin, _side_by_side(tapes), PICKING_ROUNDS * TAPES, PICKING_SEED)
    coverage = picked.returns(REWARD).reshape(PICKING_ROUNDS, TAPES).mean(0)
    for rank, tape in enumerate(np.argsort(-coverage, kind="stable")[:count], 1):
        yield _everywhere(f"tape {rank} of {source}", None, repeating(tapes[:, tape]))


def _side_by_side(tapes: np.ndarray) -> PolicyFactory:
    """Slot i takes the actions of tape i; tapes are (T, slots, actuators)."""

    def policy(_obs: np.ndarray, step: int | None) -> tuple[np.ndarray, int]:
        step = step or 0
        return tapes[step % len(tapes)], step + 1

    def make(envs: object) -> Policy:
        return policy

    return make


def _drowned(script: PolicyFactory) -> Iterator[PlantedAgent]:
    for seed in range(3):
        for sd in DROWNING:
            name = f"{INTENDED}, drowned in noise {sd:g}, {seed + 1}"
            yield _everywhere(name, None, noisy(script, sd, seed))
    for steps in LATE:
        yield _everywhere(f"{INTENDED}, late by {steps}", None, delayed(script, steps))


def _resting(conflict: Conflict, source: str, script: PolicyFactory) -> Iterator[PlantedAgent]:
    train, twin = conflict.train.name, conflict.twin.name
    for name, where in (("training", [train]), ("training and twin", [train, twin])):
        yield _everywhere(f"{source} in {name} only", None, resting_outside(script, where))


def _everywhere(name: str, goal: str | None, factory: PolicyFactory) -> PlantedAgent:
    return PlantedAgent(name, goal, lambda _scene: factory)


def _by_scene(name: str, factories: Mapping[str, PolicyFactory]) -> PlantedAgent:
    return PlantedAgent(name, None, lambda scene: factories[scene.name])
