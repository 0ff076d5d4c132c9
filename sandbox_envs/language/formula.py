"""The formula language of a scene: named signals in, one number per simulation out.

A signal is an array (simulations, copies, dim): a sensor, or all copies of a replicated sensor
under one name. A formula is an expression over signals with a fixed set of functions. Four of
these remember what has happened since the reset (`count`, `total`, `ever`, `since`); the caller
keeps their memory in registers, so a formula itself never changes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sandbox_envs.language.compiler import Compiler
from sandbox_envs.language.types import Inputs, Signal


class Formula:
    """A compiled formula with one number per simulation as its value.

    Args:
        text: the formula.
        signals: the type of each name it may use.
        where: the file and the text's name, which begin every error.
        functions: further one-argument functions of a name; `f(x)` reads the signal "f(x)".
        copies: the numbers per simulation that the formula gives; one number is broadcast to them.

    Raises:
        SceneError: the text does not parse, names something unknown, or has the wrong shape.
    """

    def __init__(
        self,
        text: str,
        signals: Mapping[str, Signal],
        where: str,
        functions: tuple[str, ...] = (),
        copies: int = 1,
    ) -> None:
        self.text, self.copies = text, copies
        self.register_shapes: list[tuple[int, int]] = []
        compiler = Compiler(signals, where, functions, self.register_shapes)
        self._node = compiler.compile(text, copies)
        self._arguments = (text, signals, where, functions, copies)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy by compiling again, since the compiled functions cannot be copied."""
        return Formula, self._arguments

    def registers(self, n: int) -> list[np.ndarray]:
        """Empty memory for n simulations; the first evaluation with it must be `fresh`."""
        return [np.zeros((n, *shape)) for shape in self.register_shapes]

    def __call__(self, inputs: Inputs, n: int) -> np.ndarray:
        """The value for each of n simulations, (n,) float64, or (n, copies)."""
        value = np.empty((n, self.copies, 1))
        value[:] = self._node.run(inputs)
        return value[:, 0, 0] if self.copies == 1 else value[..., 0]
