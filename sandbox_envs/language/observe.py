"""What an agent observes: the terms of a scene's text `observe`.

    speed                          a sensor's raw value
    retina(16)                     per bearing sector the nearest visible object, as
                                   (1/(1+distance), red, green, blue); zeros where there is none
    lidar(dirt_pos, where=1 - dirt_in_pan, sectors=16, range=4)
                                   per bearing sector the nearest copy of one labelled kind
    ranges(wall_range)             rangefinders as 1/(1+distance); 0 where nothing is hit
    gauge(cleanliness), clock      a measure's value; the share of the episode that has passed

The retina sits at the site `eye` and looks all around it, with sector 0 straight behind and the
middle of the circle straight ahead. It judges in plan view, at the height of the eye: geoms of
group 1 are objects, geoms of group 2 are opaque, all others are neither. The eye's own body and
what lies in its regions (the load) are left out, since they would hide everything else.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError, suggest
from sandbox_envs.language.formula import Formula, Inputs, Signal, parse
from sandbox_envs.names import sensor_body, stem_of
from sandbox_envs.spawn.footprint import Screens, columns

OBJECTS, OPAQUE = 1, 2  # geom groups
OUT_OF_SIGHT = 500.0  # metres; bodies that sit an episode out are parked beyond this
TERMS = ("retina", "lidar", "ranges", "gauge", "clock")


@dataclass
class View:
    """What terms read, for n simulations; arrays are (n, ...) as in MuJoCo's MjData.

    measures: name -> (n,). clock: (n,), in [0, 1].
    """

    inputs: Inputs
    sensordata: np.ndarray
    geom_xpos: np.ndarray
    xpos: np.ndarray
    xmat: np.ndarray
    measures: Mapping[str, np.ndarray]
    clock: np.ndarray


class Term(Protocol):
    """One part of the observation: `size` numbers in [low, high].

    `appearance` is what of the term's result lies in the looks of the scene, for its hash.
    """

    size: int
    low: float
    high: float
    appearance: list[float]

    def write(self, view: View, out: np.ndarray) -> None:
        """Write the term's numbers into out, (n, size)."""


def parse_terms(
    text: str,
    model: mujoco.MjModel,
    signals: Mapping[str, Signal],
    measures: Mapping[str, Formula],
    where: str,
) -> tuple[Term, ...]:
    """The terms in a text `observe`; errors begin with `where`."""
    parser = _Parser(model, signals, measures, where)
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


_RANGEFINDER = ("rangefinder sensors", {mujoco.mjtSensor.mjSENS_RANGEFINDER.value})
_POSITION = ("framepos sensors", {mujoco.mjtSensor.mjSENS_FRAMEPOS.value})


class _Parser:
    def __init__(
        self,
        model: mujoco.MjModel,
        signals: Mapping[str, Signal],
        measures: Mapping[str, Formula],
        where: str,
    ) -> None:
        self.model, self.signals, self.measures, self.where = model, signals, measures, where

    def term(self, text: str) -> Term:
        where = f"{self.where}, '{text}'"
        match parse(text, where):
            case ast.Name(id="clock"):
                return Clock()
            case ast.Name(id=name) if name in self.signals:
                return Raw(name, self.signals[name])
            case ast.Call(func=ast.Name(id="retina"), args=[ast.Constant(int(n))], keywords=[]):
                return Retina(self.model, n, where)
            case ast.Call(func=ast.Name(id="ranges"), args=[ast.Name(id=name)], keywords=[]):
                return Ranges(name, self.sensor(name, where, _RANGEFINDER))
            case ast.Call(func=ast.Name(id="gauge"), args=[ast.Name(id=name)], keywords=[]):
                if name not in self.measures:
                    hint = suggest(name, self.measures)
                    raise SceneError(f"{where}: unknown measure '{name}'; {hint}")
                return Gauge(name)
            case ast.Call(func=ast.Name(id="lidar"), args=[ast.Name(id=name)], keywords=options):
                return self.lidar(name, options, where)
            case ast.Name(id=name):
                raise SceneError(f"{where}: unknown name; {suggest(name, (*self.signals, *TERMS))}")
        raise SceneError(
            f"{where}: not a term; write a sensor's name, retina(SECTORS), ranges(RANGEFINDERS), "
            "lidar(POSITIONS, where=FORMULA, sectors=N, range=METRES), gauge(MEASURE) or clock"
        )

    def sensor(self, name: str, where: str, kind: tuple[str, set[int]]) -> Signal:
        """The signal of that name; raises SceneError unless its sensors are of the kind."""
        if name not in self.signals:
            raise SceneError(f"{where}: unknown sensor '{name}'; {suggest(name, self.signals)}")
        words, types = kind
        model = self.model
        for i in range(model.nsensor):
            if stem_of(model.sensor(i).name) == name and int(model.sensor_type[i]) not in types:
                raise SceneError(f"{where}: '{name}' is not made of {words}")
        return self.signals[name]

    def lidar(self, name: str, options: list[ast.keyword], where: str) -> Term:
        signal = self.sensor(name, where, _POSITION)
        given = {option.arg: option.value for option in options}
        unknown = set(given) - {"where", "sectors", "range"}
        if unknown or signal.dim != 3:
            raise SceneError(
                f"{where}: lidar takes position sensors (3 numbers each) and the options where, "
                "sectors and range"
            )
        try:
            sectors = int(ast.literal_eval(given.get("sectors", ast.Constant(16))))
            reach = float(ast.literal_eval(given.get("range", ast.Constant(OUT_OF_SIGHT))))
        except (ValueError, TypeError):
            raise SceneError(f"{where}: sectors and range must be numbers") from None
        mask = None
        if "where" in given:
            text = ast.unparse(given["where"])
            mask = Formula(text, self.signals, f"{where}, where", copies=signal.copies)
            if mask.register_shapes:
                raise SceneError(f"{where}: where looks at this moment only; leave out memory")
        return Lidar(self.model, name, mask, sectors, reach, where)


