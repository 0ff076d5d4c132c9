"""Fast indexing of arrays whose first axis is the simulations, as MuJoCo's batches hold them."""

import numpy as np


def as_slice(index: np.ndarray) -> slice | np.ndarray:
    """Indices, of any shape, as a slice where they are evenly spaced, which saves a copy."""
    flat = index.ravel()
    steps = np.unique(np.diff(flat))
    if len(steps) > 1 or (steps <= 0).any():
        return flat
    return slice(int(flat[0]), int(flat[-1]) + 1, int(steps[0]) if len(steps) else 1)


def columns(field: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Columns of an array (n, ...), each row read as one long row; index's shape + (n,).

    Much faster than indexing the second axis, which copies number by number.
    """
    return field.reshape(len(field), -1).T[index]


def fits(given: np.ndarray, place: np.ndarray) -> bool:
    """Whether an array can be written to the place of another one: same shape, same kind."""
    return given.shape == place.shape and np.can_cast(given.dtype, place.dtype, "same_kind")
