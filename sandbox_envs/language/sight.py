"""Looking around from the site `eye`: bearings, distances and the nearest point per sector.

Sector 0 is straight behind the eye, the middle sectors are straight ahead. All is in plan view.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError
from sandbox_envs.geometry import rotation_matrix
from sandbox_envs.language.types import TermInputs
from sandbox_envs.names import sensor_body


@dataclass
class Sight:
    """m points as the eyes of n simulations see them, in metres."""

    eye: np.ndarray
    """Position of the eye in the world, (3, n)."""
    dx: np.ndarray
    """From the eye to the point along the world's x axis, (m, n)."""
    dy: np.ndarray
    """From the eye to the point along the world's y axis, (m, n)."""
    ahead: np.ndarray
    """From the eye to the point along the direction of view, (m, n)."""
    left: np.ndarray
    """From the eye to the point across the direction of view, (m, n)."""
    distance: np.ndarray
    """From the eye to the point, (m, n)."""


class Eye:
    """The site `eye`: where the retina and the lidar look from, and which way is ahead.

    Args:
        model: the compiled scene.
        where: begins the error if there is no such site.
    """

    def __init__(self, model: mujoco.MjModel, where: str) -> None:
        site = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, "eye")
        if site < 0:
            raise SceneError(f"{where}: add a site named 'eye' to the body that looks")
        self.body = int(model.site_bodyid[site])
        self.offset = model.site_pos[site]
        # ahead and left, in the body's frame
        self.axes = rotation_matrix(model.site_quat[site])[:, :2]

    def look(self, view: TermInputs, x: np.ndarray, y: np.ndarray) -> Sight:
        """World points (m, n), in metres, as seen from the eye's current pose."""
        rotation = view.xmat[:, self.body].reshape(-1, 3, 3)
        eye = (view.xpos[:, self.body] + rotation @ self.offset).T
        (ahead_x, left_x), (ahead_y, left_y), _ = (rotation @ self.axes).transpose(1, 2, 0)
        dx, dy = x - eye[0], y - eye[1]
        distance = np.sqrt(dx * dx + dy * dy)
        return Sight(eye, dx, dy, ahead_x * dx + ahead_y * dy, left_x * dx + left_y * dy, distance)


def nearest_per_sector(
    sight: Sight, seen: np.ndarray, sectors: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The smallest distance of the seen points in each bearing sector, and which points these are.

    Args:
        sight: the points.
        seen: which of them count, (m, n) bool.
        sectors: how many sectors the circle has.

    Returns:
        The distances (sectors, n), infinite where a sector has no point; then, for the k points
        that are the nearest of their sector, the indices of point, sector and simulation, each
        (k,). Of two points at the same distance the first comes last, so it is the one that an
        assignment with these indices leaves.
    """
    n = seen.shape[1]
    turn = (np.arctan2(sight.left, sight.ahead) / (2 * np.pi) + 0.5) * sectors
    sector = np.clip(turn.astype(np.intp), 0, sectors - 1)  # an unstable simulation has NaN
    distance = np.where(seen, sight.distance, np.inf)
    cell = sector * n + np.arange(n)
    near = np.full(sectors * n, np.inf)
    np.minimum.at(near, cell.ravel(), distance.ravel())
    point, sim = (index[::-1] for index in np.nonzero((distance == near[cell]) & seen))
    return near.reshape(sectors, n), point, sector[point, sim], sim


def geom_colours(model: mujoco.MjModel, geoms: np.ndarray) -> np.ndarray:
    """Red, green and blue of geoms (g,), from their material where they have one, (g, 3)."""
    material = model.geom_matid[geoms]
    rgba = model.geom_rgba[geoms].copy()
    rgba[material >= 0] = model.mat_rgba[material[material >= 0]]
    return rgba[:, :3].astype(np.float64)


def load_sensors(
    model: mujoco.MjModel, objects: np.ndarray, own: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each carrying site: candidate objects, and the addresses of their insidesite sensors.

    An object is load while an `insidesite` sensor finds its body inside a site of the eye's body.

    Args:
        model: the compiled scene.
        objects: ids of the geoms that can be seen.
        own: which bodies belong to the eye's body, (nbody,) bool.

    Returns:
        Pairs of indices into `objects` and of addresses in sensordata, (k,) both.
    """
    load: dict[int, tuple[list[int], list[int]]] = {}
    for i in np.flatnonzero(model.sensor_type == mujoco.mjtSensor.mjSENS_INSIDESITE.value):
        site = int(model.sensor_refid[i])
        if own[model.site_bodyid[site]]:
            body = sensor_body(model, model.sensor_objtype[i], model.sensor_objid[i])
            candidates = np.flatnonzero(model.geom_bodyid[objects] == body)
            loadable, inside = load.setdefault(site, ([], []))
            loadable += candidates.tolist()
            inside += [int(model.sensor_adr[i])] * len(candidates)
    return [(np.array(loadable), np.array(inside)) for loadable, inside in load.values() if inside]
