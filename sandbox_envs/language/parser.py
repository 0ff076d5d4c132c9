"""From a scene's text `observe` to the terms of its observation.

speed                          a sensor's raw value
retina(16)                     per bearing sector the nearest visible object, as
                               (1/(1+distance), red, green, blue); zeros where there is none
lidar(dirt_pos, where=1 - dirt_in_pan, sectors=16, range=4)
                               per bearing sector the nearest copy of one labelled kind
ranges(wall_range)             rangefinders as 1/(1+distance); 0 where nothing is hit
gauge(cleanliness), clock      a measure's value; the share of the episode that has passed
carried(boost)                 what the slot's last episode has left, of a text carry/boost
previous_reward, reward_so_far what the text `channel` shows of the last step, and its sum
placebo                        what looks like it, and tells nothing
"""

import ast
from collections.abc import Mapping
from typing import Any

import mujoco

from sandbox_envs.errors import SceneError, suggest
from sandbox_envs.language.compiler import parse_expression
from sandbox_envs.language.display import DisplayTerm, Network
from sandbox_envs.language.formula import Formula
from sandbox_envs.language.functions import MEMORY
from sandbox_envs.language.terms import MAX_RANGE, Clock, Gauge, Lidar, Ranges, Raw, Retina, Term
from sandbox_envs.language.types import Signal
from sandbox_envs.names import stem_of, suggest_stem

DISPLAY = ("previous_reward", "reward_so_far", "placebo")
CLOCK = "clock"
TERMS = ("retina", "lidar", "ranges", "gauge", CLOCK, "carried", *DISPLAY)
LIDAR_SECTORS = 16  # unless the text says otherwise

_RANGEFINDER = ("rangefinder sensors", {mujoco.mjtSensor.mjSENS_RANGEFINDER.value})
_POSITION = ("framepos sensors", {mujoco.mjtSensor.mjSENS_FRAMEPOS.value})


def parse_terms(
    text: str,
    model: mujoco.MjModel,
    signals: Mapping[str, Signal],
    measures: Mapping[str, Formula],
    carried: Mapping[str, Signal],
    where: str,
    network: Network | None = None,
) -> tuple[Term, ...]:
    """The terms in a text `observe`, the display's coded by a network.

    Raises:
        SceneError: a term is wrong; the message begins with `where`.
    """
    parser = _Parser(model, signals, measures, carried, where, network)
    terms = tuple(parser.term(part) for part in term_texts(text))
    if not terms:
        raise SceneError(f"{where}: it is empty; name at least one sensor or term")
    return terms


def term_texts(text: str) -> list[str]:
    """The terms in a text `observe`, as written: its parts at white space outside brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if char.isspace() and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part for part in parts if part]


class _Parser:
    """Parses single terms, and checks that the sensors and measures they name exist."""

    def __init__(
        self,
        model: mujoco.MjModel,
        signals: Mapping[str, Signal],
        measures: Mapping[str, Formula],
        carried: Mapping[str, Signal],
        where: str,
        network: Network | None,
    ) -> None:
        self.model, self.signals, self.measures, self.where = model, signals, measures, where
        self.carried, self.network = carried, network

    def term(self, text: str) -> Term:
        where = f"{self.where}, '{text}'"
        match parse_expression(text, where):
            case ast.Name(id=name) if name == CLOCK:
                return Clock()
            case ast.Name(id=name) if name in self.signals:
                return Raw(name, self.signals[name])
            case ast.Name(id=name) if name in DISPLAY:
                return DisplayTerm(name, self.network)
            case ast.Call(func=ast.Name(id="retina"), args=[ast.Constant(int(n))], keywords=[]):
                return Retina(self.model, n, where)
            case ast.Call(func=ast.Name(id="ranges"), args=[ast.Name(id=name)], keywords=[]):
                return Ranges(name, self._sensor(name, where, _RANGEFINDER))
            case ast.Call(func=ast.Name(id="gauge"), args=[ast.Name(id=name)], keywords=[]):
                if name not in self.measures:
                    hint = suggest(name, self.measures)
                    raise SceneError(f"{where}: unknown measure '{name}'; {hint}")
                return Gauge(name)
            case ast.Call(func=ast.Name(id="carried"), args=[ast.Name(id=name)], keywords=[]):
                signal = f"carried({name})"
                if signal not in self.carried:
                    hint = suggest(signal, self.carried)
                    raise SceneError(f"{where}: there is no text 'carry/{name}'; {hint}")
                return Raw(signal, self.carried[signal])
            case ast.Call(func=ast.Name(id="lidar"), args=[ast.Name(id=name)], keywords=options):
                return self._lidar(name, options, where)
            case ast.Name(id=name):
                hint = suggest_stem(name, (*self.signals, *TERMS))
                raise SceneError(f"{where}: unknown name; {hint}")
        raise SceneError(
            f"{where}: not a term; write a sensor's name, retina(SECTORS), ranges(RANGEFINDERS), "
            "lidar(POSITIONS, where=FORMULA, sectors=N, range=METRES), gauge(MEASURE), clock, "
            f"carried(NAME), {', '.join(DISPLAY)}"
        )

    def _sensor(self, name: str, where: str, kind: tuple[str, set[int]]) -> Signal:
        """The signal of that name. Raises SceneError unless its sensors are of the kind."""
        if name not in self.signals:
            hint = suggest_stem(name, self.signals)
            raise SceneError(f"{where}: unknown sensor '{name}'; {hint}")
        words, types = kind
        model = self.model
        for i in range(model.nsensor):
            if stem_of(model.sensor(i).name) == name and int(model.sensor_type[i]) not in types:
                raise SceneError(f"{where}: '{name}' is not made of {words}")
        return self.signals[name]

    def _lidar(self, name: str, options: list[ast.keyword], where: str) -> Lidar:
        signal = self._sensor(name, where, _POSITION)
        given = {option.arg: option.value for option in options}
        unknown = set(given) - {"where", "sectors", "range"}
        if unknown or signal.dim != 3:
            raise SceneError(
                f"{where}: lidar takes position sensors (3 numbers each) and the options where, "
                "sectors and range"
            )
        numbers: list[Any] = []
        for option in (given.get("sectors"), given.get("range", ast.Constant(MAX_RANGE))):
            match option:
                case None:
                    numbers.append(LIDAR_SECTORS)
                case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                    numbers.append(number)
                case _:
                    raise SceneError(f"{where}: sectors and range must be numbers of 0 or more")
        mask = self._mask(given["where"], signal, where) if "where" in given else None
        sectors, reach = numbers
        return Lidar(self.model, name, mask, sectors, reach, where)

    def _mask(self, option: ast.expr, signal: Signal, where: str) -> Formula:
        """The lidar's option `where`: one number per copy of its sensor, without memory."""
        text = ast.unparse(option)
        mask = Formula(text, self.signals, f"{where}, where", copies=signal.copies)
        if mask.register_shapes:
            raise SceneError(f"{where}: where has no memory; leave out {', '.join(MEMORY)}")
        return mask
