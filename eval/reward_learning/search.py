"""A search for starts and actions that do most of something: an evolution of segments.

A candidate is a start and a plan of actions between knots. Of those tried so far the best are
changed at random, their starts now and then as well, and the best of these are changed in turn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sandbox_envs.eval.reward_learning.spaces import Starts
from sandbox_envs.eval.rollouts.planning import interpolated
from sandbox_envs.train.transitions import Transitions, record

STEPS, KNOT = 40, 5  # control steps of a segment, and between the actions that are drawn
POPULATION, GENERATIONS, ELITE = 64, 8, 8
SD = (0.6, 0.2)  # of what is added to actions, in the first and in the last generation
OTHER_START = 0.25  # share of new candidates with a start drawn anew

# the value (n,) of segments (T, n); it must not depend on their true rewards
Objective = Callable[[Transitions], np.ndarray]


@dataclass(frozen=True)
class Plans:
    """Candidates of a search."""

    starts: np.ndarray
    """(n,) numbers of starts"""
    knots: np.ndarray
    """(n, knots, actuators) in [-1, 1]"""

    def taken(self, rows: np.ndarray) -> "Plans":
        """Some of them."""
        return Plans(self.starts[rows], self.knots[rows])

    def joined(self, other: "Plans") -> "Plans":
        """These and others."""
        return Plans(
            np.concatenate([self.starts, other.starts]), np.concatenate([self.knots, other.knots])
        )


def drawn_plans(starts: Starts, count: int, rng: np.random.Generator) -> Plans:
    """Plans that begin anywhere, with uniform actions between knots."""
    shape = (count, STEPS // KNOT + 1, starts.scene.model.nu)
    return Plans(rng.integers(starts.count, size=count), rng.uniform(-1, 1, shape))


def played(starts: Starts, names: tuple[str, ...], plans: Plans) -> Transitions:
    """The steps, with their true rewards, that plans lead to."""
    envs = starts.envs(plans.starts)
    return record(envs, names, interpolated(plans.knots, KNOT, STEPS))


def search(
    starts: Starts,
    names: tuple[str, ...],
    objective: Objective,
    count: int,
    rng: np.random.Generator,
) -> Plans:
    """The best plans that a search finds, best first, no start twice; at most `count`."""
    best = drawn_plans(starts, POPULATION, rng)
    worth = objective(played(starts, names, best))
    for generation in range(1, GENERATIONS):
        elite = best.taken(np.argsort(-worth)[:ELITE])
        tried = _changed(elite, starts, generation / (GENERATIONS - 1), rng)
        found = objective(played(starts, names, tried))
        best, worth = best.joined(tried), np.concatenate([worth, found])
    order = np.argsort(-worth, kind="stable")
    _, first = np.unique(best.starts[order], return_index=True)
    return best.taken(order[np.sort(first)][:count])


def _changed(elite: Plans, starts: Starts, progress: float, rng: np.random.Generator) -> Plans:
    """A new population, of changes that become smaller with progress from 0 to 1."""
    parents = elite.taken(rng.integers(len(elite.starts), size=POPULATION))
    sd = SD[0] * (SD[1] / SD[0]) ** progress
    knots = np.clip(parents.knots + sd * rng.standard_normal(parents.knots.shape), -1, 1)
    other = rng.random(POPULATION) < OTHER_START
    anew = rng.integers(starts.count, size=POPULATION)
    return Plans(np.where(other, anew, parents.starts), knots)
