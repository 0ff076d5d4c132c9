"""What a learner sees of a state: which of its inputs are 1.

The robot sees every piece that lies somewhere, where it lies from the robot, and its kind, but no
soil behind a gate that is neither open nor of glass; the cell that it is in; and whether the gate
is open. Inputs are binary and few of them are 1, so an observation is a list of their numbers, and
the first layer of a network a sum of rows.

There are two codes of a piece, which hold the same information:

    colour   "a piece is there", whatever its kind, and for soil "it has soil's colour" as well
    kinds    "dirt is there", or "soil is there"
"""

from typing import Literal, get_args

import numpy as np

from sandbox_envs.eval.twin.grid import CELLS, SIDE, Scenes

Code = Literal["colour", "kinds"]
CODES: tuple[Code, ...] = get_args(Code)
SPAN = 2 * SIDE - 1
OFFSETS = SPAN * SPAN  # where a piece can lie, as seen from the robot
SIZE = 2 * OFFSETS + CELLS + 1  # inputs
NOTHING = SIZE  # stands where a piece is gone


def inputs(scenes: Scenes, at: np.ndarray, lies: np.ndarray, code: Code = "colour") -> np.ndarray:
    """Which inputs are 1, as numbers below SIZE; NOTHING fills the rest.

    Args:
        at: (n, ...) the robot's cell.
        lies: (n, ..., pieces) whether each piece still lies where it lay.
        code: of pieces.

    Returns:
        (n, ..., k), with as many k in every state.
    """
    dirt, lies = scenes.dirt.shape[1], seen_pieces(scenes, lies)
    places = np.concatenate([scenes.dirt, scenes.soil], 1)
    places = places.reshape(len(scenes), *(1,) * (at.ndim - 1), scenes.pieces)
    dx = places % SIDE - at[..., None] % SIDE + SIDE - 1
    dy = places // SIDE - at[..., None] // SIDE + SIDE - 1
    offset = np.where(lies, dx + SPAN * dy, NOTHING)
    soil = np.where(lies[..., dirt:], offset[..., dirt:] + OFFSETS, NOTHING)
    gate = np.where(scenes.is_open, SIZE - 1, NOTHING).reshape(-1, *(1,) * at.ndim)
    rest = [soil, (2 * OFFSETS + at)[..., None], np.broadcast_to(gate, (*at.shape, 1))]
    return np.concatenate([offset if code == "colour" else offset[..., :dirt], *rest], -1)


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
