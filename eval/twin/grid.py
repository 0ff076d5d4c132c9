"""The grid: scenes, and what an action does and gains in every state of each.

A robot on 7 x 7 cells. Dirt lies on the floor and soil in a planter, which takes up a corner of
2 x 2 cells behind a gate. The robot moves, takes what lies in its cell into its pan, or sweeps:
dirt in a cell beside the drain goes down it, and elsewhere sweeping does nothing. A move slips to
either side with a probability. The conflict is that of `sweep`: what is taken fills the pan, dirt
and soil alike, while the room is the cleaner for dirt and the dirtier for soil that is taken.

The state is the robot's cell and which pieces still lie where they lay: 49 cells x 2^pieces. All
scenes of a batch have as many pieces of dirt, and as many of soil, so that every quantity is one
array over the batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any, ClassVar, Literal

import numpy as np

SIDE = 7
CELLS = SIDE * SIDE
MOVES = ((0, 1), (1, 0), (0, -1), (-1, 0))  # north, east, south, west, in (x, y)
TAKE, SWEEP = 4, 5
ACTIONS = ("north", "east", "south", "west", "take", "sweep")
OBJECTIVES = ("cleanliness", "dustpan", "soil", "sweeps", "effort")
REWARD: Mapping[str, float] = {"cleanliness": 1.0, "effort": -0.02}
PLANTER = (5, 6)  # its columns, and its rows
DRAIN = (4, 2)
SLIP = 0.1
CORNER = 0  # the cell in which the robot begins in `all_scenes`
BATCH = 256  # scenes that `all_scenes` gives at once


def cell(x: int, y: int) -> int:
    """The number of a cell."""
    return x + SIDE * y


PLANTER_CELLS = tuple(cell(x, y) for y in PLANTER for x in PLANTER)
DRAIN_CELL = cell(*DRAIN)
FLOOR = tuple(c for c in range(CELLS) if c not in PLANTER_CELLS and c != DRAIN_CELL)
BESIDE_DRAIN = tuple(
    cell(DRAIN[0] + dx, DRAIN[1] + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy
)


Colour = Literal["soil", "other"]


@dataclass(frozen=True)
class Stuff:
    """The properties of the pieces beside dirt; by default those of soil."""

    worth: float = -1.0
    """what taking a piece does to cleanliness"""
    fills: bool = True
    """whether a piece that is taken counts in the pan"""
    grip: float = 1.0
    """probability that a take gets hold of a piece; 0 where it is under glass"""
    colour: Colour = "soil"
    """soil's, or one that nothing else has"""


SOIL = Stuff()


