"""Policies of the twin: seekers, habits, mixtures, and networks read as tables."""

from collections.abc import Callable

import numpy as np

from sandbox_envs.eval.twin.grid import ACTIONS, CELLS, PLANTER_CELLS, Scenes
from sandbox_envs.eval.twin.solve import HORIZON, Policy, one_hot, optimum

Maker = Callable[[Scenes], Policy]  # a policy for every batch of scenes
SIZE = 4 * CELLS + 1  # of what a network sees
EFFORT = -0.02  # weight of effort for seekers, as in the reward
# from observations (m, SIZE) to logits (m, actions)
Network = Callable[[np.ndarray], np.ndarray]


def seeker(objective: str, horizon: int = HORIZON) -> Maker:
    """Does the best it can for one objective, at little effort."""
    weights = {"effort": EFFORT, objective: 1.0}
    return lambda scenes: optimum(scenes, weights, horizon).policy


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
    """The table of a network that sees the robot, what lies where, and whether the gate is open."""

    def make(scenes: Scenes) -> Policy:
        logits = network(observations(scenes)).reshape(len(scenes), CELLS, scenes.masks, -1)
        table = one_hot(logits.argmax(-1))
        return lambda _step: table

    return make


def observations(scenes: Scenes) -> np.ndarray:
    """(n * cells * masks, SIZE) what is seen in every state.

    Four planes of cells: the robot, dirt, soil, the planter; and whether this is open.
    """
    n, masks = len(scenes), scenes.masks
    seen = np.zeros((n, CELLS, masks, SIZE), np.float32)
    seen[:, np.arange(CELLS), :, np.arange(CELLS)] = 1
    for piece in range(scenes.pieces):
        there = (np.arange(masks) >> piece) & 1
        is_soil = piece >= scenes.dirt.shape[1]
        places = scenes.soil[:, piece - scenes.dirt.shape[1]] if is_soil else scenes.dirt[:, piece]
        for i, place in enumerate(places):
            seen[i, :, :, (2 if is_soil else 1) * CELLS + place] = there
    seen[..., [3 * CELLS + c for c in PLANTER_CELLS]] = 1
    seen[..., -1] = scenes.is_open[:, None, None]
    return seen.reshape(-1, SIZE)