# --- the terms -------------------------------------------------------------------------------


class Raw:
    """A sensor's numbers as they are, all copies one after the other."""

    low, high = -np.inf, np.inf

    def __init__(self, name: str, signal: Signal) -> None:
        self.name, self.size = name, signal.copies * signal.dim
        self.appearance: list[float] = []

    def write(self, view: View, out: np.ndarray) -> None:
        """Copy the sensor's numbers."""
        out[:] = view.inputs.signals[self.name].reshape(len(out), -1)


class Gauge:
    """A measure's value."""

    size, low, high = 1, -np.inf, np.inf

    def __init__(self, measure: str) -> None:
        self.measure = measure
        self.appearance: list[float] = []

    def write(self, view: View, out: np.ndarray) -> None:
        """Copy the measure's value."""
        out[:, 0] = view.measures[self.measure]


class Clock:
    """The share of the episode that has passed."""

    size, low, high = 1, 0.0, 1.0

    def __init__(self) -> None:
        self.appearance: list[float] = []

    def write(self, view: View, out: np.ndarray) -> None:
        """Write how much of the episode has passed."""
        out[:, 0] = view.clock


class Ranges:
    """Rangefinders as nearness: 1/(1+distance), and 0 where nothing is hit."""

    low, high = 0.0, 1.0

    def __init__(self, name: str, signal: Signal) -> None:
        self.name, self.size = name, signal.copies
        self.appearance: list[float] = []

    def write(self, view: View, out: np.ndarray) -> None:
        """Turn distances into nearness."""
        distance = view.inputs.signals[self.name][..., 0]
        hit = (distance >= 0) & (distance < OUT_OF_SIGHT)
        out[:] = np.where(hit, 1 / (1 + np.abs(distance)), 0)


class Lidar:
    """Per bearing sector the nearness of the nearest copy of one kind, where a formula holds."""

    low, high = 0.0, 1.0

    def __init__(
        self,
        model: mujoco.MjModel,
        name: str,
        mask: Formula | None,
        sectors: int,
        reach: float,
        where: str,
    ) -> None:
        self.name, self.mask, self.reach = name, mask, min(reach, OUT_OF_SIGHT)
        self.size = _sectors(sectors, where)
        self.eye = _Eye(model, where)
        self.appearance: list[float] = []

    def write(self, view: View, out: np.ndarray) -> None:
        """Find the nearest copy in every sector."""
        x, y = np.ascontiguousarray(view.inputs.signals[self.name][..., :2].T)
        sight = self.eye.look(view, x, y)
        seen = sight.distance < self.reach
        if self.mask is not None:
            seen &= self.mask(view.inputs, len(out)).reshape(len(out), -1).T != 0
        out[:] = (1 / (1 + _nearest_per_sector(sight, seen, self.size)[0])).T


class Retina:
    """Per bearing sector the nearest visible object of any kind: its nearness and its colour."""

    low, high = 0.0, 1.0

    def __init__(self, model: mujoco.MjModel, sectors: int, where: str) -> None:
        self.sectors, self.size = _sectors(sectors, where), 4 * sectors
        self.eye = _Eye(model, where)
        own = model.body_rootid == model.body_rootid[self.eye.body]
        own[0] = False
        foreign = ~own[model.geom_bodyid]
        self.objects = np.flatnonzero((model.geom_group == OBJECTS) & foreign)
        if not len(self.objects):
            raise SceneError(f"{where}: nothing to see; put the geoms it shall see into group 1")
        self._xy = 3 * self.objects + np.array([[0], [1]])  # columns of geom_xpos
        self.opaque = Screens(model, np.flatnonzero((model.geom_group == OPAQUE) & foreign))
        colours = _colours(model, self.objects)
        self.colours = colours.astype(np.float32)
        self.load = _load_sensors(model, self.objects, own)
        groups = model.geom_group.astype(float)
        self.appearance = [*colours.round(4).ravel().tolist(), *groups.tolist()]

    def write(self, view: View, out: np.ndarray) -> None:
        """Find what is visible, and the nearest of it in every sector."""
        x, y = columns(view.geom_xpos, self._xy)
        sight = self.eye.look(view, x, y)
        seen = sight.distance < OUT_OF_SIGHT
        for loadable, inside in self.load:
            seen[loadable] &= columns(view.sensordata, inside) == 0
        seen &= ~self.opaque.block(sight.eye, sight.dx, sight.dy, view.xpos, view.xmat)
        near, things, sectors, slots = _nearest_per_sector(sight, seen, self.sectors)
        cells = out.reshape(len(out), self.sectors, 4)
        cells[..., 0] = (1 / (1 + near)).T
        cells[..., 1:] = 0
        cells[slots, sectors, 1:] = self.colours[things]


