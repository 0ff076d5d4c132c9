"""What the frames and the window share: where to look from, what to show, and of which state."""

import mujoco
import numpy as np

from sandbox_envs.errors import UserError, nearest

DEFAULT_CAMERA = "overhead"


def find_camera(model: mujoco.MjModel, name: str | None) -> mujoco.MjvCamera:
    """The camera of this name; None means "overhead" or else a free one that shows everything.

    Raises:
        UserError: there is no such camera.
    """
    names = [model.camera(i).name for i in range(model.ncam)]
    camera = free_camera(model)
    if name is None and DEFAULT_CAMERA not in names:
        return camera
    name = name or DEFAULT_CAMERA
    if name not in names:
        raise UserError(f"unknown camera '{name}'; {nearest(name, filter(None, names))}")
    camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED.value, names.index(name)
    return camera


def free_camera(model: mujoco.MjModel) -> mujoco.MjvCamera:
    """MuJoCo's default view, from a little further away, where it shows the corners as well."""
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    camera.distance *= 1.25
    return camera


def follow(model: mujoco.MjModel, source: mujoco.MjData, target: mujoco.MjData) -> None:
    """Give `target` the state of `source`, with everything that has a place up to date."""
    spec = mujoco.mjtState.mjSTATE_INTEGRATION.value
    state = np.empty(mujoco.mj_stateSize(model, spec))
    mujoco.mj_getState(model, source, state, spec)
    mujoco.mj_setState(model, target, state, spec)
    mujoco.mj_fwdPosition(model, target)


def what_to_draw(model: mujoco.MjModel) -> tuple[mujoco.MjvScene, mujoco.MjvOption]:
    """An empty abstract scene for drawing, and what of the model to show in it."""
    option = mujoco.MjvOption()
    option.flags[mujoco.mjtVisFlag.mjVIS_RANGEFINDER] = False
    scene = mujoco.MjvScene(model, maxgeom=1000 + 2 * (model.ngeom + model.nsite + model.ntendon))
    # reflections cost as much as all the rest, and show nothing about the agent
    scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
    return scene, option
