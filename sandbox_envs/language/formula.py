"""The formula language of a scene: named signals in, one number per simulation out.

A signal is an array (simulations, copies, dim): a sensor, or all copies of a replicated sensor
under one name. A formula is an expression over signals with a fixed set of functions. Four of
these remember what has happened since the reset (`count`, `total`, `ever`, `since`); what they
remember lies in registers that the caller keeps, so a formula itself never changes.

The text is parsed once with `ast`; there are no attributes, subscripts or other calls, so a
formula can compute but not act.
"""

import ast
import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sandbox_envs.errors import SceneError, suggest

MAX_LENGTH = 2000  # characters; longer texts are mistakes
MAX_DEPTH = 100  # of nesting, far within what Python can call
LARGEST = 1e100  # number in a text

Presence = Callable[[Mapping[str, np.ndarray]], np.ndarray]  # present bodies -> (n, copies, 1)


@dataclass(frozen=True)
class Signal:
    """The static type of a name: copies, dim, and which of the copies' bodies may be absent.

    `stem` and `index` say that copy i belongs to body `stem`-index[i], which a spawn text may
    leave out of an episode; `stem` is None where every copy is always there.
    """

    copies: int = 1
    dim: int = 1
    stem: str | None = None
    index: tuple[int, ...] = ()


@dataclass
class Inputs:
    """What a formula is evaluated on, for n simulations.

    signals: name -> (n, copies, dim). present: body stem -> (n, bodies), 1 where the body takes
    part in the episode. registers: the formula's memory, each (n, copies, dim), updated in place.
    fresh: whether this is the first evaluation after a reset. dt: seconds per evaluation.
    """

    signals: Mapping[str, np.ndarray]
    present: Mapping[str, np.ndarray]
    registers: list[np.ndarray]
    fresh: bool
    dt: float


@dataclass(frozen=True)
class Node:
    """A compiled sub-expression: its shape (copies, dim), its value, and the copies present."""

    copies: int
    dim: int
    run: Callable[[Inputs], Any]
    present: Presence | None = None


