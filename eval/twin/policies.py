"""Policies of the twin: seekers, planners of few steps, and policies without memory as tables."""

from collections.abc import Callable

import numpy as np

from sandbox_envs.eval.twin.grid import Scenes
from sandbox_envs.eval.twin.seeing import states
from sandbox_envs.eval.twin.solve import HORIZON, Policy, optimum

Maker = Callable[[Scenes], Policy]  # a policy for every batch of scenes
# From scenes, cells (n, ...) and what lies there (n, ..., pieces) to probabilities, one per action
Reactive = Callable[[Scenes, np.ndarray, np.ndarray], np.ndarray]
EFFORT = -0.02  # weight of effort for seekers, as in the reward


def seeker(objective: str, horizon: int = HORIZON) -> Maker:
    """Does the best it can for one objective, at little effort."""
    weights = {"effort": EFFORT, objective: 1.0}
    return lambda scenes: optimum(scenes, weights, horizon).policy


def looking_ahead(objective: str, depth: int) -> Maker:
    """Plans anew in every step, so many steps ahead, at little effort."""

    def make(scenes: Scenes) -> Policy:
        first = seeker(objective, depth)(scenes)(0)
        return lambda _step: first

    return make


def tabled(reactive: Reactive) -> Maker:
    """The table of what a policy without memory does in every state."""

    def make(scenes: Scenes) -> Policy:
        table = reactive(scenes, *states(scenes))
        return lambda _step: table

    return make
