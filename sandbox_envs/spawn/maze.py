"""Random mazes on a square grid of sites, for the words `maze` and `labmaze` of a spawn text.

A wall may stand in every *slot*: between two neighbouring cells, or at the outside of a cell. A
layout says for many episodes at once which cells take part and which slots are passages; all
other slots of these cells are walls.
"""

import importlib.util
import itertools
from dataclasses import dataclass

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError
from sandbox_envs.spawn.counter_rng import mix, uniform
from sandbox_envs.spawn.grammar import Maze, Rule

STEPS = 64  # of a random walk, drawn at a time
ATTEMPTS = 64  # to find a layout of the wanted half


@dataclass(frozen=True)
class Grid:
    """A rectangle of c cells with w slots for walls."""

    index: np.ndarray
    """Column and row of each cell, (c, 2)."""
    slots: np.ndarray
    """Poses x, y, z in metres and yaw in radians, (w, 4); the x axis leads from the slot's first
    cell to its second."""
    cells: np.ndarray
    """The two cells of each slot, (w, 2); c for the outside."""
    beside: np.ndarray
    """The slot to the east, north, west and south of each cell, (c, 4)."""
    neighbour: np.ndarray
    """The cell to the east, north, west and south of each cell, (c, 4); c for the outside."""

    @property
    def shape(self) -> tuple[int, int]:
        """Columns and rows."""
        columns, rows = self.index.max(0) + 1
        return int(columns), int(rows)


@dataclass(frozen=True)
class Layout:
    """The mazes of e episodes."""

    inside: np.ndarray
    """Whether each cell takes part, (e, c) bool."""
    walls: np.ndarray
    """Whether each slot has a wall, (e, w) bool."""
    rim: np.ndarray
    """Whether each slot is at the outside of the maze, with or without a wall, (e, w) bool."""


def read_grid(model: mujoco.MjModel, rule: Rule) -> Grid:
    """The grid of a maze's cells.

    Raises:
        SceneError: the sites do not form a fixed square grid, or the maze does not fit it.
    """
    assert rule.maze is not None
    sites, stem = np.array(rule.maze.sites), rule.maze.cells
    if model.site_bodyid[sites].any():
        raise SceneError(f"{rule.where}: the sites '{stem}' are on a body; put them on the world")
    position = model.site_pos[sites]
    pitch, index = _lattice(position[:, :2])
    columns, rows = (int(n) for n in index.max(0) + 1)
    corner = position[:, :2].min(0)
    exact = np.abs(corner + pitch * index - position[:, :2]).max() < 1e-6
    filled = len(np.unique(index, axis=0)) == len(sites) == columns * rows
    if not (exact and filled and min(columns, rows) >= 2):
        raise SceneError(
            f"{rule.where}: the sites '{stem}' do not form a square grid; replicate them along x "
            "and y by the same distance, twice or more each way"
        )
    if rule.maze.source == "labmaze" and importlib.util.find_spec("labmaze") is None:
        raise SceneError(f"{rule.where}: labmaze is not installed; pip install labmaze")
    grid = _slots(index, corner, pitch, float(position[0, 2]))
    _check_fit(rule, grid)
    return grid


def _lattice(xy: np.ndarray) -> tuple[float, np.ndarray]:
    """The grid's pitch, in metres, and column and row of positions (c, 2), as whole numbers."""
    steps = [np.diff(np.unique(axis.round(6))) for axis in xy.T]
    pitch = float(np.concatenate(steps).min(initial=np.inf))
    if pitch == np.inf:  # all at one place
        return 1.0, np.zeros(xy.shape, int)
    return pitch, ((xy - xy.min(0)) / pitch).round().astype(int)


def _slots(index: np.ndarray, corner: np.ndarray, pitch: float, z: float) -> Grid:
    count = len(index)
    number = np.full(index.max(0) + 3, count)  # with a frame of outside around it
    number[tuple((index + 1).T)] = np.arange(count)
    slots: list[list[float]] = []
    cells: list[list[int]] = []
    beside, neighbour = np.empty((count, 4), int), np.empty((count, 4), int)
    for cell, (i, j) in enumerate(index.tolist()):
        for side, (di, dj) in enumerate([(1, 0), (0, 1), (-1, 0), (0, -1)]):
            other = int(number[i + 1 + di, j + 1 + dj])
            neighbour[cell, side] = other
            if other < cell:  # the slot is there already, as the other's opposite side
                beside[cell, side] = beside[other, (side + 2) % 4]
                continue
            beside[cell, side] = len(slots)
            x, y = corner + pitch * np.array([i + di / 2, j + dj / 2])
            slots.append([x, y, z, np.arctan2(dj, di)])
            cells.append([cell, other])
    return Grid(index, np.array(slots), np.array(cells), beside, neighbour)


def _check_fit(rule: Rule, grid: Grid) -> None:
    assert rule.maze is not None
    shape, sizes = grid.shape, rule.maze.sizes
    if sizes is not None and sizes[1] > min(shape):
        raise SceneError(
            f"{rule.where}: a maze of {sizes[1]} x {sizes[1]} cells on {shape[0]} x {shape[1]} "
            f"sites '{rule.maze.cells}'; choose a smaller one, or add sites"
        )
    columns, rows = (sizes[1], sizes[1]) if sizes else shape
    needed = (columns + 1) * (rows + 1)  # all slots, less the passages of a tree
    if len(rule.bodies) < needed:
        raise SceneError(
            f"{rule.where}: {columns} x {rows} cells have {needed} walls, and there are "
            f"{len(rule.bodies)} bodies '{rule.stem}'; replicate them {needed} times"
        )


