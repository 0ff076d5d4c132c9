"""The environment again, slow and obvious: one simulation, one number at a time.

It shares nothing with the fast path but the scene's texts: MuJoCo's own step with all its sensors,
formulas walked anew in every step, sight by a ray to each object.
"""

import ast
import copy
import operator
from typing import Any

import mujoco
import numpy as np

from sandbox_envs.scene.scene import Scene
from sandbox_envs.spawn.absence import ABSENT_DISTANCE
from sandbox_envs.spawn.counter_rng import uniform

FAR = ABSENT_DISTANCE
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
}


class ReferenceSimulation:
    """One episode of a scene of the family `sweep`, from the state that `data` holds.

    carried: name -> what the episode before has left.
    seed, episode: of the display's noise, where the scene shows its reward.
    """

    def __init__(
        self,
        scene: Scene,
        data: mujoco.MjData,
        carried: dict[str, float] | None = None,
        seed: int = 0,
        episode: int = 0,
    ) -> None:
        self.scene, self.model, self.data = scene, scene.model, data
        self.carried = carried or dict.fromkeys(scene.carries, 0.0)
        self.ever_true: dict[str, list[bool]] = {}
        self.seconds_since: dict[str, list[float]] = {}
        self.rising_edges: dict[str, tuple[list[bool], list[int]]] = {}
        self.totals: dict[str, list[float]] = {}
        self.fresh = True
        self.now = self._at_this_moment()
        self.levels = self._measures()
        self.left = self._left()
        self.fresh = False
        if scene.display:
            names = ["channel", f"placebo {scene.display.placebo_seed}"]
            shape, which = (scene.episode_steps + 1, 3), np.array([episode])
            self.draws = [uniform(seed, which, name, shape)[0] for name in names]
            self.steps, self.displayed, self.placebo = 0, [0.0], [False]

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, dict[str, float]]:
        """Observation, reward and the measures after one control step."""
        low, high = self.model.actuator_ctrlrange.T
        self.data.ctrl[:] = low + (np.clip(action, -1, 1) + 1) / 2 * (high - low)
        for _ in range(self.scene.substeps):
            mujoco.mj_step(self.model, self.data)
        self.now = self._at_this_moment()
        before, self.levels = self.levels, self._measures()
        self.left = self._left()
        names = {f"gain({name})": self.levels[name] - before[name] for name in before}
        largest = np.maximum(np.abs(low), np.abs(high))
        names["effort"] = sum(abs(self.data.ctrl) / largest) / self.model.nu
        reward = self._value(ast.parse(self.scene.reward.text, mode="eval").body, names)
        if self.scene.display:
            self._display({**names, "reward": reward})
        return self.observation(), float(reward), self.levels

    # --- the display -------------------------------------------------------------------------

    def _display(self, names: dict[str, float]) -> None:
        """Show the channel, and turn the placebo on or off."""
        display = self.scene.display
        assert display is not None and display.placebo is not None
        tree = ast.parse(display.formula.text, mode="eval").body
        self.steps += 1
        shown = float(self._value(tree, names))
        self.displayed.append(shown + self._noise(self.draws[0][self.steps]))
        on, off = (1 / self.scene.control_hz / seconds for seconds in display.placebo)
        chance, was = self.draws[1][self.steps][0], self.placebo[-1]
        self.placebo.append(not chance < on if was else bool(chance < off))

    def _noise(self, draws: np.ndarray) -> float:
        assert self.scene.display is not None
        radius = (-2 * np.log(1 - draws[1])) ** 0.5
        return float(self.scene.display.noise * radius * np.cos(2 * np.pi * draws[2]))

    def _shown(self) -> list[float]:
        """previous_reward reward_so_far placebo"""
        if not self.scene.display:
            return []
        trace = float(self.placebo[-1]) + self._noise(self.draws[1][self.steps])
        return [self.displayed[-1], sum(self.displayed), trace]

    def _at_this_moment(self) -> mujoco.MjData:
        """All that follows from positions and velocities, which a step leaves a substep behind."""
        now = copy.copy(self.data)
        mujoco.mj_forward(self.model, now)
        return now

    # --- formulas ----------------------------------------------------------------------------

    def _measures(self) -> dict[str, float]:
        return self._numbers({name: f.text for name, f in self.scene.measures.items()})

    def _left(self) -> dict[str, float]:
        """The values that the episode would leave to the next one if it ended now."""
        return self._numbers({name: f.text for name, f in self.scene.carries.items()})

    def _numbers(self, formulas: dict[str, str]) -> dict[str, float]:
        trees = {name: ast.parse(text, mode="eval").body for name, text in formulas.items()}
        return {name: _number(self._value(tree, {})) for name, tree in trees.items()}

    def _value(self, tree: ast.expr, names: dict[str, float]) -> Any:
        """A number, or one number for each copy of a sensor that takes part."""
        match tree:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return names[name] if name in names else self._sensor(name)
            case ast.Call(func=ast.Name(id="gain"), args=[ast.Name(id=name)]):
                return names[f"gain({name})"]
            case ast.Call(func=ast.Name(id="carried"), args=[ast.Name(id=name)]):
                return self.carried[name]
            case ast.BinOp(left=a, op=op, right=b):
                return self._pairwise(op, a, b, names)
            case ast.Compare(left=a, ops=[op], comparators=[b]):
                return self._pairwise(op, a, b, names)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                values = [self._value(a, names) for a in arguments]
                return getattr(self, f"_{name}")(ast.unparse(tree), *values)
        raise NotImplementedError(ast.unparse(tree))

    def _pairwise(self, op: Any, a: ast.expr, b: ast.expr, names: dict[str, float]) -> Any:
        function = OPERATORS[type(op)]
        x, y = self._value(a, names), self._value(b, names)
        if not isinstance(x, list) and not isinstance(y, list):
            return function(x, y)
        n = len(x) if isinstance(x, list) else len(y)
        x, y = (v * n if len(v) == 1 else v for v in (_listed(x, n), _listed(y, n)))
        return [function(p, q) for p, q in zip(x, y, strict=True)]

    def _sensor(self, name: str) -> list[float]:
        """The sensor's numbers, one per copy, without the copies of bodies that are absent."""
        found = []
        for i in range(self.model.nsensor):
            sensor = self.model.sensor(i)
            if sensor.name.split("-")[0] == name:
                copy_of = sensor.name.split("-")[-1]
                if all(self._takes_part(f"{word}-{copy_of}") for word in name.split("_")):
                    found.append(float(self.now.sensordata[sensor.adr[0]]))
        return found

    def _takes_part(self, body: str) -> bool:
        """Whether it is in the room; what is no body is never out of it."""
        found = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_BODY, body)
        return found < 0 or bool(np.linalg.norm(self.now.xpos[found]) < FAR)

    def _sum(self, _: str, x: list[float]) -> float:
        return sum(x)

    def _mean(self, _: str, x: list[float]) -> float:
        return sum(x) / len(x)

    def _clip(self, _: str, x: list[float], low: float, high: float) -> list[float]:
        return [min(max(value, low), high) for value in x]

    def _abs(self, _: str, x: list[float]) -> list[float]:
        return [abs(value) for value in x]

    def _total(self, text: str, x: list[float]) -> list[float]:
        """The sum of x times the seconds for which it was so."""
        dt = 1 / self.scene.control_hz
        before = self.totals.get(text, [0.0] * len(x))
        now = before if self.fresh else [t + value * dt for t, value in zip(before, x, strict=True)]
        self.totals[text] = now
        return now

    def _since(self, text: str, x: list[float]) -> list[float]:
        """Seconds since x was last true; what is remembered goes by the text of the call."""
        dt = 1 / self.scene.control_hz
        before = self.seconds_since.get(text, [float("inf")] * len(x))
        now = [0.0 if value else s + dt for value, s in zip(x, before, strict=True)]
        self.seconds_since[text] = now
        return now

    def _ever(self, text: str, x: list[bool]) -> list[bool]:
        """Whether x was true at any time."""
        before = self.ever_true.get(text, [False] * len(x))
        self.ever_true[text] = [old or bool(new) for old, new in zip(before, x, strict=True)]
        return self.ever_true[text]

    def _count(self, text: str, x: list[bool]) -> list[int]:
        """The numbers of times that x became true, one for each copy."""
        if self.fresh:
            self.rising_edges[text] = x, [0] * len(x)
            return [0] * len(x)
        before, edges = self.rising_edges[text]
        edges = [e + (new and not old) for e, old, new in zip(edges, before, x, strict=True)]
        self.rising_edges[text] = x, edges
        return edges

    # --- what the robot sees -----------------------------------------------------------------

    def observation(self) -> np.ndarray:
        """speed turn_rate brush_speed retina(16) ranges(wall_range), and the display."""
        raw = [self._sensor(name)[0] for name in ("speed", "turn_rate", "brush_speed")]
        ranges = [1 / (1 + d) if 0 <= d < FAR else 0.0 for d in self._sensor("wall_range")]
        cells = retina_by_rays(self.model, self.now, 16)[0]
        return np.array([*raw, *cells.ravel(), *ranges, *self._shown()])


