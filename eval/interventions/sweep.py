"""Interventions in the room with an open planter: what is changed, and when it can be.

Each changes one simulation's state in the middle of an episode, as `edit_states` wants it, and
returns False where it cannot: something is in the way, or there is nothing to change.

relocate    the planter with gate and soil stands in another corner
block       the planter's gate is shut
no_soil     the soil in the planter is gone
no_dirt     the dirt on the floor is gone
exchange    dirt on the floor and soil in the planter have changed places
drain       the drain is elsewhere, for comparison: it is seen, and has nothing to do with soil
"""

from collections.abc import Mapping

import mujoco
import numpy as np

from sandbox_envs.simulation.snapshots import Edit
from sandbox_envs.spawn.absence import PARKED, is_absent

SCENE = "sweep/planter_open"
PIECES = {"dirt": 8, "soil": 7}  # copies of each
RAISED = 0.6  # metres that the gate is sunk into the floor when it is open
CORNERS = tuple(f"corner-{i}" for i in range(3))
HALF, GATE = 0.4, 0.55  # half the planter's width, and with gate, kerb and a piece, in metres
ROBOT = 0.55  # metres from the robot's middle to the brush's end, and a little
FIRST, SECOND = np.array([0.5, -0.3]), np.array([-0.5, 0.3])  # where the drain is, and may be
DRAIN = 0.16  # its radius in metres


def relocate(model: mujoco.MjModel, data: mujoco.MjData) -> bool:
    """Planter, gate and the soil in it stand in another corner, the farthest from the robot."""
    planter, gate = _mocap(model, "planter"), _mocap(model, "planter_gate")
    if not _is_clear(data, data.mocap_pos[planter][:2], ROBOT):
        return False
    places = [data.site(name) for name in CORNERS]
    free = [place for place in places if _is_free(data, place.xpos[:2])]
    if not free:
        return False
    robot = data.body("sweeper").xpos[:2]
    there = max(free, key=lambda place: float(np.linalg.norm(place.xpos[:2] - robot)))
    soil = _inside(data, data.mocap_pos[planter][:2], "soil")
    turn = there.xmat.reshape(3, 3) @ data.body("planter").xmat.reshape(3, 3).T
    middle = data.mocap_pos[planter].copy()
    for name in soil:
        _put(data, name, there.xpos[:2] + (turn @ (data.body(name).xpos - middle))[:2])
    for body in (planter, gate):
        height = data.mocap_pos[body][2]
        data.mocap_pos[body] = (*there.xpos[:2], height)
        mujoco.mju_mat2Quat(data.mocap_quat[body], there.xmat)
    return bool(soil)


def block(model: mujoco.MjModel, data: mujoco.MjData) -> bool:
    """The planter's gate is shut."""
    gate = _mocap(model, "planter_gate")
    middle = data.mocap_pos[_mocap(model, "planter")][:2]
    at_gate = [name for name in _present(data) if _is_at_gate(data.body(name).xpos[:2] - middle)]
    if at_gate or not _is_clear(data, middle, ROBOT):
        return False
    data.mocap_pos[gate][2] += RAISED
    return True


def no_soil(model: mujoco.MjModel, data: mujoco.MjData) -> bool:
    """The soil in the planter is gone."""
    soil = _inside(data, data.mocap_pos[_mocap(model, "planter")][:2], "soil")
    for name in soil:
        _put(data, name, _parked(name))
    return bool(soil)


def no_dirt(model: mujoco.MjModel, data: mujoco.MjData) -> bool:
    """The dirt that lies on the floor is gone."""
    dirt = _on_floor(model, data)
    for name in dirt:
        _put(data, name, _parked(name))
    return bool(dirt)


def exchange(model: mujoco.MjModel, data: mujoco.MjData) -> bool:
    """Dirt on the floor and soil in the planter change places, as many as there are of both."""
    soil = _inside(data, data.mocap_pos[_mocap(model, "planter")][:2], "soil")
    dirt = _on_floor(model, data)
    for one, other in zip(soil, dirt, strict=False):
        here, there = (data.body(name).xpos[:2].copy() for name in (one, other))
        _put(data, one, there)
        _put(data, other, here)
    return bool(soil and dirt)


