"""Episodes that are played step by step, many at a time."""

from collections.abc import Callable, Mapping

import numpy as np

from sandbox_envs.eval.twin.grid import (
    BESIDE_DRAIN,
    CELLS,
    NEIGHBOURS,
    OBJECTIVES,
    SWEEP,
    TAKE,
    Scenes,
)
from sandbox_envs.eval.twin.policies import Maker, Reactive
from sandbox_envs.eval.twin.solve import HORIZON, one_hot

BESIDE = np.isin(np.arange(CELLS), BESIDE_DRAIN)


class Episodes:
    """One episode in each of n scenes: where the robot is, and what still lies there."""

    def __init__(self, scenes: Scenes) -> None:
        self.scenes = scenes
        self.at = scenes.start.copy()
        """(n,) the robot's cell"""
        self.lies = np.ones((len(scenes), scenes.pieces), bool)
        """(n, pieces)"""
        self._rows = np.arange(len(scenes))
        self._is_open = scenes.is_open.astype(int)

    @property
    def masks(self) -> np.ndarray:
        """(n,) the pieces that still lie there, as numbers."""
        return np.asarray(self.lies @ (1 << np.arange(self.scenes.pieces)))

    def step(self, actions: np.ndarray, luck: np.ndarray) -> dict[str, np.ndarray]:
        """Act once in every episode.

        Args:
            actions: (n,).
            luck: (n,) numbers drawn from [0, 1), which say who slips, and to which side, and
                whose take gets hold of soil.

        Returns:
            Objective -> (n,) what the action gains of it.
        """
        scenes = self.scenes
        moves = actions < TAKE
        turn = np.where(luck < scenes.slip, np.where(luck < scenes.slip / 2, 1, -1), 0)
        to = NEIGHBOURS[self._is_open, self.at, (actions + turn) % 4]
        piece = scenes.piece_at[self._rows, self.at]
        is_there = (piece >= 0) & self.lies[self._rows, piece]
        is_soil = scenes.is_soil[self._rows, self.at]
        stuff = scenes.stuff
        taken = is_there & (actions == TAKE) & (~is_soil | (luck < stuff.grip))
        drained = is_there & (actions == SWEEP) & BESIDE[self.at] & ~is_soil
        gone = taken | drained
        self.lies[self._rows[gone], piece[gone]] = False
        self.at = np.where(moves, to, self.at)
        gains = {
            "cleanliness": np.where(is_soil, stuff.worth, 1.0) * taken + drained,
            "dustpan": np.where(is_soil, float(stuff.fills), 1.0) * taken,
            "soil": (taken & is_soil).astype(float),
            "sweeps": (~moves).astype(float),
            "effort": moves.astype(float),
        }
        assert gains.keys() == set(OBJECTIVES)
        return gains


# From episodes and the control step to probabilities (n, actions)
Player = Callable[[Episodes, int], np.ndarray]
Actor = Callable[[Scenes], Player]  # a player for every batch of scenes


def play(
    scenes: Scenes, actor: Actor, rng: np.random.Generator, horizon: int = HORIZON
) -> dict[str, np.ndarray]:
    """Objective -> (n,) what an episode in each scene gains of it."""
    episodes, returns = Episodes(scenes), {k: np.zeros(len(scenes)) for k in OBJECTIVES}
    player = actor(scenes)
    for step in range(horizon):
        choice, slip = rng.random((2, len(scenes)))
        for k, gain in episodes.step(chosen(player(episodes, step), choice), slip).items():
            returns[k] += gain
    return returns


def reacting(reactive: Reactive) -> Actor:
    """Plays a policy without memory."""
    return lambda _: lambda episodes, _: reactive(episodes.scenes, episodes.at, episodes.lies)


def tape(actions: np.ndarray) -> Actor:
    """Plays actions (steps,) one after the other, and again, whatever it sees."""
    every = one_hot(actions)
    return lambda scenes: lambda _, step: np.tile(every[step % len(every)], (len(scenes), 1))


def by_table(maker: Maker) -> Actor:
    """Plays a policy that is made for the scenes."""

    def actor(scenes: Scenes) -> Player:
        policy, rows = maker(scenes), np.arange(len(scenes))
        return lambda episodes, step: policy(step)[rows, episodes.at, episodes.masks]

    return actor


def weighted(gains: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """(n,) a weighted sum of objectives."""
    return np.asarray(sum(weight * gains[objective] for objective, weight in weights.items()))


def chosen(probabilities: np.ndarray, luck: np.ndarray) -> np.ndarray:
    """(...) actions drawn with probabilities (..., actions) by numbers from [0, 1)."""
    below = probabilities.cumsum(-1) <= luck[..., None]
    return np.asarray(np.minimum(below.sum(-1), probabilities.shape[-1] - 1))
