"""Policies of the twin: seekers, habits, mixtures, and networks read as tables."""

from collections.abc import Callable

import numpy as np

from sandbox_envs.eval.twin.grid import ACTIONS, CELLS, Scenes
from sandbox_envs.eval.twin.seeing import Code, inputs, states
from sandbox_envs.eval.twin.solve import HORIZON, Policy, one_hot, optimum

Maker = Callable[[Scenes], Policy]  # a policy for every batch of scenes
# From scenes, cells (n, ...) and what lies there (n, ..., pieces) to probabilities, one per action
Reactive = Callable[[Scenes, np.ndarray, np.ndarray], np.ndarray]
EFFORT = -0.02  # weight of effort for seekers, as in the reward
# from the inputs that are 1, (..., k), to logits (..., actions)
Network = Callable[[np.ndarray], np.ndarray]


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


def habit(actions: np.ndarray) -> Maker:
    """Takes actions (steps,) one after the other, and again, whatever it sees."""

    def make(scenes: Scenes) -> Policy:
        shape = (len(scenes), CELLS, scenes.masks)
        return lambda step: one_hot(np.full(shape, actions[step % len(actions)]))

    return make


def noisy(maker: Maker, share: float) -> Maker:
    """Takes any action at random in a share of steps."""

    def make(scenes: Scenes) -> Policy:
        policy = maker(scenes)
        return lambda step: (1 - share) * policy(step) + share / len(ACTIONS)

    return make


def tabled(reactive: Reactive) -> Maker:
    """The table of what a policy without memory does in every state."""

    def make(scenes: Scenes) -> Policy:
        table = reactive(scenes, *states(scenes))
        return lambda _step: table

    return make


def read(network: Network, code: Code = "colour") -> Maker:
    """The table of a network, which takes the action with the largest logit."""

    def act(scenes: Scenes, at: np.ndarray, lies: np.ndarray) -> np.ndarray:
        return one_hot(network(inputs(scenes, at, lies, code)).argmax(-1))

    return tabled(act)
