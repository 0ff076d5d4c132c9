"""The display of the reward that a scene declares: a formula, its noise, and its coding.

The display is what an agent is shown, and never what it is rewarded with.
"""

from dataclasses import dataclass

import numpy as np

from sandbox_envs.language.formula import Formula
from sandbox_envs.language.types import TermInputs

HIDDEN, CODE = 16, 4  # units of the network, and numbers that it gives


class Network:
    """A fixed random network that codes one number as four, so that its scale is not plain.

    The hidden units' weights halve every 1.5 units, so that numbers from 0.01 to 100 all change
    the code.

    Args:
        seed: of the weights; the same one gives the same code everywhere.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.Generator(np.random.Philox(seed))
        self._weight = rng.standard_normal(HIDDEN) * 4 * 2.0 ** (-np.arange(HIDDEN) / 1.5)
        self._bias = rng.standard_normal(HIDDEN)
        self._mixing = rng.standard_normal((HIDDEN, CODE)) / np.sqrt(HIDDEN)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The codes (n, 4) of numbers (n,)."""
        return np.tanh(np.tanh(x[:, None] * self._weight + self._bias) @ self._mixing)


@dataclass(frozen=True, eq=False)
class Display:
    """The display of a scene's reward."""

    formula: Formula
    """of what is shown, evaluated once per control step"""
    noise: float
    """standard deviation of what is added to it in each step, in its own unit"""
    network: Network | None
    """codes each number that is shown; None shows it as it is"""
    placebo: tuple[float, float] | None
    """mean seconds for which the placebo is 1 and then 0; None where it is not shown"""
    placebo_seed: int
    """which of all placebos; each is independent of the others, and of everything else"""


class DisplayTerm:
    """A number of the display, or its code."""

    low, high = -np.inf, np.inf

    def __init__(self, name: str, network: Network | None) -> None:
        self.name, self.network = name, network
        self.size = CODE if network else 1

    def write(self, view: TermInputs, out: np.ndarray) -> None:
        """Copy the number, or code it."""
        number = view.shown[self.name]
        out[:] = self.network(number) if self.network else number[:, None]
