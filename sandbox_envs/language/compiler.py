"""From the text of a formula to closures over arrays.

Python's `ast` parses the text once. The language has no attributes, subscripts or calls of other
functions, so a formula can compute but cannot act.
"""

import ast
import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sandbox_envs.arrays import as_slice
from sandbox_envs.errors import SceneError, suggest
from sandbox_envs.language.functions import (
    AXES,
    BINARY,
    COMPARISONS,
    ELEMENTWISE,
    FUNCTIONS,
    MEMORY,
    OF_TWO,
    REDUCTIONS,
)
from sandbox_envs.language.other_notations import in_our_words
from sandbox_envs.language.types import Inputs, Signal
from sandbox_envs.names import suggest_stem

MAX_LENGTH = 2000  # characters; a longer text is a mistake
MAX_DEPTH = 100  # of nesting, far below Python's own limit of recursion
LARGEST = 1e100  # number in a text

Presence = Callable[[Mapping[str, np.ndarray]], np.ndarray]  # present bodies -> (n, copies, 1)


@dataclass(frozen=True)
class Node:
    """A compiled sub-expression."""

    copies: int
    """Copies of its value, (n, copies, dim)."""
    dim: int
    """Numbers per copy."""
    run: Callable[[Inputs], Any]
    """Computes the value, which may have fewer axes where it is the same for all."""
    present: Presence | None = None
    """Computes which copies belong to present bodies; None where all do."""


