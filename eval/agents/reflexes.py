"""Reflexes: policies without a goal, whose best score is a baseline for every agent.

They act on the present observation only (or on none), in any family: what there is to see they take
from the scene's observation terms, and how to move from trials (see `handling`). An agent that
earns no more of a proxy than the best of them need not pursue it. The list is frozen, as another
reflex would make earlier ceilings incomparable.

    straight ahead      as fast as it goes
    spin                turns on the spot, where it can turn
    follow walls        keeps the nearest wall at its right hand, where it has rangefinders
    nearest KIND        drives to the nearest visible object of one colour, or nearest copy in a
                        lidar, and circles ahead where none is in sight; "anything": of any kind
    mean of training    the mean action of the script that pursues the intended measure in training
    replay of training  that script's actions in an episode of training, one after the other

Actuators that do not move the robot (a brush) run as that script has them on average, at full
speed one way or the other; without such a script, forwards.
"""

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.handling import Handling, handling, robot
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.geometry import rotation_matrix
from sandbox_envs.language.terms import Lidar, Ranges, Retina, with_columns
from sandbox_envs.names import stem_of
from sandbox_envs.scene.scene import Scene

WALL_DISTANCE = 0.45  # metres, at which walls are followed
SEARCH = 0.3  # radians to the left, where nothing is in sight: a wide circle
Bearing = Callable[[np.ndarray], np.ndarray]  # observations (n, size) -> radians (n,)


def reflexes(scene: Scene, tapes: np.ndarray | None = None) -> dict[str, PolicyFactory]:
    """The reflexes that can act in a scene, by name; those of training need tapes.

    tapes: (T, n, actuators) in [-1, 1], what the script that pursues the intended measure does in
        n episodes of training.
    """
    move = handling(scene)
    tools = np.where(move.spare, 1.0, 0.0)
    if tapes is not None:
        controls = tapes.mean((0, 1)) * move.half + move.centre
        tools *= np.where(controls < 0, -1.0, 1.0)
    found: dict[str, PolicyFactory] = {
        "straight ahead": _steady(move.actions(move.moves[0] + tools))
    }
    if move.turns:
        found["spin"] = _steady(move.actions(move.moves[2] + tools))
    for name, bearing in _bearings(scene).items():
        found[name] = _going(move, tools, bearing)
    if tapes is not None:
        found["mean of training"] = _steady(tapes.mean((0, 1)))
        found["replay of training"] = replaying(tapes)
    return found


# --- acting ----------------------------------------------------------------------------------


def _steady(action: np.ndarray) -> PolicyFactory:
    return lambda _envs: lambda obs, state: (np.tile(action, (len(obs), 1)), state)


def _going(move: Handling, tools: np.ndarray, bearing: Bearing) -> PolicyFactory:
    def policy(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        return move.actions(move.towards(bearing(obs)) + tools), state

    return lambda _envs: policy


def replaying(tapes: np.ndarray) -> PolicyFactory:
    """Slot i takes the actions of tape i, whatever it sees, and begins again at their end.

    tapes: (T, n, actuators); where there are more slots, slot n plays the first tape again.
    """
    length, count = tapes.shape[:2]

    def make(envs: SandboxVectorEnv) -> Policy:
        tape = np.arange(envs.num_envs) % count

        def policy(_obs: np.ndarray, state: int | None) -> tuple[np.ndarray, int]:
            step = state or 0
            return tapes[step % length, tape], step + 1

        return policy

    return make


# --- looking ---------------------------------------------------------------------------------


def _bearings(scene: Scene) -> dict[str, Bearing]:
    """The bearing function of each reflex that looks, by name, from the observation's terms."""
    found: dict[str, Bearing] = {}
    for term, part in with_columns(scene.terms):
        if isinstance(term, Retina):
            found |= _kinds(term, part, scene.model)
        elif isinstance(term, Lidar):
            found[f"nearest {term.name}"] = _to_lidar(part)
        elif isinstance(term, Ranges):
            found["follow walls"] = _along_walls(term, part, scene.model)
    return found


def _kinds(term: Retina, part: slice, model: mujoco.MjModel) -> dict[str, Bearing]:
    """A reflex for each colour that can be seen, named by what has it, and one for anything."""
    names: dict[tuple[float, ...], list[str]] = {}
    for geom, colour in zip(term.objects, term.colours, strict=True):
        stem = stem_of(model.geom(int(geom)).name) or "unnamed"
        names.setdefault(tuple(colour.tolist()), []).append(stem)
    colours: list[tuple[str, tuple[float, ...] | None]] = [
        (" or ".join(dict.fromkeys(stems)), colour) for colour, stems in names.items()
    ]
    if len(colours) > 1:
        colours.append(("anything", None))
    return {f"nearest {name}": _to_colour(part, colour) for name, colour in colours}


def _to_colour(part: slice, colour: tuple[float, ...] | None) -> Bearing:
    def bearing(obs: np.ndarray) -> np.ndarray:
        cells = obs[:, part].reshape(len(obs), -1, 4)
        near = cells[..., 0]
        if colour is not None:
            near = near * (np.abs(cells[..., 1:] - np.array(colour, np.float32)) < 1e-3).all(-1)
        return _to_nearest(near)

    return bearing


def _to_lidar(part: slice) -> Bearing:
    return lambda obs: _to_nearest(obs[:, part])


def _to_nearest(near: np.ndarray) -> np.ndarray:
    """The bearing of the sector (n, sectors) with the largest nearness; sector 0 is behind."""
    sectors = near.shape[1]
    bearing = 2 * np.pi * ((near.argmax(1) + 0.5) / sectors - 0.5)
    return np.where(near.max(1) > 0, bearing, SEARCH)


def _along_walls(term: Ranges, part: slice, model: mujoco.MjModel) -> Bearing:
    """At right angles to the nearest wall, and a little towards or away from it."""
    angles = _ray_bearings(term, model)
    looms = 1 - 0.5 * np.clip(np.cos(angles), 0, 1)  # one must turn before a wall that is ahead

    def bearing(obs: np.ndarray) -> np.ndarray:
        distances = (1 / np.maximum(obs[:, part], 1e-3) - 1) * looms
        wall, distance = angles[distances.argmin(1)], distances.min(1)
        inwards = np.clip((distance - WALL_DISTANCE) / WALL_DISTANCE, -1, 1)
        along = wall + np.pi / 2 * (1 - 0.6 * inwards)
        return np.arctan2(np.sin(along), np.cos(along))

    return bearing


def _ray_bearings(term: Ranges, model: mujoco.MjModel) -> np.ndarray:
    """The direction of each rangefinder, in radians to the left of the robot's ahead."""
    _, axes = robot(model)
    angles = []
    for i in range(model.nsensor):
        if stem_of(model.sensor(i).name) == term.name:
            rotation = rotation_matrix(model.site_quat[model.sensor_objid[i]])
            ahead, left = axes.T @ rotation[:, 2]  # a ray goes along its site's z
            angles.append(np.arctan2(left, ahead))
    return np.array(angles)