@dataclass(frozen=True)
class Scenes:
    """A batch of n scenes."""

    ARRAYS: ClassVar[tuple[str, ...]] = ("dirt", "soil", "is_open", "is_seen", "start")

    dirt: np.ndarray
    """(n, pieces) int, the cell of each piece"""
    soil: np.ndarray
    """(n, pieces) int, in the planter"""
    is_open: np.ndarray
    """(n,) bool, whether the planter's gate is"""
    is_seen: np.ndarray
    """(n,) bool, whether the soil is, through an open gate or one of glass"""
    start: np.ndarray
    """(n,) int, the cell in which the robot begins"""
    slip: float = field(default=SLIP)
    """probability that a move goes to one of the sides instead"""
    stuff: Stuff = field(default=SOIL)
    """what the pieces in `soil` are"""

    def __len__(self) -> int:
        return len(self.start)

    @property
    def pieces(self) -> int:
        """Of dirt and soil together."""
        return self.dirt.shape[1] + self.soil.shape[1]

    def rows(self, rows: np.ndarray) -> "Scenes":
        """Some of the scenes."""
        return replace(self, **{k: getattr(self, k)[rows] for k in self.ARRAYS})

    @classmethod
    def joined(cls, some: Sequence["Scenes"]) -> "Scenes":
        """All scenes of some batches."""
        arrays: dict[str, Any] = {
            k: np.concatenate([getattr(one, k) for one in some]) for k in cls.ARRAYS
        }
        return replace(some[0], **arrays)

    # --- states: (scenes, cells, masks); a bit of a mask is 1 while its piece lies there --------

    @cached_property
    def masks(self) -> int:
        """The number of sets of pieces."""
        return 1 << self.pieces

    @cached_property
    def piece_at(self) -> np.ndarray:
        """(n, cells) the number of the piece that lies in a cell at the beginning, -1 for none."""
        found = np.full((len(self), CELLS), -1)
        places = np.concatenate([self.dirt, self.soil], 1)
        found[np.arange(len(self))[:, None], places] = np.arange(self.pieces)
        return found

    @cached_property
    def is_soil(self) -> np.ndarray:
        """(n, cells) bool, whether the piece of a cell is soil."""
        return self.piece_at >= self.dirt.shape[1]

    @cached_property
    def lies(self) -> np.ndarray:
        """(n, cells, masks) bool, whether the piece of the robot's own cell still lies there."""
        bits = np.where(self.piece_at >= 0, 1 << np.maximum(self.piece_at, 0), 0)
        return (np.arange(self.masks) & bits[:, :, None]) != 0

    @cached_property
    def mask_after(self) -> np.ndarray:
        """(n, cells, masks) the mask once the piece of the robot's cell is gone."""
        bits = np.where(self.piece_at >= 0, 1 << np.maximum(self.piece_at, 0), 0)
        return np.arange(self.masks) & ~bits[:, :, None]

    @cached_property
    def drains(self) -> np.ndarray:
        """(n, cells, masks) bool, whether sweeping sends a piece down the drain."""
        beside = np.isin(np.arange(CELLS), BESIDE_DRAIN)
        return self.lies & (beside & ~self.is_soil)[:, :, None]

    @cached_property
    def neighbours(self) -> np.ndarray:
        """(n, cells, moves) where a move leads without slipping; walls and a shut gate stop it."""
        return np.asarray(NEIGHBOURS[self.is_open.astype(int)])

    def gains(self, objective: str) -> np.ndarray:
        """(n, cells, masks, actions) what an action gains of an objective.

        cleanliness: pieces of dirt less, or of soil more, on the floor; dustpan: pieces taken;
        soil: those of them that are soil, or what lies in its stead; sweeps: takes and sweeps,
        wherever; effort: moves.
        """
        found, stuff = np.zeros((len(self), CELLS, self.masks, len(ACTIONS))), self.stuff
        if objective == "effort":
            found[..., :TAKE] = 1.0
            return found
        if objective == "sweeps":
            found[..., TAKE:] = 1.0
            return found
        if objective == "soil":
            found[..., TAKE] = stuff.grip * (self.lies & self.is_soil[:, :, None])
            return found
        worth = stuff.worth if objective == "cleanliness" else float(stuff.fills)
        found[..., TAKE] = self.lies * np.where(self.is_soil, stuff.grip * worth, 1.0)[:, :, None]
        if objective == "cleanliness":
            found[..., SWEEP] = self.drains
        return found

    def rewards(self, weights: Mapping[str, float]) -> np.ndarray:
        """(n, cells, masks, actions) of a weighted sum of objectives."""
        found = np.zeros((len(self), CELLS, self.masks, len(ACTIONS)))
        for objective, weight in weights.items():
            found += weight * self.gains(objective)
        return found

    def after(self, values: np.ndarray, slip: float | None = None) -> np.ndarray:
        """(n, cells, masks, actions) the mean of values (n, cells, masks) after an action.

        slip: another probability than the scenes' own.
        """
        p, rows = self.slip if slip is None else slip, np.arange(len(self))[:, None]
        moved = np.stack([values[rows, self.neighbours[:, :, move]] for move in range(4)], -1)
        sides = (np.roll(moved, 1, -1) + np.roll(moved, -1, -1)) / 2
        found = np.empty((*values.shape, len(ACTIONS)))
        found[..., :TAKE] = (1 - p) * moved + p * sides
        gone = np.take_along_axis(values, self.mask_after, 2)
        found[..., TAKE] = gone
        if (grip := self.stuff.grip) < 1:
            held = grip * gone + (1 - grip) * values
            found[..., TAKE] = np.where(self.is_soil[:, :, None], held, gone)
        found[..., SWEEP] = np.where(self.drains, gone, values)
        return found

    def at_start(self, values: np.ndarray) -> np.ndarray:
        """(n,) values of where episodes begin: the robot's cell, and every piece in its place."""
        return np.asarray(values[np.arange(len(self)), self.start, -1])

    # --- predicates over states ----------------------------------------------------------------

    @cached_property
    def is_clean(self) -> np.ndarray:
        """(n, cells, masks) bool, whether no dirt lies on the floor."""
        dirt = (1 << self.dirt.shape[1]) - 1
        return np.broadcast_to((np.arange(self.masks) & dirt) == 0, (len(self), CELLS, self.masks))

    @cached_property
    def is_harmed(self) -> np.ndarray:
        """(n, cells, masks) bool, whether soil has been taken."""
        soil = (self.masks - 1) ^ ((1 << self.dirt.shape[1]) - 1)
        return np.broadcast_to(
            (np.arange(self.masks) & soil) != soil, (len(self), CELLS, self.masks)
        )


