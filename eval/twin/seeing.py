"""A learner's observation of a state: which of its inputs are 1.

The robot sees every piece that lies somewhere, where it lies from the robot, and its kind, but no
soil behind a gate that is neither open nor of glass; the cell that it is in; and whether the gate
is open. Inputs are binary and few of them are 1, so an observation is a list of their numbers, and
the first layer of a network a sum of rows.

A piece's kind can be shown in several codes. In the first three it is seen from everywhere:

    colour   "a piece is there", whatever its kind, and for soil "it has soil's colour" as well
    colours  the same, and what has another colour than soil says so by inputs of its own
    kinds    "dirt is there", or "soil is there"

In the others "a piece is there" is seen from everywhere, and its kind in the robot's own cell and
in the eight around it, each of which has marks of its own:

    near_colour    one mark, which soil shows
    near_shade     the same, but the input is SHADE instead of 1
    near_marks     two of four marks: each mark alone tells nothing, the pair tells the kind
    near_network   those of eight marks that a fixed random function gives for kind and pattern

A piece has one of four patterns, by its number in the room. So where training has fewer than four
pieces of soil, near_network shows patterns of soil elsewhere that training never did.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np

from sandbox_envs.eval.twin.grid import CELLS, SIDE, Scenes

Code = Literal[
    "colour", "colours", "kinds", "near_colour", "near_shade", "near_marks", "near_network"
]
CODES: tuple[Code, ...] = get_args(Code)
SPAN = 2 * SIDE - 1
OFFSETS = SPAN * SPAN  # where a piece can lie, as seen from the robot
MARKS, PATTERNS = 8, 4
GATE = 2 * OFFSETS + CELLS  # number of the gate's input
NEARBY = GATE + 1  # of the first mark of the first cell nearby
SIZE = NEARBY + 9 * MARKS  # inputs, of all codes but `colours`
NOTHING = SIZE  # stands where a piece is gone
OTHER = SIZE + 1  # of the first input for another colour
SHADE = 0.25


def _marks() -> Mapping[Code, np.ndarray]:
    """Code -> (2, patterns, marks) bool, what dirt and soil show."""
    one, pairs = np.zeros((2, 2, PATTERNS, MARKS), bool)
    one[1, :, 0] = True
    for kind, pattern, marks in ((0, 0, (0, 2)), (0, 1, (1, 3)), (1, 0, (0, 3)), (1, 1, (1, 2))):
        for mark in marks:
            pairs[kind, pattern::2, mark] = True
    network = np.random.default_rng(0).random((2, PATTERNS, MARKS)) < 0.5
    return {
        "near_colour": one,
        "near_shade": one,
        "near_marks": pairs,
        "near_network": network,
    }


SHOWN = _marks()


def size(code: Code) -> int:
    """The number of a network's inputs; the one numbered NOTHING is absent or never read."""
    return OTHER + OFFSETS if code == "colours" else SIZE


def strength(code: Code) -> np.ndarray:
    """(size,) what an input is where it is not 0."""
    found = np.ones(size(code), np.float32)
    if code == "near_shade":
        found[NEARBY:] = SHADE
    return found


def inputs(scenes: Scenes, at: np.ndarray, lies: np.ndarray, code: Code = "colour") -> np.ndarray:
    """The numbers of the inputs that are not 0, below the code's size; NOTHING fills the rest.

    Args:
        at: (n, ...) the robot's cell.
        lies: (n, ..., pieces) whether each piece still lies where it lay.
        code: of pieces.

    Returns:
        (n, ..., k), with as many k in every state.

    Raises:
        ValueError: something has another colour than soil, and the code cannot show it.
    """
    other = scenes.stuff.colour == "other"
    if other and code != "colours":
        raise ValueError(f"code {code} shows no other colour than soil's; use colours")
    dirt, lies = scenes.dirt.shape[1], seen_pieces(scenes, lies)
    places = np.concatenate([scenes.dirt, scenes.soil], 1)
    places = places.reshape(len(scenes), *(1,) * (at.ndim - 1), scenes.pieces)
    dx = places % SIDE - at[..., None] % SIDE
    dy = places // SIDE - at[..., None] // SIDE
    offset = np.where(lies, dx + SIDE - 1 + SPAN * (dy + SIDE - 1), NOTHING)
    gate = np.where(scenes.is_open, GATE, NOTHING).reshape(-1, *(1,) * at.ndim)
    rest = [(2 * OFFSETS + at)[..., None], np.broadcast_to(gate, (*at.shape, 1))]
    if code in SHOWN:
        return np.concatenate([offset, *_nearby(scenes, dx, dy, lies, SHOWN[code]), *rest], -1)
    first = OTHER if other else OFFSETS
    soil = np.where(lies[..., dirt:], offset[..., dirt:] + first, NOTHING)
    return np.concatenate([offset[..., :dirt] if code == "kinds" else offset, soil, *rest], -1)


def _nearby(
    scenes: Scenes, dx: np.ndarray, dy: np.ndarray, lies: np.ndarray, shown: np.ndarray
) -> list[np.ndarray]:
    """The marks of pieces nearby: for each of the most marks that a piece shows, (..., pieces)."""
    kinds = np.arange(scenes.pieces) >= scenes.dirt.shape[1]
    marks = shown[kinds.astype(int), np.arange(scenes.pieces) % PATTERNS]  # (pieces, marks)
    is_near = lies & (np.abs(dx) <= 1) & (np.abs(dy) <= 1)
    first = NEARBY + MARKS * (dx + 1 + 3 * (dy + 1))
    found = []
    for number in range(marks.sum(1).max()):
        # the number-th mark of each piece, where it has so many
        which = np.array([[*np.flatnonzero(row), *[-1] * MARKS][number] for row in marks])
        found.append(np.where(is_near & (which >= 0), first + which, NOTHING))
    return found


def seen_pieces(scenes: Scenes, lies: np.ndarray) -> np.ndarray:
    """(n, ..., pieces) of the pieces that lie there, those that are seen."""
    kinds = np.arange(scenes.pieces) < scenes.dirt.shape[1]
    seen = kinds | scenes.is_seen.reshape(-1, *(1,) * (lies.ndim - 1))
    return np.asarray(lies & seen)


def states(scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
    """(n, cells, masks) the robot's cell in every state, and (..., pieces) what lies there."""
    lies = (np.arange(scenes.masks)[:, None] >> np.arange(scenes.pieces)) & 1 == 1
    shape = (len(scenes), CELLS, scenes.masks)
    at = np.broadcast_to(np.arange(CELLS)[:, None], shape)
    return at, np.broadcast_to(lies, (*shape, scenes.pieces))
