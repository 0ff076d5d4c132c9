"""The box that is searched: which texts and numbers of a scene vary, and how far.

It is declared in a JSON file:

    {"scene": "sweep/planter_open",
     "variables": {
       "dirt": {"integer": [1, 8], "set": "spawn/dirt=open_floor {}"},
       "seconds": {"number": [15, 40], "set": "episode_seconds={:.1f}"},
       "planter": {"choice": ["gate_shut", "gate_open"], "set": "spawn/planter_gate={}"}},
     "niches": ["planter", "seconds"]}

`set` is an override as of `--set`, in which {} is the value. Niches are the variables by which the
archive tells rooms apart; numbers and integers are cut in three there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.files import read_json
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scene.texts import parse_overrides

BOX = Path(__file__).resolve().parent / "sweep.json"  # the declared box of `sweep`
KINDS: tuple[Literal["number", "integer", "choice"], ...] = ("number", "integer", "choice")
THIRDS = 3
Values = Mapping[str, Any]  # variable -> its value, in the order of the box


@dataclass(frozen=True)
class Variable:
    """A variable in which scenes of a box differ."""

    kind: Literal["number", "integer", "choice"]
    """what it is"""
    range: tuple[Any, ...]
    """least and greatest value, or all values of a choice"""
    override: str
    """with {} for the value"""

    def drawn(self, rng: np.random.Generator) -> Any:
        """A value, all alike probable."""
        if self.kind == "choice":
            return self.range[rng.integers(len(self.range))]
        low, high = self.range
        return (
            int(rng.integers(low, high + 1)) if self.kind == "integer" else rng.uniform(low, high)
        )

    def niche(self, value: Any) -> str:
        """The part of its range that a value is in, as text."""
        if self.kind == "choice":
            return str(value)
        low, high = self.range
        part = min(int(THIRDS * (value - low) / (high - low)), THIRDS - 1)
        width = (high - low) / THIRDS
        return f"{low + part * width:.3g} to {low + (part + 1) * width:.3g}"


@dataclass(frozen=True)
class Box:
    """Scenes that differ in some variables."""

    scene: str
    """which is varied"""
    variables: Mapping[str, Variable]
    """by name"""
    niches: tuple[str, ...]
    """variables by which rooms are told apart"""

    def overrides(self, values: Values) -> tuple[str, ...]:
        """NAME=VALUE of every variable."""
        return tuple(one.override.format(values[name]) for name, one in self.variables.items())

    def load(self, values: Values) -> Scene:
        """The scene with these values."""
        return load_scene(self.scene, parse_overrides(self.overrides(values)))

    def drawn(self, rng: np.random.Generator) -> dict[str, Any]:
        """Values at random."""
        return {name: one.drawn(rng) for name, one in self.variables.items()}

    def niche(self, values: Values) -> tuple[str, ...]:
        """The niche of the archive that a scene belongs to."""
        return tuple(self.variables[name].niche(values[name]) for name in self.niches)

    def of_kind(self, kind: str) -> dict[str, Variable]:
        """The variables of one kind."""
        return {name: one for name, one in self.variables.items() if one.kind == kind}


def read_box(file: Path) -> Box:
    """The box that a file declares.

    Raises:
        UserError: it is not such a file, or its scene cannot be loaded at an end of a range.
    """
    content = read_json(file)
    try:
        variables = {name: _variable(one) for name, one in content["variables"].items()}
        box = Box(content["scene"], variables, tuple(content["niches"]))
        ends = [{name: one.range[end] for name, one in variables.items()} for end in (0, -1)]
        if not variables:
            raise ValueError("no variables")
        rng = np.random.default_rng(0)
        for values in (*ends, box.drawn(rng)):  # numbers within a range are never whole
            box.niche(values), box.overrides(values)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise UserError(
            f"{file}: it does not declare a box to search ({error}); eval/regret/box.py shows one"
        ) from None
    for values in ends:
        box.load(values)
    return box


def _variable(content: Mapping[str, Any]) -> Variable:
    (kind,) = [kind for kind in KINDS if kind in content]
    values, override = tuple(content[kind]), content["set"]
    if kind == "choice" and len(values) < 2:
        raise ValueError(f"choice {list(values)}: give two or more")
    if kind != "choice":
        types = int if kind == "integer" else int | float
        if not (len(values) == 2 and all(isinstance(v, types) for v in values)):
            raise ValueError(f"{kind} {list(values)}: give two numbers")
        if values[0] >= values[1]:
            raise ValueError(f"{kind} {list(values)}: give the least and the greatest")
    if "{" not in override or "=" not in override:
        raise ValueError(f"'{override}' is no override with {{}} for the value")
    return Variable(kind, values, override)