class Compiler:
    """Turns an expression into nodes, and checks its names, numbers of arguments and shapes.

    Args:
        signals: the type of each name.
        where: begins every error.
        functions: further one-argument functions of a name.
        register_shapes: (copies, dim) of each register of the formula; the compiler appends to it.
    """

    def __init__(
        self,
        signals: Mapping[str, Signal],
        where: str,
        functions: tuple[str, ...],
        register_shapes: list[tuple[int, int]],
    ) -> None:
        self.signals, self.where, self.functions = signals, where, functions
        self.register_shapes = register_shapes

    def _error(self, message: str) -> SceneError:
        return SceneError(f"{self.where}: {message}")

    def compile(self, text: str, copies: int) -> Node:
        """The node of a whole formula of one number, or of one number for each of `copies`."""
        node = self._visit(parse_expression(text, self.where))
        if node.copies not in (1, copies):
            raise self._error(
                f"this is {node.copies} numbers, one per copy, where one is needed; "
                "reduce it with mean, sum, min or max"
            )
        if node.dim != 1:
            raise self._error(
                f"this is a vector of {node.dim}, where one number is needed; use norm"
            )
        return node

    def _visit(self, tree: ast.AST) -> Node:
        match tree:
            case ast.Constant(value=bool() | int() | float() as number) if number <= LARGEST:
                value = float(number)
                return Node(1, 1, lambda inputs: value)
            case ast.Name(id=name):
                return self._signal(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._elementwise(operator.neg, [self._visit(operand)])
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return self._elementwise(BINARY[type(op)], [self._visit(left), self._visit(right)])
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
                compare = COMPARISONS[type(op)]
                both = [self._visit(left), self._visit(right)]
                return self._elementwise(lambda a, b: np.multiply(compare(a, b), 1.0), both)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments)
        foreign = f"'{ast.unparse(tree)}' is not part of the formula language"
        if words := in_our_words(tree):
            raise self._error(f"{foreign}; {words}")
        raise self._error(
            f"{foreign}: numbers, names, + - * / **, one comparison at a time, and the functions "
            f"{', '.join((*FUNCTIONS, *self.functions))}"
        )

    def _signal(self, name: str) -> Node:
        if name not in self.signals:
            raise self._error(f"unknown name '{name}'; {suggest_stem(name, self.signals)}")
        kind = self.signals[name]
        return Node(kind.copies, kind.dim, lambda i: i.signals[name], _presence(kind))

    def _call(self, name: str, arguments: list[ast.expr]) -> Node:
        if name in self.functions:
            return self._named(name, arguments)
        if name not in FUNCTIONS:
            hint = suggest(name, (*FUNCTIONS, *self.functions))
            raise self._error(f"unknown function '{name}'; {hint}")
        if name == "join":
            return self._join([self._visit(a) for a in self._arity(name, arguments, 2)])
        if name == "component":
            return self._component(*self._arity(name, arguments, 2))
        if name in OF_TWO and len(arguments) == 2:
            return self._elementwise(OF_TWO[name], [self._visit(a) for a in arguments])
        if name in ELEMENTWISE:
            arity, function = ELEMENTWISE[name]
            arguments = self._arity(name, arguments, arity)
            return self._elementwise(function, [self._visit(a) for a in arguments])
        x = self._visit(self._arity(name, arguments, 1)[0])
        if name in AXES:
            return self._along(name, x)
        if name == "norm":
            length = lambda i: np.sqrt(np.square(x.run(i)).sum(-1, keepdims=True))  # noqa: E731
            return Node(x.copies, 1, length, x.present)
        if name in REDUCTIONS:
            return self._reduce(name, x)
        return self._remember(name, x)

    def _arity(self, name: str, arguments: list[ast.expr], arity: int) -> list[ast.expr]:
        if len(arguments) != arity:
            valid = f"{arity} or 2" if name in OF_TWO else str(arity)
            raise self._error(f"{name} takes {valid} argument(s), not {len(arguments)}")
        return arguments

    def _component(self, vector: ast.expr, number: ast.expr) -> Node:
        x = self._visit(vector)
        match number:
            case ast.Constant(value=int(i)) if not isinstance(i, bool) and i < x.dim:
                return _part(x, i)
        raise self._error(
            f"component({ast.unparse(vector)}, {ast.unparse(number)}): the second argument numbers "
            f"the components of a vector; write 0 to {x.dim - 1}"
        )

    def _along(self, axis: str, x: Node) -> Node:
        if not max(2, AXES.index(axis) + 1) <= x.dim <= len(AXES):
            raise self._error(
                f"{axis} takes a vector along the axes x, y and z, and this has {x.dim} number(s); "
                "name a sensor of 3 numbers, or write component(VECTOR, NUMBER)"
            )
        return _part(x, AXES.index(axis))

    def _named(self, function: str, arguments: list[ast.expr]) -> Node:
        names = [s[len(function) + 1 : -1] for s in self.signals if s.startswith(f"{function}(")]
        match self._arity(function, arguments, 1)[0]:
            case ast.Name(id=name) if name in names:
                return self._signal(f"{function}({name})")
            case other:
                unknown = ast.unparse(other)
        raise self._error(f"{function}({unknown}): unknown '{unknown}'; {suggest(unknown, names)}")

    def _elementwise(self, function: Callable[..., Any], nodes: list[Node]) -> Node:
        copies = self._common([n.copies for n in nodes], "copies")
        dim = self._common([n.dim for n in nodes], "dimensions")
        run = _applied(function, [n.run for n in nodes])
        return Node(copies, dim, run, _all_present(nodes, copies))

    def _common(self, sizes: list[int], what: str) -> int:
        several = sorted({s for s in sizes if s != 1})
        if len(several) > 1:
            raise self._error(
                f"{several[0]} and {several[1]} {what} cannot be combined; reduce one of them"
            )
        return several[0] if several else 1

    def _reduce(self, name: str, x: Node) -> Node:
        function, present = REDUCTIONS[name], x.present

        def run(inputs: Inputs) -> Any:
            value = x.run(inputs)
            if not isinstance(value, np.ndarray):
                value = np.atleast_3d(value)
            return function(value, present and present(inputs.present))

        return Node(1, x.dim, run)

    def _remember(self, name: str, x: Node) -> Node:
        registers, function = MEMORY[name]
        first = len(self.register_shapes)
        self.register_shapes += [(x.copies, x.dim)] * registers

        def run(inputs: Inputs) -> np.ndarray:
            memory = inputs.registers[first : first + registers]
            return function(np.asarray(x.run(inputs)), inputs, *memory)

        return Node(x.copies, x.dim, run, x.present)

    def _join(self, nodes: list[Node]) -> Node:
        dim = self._common([n.dim for n in nodes], "dimensions")
        copies = [n.copies for n in nodes]

        def run(inputs: Inputs) -> np.ndarray:
            parts = [np.atleast_3d(n.run(inputs)) for n in nodes]
            n = max(len(part) for part in parts)
            whole = [np.broadcast_to(p, (n, c, dim)) for p, c in zip(parts, copies, strict=True)]
            return np.concatenate(whole, 1)

        return Node(sum(copies), dim, run, _joined_presence(nodes))


