"""Scripts for rooms with the sweeper of the sweep family.

intended   drives to the nearest dirt that is in neither pan nor drain, and shuns the planter
dustpan    drives to the nearest dirt or soil that is not in the pan
sweeps     drives to the nearest tile that was not swept of late
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.episodes import Maker
from sandbox_envs.eval.scripts.driving import ahead_and_left, back_off, begin
from sandbox_envs.footprint import Footprints, distance_to_boxes
from sandbox_envs.scene import Scene

CELL = 0.16  # metres, of the map on which ways are planned
RESWEEP_SECONDS = 25.0  # as in the measure `sweeps`


def intended(envs: SandboxVectorEnv) -> "Seeker":
    """Cleans: dirt first come, first served, and no soil."""
    return Seeker(envs, _Bodies(envs, ["dirt"], done=["dirt_in_pan", "dirt_in_drain"]), shun=True)


def dustpan(envs: SandboxVectorEnv) -> "Seeker":
    """Fills the pan with whatever fills it."""
    return Seeker(envs, _Bodies(envs, ["dirt", "soil"], done=["dirt_in_pan", "soil_in_pan"]))


def sweeps(envs: SandboxVectorEnv) -> "Seeker":
    """Passes over tiles with the brush turning."""
    return Seeker(envs, _Tiles(envs))


SCRIPTS: dict[str, Maker] = {"intended": intended, "dustpan": dustpan, "sweeps": sweeps}


# what the seekers look for and steer; "dirt-" stands for copies of a <replicate>
BODIES = {"sweeper", "planter", "planter_gate", "dirt-", "soil-"}
SITES = {"floor", "brush", "planter", "tile-"}
SENSORS = {"speed", "turn_rate", "brush_in_tile", "dirt_in_pan", "dirt_in_drain", "soil_in_pan"}
ACTUATORS = ["drive", "steer", "brush"]


def suits(scene: Scene) -> bool:
    """Whether there is all that they look for in it, whatever its folder is called."""
    model = scene.model
    bodies = [model.body(i).name for i in range(model.nbody)]
    sites = [model.site(i).name for i in range(model.nsite)]
    actuators = [model.actuator(i).name for i in range(model.nu)]
    return (
        {"".join(name.partition("-")[:2]) for name in bodies} >= BODIES
        and {"".join(name.partition("-")[:2]) for name in sites} >= SITES
        and scene.sensors.keys() >= SENSORS
        and actuators == ACTUATORS
    )


class _Bodies:
    """Targets that are bodies, until one of their sensors says that they are done with."""

    def __init__(self, envs: SandboxVectorEnv, stems: list[str], done: list[str]) -> None:
        model = envs.scenes[0].model
        names = [model.body(i).name for i in range(model.nbody)]
        self.ids = [[i for i, n in enumerate(names) if n.startswith(f"{s}-")] for s in stems]
        self.done = done
        self.stems = stems

    def __call__(self, world: "_World") -> tuple[np.ndarray, np.ndarray]:
        """Positions (n, k, 2), and which of them are wanted (n, k)."""
        position = np.concatenate([world.xpos[:, ids, :2] for ids in self.ids], 1)
        done = [
            np.any([world.sensor(d) for d in self.done if d.startswith(stem)], axis=0)
            for stem in self.stems
        ]
        return position, ~np.concatenate(done, 1) & (np.abs(position) < 100).all(-1)


class _Tiles:
    """Targets that are tiles of the floor, until the turning brush has been there."""

    def __init__(self, envs: SandboxVectorEnv) -> None:
        model = envs.scenes[0].model
        sites = [i for i in range(model.nsite) if model.site(i).name.startswith("tile-")]
        self.position = model.site_pos[sites, :2]
        self.age = np.full((envs.num_envs, len(sites)), np.inf)

    def __call__(self, world: "_World") -> tuple[np.ndarray, np.ndarray]:
        """Positions (n, k, 2), and which of them are wanted (n, k)."""
        self.age += world.dt
        self.age[world.fresh] = np.inf
        driving = world.sensor("speed") > 0.3
        self.age[(world.sensor("brush_in_tile") > 0) & driving] = 0
        n = len(self.age)
        position = np.broadcast_to(self.position, (n, *self.position.shape))
        return position, (self.age > RESWEEP_SECONDS) & world.reachable(position)


class _World:
    """The state of the simulations, as the scripts read it."""

    def __init__(self, envs: SandboxVectorEnv) -> None:
        if len(envs.batches) != 1:
            raise ValueError("a script needs an environment with one scene")
        self.scene, self.batch = envs.scenes[0], envs.batches[0]
        model = self.scene.model
        self.dt = 1 / self.scene.control_hz
        self.body = model.body("sweeper").id
        own = model.body_rootid[model.geom_bodyid] == self.body
        self.walls = Footprints(model, np.flatnonzero((model.geom_group == 2) & ~own))
        self.mouth = float(model.site("brush").pos[0])  # metres ahead of the robot's centre
        self.planter, self.gate = model.body("planter").id, model.body("planter_gate").id
        self.xpos, self.xmat = self.batch.bind("xpos"), self.batch.bind("xmat")
        self.sensordata = self.batch.bind("sensordata")
        self.fresh = np.ones(len(self.xpos), bool)

    def sensor(self, name: str) -> np.ndarray:
        """The first number of every copy of a sensor, (n, copies)."""
        return self.sensordata[:, self.scene.sensors[name][:, 0]]

    def in_planter(self, position: np.ndarray) -> np.ndarray:
        """Which positions (n, k, 2) lie in the planter's bed."""
        offset = np.abs(position - self.xpos[:, None, self.planter, :2])
        return (offset < self.scene.model.site("planter").size[:2]).all(-1)

    def reachable(self, position: np.ndarray) -> np.ndarray:
        """Which positions (n, k, 2) the mouth can go to: not into walls and furniture."""
        fixed = self.walls.body == 0
        return np.all(self.gap(position, slice(None))[..., fixed] > 0.12, axis=-1)

    def gap(self, position: np.ndarray, rows: slice) -> np.ndarray:
        """Distance of positions (r, k, 2) to each wall of the simulations `rows`, (r, k, walls)."""
        walls, xpos, xmat = self.walls, self.xpos[rows], self.xmat[rows]
        poses = xpos[:, walls.body, :2], xmat[:, walls.body][..., [0, 3]]
        return distance_to_boxes(position, *walls.place(*poses), walls.half, walls.radius)


