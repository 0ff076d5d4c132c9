"""Geoms at heights at which no rangefinder looks, hidden from the rays.

MuJoCo tries every ray on every geom. Where sensors look around level, most geoms are below or above
their rays in every state: in `sweep/train` two thirds, and half of the time of all sensors.
"""

import copy

import mujoco
import numpy as np

_SLIDE, _HINGE = mujoco.mjtJoint.mjJNT_SLIDE.value, mujoco.mjtJoint.mjJNT_HINGE.value
_CAMERA = mujoco.mjtObj.mjOBJ_CAMERA.value
_ROOM = 1e-3  # metres between a ray and a geom that it cannot meet


def for_rays(model: mujoco.MjModel) -> mujoco.MjModel:
    """The model, or a copy in which geoms that no rangefinder can meet are invisible.

    What is invisible is not met by rays, and it is the same for physics. Sensors say the same as
    before. The copy is for simulating, and not for drawing.
    """
    rays = np.flatnonzero(model.sensor_type == mujoco.mjtSensor.mjSENS_RANGEFINDER.value)
    if not len(rays) or (model.sensor_objtype[rays] == _CAMERA).any():
        return model
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    keeps = _keeps_height(model)
    sites = model.sensor_objid[rays]
    level = np.abs(data.site_xmat[sites, 8]) < 1e-6  # its z axis is the ray
    if not (keeps[model.site_bodyid[sites]] & level).all():
        return model
    heights, up = data.site_xpos[sites, 2], data.geom_xmat.reshape(-1, 3, 3)[:, 2]
    middle = data.geom_xpos[:, 2] + (up * model.geom_aabb[:, :3]).sum(1)
    reach = (np.abs(up) * model.geom_aabb[:, 3:]).sum(1) + _ROOM
    apart = (middle - reach > heights.max()) | (middle + reach < heights.min())
    bounded = model.geom_rbound > 0  # planes and height fields have no end
    hidden = np.flatnonzero(apart & bounded & keeps[model.geom_bodyid])
    model = copy.copy(model)
    model.geom_matid[hidden], model.geom_rgba[hidden, 3] = -1, 0
    return model


def _keeps_height(model: mujoco.MjModel) -> np.ndarray:
    """Whether each body only ever slides level and turns about the vertical, (nbody,) bool.

    Mocap bodies do not, since a spawn text may put them at any height.
    """
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    up = np.abs(data.xaxis[:, 2])
    level = (model.jnt_type == _SLIDE) & (up < 1e-9)
    level |= (model.jnt_type == _HINGE) & (up > 1 - 1e-9)
    keeps = model.body_mocapid < 0
    keeps[model.jnt_bodyid[~level]] = False
    for body in range(1, model.nbody):  # parents come first
        keeps[body] &= keeps[model.body_parentid[body]]
    return keeps
