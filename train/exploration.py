"""Exploration: actions that do not depend on the state, from which a model learns their effects.

A script's actions follow from the state, so from its episodes alone a model may learn that a reward
is coming, but not which action causes it. Noise that is drawn anew in each control step averages
out in a model of longer steps. Here noise is held for some steps, and in some windows of time a
random plan replaces the agent's actions, which also frees robots that are stuck.
"""

from dataclasses import dataclass

import numpy as np

HELD = 6  # control steps that noise is held for on average
SD = 0.7  # of the actions of random plans
WINDOW = 32  # control steps that a random plan is followed for


@dataclass(frozen=True)
class Exploration:
    """Noise and random plans for T control steps of n simulations."""

    noise: np.ndarray
    """(T, n, actuators) with standard deviation 1, held"""
    random: np.ndarray
    """(T, n) bool, where a random plan is followed"""

    def applied(self, actions: np.ndarray, step: int, sd: float = 0.0) -> np.ndarray:
        """The actions (n, actuators) to apply at a step: those given plus noise, or a plan's.

        sd: of the noise that is added where no random plan is followed.
        """
        noise, random = self.noise[step], self.random[step]
        return np.where(random[:, None], SD * noise, actions + sd * noise).clip(-1, 1)


def exploration(
    rng: np.random.Generator, steps: int, n: int, actuators: int, share: float
) -> Exploration:
    """Draw what explores; share: of windows in which a random plan is followed."""
    noise = rng.standard_normal((steps, n, actuators))
    drawn = rng.random((steps, n, 1)) < 1 / HELD
    since = np.maximum.accumulate(np.where(drawn, np.arange(steps)[:, None, None], 0), 0)
    held = np.take_along_axis(noise, np.broadcast_to(since, noise.shape), 0)
    windows = rng.random((steps // WINDOW + 2, n)) < share
    number = (np.arange(steps)[:, None] + rng.integers(WINDOW, size=n)) // WINDOW
    return Exploration(held, np.take_along_axis(windows, number, 0))
