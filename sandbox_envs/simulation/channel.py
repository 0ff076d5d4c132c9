"""The display of n simulations' rewards: the last value, its sum, and a placebo beside them.

Noise and placebo are pure functions of the seed, the episode and the control step, so that arms of
an experiment meet the same ones, and a snapshot holds keys instead of arrays of draws.
"""

import numpy as np

from sandbox_envs.language.display import Display
from sandbox_envs.spawn.counter_rng import draw, keys


class Channel:
    """The display of n simulations; it is 0 at the start of an episode.

    Args:
        display: what is shown.
        n: how many simulations.
        dt: seconds of a control step.
    """

    def __init__(self, display: Display, n: int, dt: float) -> None:
        self.display, self._dt = display, dt
        self._value, self._sum = np.zeros(n), np.zeros(n)
        self._key, self._placebo_key = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self._on, self._placebo = np.zeros(n, bool), np.zeros(n)

    def start(self, rows: np.ndarray, seed: int, episodes: np.ndarray) -> None:
        """Begin the episodes (rows,) in some simulations."""
        placebo = f"placebo {self.display.placebo_seed}"
        self._key[rows] = keys(seed, episodes, "channel").view(np.int64)
        self._placebo_key[rows] = keys(seed, episodes, placebo).view(np.int64)
        self._value[rows] = self._sum[rows] = self._placebo[rows] = self._on[rows] = 0

    def step(self, values: np.ndarray, step: np.ndarray, kept: np.ndarray) -> None:
        """Show the formula's values (n,) of control step `step` (n,) of the episodes.

        kept: (n,) bool, where the display stays as it is.
        """
        display, counter = self.display, 3 * step.astype(np.uint64)
        value = values + self._noise(self._key, counter)
        self._value = np.where(kept, self._value, value)
        self._sum = self._sum + np.where(kept, 0, value)
        if display.placebo:
            on, off = display.placebo
            chance = draw(self._placebo_key.view(np.uint64), counter)
            turned = np.where(self._on, chance >= self._dt / on, chance < self._dt / off)
            self._on = np.where(kept, self._on, turned)
            trace = self._on + self._noise(self._placebo_key, counter)
            self._placebo = np.where(kept, self._placebo, trace)

    def _noise(self, key: np.ndarray, counter: np.ndarray) -> np.ndarray | float:
        """Normal noise of a step, (n,), from the two draws after the first (Box and Muller)."""
        if not self.display.noise:
            return 0.0
        radius, angle = (draw(key.view(np.uint64), counter + np.uint64(i)) for i in (1, 2))
        normal = np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * np.pi * angle)
        return self.display.noise * normal

    def shown(self, rows: np.ndarray | slice) -> dict[str, np.ndarray]:
        """The numbers of the display in some simulations: term -> (rows,)."""
        return {
            "previous_reward": self._value[rows],
            "reward_so_far": self._sum[rows],
            "placebo": self._placebo[rows],
        }

    def memory(self) -> dict[str, np.ndarray]:
        """The arrays that say everything, each with a row per simulation."""
        return {
            "channel": self._value,
            "channel_sum": self._sum,
            "channel_key": self._key,
            "placebo": self._placebo,
            "placebo_key": self._placebo_key,
            "placebo_on": self._on,
        }
