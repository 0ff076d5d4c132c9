"""Search of a maze without a map: go to the nearest unvisited cell until the exit is seen.

It is not one of the family's scripts, to which agents are compared, but says what a map is worth:
who knows the maze goes the shortest way at once.
"""

from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted.maze import CELLS, Walker, lengths
from sandbox_envs.eval.agents.scripted.requirements import view_of
from sandbox_envs.simulation.maze_view import MazeView

END = "end"  # the exit's site


class KnownMaze:
    """The mazes of n simulations, of which only what was seen in this episode is known.

    Every passage that was not seen counts as closed.
    """

    def __init__(self, maze: MazeView, n: int) -> None:
        self.centres, self.neighbour, self._maze = maze.centres, maze.neighbour, maze
        c = len(maze.centres)
        outside = self.neighbour == c  # through the exit, where no way goes on
        self._truth = maze.closed(np.arange(n)) | outside
        self._open = np.zeros((n, c, 4), bool)
        self.visited, self.seen = np.zeros((n, c), bool), np.zeros((n, c), bool)

    def walls(self) -> np.ndarray:
        """(n, walls, 2) the positions of the walls."""
        return self._maze.walls()

    def closed(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), c, 4) bool, the sides of cells through which no way is known."""
        return ~self._open[rows]

    def cell_at(self, position: np.ndarray) -> np.ndarray:
        """(n,) the cell nearest to each of the positions (n, 2)."""
        return self._maze.cell_at(position)

    def visit(self, rows: np.ndarray, here: np.ndarray, sight: int) -> None:
        """Look round in the cells `here` of some simulations.

        sight: how many cells are seen along each open passage from there.
        """
        self.visited[rows, here] = self.seen[rows, here] = True
        for side in range(4):
            back, seeing, cell = (side + 2) % 4, rows, here
            for _ in range(sight):
                onwards = ~self._truth[seeing, cell, side]
                seeing, cell = seeing[onwards], cell[onwards]
                beyond = self.neighbour[cell, side]
                self._open[seeing, cell, side] = self._open[seeing, beyond, back] = True
                self.seen[seeing, beyond] = True
                cell = beyond


class Searcher:
    """Goes to the exit if it was seen, else to the nearest cell that was not visited."""

    def __init__(self, envs: SandboxVectorEnv, sight: int) -> None:
        self.view, self.n, self.sight = view_of(envs), envs.num_envs, sight
        self.end = int(self.view.site_ids(END)[0])

    def __call__(self, obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Actions (n, 2): pushes along x and y; the state is the search so far."""
        search = _Search(self) if state is None else state
        return search.actions(), search


class _Search:
    """The search of n simulations in one episode."""

    def __init__(self, searcher: Searcher) -> None:
        self.view, self.end, self.sight = searcher.view, searcher.end, searcher.sight
        self.maze = KnownMaze(self.view.maze(CELLS), searcher.n)
        self.walker = Walker(self.view, self.maze, searcher.n)
        self.here = np.full(searcher.n, -1)
        self.target = np.zeros(searcher.n, int)

    def actions(self) -> np.ndarray:
        """Pushes (n, 2) along x and y."""
        here = self.maze.cell_at(self.walker.puck)
        rows = np.flatnonzero(here != self.here)
        self.here = here
        if len(rows):
            self.maze.visit(rows, here[rows], self.sight)
            self._choose(rows)
        exits = self.view.site_xpos[:, self.end, :2]
        is_there = (self.target == self.maze.cell_at(exits))[:, None]
        return self.walker.towards(np.where(is_there, exits, self.maze.centres[self.target]))

    def _choose(self, rows: np.ndarray) -> None:
        exits = self.maze.cell_at(self.view.site_xpos[:, self.end, :2])[rows]
        far = lengths(self.maze.closed(rows), self.maze.neighbour, self.here[rows])[:, :-1]
        far[self.maze.visited[rows]] = np.inf
        some = np.arange(len(rows))
        nearest = np.where(np.isinf(far).all(1), self.here[rows], far.argmin(1))
        self.target[rows] = np.where(self.maze.seen[rows][some, exits], exits, nearest)


def searching(sight: int) -> PolicyFactory:
    """A search that sees so many cells along each open passage; 1 is the next cell alone."""
    return lambda envs: Searcher(envs, sight)
