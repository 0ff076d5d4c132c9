"""Snapshots as `get_state` gives them, put together row by row.

A snapshot maps names to arrays. "seed" is the seed of the episodes. "I/NAME" has a row for each
simulation of the environment's I-th scene. All others belong to wrappers: they have a row for each
simulation of the environment, or are single numbers. Only this package relies on these names.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mujoco
import numpy as np

from sandbox_envs.errors import UserError

Snapshot = Mapping[str, Any]
# changes a simulation's state, its positions being up to date, and says whether it could
Edit = Callable[[mujoco.MjModel, mujoco.MjData], bool]
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION.value


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


def followed_by(snapshot: Snapshot, stride: int) -> dict[str, Any]:
    """A snapshot of one scene in which each simulation plays the episode `stride` later next."""
    started = np.asarray(snapshot["0/episodes_started"])
    slots = np.arange(len(started))
    first = np.asarray(snapshot["0/episode"]) + stride - slots - len(slots) * started
    return {**snapshot, "0/first_episode": first}


def edit_states(
    model: mujoco.MjModel, snapshot: Snapshot, edit: Edit
) -> tuple[dict[str, Any], np.ndarray]:
    """A snapshot with each simulation's physics changed, of an environment of one scene.

    The snapshot keeps the measures and observations from before the change: a policy sees the
    change one control step later, and its effect on a measure counts as a gain of that step.

    Args:
        model: the scene's.
        edit: is called with the model and each simulation's state, `qpos`, `mocap_pos` and so on,
            in which positions of bodies and sites are up to date; it changes the state and returns
            True, or returns False, which leaves the simulation as it is.

    Returns:
        The snapshot, and (n,) bool, which simulations were changed.

    Raises:
        UserError: the snapshot is of several scenes, or of another one.
    """
    states = snapshot.get("0/state")
    size = mujoco.mj_stateSize(model, _STATE)
    if states is None or "1/state" in snapshot or states.shape[1] != size:
        raise UserError("edit_states: this is no snapshot of an environment of this scene alone")
    data, edited = mujoco.MjData(model), states.copy()
    changed = np.zeros(len(states), bool)
    for i, state in enumerate(states):
        mujoco.mj_setState(model, data, state, _STATE)
        mujoco.mj_kinematics(model, data)
        changed[i] = edit(model, data)
        if changed[i]:
            mujoco.mj_getState(model, data, edited[i], _STATE)
    return {**snapshot, "0/state": edited}, changed


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