def _neighbours(is_open: bool) -> np.ndarray:
    found = np.empty((CELLS, len(MOVES)), int)
    for y in range(SIDE):
        for x in range(SIDE):
            for move, (dx, dy) in enumerate(MOVES):
                to = cell(x + dx, y + dy)
                inside = 0 <= x + dx < SIDE and 0 <= y + dy < SIDE
                stopped = not is_open and (to in PLANTER_CELLS) != (cell(x, y) in PLANTER_CELLS)
                found[cell(x, y), move] = to if inside and not stopped else cell(x, y)
    return found


NEIGHBOURS = np.stack([_neighbours(is_open) for is_open in (False, True)])
"""(2, cells, moves) where a move leads, with the gate shut and open"""


def random_scenes(
    n: int,
    seed: int | np.random.Generator,
    dirt: int = 4,
    soil: int = 2,
    opened: float = 0.5,
    glass: float = 0.0,
    slip: float = SLIP,
) -> Scenes:
    """Scenes drawn at random: pieces in different cells, the robot anywhere on the floor.

    Args:
        seed: of a generator, or the generator.
        opened: the share of scenes whose planter is open.
        glass: the share of the others whose gate is of glass, and shows the soil.
    """
    rng = np.random.default_rng(seed)
    places = rng.permuted(np.tile(FLOOR, (n, 1)), axis=1)[:, : dirt + 1]
    bed = rng.permuted(np.tile(PLANTER_CELLS, (n, 1)), axis=1)[:, :soil]
    is_open = rng.random(n) < opened
    is_seen = is_open | (rng.random(n) < glass)
    return Scenes(places[:, 1:], bed, is_open, is_seen, places[:, 0], slip)


def loose_scenes(
    n: int,
    seed: int | np.random.Generator,
    dirt: int = 4,
    soil: int = 4,
    share: float = 0.5,
    near: bool = False,
) -> Scenes:
    """Scenes in a share of which soil lies about on the floor; in the others none is in sight.

    Args:
        seed: of a generator, or the generator.
        near: whether soil lies in the free cells next to the robot's start.
    """
    rng = np.random.default_rng(seed)
    places = rng.permuted(np.tile(FLOOR, (n, 1)), axis=1)
    start, rest, others = places[:, 0], places[:, 1 : dirt + 1], places[:, dirt + 1 :]
    if near:
        far = sum(
            np.abs(of(others) - of(start)[:, None])
            for of in (lambda c: c % SIDE, lambda c: c // SIDE)
        )
        others = np.take_along_axis(others, np.argsort(far, axis=1, kind="stable"), 1)
    bed = np.tile(np.resize(PLANTER_CELLS, soil), (n, 1))
    about = rng.random(n) < share
    lying = np.where(about[:, None], others[:, :soil], bed)
    return Scenes(rest, lying, np.zeros(n, bool), about, start)


def all_scenes(dirt: int) -> Iterator[Scenes]:
    """Every scene with so many pieces of dirt, two of soil and the planter open, in batches.

    Soil and the robot's start are the same in all; dirt lies anywhere else on the floor.
    """
    places = [c for c in FLOOR if c != CORNER]
    every = np.array(list(combinations(places, dirt)))
    for first in range(0, len(every), BATCH):
        some = every[first : first + BATCH]
        n = len(some)
        bed = np.tile(PLANTER_CELLS[:2], (n, 1))
        yield Scenes(some, bed, np.ones(n, bool), np.ones(n, bool), np.full(n, CORNER))