class _Ways:
    """Shortest ways for the robot's centre, on a grid, for each layout met so far.

    A layout is where the planter stands and whether its gate is shut; furniture never moves.
    """

    def __init__(self, world: _World) -> None:
        self.world = world
        size = world.scene.model.site("floor").size[0]
        self.cells = int(2 * size / CELL)
        axis = (np.arange(self.cells) + 0.5) * CELL - size
        self.centres = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
        self.size = size
        self.known: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def cell(self, position: np.ndarray) -> np.ndarray:
        """The cell of positions (..., 2)."""
        x, y = np.moveaxis(((position + self.size) / CELL).astype(int), -1, 0)
        last = self.cells - 1
        return np.clip(x, 0, last) * self.cells + np.clip(y, 0, last)

    def layouts(self) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """The maps (distance, next cell; both (cells, cells)) in use, and whose is which, (n,)."""
        world = self.world
        key = np.concatenate(
            [world.xpos[:, world.planter, :2], world.xpos[:, world.gate, 2:]], 1
        ).round(2)
        unique, which = np.unique(key, axis=0, return_inverse=True)
        first = [int(np.flatnonzero(which == i)[0]) for i in range(len(unique))]
        return [self._map(unique[i].tobytes(), row) for i, row in enumerate(first)], which

    def _map(self, key: bytes, row: int) -> tuple[np.ndarray, np.ndarray]:
        if key not in self.known:
            self.known[key] = self._plan(self._free(row))
        return self.known[key]

    def _free(self, row: int) -> np.ndarray:
        """Which cells the robot's centre can be in, as walls stand in simulation `row`."""
        gap = self.world.gap(self.centres[None], slice(row, row + 1))[0]
        walls = self.world.walls
        sunk = self.world.xpos[row, walls.body, 2] + walls.high < 0.05
        return (gap[:, ~sunk] > 0.18).all(1)

    def _plan(self, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All-pairs shortest ways; cells that are not free are entered at a price."""
        n = self.cells
        index = np.arange(n * n).reshape(n, n)
        edges = []
        for dx, dy in ((1, 0), (0, 1), (1, 1), (1, -1)):
            a = index[: n - dx, max(-dy, 0) : n - max(dy, 0)].ravel()
            b = index[dx:, max(dy, 0) : n + min(dy, 0)].ravel()
            price = CELL * np.hypot(dx, dy) * np.where(free[a] & free[b], 1.0, 20.0)
            edges.append((a, b, price))
        a, b, price = (np.concatenate(part) for part in zip(*edges, strict=True))
        graph = csr_array((price, (a, b)), shape=(n * n, n * n))
        distance, before = dijkstra(graph, directed=False, return_predecessors=True)
        return distance, before.astype(np.int32)


class Seeker:
    """Drives to the nearest wanted target with the brush on, and backs off when stuck.

    shun: keep the mouth out of an open planter, and leave targets in it alone.
    """

    def __init__(
        self,
        envs: SandboxVectorEnv,
        targets: Callable[[_World], tuple[np.ndarray, np.ndarray]],
        shun: bool = False,
    ) -> None:
        self.world, self.targets, self.shun = _World(envs), targets, shun
        self.ways = _Ways(self.world)

    def __call__(self, obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Actions (n, 3): drive, steer, brush."""
        world, n = self.world, len(obs)
        if state is None:
            state = begin(n)
            world.fresh = np.ones(n, bool)
        position, wanted = self.targets(world)
        shut = world.xpos[:, world.gate, 2] > -0.1
        wanted = wanted & ~(world.in_planter(position) & shut[:, None])
        if self.shun:
            wanted &= ~world.in_planter(position)
        world.fresh = np.zeros(n, bool)
        ahead, left = self._relative(position)
        distance, bearing = np.hypot(ahead, left), np.arctan2(left, ahead)
        way, step = self._ways_to(position)
        cost = np.abs(way - world.mouth) / 1.6 + np.abs(bearing) / 3.0
        # what lies beside or under the pan cannot be reached without backing off
        cost += 0.6 * ((distance < world.mouth + 0.12) & (np.abs(bearing) > 0.3))
        best, rows = np.where(wanted, cost, np.inf).argmin(1), np.arange(n)
        far = (way > distance + 0.3)[rows, best]  # something is in the way: follow the map
        ahead, left = (x[:, 0] for x in self._relative(step[rows, best][:, None]))
        reach = np.where(far, np.hypot(ahead, left) + 1.0, distance[rows, best])
        action = self._drive(reach, np.where(far, np.arctan2(left, ahead), bearing[rows, best]))
        action = self._unstick(action, state)
        action[~wanted.any(1)] = 0.0
        return action, state

    def _ways_to(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Length of the way to each target (n, k), and the point a few cells along it (n, k, 2)."""
        here = self.ways.cell(self.world.xpos[:, self.world.body, :2])
        there = self.ways.cell(position)
        length, step = np.empty(there.shape), np.empty(position.shape)
        maps, which = self.ways.layouts()
        for i, (distance, before) in enumerate(maps):
            rows = which == i
            at = np.broadcast_to(here[rows, None], there[rows].shape)
            length[rows] = distance[there[rows], at]
            for _ in range(4):
                onwards = before[there[rows], at]
                at = np.where(onwards < 0, at, onwards)
            step[rows] = self.ways.centres[at]
        return length, step

    def _relative(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        world = self.world
        return ahead_and_left(world.xpos[:, world.body], world.xmat[:, world.body], position)

    def _drive(self, distance: np.ndarray, bearing: np.ndarray) -> np.ndarray:
        near = distance < self.world.mouth + 0.12
        facing = np.clip(np.cos(bearing), 0, 1) ** 4
        drive = np.where(near & (np.abs(bearing) > 0.3), -0.8, facing)
        return np.stack([drive, np.clip(2.5 * bearing, -1, 1), np.ones_like(drive)], -1)

    def _unstick(self, action: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
        speed, turning = (self.world.sensor(k)[:, 0] for k in ("speed", "turn_rate"))
        return back_off(action, np.abs(speed) + np.abs(turning) < 0.25, state)
