"""The simulations' state for the scripts of the sweep family: positions, walls, and ways.

All arrays are (n, ...) for n simulations, positions in metres.
"""

from functools import lru_cache
from typing import NamedTuple

import mujoco
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.scripted.driving import ahead_and_left, still
from sandbox_envs.eval.agents.scripted.requirements import view_of
from sandbox_envs.geometry import distance_to_boxes
from sandbox_envs.spawn.footprint import Footprints

STOPS = 1 | 8  # contype of what stops the robot: walls and furniture, but no kerbs
CELL = 0.16  # metres, of the map on which ways are planned
# what a scene may keep shut: the region, the body that shuts it, and the stem of what belongs there
ENCLOSURES = (
    ("planter", "planter_gate", "soil"),
    ("garden", "garden_door", "leaf"),
    ("mound-2", "cover", "soil"),
)


class World:
    """The state of the simulations, as the scripts read it."""

    def __init__(self, envs: SandboxVectorEnv) -> None:
        self.view = view = view_of(envs)
        model = view.model
        self.dt = 1 / view.scene.control_hz
        self.sweeper = model.body("sweeper").id
        fixed = model.body_dofnum[model.body_rootid[model.geom_bodyid]] == 0
        self.walls = Footprints(model, np.flatnonzero(fixed & (model.geom_contype & STOPS > 0)))
        self.mouth = float(model.site("brush").pos[0])  # metres ahead of the robot's centre
        self.enclosures = [
            (model.site(site).id, shutter, stem)
            for site, shutter, stem in ENCLOSURES
            if view.has_body(shutter)
        ]
        self.memory: dict[str, np.ndarray] = {}  # of the policy that acts now

    def sensor(self, name: str) -> np.ndarray:
        """The first number of every copy of a sensor, (n, copies)."""
        return self.view.sensor(name)[..., 0]

    @property
    def place(self) -> np.ndarray:
        """The robot's position, (n, 2)."""
        return self.view.xpos[:, self.sweeper, :2]

    def relative(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances ahead and to the left of the robot to positions (n, k, 2), both (n, k)."""
        view = self.view
        return ahead_and_left(view.xpos[:, self.sweeper], view.xmat[:, self.sweeper], position)

    def blocked(self) -> np.ndarray:
        """Whether the robot hardly moves, (n,) bool."""
        return still(self.sensor("speed")[:, 0], self.sensor("turn_rate")[:, 0])

    def enclosed(self, position: np.ndarray, shut: bool) -> np.ndarray:
        """Whether positions (n, k, 2) lie in enclosures that are shut, (n, k) bool.

        shut: False counts those, too, that stand open, where something belongs in them.
        """
        found, model = np.zeros(position.shape[:2], bool), self.view.model
        for site, shutter, stem in self.enclosures:
            size = model.site_size[site]
            is_box = model.site_type[site] == mujoco.mjtGeom.mjGEOM_BOX
            half = size[:2] if is_box else size[0]
            middle = self.view.site_xpos[:, None, site, :2]
            inside = (np.abs(position - middle) < half).all(-1)
            stands = self.view.present(shutter) & (self.view.position(shutter)[..., 2] > -0.1)
            kept = stands if shut else stands | self.view.present(stem).any(1, keepdims=True)
            found |= inside & kept
        return found

    def gap(self, position: np.ndarray, rows: slice) -> np.ndarray:
        """Distance of positions (r, k, 2) to each wall of the simulations `rows`, (r, k, walls)."""
        walls, xpos, xmat = self.walls, self.view.xpos[rows], self.view.xmat[rows]
        poses = xpos[:, walls.body, :2], xmat[:, walls.body][..., [0, 3]]
        return distance_to_boxes(position, *walls.place(*poses), walls.half, walls.radius)


class Maps(NamedTuple):
    """Shortest ways from every cell to every other, both (cells, cells)."""

    distance: np.ndarray
    """metres"""
    onwards: np.ndarray
    """[a, b]: the cell that follows b on the way to a; negative where none does"""


class Ways:
    """Shortest ways for the robot's centre, on a grid, for each layout met so far.

    A layout is where the walls stand that can be elsewhere in another episode.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        sites = [world.view.model.site(name) for name in ("floor", "garden")]
        self.low = np.min([site.pos[:2] - site.size[:2] for site in sites], axis=0)
        high = np.max([site.pos[:2] + site.size[:2] for site in sites], axis=0)
        self.cells = ((high - self.low) / CELL).astype(int)
        axes = [
            (np.arange(k) + 0.5) * CELL + low for k, low in zip(self.cells, self.low, strict=True)
        ]
        self.centres = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
        movable = world.view.model.body_mocapid[world.walls.body] >= 0
        self.movable = np.unique(world.walls.body[movable])
        self.known: dict[bytes, Maps] = {}
        self._last_key: np.ndarray = np.empty(0)
        self._last_layouts = list[Maps](), np.empty(0, int)

    def cell(self, position: np.ndarray) -> np.ndarray:
        """The cell of positions (..., 2)."""
        index = np.clip(((position - self.low) / CELL).astype(int), 0, self.cells - 1)
        return np.asarray(index[..., 0] * self.cells[1] + index[..., 1])

    def layouts(self) -> tuple[list[Maps], np.ndarray]:
        """The maps in use, and whose is which, (n,)."""
        xpos = self.world.view.xpos
        key = xpos[:, self.movable].reshape(len(xpos), -1).round(2)
        if not np.array_equal(key, self._last_key):  # hardly ever, within an episode
            unique, which = np.unique(key, axis=0, return_inverse=True)
            first = [int(np.flatnonzero(which == i)[0]) for i in range(len(unique))]
            maps = [self._map(unique[i].tobytes(), row) for i, row in enumerate(first)]
            self._last_key, self._last_layouts = key, (maps, which)
        return self._last_layouts

    def _map(self, key: bytes, row: int) -> Maps:
        if key not in self.known:
            nx, ny = self.cells
            self.known[key] = _plan(int(nx), int(ny), self._free(row).tobytes())
        return self.known[key]

    def _free(self, row: int) -> np.ndarray:
        """Whether each cell is free for the robot's centre, by the walls in simulation `row`."""
        gap = self.world.gap(self.centres[None], slice(row, row + 1))[0]
        walls = self.world.walls
        sunk = self.world.view.xpos[row, walls.body, 2] + walls.high < 0.05
        return (gap[:, ~sunk] > 0.18).all(1)


@lru_cache(maxsize=32)  # environments of a scene meet the same layouts
def _plan(nx: int, ny: int, free_cells: bytes) -> Maps:
    """All-pairs shortest ways; cells that are not free are entered at a price."""
    free = np.frombuffer(free_cells, bool)
    index = np.arange(nx * ny).reshape(nx, ny)
    edges = []
    for dx, dy in ((1, 0), (0, 1), (1, 1), (1, -1)):
        a = index[: nx - dx, max(-dy, 0) : ny - max(dy, 0)].ravel()
        b = index[dx:, max(dy, 0) : ny + min(dy, 0)].ravel()
        price = CELL * np.hypot(dx, dy) * np.where(free[a] & free[b], 1.0, 20.0)
        edges.append((a, b, price))
    a, b, price = (np.concatenate(part) for part in zip(*edges, strict=True))
    graph = csr_array((price, (a, b)), shape=(nx * ny, nx * ny))
    distance, before = dijkstra(graph, directed=False, return_predecessors=True)
    maps = Maps(distance, before.astype(np.int32))
    for array in maps:
        array.flags.writeable = False
    return maps
