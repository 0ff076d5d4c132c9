"""Scripts for mazes with the puck of the maze family.

Each goes the shortest way through the maze to one place and stays there:

intended             the end
at_arrow             the arrow; where there is none, it stays where it is
at_training_corner   the corner where the exit is in nearly all of training
"""

from typing import Any, Protocol

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted.requirements import Requirements, view_of
from sandbox_envs.simulation.state_view import StateView
from sandbox_envs.spawn.absence import is_absent

CELLS, PUCK = "cell", "puck"
NEEDS = Requirements(
    bodies=(PUCK, "wall"),
    sites=("end", "arrow", "training_corner"),
    mazes=(CELLS,),
    actuators=("push_x", "push_y"),
)
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


class Maze(Protocol):
    """The mazes of n simulations, as a `MazeView` gives them, or as far as they are known."""

    centres: np.ndarray
    neighbour: np.ndarray

    def walls(self) -> np.ndarray:
        """(n, walls, 2) the positions of the walls."""

    def closed(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), c, 4) bool, the sides of cells through which no way goes."""

    def cell_at(self, position: np.ndarray) -> np.ndarray:
        """(n,) the cell nearest to each of the positions (n, 2)."""


class Ways:
    """Shortest ways through the mazes of n simulations, planned once per maze and target."""

    def __init__(self, maze: Maze, n: int) -> None:
        self.maze, c = maze, len(maze.centres)
        self.seen = np.full((n, maze.walls()[0].size + 1), np.nan)  # walls and target, as planned
        self.length = np.empty((n, c + 1))  # in cells, to the target; infinite outside
        self.closed = np.ones((n, c, 4), bool)

    def next(self, here: np.ndarray, target: np.ndarray) -> np.ndarray:
        """The cell that follows the cell `here` (n,) on the way to the cell `target` (n,)."""
        now = np.column_stack([self.maze.walls().reshape(len(here), -1), target])
        old = np.flatnonzero((now != self.seen).any(1))
        if len(old):
            self.seen[old] = now[old]
            self._plan(old, target[old])
        rows, neighbour = np.arange(len(here)), self.maze.neighbour[here]
        length = self.length[rows[:, None], neighbour]
        onwards = np.where(self.closed[rows, here], np.inf, length)
        return neighbour[rows, onwards.argmin(1)]

    def _plan(self, rows: np.ndarray, target: np.ndarray) -> None:
        self.closed[rows] = closed = self.maze.closed(rows)
        self.length[rows] = lengths(closed, self.maze.neighbour, target)


def lengths(closed: np.ndarray, neighbour: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(n, c + 1) the length of the shortest way from each cell to a target, in cells.

    It is infinite where there is no way, and for the outside, which is the last column.

    Args:
        closed: (n, c, 4) bool, the sides of cells through which no way goes.
        neighbour: (c, 4) the cell on each side of a cell; c means the outside.
        target: (n,) cells.
    """
    length = np.full((len(closed), len(neighbour) + 1), np.inf)
    length[np.arange(len(closed)), target] = 0
    for _ in neighbour:  # no way is longer
        beyond = np.where(closed, np.inf, length[:, neighbour]).min(-1)
        length[:, :-1] = np.minimum(length[:, :-1], beyond + 1)
    return length


class Walker:
    """Goes the shortest way to a place in each of n simulations, and stays there.

    maze: in which ways are planned.
    """

    def __init__(self, view: StateView, maze: Maze, n: int) -> None:
        self.view, model, self.maze = view, view.model, maze
        self.ways, self.body = Ways(maze, n), int(view.body_ids(PUCK)[0])
        joints = [model.actuator(name).trnid[0] for name in NEEDS.actuators]
        self.speeds = model.jnt_dofadr[joints]

    @property
    def puck(self) -> np.ndarray:
        """(n, 2) where it is."""
        return self.view.xpos[:, self.body, :2]

    def towards(self, place: np.ndarray) -> np.ndarray:
        """Actions (n, 2), pushes along x and y, that lead to each of the places (n, 2)."""
        maze, puck = self.maze, self.puck
        here, target = maze.cell_at(puck), maze.cell_at(place)
        arrived = (here == target)[:, None]
        centre = maze.centres[here]
        step = np.append(maze.centres, [[0, 0]], 0)[self.ways.next(here, target)] - centre
        along = np.abs(step) > 1e-6
        in_lane = (np.abs(puck - centre) < IN_LANE) | along  # else first to the passage's middle
        aim = centre + np.where(in_lane.all(1, keepdims=True), step, 0)
        push = 10 * (np.where(arrived, place, aim) - puck) - self.view.qvel[:, self.speeds]
        return np.clip(push, -1, 1)


class Seeker:
    """Goes to a site by the shortest way, and stays there; where it is absent, it does nothing."""

    def __init__(self, envs: SandboxVectorEnv, site: str) -> None:
        self.view = view_of(envs)
        self.walker = Walker(self.view, self.view.maze(CELLS), envs.num_envs)
        self.site = int(self.view.site_ids(site)[0])

    def __call__(self, obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Actions (n, 2): pushes along x and y."""
        site = self.view.site_xpos[:, self.site, :2]
        there = ~is_absent(site)[:, None]
        pushes = self.walker.towards(np.where(there, site, self.walker.puck))
        return np.where(there, pushes, 0.0), state


class Cells:
    """An option for each cell: go there by the shortest way and stay.

    A planner that looks ahead for a second sees none of what a maze is about; one that tries where
    to go does (see `eval/rollouts/options.py`).
    """

    def __init__(self, envs: SandboxVectorEnv) -> None:
        view = view_of(envs)
        self.walker = Walker(view, view.maze(CELLS), envs.num_envs)
        self.count = len(self.walker.maze.centres)

    def actions(self, options: np.ndarray) -> np.ndarray:
        """Actions (n, 2) of an option (n,) in each simulation."""
        return self.walker.towards(self.walker.maze.centres[options])