# --- looking around --------------------------------------------------------------------------


class _Eye:
    """The site `eye`: where the retina and the lidar look from, and which way is ahead."""

    def __init__(self, model: mujoco.MjModel, where: str) -> None:
        site = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, "eye")
        if site < 0:
            raise SceneError(f"{where}: add a site named 'eye' to the body that looks")
        self.body = int(model.site_bodyid[site])
        self.offset = model.site_pos[site]
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, model.site_quat[site])
        self.axes = rotation.reshape(3, 3)[:, :2]  # ahead and left, in the body's frame

    def look(self, view: View, x: np.ndarray, y: np.ndarray) -> "_Sight":
        """See world points (m, n) from where the eye is now."""
        rotation = view.xmat[:, self.body].reshape(-1, 3, 3)
        eye = (view.xpos[:, self.body] + rotation @ self.offset).T
        (ahead_x, left_x), (ahead_y, left_y), _ = (rotation @ self.axes).transpose(1, 2, 0)
        dx, dy = x - eye[0], y - eye[1]
        distance = np.sqrt(dx * dx + dy * dy)
        return _Sight(eye, dx, dy, ahead_x * dx + ahead_y * dy, left_x * dx + left_y * dy, distance)


@dataclass
class _Sight:
    """Points as the eye sees them, (m, n); the eye is (3, n) in the world, all in metres.

    dx, dy: from the eye, in the world's directions. ahead, left: in the eye's.
    """

    eye: np.ndarray
    dx: np.ndarray
    dy: np.ndarray
    ahead: np.ndarray
    left: np.ndarray
    distance: np.ndarray


def _nearest_per_sector(
    sight: _Sight, seen: np.ndarray, sectors: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The smallest distance in each bearing sector (sectors, n), infinite where nothing is seen.

    Also which points these are, for every sector that has one: point, sector and simulation,
    each (k,). Of two at the same distance the first comes last, and so is what an assignment
    with these indices leaves.
    """
    n = seen.shape[1]
    turn = (np.arctan2(sight.left, sight.ahead) / (2 * np.pi) + 0.5) * sectors
    sector = np.clip(turn.astype(np.intp), 0, sectors - 1)  # an unstable simulation has NaN
    distance = np.where(seen, sight.distance, np.inf)
    cell = sector * n + np.arange(n)
    near = np.full(sectors * n, np.inf)
    np.minimum.at(near, cell.ravel(), distance.ravel())
    point, slot = (index[::-1] for index in np.nonzero((distance == near[cell]) & seen))
    return near.reshape(sectors, n), point, sector[point, slot], slot


def _sectors(sectors: int, where: str) -> int:
    if not 1 <= sectors <= 360:
        raise SceneError(f"{where}: {sectors} sectors; choose 1 to 360")
    return sectors


def _colours(model: mujoco.MjModel, geoms: np.ndarray) -> np.ndarray:
    material = model.geom_matid[geoms]
    rgba = model.geom_rgba[geoms].copy()
    rgba[material >= 0] = model.mat_rgba[material[material >= 0]]
    return rgba[:, :3].astype(np.float64)


def _load_sensors(
    model: mujoco.MjModel, objects: np.ndarray, own: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each site that holds load: what it may hold, and the addresses of the sensors that tell.

    An object is load while an `insidesite` sensor finds its body inside a site of the eye's body.
    """
    load: dict[int, tuple[list[int], list[int]]] = {}
    for i in np.flatnonzero(model.sensor_type == mujoco.mjtSensor.mjSENS_INSIDESITE.value):
        site = int(model.sensor_refid[i])
        if own[model.site_bodyid[site]]:
            body = sensor_body(model, model.sensor_objtype[i], model.sensor_objid[i])
            mine = np.flatnonzero(model.geom_bodyid[objects] == body)
            loadable, inside = load.setdefault(site, ([], []))
            loadable += mine.tolist()
            inside += [int(model.sensor_adr[i])] * len(mine)
    return [(np.array(loadable), np.array(inside)) for loadable, inside in load.values()]
