"""Checks of episode starts: whether everything fits, and whether rays see past the robot itself."""

from collections.abc import Iterator

import mujoco
import numpy as np

from sandbox_envs.checks.finding import Remark
from sandbox_envs.errors import SceneError
from sandbox_envs.names import stem_of
from sandbox_envs.scene.scene import Scene
from sandbox_envs.spawn.start import Start

EPISODES = 200  # whose start is sampled
MOST_CONTACTS = 2000  # a step with more takes seconds
DEPTH = 1e-5  # metres by which geoms may overlap at the start


def check_starts(scene: Scene) -> Iterator[Remark]:
    """Remarks about where bodies are placed, and what the rays there hit.

    Raises:
        SceneError: there is no room for a body in some episode, or too much touches.
    """
    model, data = scene.model, mujoco.MjData(scene.model)
    start = scene.spawner.sample(0, np.arange(EPISODES))
    _check_contacts(scene, start)
    overlaps: dict[tuple[str, str], set[int]] = {}  # episodes; two boxes touch at several points
    rays = np.flatnonzero(
        (model.sensor_type == mujoco.mjtSensor.mjSENS_RANGEFINDER)
        & (model.sensor_objtype == mujoco.mjtObj.mjOBJ_SITE)
    )
    hits = {int(ray): np.full(EPISODES, -1) for ray in rays}
    for episode in range(EPISODES):
        start.put(episode, data)
        mujoco.mj_forward(model, data)
        for contact in data.contact:
            if contact.dist < -DEPTH:
                pair = geom_name(model, contact.geom1), geom_name(model, contact.geom2)
                overlaps.setdefault(pair, set()).add(episode)
        for ray, hit in hits.items():
            hit[episode] = _hit(model, data, ray)
    yield from _overlapping(overlaps)
    yield from _blocked(model, hits)


def _check_contacts(scene: Scene, start: Start) -> None:
    """Raise SceneError where so much touches that a step would take seconds; solves nothing."""
    model, data = scene.model, mujoco.MjData(scene.model)
    for episode in range(0, EPISODES, EPISODES // 10):
        start.put(episode, data)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_collision(model, data)
        check_contacts(scene, data, f"episode {episode} starts with")


def check_contacts(scene: Scene, data: mujoco.MjData, when: str) -> None:
    """Raise SceneError where there are so many contacts that a step takes seconds."""
    if data.ncon > MOST_CONTACTS:
        first = data.contact[0]
        pair = " and ".join(geom_name(scene.model, g) for g in (first.geom1, first.geom2))
        raise SceneError(
            f"{scene.path}: {when} {data.ncon} contacts, as between {pair}, and a step with more "
            f"than {MOST_CONTACTS} takes seconds; move the bodies apart, or let them not collide "
            "(contype, conaffinity)"
        )


def geom_name(model: mujoco.MjModel, geom: int) -> str:
    """A geom's own name or that of its body, in quotes."""
    body = model.body(int(model.geom_bodyid[geom])).name
    return f"'{model.geom(geom).name or body}'"


def _overlapping(overlaps: dict[tuple[str, str], set[int]]) -> Iterator[Remark]:
    for (one, other), episodes in list(overlaps.items())[:3]:
        yield (
            "error",
            f": in {len(episodes)} of {EPISODES} episodes (first {min(episodes)}) {one} starts "
            f"inside {other}; move them apart, or keep one out with 'outside' in a spawn text",
        )


def _hit(model: mujoco.MjModel, data: mujoco.MjData, sensor: int) -> int:
    """The geom that a rangefinder's ray hits, or -1."""
    site = int(model.sensor_objid[sensor])
    geom = np.full(1, -1, np.int32)
    direction = data.site_xmat[site].reshape(3, 3)[:, 2]
    body = int(model.site_bodyid[site])
    mujoco.mj_ray(model, data, data.site_xpos[site], direction, None, 1, body, geom)
    return int(geom[0])


def _blocked(model: mujoco.MjModel, hits: dict[int, np.ndarray]) -> Iterator[Remark]:
    """Remarks about rays that always end at a part of the body that carries them."""
    blocked: dict[str, list[str]] = {}
    for sensor, geoms in hits.items():
        carrier = model.body_rootid[model.site_bodyid[model.sensor_objid[sensor]]]
        own = (geoms >= 0) & (model.body_rootid[model.geom_bodyid[geoms]] == carrier)
        if carrier and own.all():
            part = geom_name(model, int(geoms[0]))
            blocked.setdefault(stem_of(model.sensor(sensor).name), []).append(part)
    for stem, parts in blocked.items():
        yield (
            "error",
            f", sensor '{stem}': {len(parts)} of its rays end at the robot's own {parts[0]} in "
            "every episode; raise or turn their sites",
        )
