"""Policies without a goal. An agent that earns no more than they do need not have one.

reflex NAME          acts on what it sees at the moment (see `eval/agents/reflexes.py`)
tape I of SOURCE     replays in every episode the actions of one of the source's 128 episodes of
                     training, that with the I-th highest reward in the twin
SOURCE without SENSE the source, with the mean of training in place of one sense
"""

from collections.abc import Iterator

import numpy as np

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.reflexes import reflexes, replaying
from sandbox_envs.eval.baselines.altered import with_held
from sandbox_envs.eval.rollouts.episodes import MAX_PARALLEL, play
from sandbox_envs.language.terms import Gauge, Lidar, Retina, with_columns
from sandbox_envs.scene.scene import Scene

TAPES = MAX_PARALLEL  # so that a tape has the same slot in every round
SENSES = (Gauge, Lidar, Retina)  # of objects; the others are of the robot itself and of walls
ROUNDS = 4  # rooms that each tape is tried in
MEAN_EPISODES = 32  # in which the mean of a sense is taken


def reflex_policies(scene: Scene, tapes: np.ndarray) -> dict[str, PolicyFactory]:
    """The reflexes that can act in a scene, by the names that they have beside other policies."""
    return {f"reflex {name}": factory for name, factory in reflexes(scene, tapes).items()}


def recorded(train: Scene, source: PolicyFactory, seed: int) -> np.ndarray:
    """A policy's actions (T, TAPES, actuators) in episodes of training."""
    taped = play(train, source, TAPES, seed, keep=("actions",)).actions
    assert taped is not None
    return np.clip(taped, -1, 1)


def best_tapes(
    name: str, tapes: np.ndarray, twin: Scene, count: int, seed: int
) -> dict[str, PolicyFactory]:
    """The tapes that earn most reward in a scene's twin: name -> policy.

    Args:
        name: of the policy that was recorded.
        tapes: as `recorded` gives them.
        count: how many to take.
        seed: of the twin's rooms, which should be no rooms of any evaluation.
    """
    tried = play(twin, replaying(tapes), ROUNDS * TAPES, seed)
    coverage = tried.returns("reward").reshape(ROUNDS, TAPES).mean(0)
    best = np.argsort(-coverage, kind="stable")[:count]
    return {f"tape {i} of {name}": replaying(tapes[:, [tape]]) for i, tape in enumerate(best, 1)}


def blinded(
    name: str, source: PolicyFactory, train: Scene, seed: int
) -> Iterator[tuple[str, PolicyFactory]]:
    """A policy without each of its senses of objects in turn: name and policy.

    All gauges count as one sense, and so do all lidars, as they may hold the same information.

    Args:
        name: of the policy.
        source: the policy; it learned in `train`.
        seed: of the episodes in which the mean of each sense is taken.
    """
    seen = play(train, source, MEAN_EPISODES, seed, keep=("observations",)).observations
    assert seen is not None
    columns: dict[str, list[int]] = {}
    for term, part in with_columns(train.terms):
        if isinstance(term, SENSES):
            sense = type(term).__name__.lower()
            columns.setdefault(sense, []).extend(range(part.start, part.stop))
    for sense, held in columns.items():
        mean = seen[..., held].reshape(-1, len(held)).mean(0)
        yield f"{name} without {sense}", with_held(source, held, mean)
