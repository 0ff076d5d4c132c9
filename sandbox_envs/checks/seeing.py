"""Checks of what the camera of the films and the agent can see at the start of episodes."""

from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np

from sandbox_envs.checks.finding import Remark
from sandbox_envs.checks.starts import geom_name
from sandbox_envs.language.parser import term_texts
from sandbox_envs.language.screens import Screens
from sandbox_envs.language.terms import OBJECTS, Retina
from sandbox_envs.scene.scene import Scene
from sandbox_envs.spawn.absence import is_absent
from sandbox_envs.spawn.footprint import Footprints
from sandbox_envs.view.camera import find_camera, find_view

EPISODES = 50  # whose start is looked at
LARGE = 1 / 3  # share of the room from its middle to its edge: a larger object is no point ...
LONG, SLENDER = 0.2, 3.0  # ... and nor is one of this share that is so many times longer than wide
TINY = 1e-6  # metres


@dataclass
class Places:
    """Positions in metres, and rotation matrices of bodies, at the start of n episodes."""

    geoms: np.ndarray
    """(n, geoms, 3)"""
    bodies: np.ndarray
    """(n, bodies, 3)"""
    turns: np.ndarray
    """(n, bodies, 9)"""


def check_seeing(scene: Scene) -> Iterator[Remark]:
    """Remarks about what the camera "overhead" leaves out, and what a retina cannot see."""
    model = scene.model
    data, start = mujoco.MjData(model), scene.spawner.sample(0, np.arange(EPISODES))
    things = _things(model)
    outside = np.zeros(len(things), int)
    found: list[tuple[np.ndarray, ...]] = []
    overhead = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, "overhead") >= 0
    for episode in range(EPISODES):
        start.put(episode, data)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_camlight(model, data)
        found.append((data.geom_xpos.copy(), data.xpos.copy(), data.xmat.copy()))
        if overhead:
            outside += _outside(model, data, things)
    places = Places(*(np.stack(parts) for parts in zip(*found, strict=True)))
    yield from _left_out(model, things[outside > 0])
    for text, term in zip(term_texts(scene.observe), scene.terms, strict=True):
        if isinstance(term, Retina):
            yield from _hidden(model, text, term, places)
            yield from _too_large(model, text, term, places)


def _things(model: mujoco.MjModel) -> np.ndarray:
    """Ids of the geoms that a film should show: what the agent may see, and what can move."""
    moves = model.body_dofnum[model.body_rootid] > 0
    return np.flatnonzero((model.geom_group == OBJECTS) | moves[model.geom_bodyid])


def _outside(model: mujoco.MjModel, data: mujoco.MjData, things: np.ndarray) -> np.ndarray:
    """Whether each thing is present but outside a square picture from overhead, (things,) bool."""
    view = find_view(model, data, find_camera(model, "overhead"), 1.0)
    at = data.geom_xpos[things]
    place = view.project(at, 1, 1)
    inside = ((place > 0) & (place < 1)).all(-1)
    # what lies under the floor is put away
    return np.asarray(~inside & ~is_absent(at) & (at[:, 2] >= 0))


def _left_out(model: mujoco.MjModel, geoms: np.ndarray) -> Iterator[Remark]:
    names = list(dict.fromkeys(geom_name(model, int(geom)) for geom in geoms))
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield (
            "warning",
            f", camera 'overhead': its square picture leaves out {', '.join(names[:3])}{more}; "
            "raise it, turn it, or make its fovy larger",
        )


def _hidden(model: mujoco.MjModel, text: str, term: Retina, places: Places) -> Iterator[Remark]:
    """A remark where an opaque geom is around the eye in every episode."""
    body = term.eye.body
    turn = places.turns[:, body].reshape(-1, 3, 3)
    eye = (places.bodies[:, body] + turn @ term.eye.offset).T
    step = np.full((1, eye.shape[1]), TINY)
    for geom in term.opaque.geoms:
        screen = Screens(model, np.array([geom]))
        if screen.block(eye, step, step, places.bodies, places.turns).all():
            yield (
                "warning",
                f", text 'observe', '{text}': the site 'eye' is always inside "
                f"{geom_name(model, int(geom))}, which hides everything; move the site, or give "
                "that geom another group than 2",
            )


def _too_large(model: mujoco.MjModel, text: str, term: Retina, places: Places) -> Iterator[Remark]:
    """Remarks about objects too large to be seen as the point that a retina makes of them."""
    there = ~is_absent(places.geoms)
    room = np.ptp(places.geoms[there][:, :2], axis=0).max() / 2
    prints = Footprints(model, term.objects)
    size = prints.half + prints.radius[:, None]
    long, wide = size.max(1), size.min(1)
    large = (long > LARGE * room) | ((long > LONG * room) & (long > SLENDER * wide))
    sizes = {
        geom_name(model, int(geom)): 2 * length
        for geom, length in zip(prints.geoms[large], long[large], strict=True)
    }
    for name, length in list(sizes.items())[:3]:
        yield (
            "warning",
            f", text 'observe', '{text}': it sees {name}, {length:.2g} m long, as one point in its "
            "middle; make it of several small geoms, or observe it with rangefinders",
        )
