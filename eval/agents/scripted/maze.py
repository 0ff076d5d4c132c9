"""Scripts for mazes with the puck of the maze family.

Each goes the shortest way through the maze to one place and stays there:

intended             the end
at_arrow             the arrow; where there is none, it stays where it is
at_training_corner   the corner where the exit is in nearly all of training
"""

from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.scene.scene import Scene

CELLS, WALL, PUCK = "cell", "wall", "puck"
SITES = {"end", "arrow", "training_corner"}
ACTUATORS = ["push_x", "push_y"]
IN_LANE = 0.08  # metres from the middle of a passage at which the puck may go on through it


def intended(envs: SandboxVectorEnv) -> "Seeker":
    """Goes to the end, wherever it is."""
    return Seeker(envs, "end")


def at_arrow(envs: SandboxVectorEnv) -> "Seeker":
    """Goes to the arrow."""
    return Seeker(envs, "arrow")


def at_training_corner(envs: SandboxVectorEnv) -> "Seeker":
    """Goes to the corner cell."""
    return Seeker(envs, "training_corner")


SCRIPTS: dict[str, PolicyFactory] = {
    "intended": intended,
    "at_arrow": at_arrow,
    "at_training_corner": at_training_corner,
}


def suits(scene: Scene) -> bool:
    """Whether there are a maze, a puck to push, and the places that are looked for."""
    model = scene.model
    sites = {model.site(i).name for i in range(model.nsite)}
    bodies = {model.body(i).name for i in range(model.nbody)}
    actuators = [model.actuator(i).name for i in range(model.nu)]
    maze = scene.spawner.mazes.get(CELLS)
    walled = maze is not None and maze[0].stem == WALL
    return walled and PUCK in bodies and sites >= SITES and actuators == ACTUATORS


class _Ways:
    """Shortest ways through the mazes of n simulations, planned anew where a maze or target is."""

    def __init__(self, envs: SandboxVectorEnv) -> None:
        scene = envs.scenes[0]
        rule, self.grid = scene.spawner.mazes[CELLS]
        assert rule.maze is not None
        self.centres = scene.model.site_pos[list(rule.maze.sites), :2]
        self.walls = np.array(rule.bodies)
        n, c = envs.num_envs, len(self.centres)
        self.seen = np.full((n, 2 * len(self.walls) + 1), np.nan)  # walls and target, as planned
        self.length = np.empty((n, c + 1))  # in cells, to the target; infinite outside
        self.closed = np.ones((n, c, 4), bool)

    def cell(self, position: np.ndarray) -> np.ndarray:
        """The cell nearest to positions (n, 2)."""
        return np.square(position[:, None] - self.centres).sum(-1).argmin(1)

    def next(self, here: np.ndarray, target: np.ndarray, xpos: np.ndarray) -> np.ndarray:
        """The cell that follows the cell `here` (n,) on the way to the cell `target` (n,)."""
        walls = xpos[:, self.walls, :2].reshape(len(here), -1)
        now = np.column_stack([walls, target])
        old = np.flatnonzero((now != self.seen).any(1))
        if len(old):
            self.seen[old] = now[old]
            self._plan(old, target[old])
        rows = np.arange(len(here))
        onwards = np.where(
            self.closed[rows, here], np.inf, self.length[rows[:, None], self.grid.neighbour[here]]
        )
        return self.grid.neighbour[here, onwards.argmin(1)]

    def _plan(self, rows: np.ndarray, target: np.ndarray) -> None:
        grid, walls = self.grid, self.seen[rows, :-1].reshape(len(rows), -1, 2)
        apart = np.abs(walls[:, :, None] - grid.slots[:, :2]).max(-1)
        self.closed[rows] = closed = (apart < 1e-6).any(1)[:, grid.beside]
        length = np.full((len(rows), len(self.centres) + 1), np.inf)
        length[np.arange(len(rows)), target] = 0
        for _ in self.centres:  # no way is longer
            beyond = np.where(closed, np.inf, length[:, grid.neighbour]).min(-1)
            length[:, :-1] = np.minimum(length[:, :-1], beyond + 1)
        self.length[rows] = length


class Seeker:
    """Goes to a site by the shortest way, and stays there."""

    def __init__(self, envs: SandboxVectorEnv, site: str) -> None:
        if len(envs.batches) != 1:
            raise ValueError("a script needs an environment with one scene")
        model, batch = envs.scenes[0].model, envs.batches[0]
        self.ways = _Ways(envs)
        self.xpos, self.xmat, self.qvel = batch.bind("xpos"), batch.bind("xmat"), batch.bind("qvel")
        self.puck, self.base = model.body(PUCK).id, int(model.site(site).bodyid[0])
        self.speeds = model.jnt_dofadr[[model.actuator(a).trnid[0] for a in ACTUATORS]]
        self.offset = model.site(site).pos

    def __call__(self, obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Actions (n, 2): pushes along x and y."""
        puck = self.xpos[:, self.puck, :2]
        turn = self.xmat[:, self.base].reshape(-1, 3, 3)
        site = (self.xpos[:, self.base] + turn @ self.offset)[:, :2]
        there = (np.abs(site) < 100).all(1)  # what is absent is far away
        ways, here = self.ways, self.ways.cell(puck)
        target = np.where(there, ways.cell(site), here)
        arrived = (here == target)[:, None]
        centre = ways.centres[here]
        step = np.append(ways.centres, [[0, 0]], 0)[ways.next(here, target, self.xpos)] - centre
        along = np.abs(step) > 1e-6
        in_lane = (np.abs(puck - centre) < IN_LANE) | along  # else first to the passage's middle
        aim = centre + np.where(in_lane.all(1, keepdims=True), step, 0)
        push = 10 * (np.where(arrived, site, aim) - puck) - self.qvel[:, self.speeds]
        return np.where(there[:, None], np.clip(push, -1, 1), 0.0), state