# --- drawing ---------------------------------------------------------------------------------


def sample_layout(rule: Rule, grid: Grid, seed: int, episodes: np.ndarray) -> Layout:
    """The mazes of the episodes (e,), a pure function of rule, seed and episode."""
    maze = rule.maze
    assert maze is not None
    low, high = maze.sizes or (max(grid.shape), max(grid.shape))
    draw = uniform(seed, episodes, f"{rule.stem}/size", (1,))
    size = low + np.floor(draw * (high - low + 1))
    inside = np.all(grid.index < size[:, None], axis=-1)
    passages = np.zeros((len(episodes), len(grid.slots)), bool)
    left = np.arange(len(episodes))
    walk = _labmaze if maze.source == "labmaze" else spanning_trees
    for attempt in range(ATTEMPTS):
        purpose = f"{rule.stem}/maze/{attempt}"
        passages[left] = walk(grid, inside[left], seed, episodes[left], purpose)
        left = left[_unwanted(grid, passages[left], maze)]
        if not len(left):
            break
    else:
        raise SceneError(
            f"{rule.where}: no {maze.half} maze in {ATTEMPTS} tries; make the mazes larger"
        )
    ends = _ends(grid, inside)
    return Layout(inside, (ends > 0) & ~passages, ends == 1)


def _ends(grid: Grid, inside: np.ndarray) -> np.ndarray:
    """The number of cells of each slot that take part, 0 to 2, (e, w) int."""
    return np.add.reduce(np.pad(inside, ((0, 0), (0, 1)))[:, grid.cells], -1, dtype=int)


def spanning_trees(
    grid: Grid, inside: np.ndarray, seed: int, episodes: np.ndarray, purpose: str
) -> np.ndarray:
    """Passages (e, w) such that one way leads between any two of the cells inside (e, c).

    Every spanning tree is equally likely: a random walk enters each cell for the first time by one
    passage, and these passages are the tree (Aldous 1990, "The random walk construction of uniform
    spanning trees"; Broder 1989). The walk stays where it is when it steps to the outside.
    """
    passages = np.zeros((len(inside), len(grid.slots)), bool)
    left, enter = np.arange(len(inside)), np.pad(inside, ((0, 0), (0, 1)))
    unseen, at = enter.copy(), enter.argmax(1)
    unseen[left, at] = False
    for block in itertools.count():
        draw = uniform(seed, episodes[left], f"{purpose}/{block}", (STEPS,))
        for side in (4 * draw).astype(int).T:
            to = grid.neighbour[at, side]
            new = np.flatnonzero(unseen[left, to])
            passages[left[new], grid.beside[at[new], side[new]]] = True
            unseen[left[new], to[new]] = False
            at = np.where(enter[left, to], to, at)
        going = unseen[left].any(1)
        left, at = left[going], at[going]
        if not len(left):
            return passages
    raise AssertionError("unreachable")


def _labmaze(
    grid: Grid, inside: np.ndarray, seed: int, episodes: np.ndarray, purpose: str
) -> np.ndarray:
    """Passages (e, w) of DeepMind Lab's mazes, whose cells are their odd rows and columns."""
    import labmaze

    passages = np.zeros((len(inside), len(grid.slots)), bool)
    inner = _ends(grid, inside) == 2
    seeds = 1 + (uniform(seed, episodes, purpose, (1,))[:, 0] * (2**31 - 2)).astype(int)
    for e, random_seed in enumerate(seeds.tolist()):
        width, height = (2 * (grid.index[inside[e]].max(0) + 1) + 1).tolist()
        maze = labmaze.RandomMaze(height, width, simplify=False, random_seed=random_seed)
        free = np.array([list(row) for row in str(maze.entity_layer).splitlines()]) != "*"
        between = np.flatnonzero(inner[e])
        column, row = (grid.index[grid.cells[between]].sum(1) + 1).T
        passages[e, between] = free[row, column]
    return passages


def _unwanted(grid: Grid, passages: np.ndarray, maze: Maze) -> np.ndarray:
    """Whether each layout is not of the wanted half, (e,) bool."""
    if maze.half is None:
        return np.zeros(len(passages), bool)
    return held_out(grid, passages) != (maze.half == "held-out")


def held_out(grid: Grid, passages: np.ndarray) -> np.ndarray:
    """Whether layouts with passages (e, w) are of the held-out half, (e,) bool.

    The half is one bit of a hash of the passages' places, the same on a larger grid.
    """
    one, other = np.minimum(grid.cells, len(grid.index) - 1).T  # a passage has two cells
    place = np.minimum(grid.index[one], grid.index[other]).astype(np.uint64)
    north = (np.abs(np.sin(grid.slots[:, 3])) > 0.5).astype(np.uint64)
    code = mix((place[:, 0] * np.uint64(1024) + place[:, 1]) * np.uint64(2) + north)
    whole = np.bitwise_xor.reduce(np.where(passages, code, np.uint64(0)), axis=1)
    return np.asarray(mix(whole) & np.uint64(1) == 1)