class Formula:
    """A compiled formula with one number per simulation as its value.

    Args:
        text: the formula.
        signals: the type of each name it may use.
        where: begins every error, and says which file and text this is.
        functions: further one-argument functions of a name, `f(x)` being the signal "f(x)".
        copies: how many numbers per simulation the formula must give, or 1.
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
        compiler = _Compiler(signals, where, functions, self.register_shapes)
        self._node = compiler.compile(text, copies)

    def registers(self, n: int) -> list[np.ndarray]:
        """Empty memory for n simulations; its first evaluation must be a `fresh` one."""
        return [np.zeros((n, *shape)) for shape in self.register_shapes]

    def __call__(self, inputs: Inputs, n: int) -> np.ndarray:
        """The value for each of n simulations, (n,) float64, or (n, copies)."""
        value = np.empty((n, self.copies, 1))
        value[:] = self._node.run(inputs)
        return value[:, 0, 0] if self.copies == 1 else value[..., 0]


# --- what the functions do -------------------------------------------------------------------

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: np.divide(a, b),
    ast.Pow: lambda a, b: np.power(a, b),
}
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_ELEMENTWISE: dict[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, np.abs),
    "sqrt": (1, np.sqrt),
    "exp": (1, np.exp),
    "clip": (3, lambda x, low, high: np.minimum(np.maximum(x, low), high)),
}


_sum = np.add.reduce  # what ndarray.sum comes to, without its overhead


def _reduce_mean(x: np.ndarray, present: np.ndarray | None) -> np.ndarray:
    if present is None:
        return _sum(x, 1, keepdims=True) / x.shape[1]
    there = np.maximum(_sum(present, 1, keepdims=True), 1)  # the mean of nothing is 0
    return _sum(x * present, 1, keepdims=True) / there


def _reduce_sum(x: np.ndarray, present: np.ndarray | None) -> np.ndarray:
    return _sum(x if present is None else x * present, 1, keepdims=True)


def _reduce_min(x: np.ndarray, present: np.ndarray | None) -> np.ndarray:
    return (x if present is None else np.where(present > 0, x, np.inf)).min(1, keepdims=True)


def _reduce_max(x: np.ndarray, present: np.ndarray | None) -> np.ndarray:
    return (x if present is None else np.where(present > 0, x, -np.inf)).max(1, keepdims=True)


_REDUCE = {"mean": _reduce_mean, "sum": _reduce_sum, "min": _reduce_min, "max": _reduce_max}


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


_MEMORY: dict[str, tuple[int, Callable[..., np.ndarray]]] = {
    "count": (2, _count),  # rising edges
    "total": (1, _total),  # time integral, in units of x times seconds
    "ever": (1, _ever),  # 1 once x has been true
    "since": (1, _since),  # seconds since x was last true; infinite before
}

FUNCTIONS = (*_REDUCE, *_ELEMENTWISE, *_MEMORY, "norm", "join")


# --- from text to nodes ----------------------------------------------------------------------


class _Compiler:
    """Turns an expression into nodes, checking names, arities and shapes as it goes."""

    def __init__(
        self,
        signals: Mapping[str, Signal],
        where: str,
        functions: tuple[str, ...],
        register_shapes: list[tuple[int, int]],
    ) -> None:
        self.signals, self.where, self.functions = signals, where, functions
        self.register_shapes = register_shapes

    def error(self, message: str) -> SceneError:
        return SceneError(f"{self.where}: {message}")

    def compile(self, text: str, copies: int) -> Node:
        node = self.visit(parse(text, self.where))
        if node.copies not in (1, copies):
            raise self.error(
                f"this is {node.copies} numbers, one per copy, where one is needed; "
                "reduce it with mean, sum, min or max"
            )
        if node.dim != 1:
            raise self.error(
                f"this is a vector of {node.dim}, where one number is needed; use norm"
            )
        return node

    def visit(self, tree: ast.AST) -> Node:
        match tree:
            case ast.Constant(value=bool() | int() | float() as number) if number <= LARGEST:
                value = float(number)
                return Node(1, 1, lambda inputs: value)
            case ast.Name(id=name):
                return self.signal(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.elementwise(operator.neg, [self.visit(operand)])
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return self.elementwise(_BINARY[type(op)], [self.visit(left), self.visit(right)])
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
                compare = _COMPARE[type(op)]
                both = [self.visit(left), self.visit(right)]
                return self.elementwise(lambda a, b: np.multiply(compare(a, b), 1.0), both)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self.call(name, arguments)
        raise self.error(
            f"'{ast.unparse(tree)}' is not part of the formula language: numbers, names, "
            "+ - * / **, one comparison at a time, and the functions "
            f"{', '.join((*FUNCTIONS, *self.functions))} (write a * b for 'a and b')"
        )

    def signal(self, name: str) -> Node:
        if name not in self.signals:
            hint = suggest(name, self.signals)
            if any(s.startswith(name) and s[len(name) :].isdigit() for s in self.signals):
                hint = f"give the <replicate> of '{name}' the attribute sep=\"-\""
            raise self.error(f"unknown name '{name}'; {hint}")
        kind = self.signals[name]
        return Node(kind.copies, kind.dim, lambda i: i.signals[name], _presence(kind))

    def call(self, name: str, arguments: list[ast.expr]) -> Node:
        if name in self.functions:
            return self.named(name, arguments)
        if name not in FUNCTIONS:
            hint = suggest(name, (*FUNCTIONS, *self.functions))
            raise self.error(f"unknown function '{name}'; {hint}")
        if name == "join":
            return self.join([self.visit(a) for a in self.arity(name, arguments, 2)])
        if name in _ELEMENTWISE:
            arity, function = _ELEMENTWISE[name]
            arguments = self.arity(name, arguments, arity)
            return self.elementwise(function, [self.visit(a) for a in arguments])
        x = self.visit(self.arity(name, arguments, 1)[0])
        if name == "norm":
            length = lambda i: np.sqrt(np.square(x.run(i)).sum(-1, keepdims=True))  # noqa: E731
            return Node(x.copies, 1, length, x.present)
        if name in _REDUCE:
            return self.reduce(name, x)
        return self.remember(name, x)

    def arity(self, name: str, arguments: list[ast.expr], arity: int) -> list[ast.expr]:
        if len(arguments) != arity:
            raise self.error(f"{name} takes {arity} argument(s), not {len(arguments)}")
        return arguments

    def named(self, function: str, arguments: list[ast.expr]) -> Node:
        names = [s[len(function) + 1 : -1] for s in self.signals if s.startswith(f"{function}(")]
        match self.arity(function, arguments, 1)[0]:
            case ast.Name(id=name) if name in names:
                return self.signal(f"{function}({name})")
            case other:
                unknown = ast.unparse(other)
        raise self.error(f"{function}({unknown}): unknown '{unknown}'; {suggest(unknown, names)}")

    def elementwise(self, function: Callable[..., Any], nodes: list[Node]) -> Node:
        copies = self.common([n.copies for n in nodes], "copies")
        dim = self.common([n.dim for n in nodes], "dimensions")
        run = _applied(function, [n.run for n in nodes])
        return Node(copies, dim, run, _all_present([n.present for n in nodes], copies))

    def common(self, sizes: list[int], what: str) -> int:
        several = sorted({s for s in sizes if s != 1})
        if len(several) > 1:
            raise self.error(
                f"{several[0]} and {several[1]} {what} do not go together; reduce one of them"
            )
        return several[0] if several else 1

    def reduce(self, name: str, x: Node) -> Node:
        function, present = _REDUCE[name], x.present

        def run(inputs: Inputs) -> Any:
            value = x.run(inputs)
            if not isinstance(value, np.ndarray):
                value = np.atleast_3d(value)
            return function(value, present and present(inputs.present))

        return Node(1, x.dim, run)

    def remember(self, name: str, x: Node) -> Node:
        registers, function = _MEMORY[name]
        first = len(self.register_shapes)
        self.register_shapes += [(x.copies, x.dim)] * registers

        def run(inputs: Inputs) -> np.ndarray:
            memory = inputs.registers[first : first + registers]
            return function(np.asarray(x.run(inputs)), inputs, *memory)

        return Node(x.copies, x.dim, run, x.present)

    def join(self, nodes: list[Node]) -> Node:
        dim = self.common([n.dim for n in nodes], "dimensions")
        copies = [n.copies for n in nodes]

        def run(inputs: Inputs) -> np.ndarray:
            parts = [np.atleast_3d(n.run(inputs)) for n in nodes]
            n = max(len(part) for part in parts)
            whole = [np.broadcast_to(p, (n, c, dim)) for p, c in zip(parts, copies, strict=True)]
            return np.concatenate(whole, 1)

        return Node(sum(copies), dim, run, _joined_presence(nodes))


def parse(text: str, where: str) -> ast.expr:
    """The expression in `text`. Raises SceneError, beginning with `where`, if it is none."""
    if len(text) > MAX_LENGTH:
        raise SceneError(
            f"{where}: {len(text)} characters is too long for a formula; "
            f"shorten it to {MAX_LENGTH} or split it into measures"
        )
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SceneError(f"{where}: '{text}' is not a formula; check its brackets") from None
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return tree
    raise SceneError(f"{where}: nested more than {MAX_DEPTH} deep; split it into measures")


def _applied(
    function: Callable[..., Any], runs: list[Callable[[Inputs], Any]]
) -> Callable[[Inputs], Any]:
    """The function of these values; one and two are most of a formula, and take the short way."""
    match runs:
        case [a]:
            return lambda i: function(a(i))
        case [a, b]:
            return lambda i: function(a(i), b(i))
    return lambda i: function(*[run(i) for run in runs])


def as_slice(index: np.ndarray) -> slice | np.ndarray:
    """Indices, of any shape, as a slice where they are evenly spaced, which saves a copy."""
    flat = index.ravel()
    steps = np.unique(np.diff(flat))
    if len(steps) > 1 or (steps <= 0).any():
        return flat
    return slice(int(flat[0]), int(flat[-1]) + 1, int(steps[0]) if len(steps) else 1)


def _presence(kind: Signal) -> Presence | None:
    if kind.stem is None:
        return None
    stem, bodies = kind.stem, as_slice(np.array(kind.index))
    return lambda present: present[stem][:, bodies, None]


def _all_present(masks: list[Presence | None], copies: int) -> Presence | None:
    given = [m for m in masks if m is not None]
    if not given:
        return None

    def every(present: Mapping[str, np.ndarray]) -> np.ndarray:
        both = functools.reduce(np.multiply, [mask(present) for mask in given])
        return np.broadcast_to(both, (len(both), copies, 1))

    return every


def _joined_presence(nodes: list[Node]) -> Presence | None:
    if all(n.present is None for n in nodes):
        return None

    def joined(present: Mapping[str, np.ndarray]) -> np.ndarray:
        n = len(next(iter(present.values())))
        there = [n_.present(present) if n_.present else np.ones((n, n_.copies, 1)) for n_ in nodes]
        return np.concatenate(there, 1)

    return joined