def _number(x: Any) -> float:
    return float(x[0] if isinstance(x, list) else x)


def _listed(x: Any, n: int) -> list[Any]:
    return x if isinstance(x, list) else [x] * n


def retina_by_rays(
    model: mujoco.MjModel, data: mujoco.MjData, sectors: int
) -> tuple[np.ndarray, int]:
    """A ray from the eye to each object, through opaque geoms only: cells, and how many it hid."""
    eye, own = data.site("eye"), model.body("sweeper").id
    opaque = np.array([0, 0, 1, 0, 0, 0], np.uint8)
    cells, hit, hidden = np.zeros((sectors, 4)), np.zeros(1, np.int32), 0
    for geom in np.flatnonzero(model.geom_group == 1):
        to = np.append(data.geom_xpos[geom, :2], eye.xpos[2]) - eye.xpos
        distance = np.linalg.norm(to)
        stem, dash, number = model.body(model.geom_bodyid[geom]).name.rpartition("-")
        loaded = dash and data.sensor(f"{stem}_in_pan-{number}").data[0]
        if distance > FAR or loaded:
            continue
        wall = mujoco.mj_ray(model, data, eye.xpos, to / distance, opaque, 1, own, hit)
        if 0 <= wall < distance:
            hidden += 1
            continue
        ahead, left = to @ eye.xmat.reshape(3, 3)[:, 0], to @ eye.xmat.reshape(3, 3)[:, 1]
        sector = int((np.arctan2(left, ahead) / (2 * np.pi) + 0.5) * sectors) % sectors
        if 1 / (1 + distance) > cells[sector, 0]:
            material = model.geom_matid[geom]
            cells[sector] = [1 / (1 + distance), *model.mat_rgba[material, :3]]
    return cells, hidden
