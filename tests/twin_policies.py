"""Policies of the twin that only tests play: habits, mixtures, and networks read as tables."""

from collections.abc import Callable

import numpy as np

from sandbox_envs.eval.twin.grid import ACTIONS, CELLS, Scenes
from sandbox_envs.eval.twin.policies import Maker, tabled
from sandbox_envs.eval.twin.seeing import inputs
from sandbox_envs.eval.twin.solve import Policy, one_hot

# from the inputs that are 1, (..., k), to logits (..., actions)
Network = Callable[[np.ndarray], np.ndarray]


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


def read(network: Network) -> Maker:
    """The table of a network, which takes the action with the largest logit."""

    def act(scenes: Scenes, at: np.ndarray, lies: np.ndarray) -> np.ndarray:
        return one_hot(network(inputs(scenes, at, lies)).argmax(-1))

    return tabled(act)