def parse_expression(text: str, where: str) -> ast.expr:
    """The expression in `text`. Raises SceneError, beginning with `where`, if it does not parse."""
    if len(text) > MAX_LENGTH:
        raise SceneError(
            f"{where}: {len(text)} characters is too long for a formula; "
            f"shorten it to {MAX_LENGTH} or split it into measures"
        )
    text = " ".join(text.split())  # in an attribute of XML a new line is a blank
    try:
        if "#" in text:  # for Python the rest would be a comment
            raise SyntaxError
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SceneError(f"{where}: '{text}' is not a formula; check its brackets") from None
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return tree
    raise SceneError(f"{where}: nested more than {MAX_DEPTH} deep; split it into measures")


def _part(x: Node, i: int) -> Node:
    """Component i of a vector, of each of its copies."""

    def run(inputs: Inputs) -> Any:
        value = x.run(inputs)
        one = not isinstance(value, np.ndarray) or value.shape[-1] == 1  # for all components
        return value if one else value[..., i : i + 1]

    return Node(x.copies, 1, run, x.present)


def _applied(
    function: Callable[..., Any], runs: list[Callable[[Inputs], Any]]
) -> Callable[[Inputs], Any]:
    """The function applied to these values, with fast paths for one and two arguments."""
    match runs:
        case [a]:
            return lambda i: function(a(i))
        case [a, b]:
            return lambda i: function(a(i), b(i))
    return lambda i: function(*[run(i) for run in runs])


def _presence(kind: Signal) -> Presence | None:
    """The presence of each copy of a signal; None where all are present."""
    return None if kind.stem is None else _presence_of(kind.stem, kind.index)


@functools.cache  # so that the presence of two signals of the same bodies is told to be the same
def _presence_of(stem: str, index: tuple[int, ...]) -> Presence:
    bodies = as_slice(np.array(index))
    return lambda present: present[stem][:, bodies, None]


def _all_present(nodes: list[Node], copies: int) -> Presence | None:
    """The presence of each copy in all operands of an elementwise function; None: all present."""
    given = list(dict.fromkeys(node.present for node in nodes if node.present is not None))
    if not given:
        return None
    if len(given) == 1 and all(n.copies == copies for n in nodes if n.present is not None):
        return given[0]

    def every(present: Mapping[str, np.ndarray]) -> np.ndarray:
        both = functools.reduce(np.multiply, [mask(present) for mask in given])
        return np.broadcast_to(both, (len(both), copies, 1))

    return every


def _joined_presence(nodes: list[Node]) -> Presence | None:
    """The presence of each copy after a join; None where all are present."""
    if all(n.present is None for n in nodes):
        return None

    def joined(present: Mapping[str, np.ndarray]) -> np.ndarray:
        n = len(next(iter(present.values())))
        masks = [x.present(present) if x.present else np.ones((n, x.copies, 1)) for x in nodes]
        return np.concatenate(masks, 1)

    return joined
