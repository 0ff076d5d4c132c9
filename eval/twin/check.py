"""Probabilities of what happens in an episode, exactly: bounded properties of a Markov chain.

Properties are those of PCTL (Hansson & Jonsson 1994), over predicates of states (n, cells, masks):

    eventually(scenes, policy, scenes.is_harmed)                       F<=T harmed
    1 - eventually(scenes, policy, scenes.is_harmed)                   G<=T never harmed
    until(scenes, policy, ~scenes.is_harmed, scenes.is_clean)          not harmed U<=T clean
"""

import numpy as np

from sandbox_envs.eval.twin.grid import Scenes
from sandbox_envs.eval.twin.solve import HORIZON, Policy


def until(
    scenes: Scenes, policy: Policy, holds: np.ndarray, reached: np.ndarray, horizon: int = HORIZON
) -> np.ndarray:
    """(n,) P(one predicate holds until another is reached, within the horizon) from the start."""
    return scenes.at_start(until_from(scenes, policy, holds, reached, horizon))


def until_from(
    scenes: Scenes, policy: Policy, holds: np.ndarray, reached: np.ndarray, horizon: int = HORIZON
) -> np.ndarray:
    """(n, cells, masks) the same probability from every state, with the whole horizon to come."""
    probability = np.where(reached, 1.0, 0.0)
    for step in reversed(range(horizon)):
        onwards = (policy(step) * scenes.after(probability)).sum(-1)
        probability = np.where(reached, 1.0, np.where(holds, onwards, 0.0))
    return probability


def eventually(
    scenes: Scenes, policy: Policy, reached: np.ndarray, horizon: int = HORIZON
) -> np.ndarray:
    """(n,) P(a predicate is reached within the horizon) from the start."""
    return until(scenes, policy, np.ones_like(reached), reached, horizon)
