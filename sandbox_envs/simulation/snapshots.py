"""Snapshots as `get_state` gives them, put together row by row.

A snapshot maps names to arrays. "seed" is the seed of the episodes. "I/NAME" has a row for each
simulation of the environment's I-th scene. All others belong to wrappers: they have a row for each
simulation of the environment, or are single numbers. Only this package relies on these names.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sandbox_envs.errors import UserError

Snapshot = Mapping[str, Any]


def splice_states(states: Sequence[Snapshot], which: np.ndarray) -> dict[str, Any]:
    """A snapshot in which simulation i is as it is in states[which[i]].

    Args:
        states: snapshots of one environment, of the same seed.
        which: (num_envs,) int.

    Raises:
        UserError: the snapshots differ in more than their simulations, or `which` does not fit.
    """
    which = np.asarray(which)
    if which.dtype.kind not in "iu" or ((which < 0) | (which >= len(states))).any():
        raise UserError(f"`which` must be whole numbers from 0 to {len(states) - 1}")
    rows = _rows(states[0], which)
    spliced = {}
    for name, first in states[0].items():
        values: list[Any] = [state.get(name) for state in states]
        if any(np.shape(value) != np.shape(first) for value in values):
            raise UserError(f"these snapshots are of different environments: '{name}' differs")
        if np.ndim(first):
            spliced[name] = np.stack(values)[which[rows[_scene(name)]], np.arange(len(first))]
        elif all(value == first for value in values):
            spliced[name] = first
        else:
            raise UserError(f"these snapshots cannot be spliced: their '{name}' differs")
    return spliced


def _scene(name: str) -> str:
    """The number of the scene whose simulations an array is about, or "" for all of them."""
    prefix, slash, _ = name.partition("/")
    return prefix if slash and prefix.isdigit() else ""


def _rows(state: Snapshot, which: np.ndarray) -> dict[str, np.ndarray]:
    """The simulations of each scene, by the scene's number, and all of them under ""."""
    counts = {int(_scene(name)): len(array) for name, array in state.items() if _scene(name)}
    total = sum(counts.values())
    if which.shape != (total,):
        raise UserError(f"`which` has the shape {which.shape}, not ({total},), one per simulation")
    ends = np.cumsum([counts[scene] for scene in sorted(counts)])
    parts = np.split(np.arange(total), ends[:-1])
    return {"": np.arange(total)} | {str(scene): part for scene, part in enumerate(parts)}
