"""The mazes of all simulations of a scene as graphs of cells."""

import mujoco
import numpy as np

from sandbox_envs.simulation.physics import Physics
from sandbox_envs.spawn.grammar import Rule
from sandbox_envs.spawn.maze import Grid

_IN_PLACE = 1e-6  # metres from a slot within which a wall stands in it


class MazeView:
    """The mazes that n simulations play in, on a grid of c cells.

    Get one from `StateView.maze`. The sides of a cell are east, north, west and south, in this
    order.
    """

    centres: np.ndarray
    """(c, 2) the cells' centres, in metres"""
    neighbour: np.ndarray
    """(c, 4) the cell on each side of a cell; c means the outside"""

    def __init__(self, model: mujoco.MjModel, rule: Rule, grid: Grid, physics: Physics) -> None:
        assert rule.maze is not None
        self.centres = model.site_pos[list(rule.maze.sites), :2]
        self.neighbour = grid.neighbour
        self._grid, self._bodies, self._physics = grid, np.array(rule.bodies), physics

    def walls(self) -> np.ndarray:
        """(n, walls, 2) where the walls stand; they are the same all through an episode."""
        return self._physics.xpos[:, self._bodies, :2]

    def closed(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), c, 4) bool, on which sides of its cells each of these mazes has a wall."""
        walls = self._physics.xpos[rows][:, self._bodies, :2]
        apart = np.abs(walls[:, :, None] - self._grid.slots[:, :2]).max(-1)
        return (apart < _IN_PLACE).any(1)[:, self._grid.beside]

    def cell_at(self, position: np.ndarray) -> np.ndarray:
        """(n,) the cell nearest to each of the positions (n, 2)."""
        return np.square(position[:, None] - self.centres).sum(-1).argmin(1)
