"""Optima and values of policies, by backward induction; also against the worst dynamics.

Time is finite, and the last action is the one with nothing to come. A policy is a function from the
control step to its probabilities, (n, cells, masks, actions), in every state of every scene.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sandbox_envs.eval.twin.grid import ACTIONS, REWARD, Scenes

HORIZON = 24  # control steps of an episode
Policy = Callable[[int], np.ndarray]
Slips = tuple[float, float]  # the least and the greatest probability to slip


@dataclass(frozen=True)
class Solution:
    """The best that can be done in some scenes."""

    values: np.ndarray
    """(n, cells, masks) of the best policy, from each state with the whole horizon to come"""
    policy: Policy
    """which is deterministic; of equally good actions it takes the first"""


def optimum(
    scenes: Scenes,
    weights: Mapping[str, float] = REWARD,
    horizon: int = HORIZON,
    slips: Slips | None = None,
) -> Solution:
    """The best policy for a weighted sum of objectives.

    slips: an interval in which the probability to slip may lie, differently in every state, step
        and action. The policy is then the best against the worst of these dynamics, and the values
        are what it earns at least: robust dynamic programming with rectangular uncertainty
        (Iyengar 2005; Nilim & El Ghaoui 2005). As values are linear in the probability, the worst
        is at one of the ends.
    """
    return best(scenes, scenes.rewards(weights), horizon, slips)


def best(
    scenes: Scenes,
    rewards: np.ndarray,
    horizon: int = HORIZON,
    slips: Slips | None = None,
    discount: float = 1.0,
) -> Solution:
    """The best policy for any rewards (n, cells, masks, actions); the rest is as for `optimum`."""
    values = np.zeros(rewards.shape[:-1])
    table = np.empty((horizon, *values.shape), np.int8)
    for step in reversed(range(horizon)):
        q = rewards + discount * _after(scenes, values, slips)
        table[step] = q.argmax(-1)
        values = q.max(-1)
    return Solution(values, lambda step: one_hot(table[step]))


def value(
    scenes: Scenes,
    policy: Policy,
    weights: Mapping[str, float] = REWARD,
    horizon: int = HORIZON,
    slips: Slips | None = None,
) -> np.ndarray:
    """(n, cells, masks) what a policy earns from each state; with slips, what it earns at least."""
    rewards = scenes.rewards(weights)
    values = np.zeros(rewards.shape[:-1])
    for step in reversed(range(horizon)):
        q = rewards + _after(scenes, values, slips)
        values = (policy(step) * q).sum(-1)
    return values


def gaps(scenes: Scenes, policy: Policy, horizon: int = HORIZON) -> np.ndarray:
    """(n,) by how much less than the optimum a policy earns of the reward, where episodes begin."""
    best = scenes.at_start(optimum(scenes, horizon=horizon).values)
    return np.asarray(best - scenes.at_start(value(scenes, policy, horizon=horizon)))


def one_hot(actions: np.ndarray) -> np.ndarray:
    """Probabilities (..., actions) of a policy that takes these actions (...)."""
    return np.asarray(actions[..., None] == np.arange(len(ACTIONS)), float)


def _after(scenes: Scenes, values: np.ndarray, slips: Slips | None) -> np.ndarray:
    if slips is None:
        return scenes.after(values)
    return np.minimum(*(scenes.after(values, slip) for slip in slips))
