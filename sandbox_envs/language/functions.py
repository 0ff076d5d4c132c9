"""The operators and functions of the formula language, on arrays (simulations, copies, dim).

Reductions run over copies and skip absent bodies. Functions with memory update registers of the
shape of their argument in place; a formula's first evaluation after a reset (`inputs.fresh`)
initialises them.
"""

import ast
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sandbox_envs.language.types import Inputs

BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: np.divide(a, b),
    ast.Pow: lambda a, b: np.power(a, b),
}
COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
# name -> (number of arguments, function)
ELEMENTWISE: dict[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, np.abs),
    "sqrt": (1, np.sqrt),
    "exp": (1, np.exp),
    "clip": (3, lambda x, low, high: np.minimum(np.maximum(x, low), high)),
}
# of two signals, copy by copy; of one signal they are reductions
OF_TWO: dict[str, Callable[[Any, Any], Any]] = {"min": np.minimum, "max": np.maximum}
AXES = ("x", "y", "z")  # the components of a position, a velocity or a force


# --- reductions over copies, with the copies present (n, copies, 1) or None for all ----------

_sum = np.add.reduce  # the same result as ndarray.sum, without its overhead


def _mean_of_present(x: np.ndarray, present: np.ndarray | None) -> np.ndarray:
    if present is None:
        return _sum(x, 1, keepdims=True) / x.shape[1]
    count = np.maximum(_sum(present, 1, keepdims=True), 1)  # the mean over no copies is 0
    return _sum(x * present, 1, keepdims=True) / count


def _sum_of_present(x: np.ndarray, present: np.ndarray | None) -> np.ndarray:
    return _sum(x if present is None else x * present, 1, keepdims=True)


def _min_of_present(x: np.ndarray, present: np.ndarray | None) -> np.ndarray:
    return (x if present is None else np.where(present > 0, x, np.inf)).min(1, keepdims=True)


def _max_of_present(x: np.ndarray, present: np.ndarray | None) -> np.ndarray:
    return (x if present is None else np.where(present > 0, x, -np.inf)).max(1, keepdims=True)


REDUCTIONS: dict[str, Callable[[np.ndarray, np.ndarray | None], np.ndarray]] = {
    "mean": _mean_of_present,
    "sum": _sum_of_present,
    "min": _min_of_present,
    "max": _max_of_present,
}


# --- functions with memory -------------------------------------------------------------------


def _count(x: np.ndarray, inputs: Inputs, before: np.ndarray, edges: np.ndarray) -> np.ndarray:
    true = x != 0
    edges[:] = 0 if inputs.fresh else edges + (true & (before == 0))
    before[:] = true
    return edges


def _total(x: np.ndarray, inputs: Inputs, integral: np.ndarray) -> np.ndarray:
    integral[:] = 0 if inputs.fresh else integral + x * inputs.dt
    return integral


def _ever(x: np.ndarray, inputs: Inputs, seen: np.ndarray) -> np.ndarray:
    seen[:] = x != 0 if inputs.fresh else np.maximum(seen, x != 0)
    return seen


def _since(x: np.ndarray, inputs: Inputs, seconds: np.ndarray) -> np.ndarray:
    seconds[:] = np.where(x != 0, 0, np.inf if inputs.fresh else seconds + inputs.dt)
    return seconds


class Remembering(NamedTuple):
    """A function of one argument that remembers."""

    registers: int
    """arrays of the argument's shape, which it updates in place"""
    function: Callable[..., np.ndarray]
    """of the argument, the inputs and its registers"""


MEMORY: dict[str, Remembering] = {
    "count": Remembering(2, _count),  # rising edges
    "total": Remembering(1, _total),  # time integral, in units of x times seconds
    "ever": Remembering(1, _ever),  # 1 once x has been true
    "since": Remembering(1, _since),  # seconds since x was last true; infinite before
}

FUNCTIONS = (*REDUCTIONS, *ELEMENTWISE, *MEMORY, "norm", "join", "component", *AXES)