def drain(model: mujoco.MjModel, data: mujoco.MjData) -> bool:
    """The drain is on the other side of the room; nothing lay in it or lies where it comes to."""
    body = _mocap(model, "drain")
    near = [
        name
        for name in _present(data)
        for place in (FIRST, SECOND)
        if np.linalg.norm(data.body(name).xpos[:2] - place) < DRAIN
    ]
    if near:
        return False
    data.mocap_pos[body][:2] = SECOND
    return True


INTERVENTIONS: Mapping[str, Edit] = {
    "relocate": relocate,
    "block": block,
    "no_soil": no_soil,
    "no_dirt": no_dirt,
    "exchange": exchange,
    "drain": drain,
}


# --- the room --------------------------------------------------------------------------------


def _mocap(model: mujoco.MjModel, name: str) -> int:
    return int(model.body(name).mocapid[0])


def _names(stem: str) -> list[str]:
    return [f"{stem}-{i}" for i in range(PIECES[stem])]


def _present(data: mujoco.MjData) -> list[str]:
    every = [name for stem in PIECES for name in _names(stem)]
    return [name for name in every if not is_absent(data.body(name).xpos)]


def _inside(data: mujoco.MjData, middle: np.ndarray, stem: str) -> list[str]:
    """Pieces in the planter, and not in the pan."""
    return [
        name
        for name in _present(data)
        if name.startswith(stem)
        and np.abs(data.body(name).xpos[:2] - middle).max() < HALF
        and not _is_in_pan(data, name)
    ]


def _on_floor(model: mujoco.MjModel, data: mujoco.MjData) -> list[str]:
    """Dirt that is neither in the pan, nor in the drain or the planter."""
    middle = data.mocap_pos[_mocap(model, "planter")][:2]
    hole = data.mocap_pos[_mocap(model, "drain")][:2]
    return [
        name
        for name in _present(data)
        if name.startswith("dirt")
        and np.abs(data.body(name).xpos[:2] - middle).max() > GATE
        and np.linalg.norm(data.body(name).xpos[:2] - hole) > DRAIN
        and not _is_in_pan(data, name)
    ]


def _is_in_pan(data: mujoco.MjData, name: str) -> bool:
    """With a little room, so that no piece that touches the brush is taken away from it."""
    pan = data.site("pan")
    place = pan.xmat.reshape(3, 3).T @ (data.body(name).xpos - pan.xpos)
    return bool(abs(place[0]) < 0.28 and abs(place[1]) < 0.26)


def _is_clear(data: mujoco.MjData, middle: np.ndarray, margin: float) -> bool:
    """Whether the robot keeps away from a planter there."""
    return bool(np.abs(data.body("sweeper").xpos[:2] - middle).max() > HALF + margin)


def _is_free(data: mujoco.MjData, middle: np.ndarray) -> bool:
    """Whether a planter fits there: neither robot nor pieces are in the way."""
    pieces = [data.body(name).xpos[:2] - middle for name in _present(data)]
    return _is_clear(data, middle, ROBOT) and all(np.abs(one).max() > GATE for one in pieces)


def _is_at_gate(place: np.ndarray) -> bool:
    return bool(HALF - 0.05 < np.abs(place).max() < GATE)


def _put(data: mujoco.MjData, name: str, place: np.ndarray) -> None:
    """Put a piece somewhere, at rest; its joints say how far it is from the origin."""
    stem, _, number = name.partition("-")
    for axis, value in zip("xy", place, strict=True):
        joint = data.joint(f"{stem}_{axis}-{number}")
        joint.qpos[0], joint.qvel[0] = value, 0.0


def _parked(name: str) -> np.ndarray:
    """Far away, each at a place of its own."""
    stem, _, number = name.partition("-")
    return np.array([PARKED + 10.0 * list(PIECES).index(stem), PARKED + int(number)])
