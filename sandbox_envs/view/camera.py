"""Code that frames and the window share: cameras, drawing options, and copies of a state."""

from dataclasses import dataclass

import mujoco
import numpy as np

from sandbox_envs.errors import UserError, suggest

DEFAULT_CAMERA = "overhead"


@dataclass(frozen=True)
class View:
    """The view of a camera, exactly as OpenGL draws it."""

    eye: np.ndarray
    """(3,), position in metres"""
    forward: np.ndarray
    """(3,), unit vector"""
    up: np.ndarray
    """(3,), unit vector"""
    across: np.ndarray
    """(3,), unit vector to the right"""
    half: float
    """how far the picture reaches to either side, in metres at a distance of 1 m"""
    top: float
    """how far it reaches up, in metres at a distance of 1 m"""
    bottom: float
    """how far it reaches up at its lower edge, which is negative"""

    def project(self, points: np.ndarray, width: int, height: int) -> np.ndarray:
        """Columns and rows (n, 2) of points (n, 3) in a picture, in pixels from its upper left.

        The middle of the first pixel is (0.5, 0.5). Points outside of the picture have coordinates
        outside of it; points behind the eye are nan.
        """
        offset = points - self.eye
        depth = offset @ self.forward
        depth = np.where(depth > 1e-6, depth, np.nan)
        x, y = offset @ self.across / depth, offset @ self.up / depth
        rows = (y - self.top) / (self.bottom - self.top)
        return np.stack([(x / self.half + 1) / 2 * width, rows * height], -1)


def view_of(scene: mujoco.MjvScene, aspect: float) -> View:
    """The view that an abstract scene was last updated for; `aspect` is width / height."""
    left, right = scene.camera  # the two eyes of a stereo camera; the middle counts
    top, bottom = left.frustum_top / left.frustum_near, left.frustum_bottom / left.frustum_near
    half = left.frustum_width / left.frustum_near or (top - bottom) / 2 * aspect
    eye, forward, up = (
        np.array(v, float) for v in ((left.pos + right.pos) / 2, left.forward, left.up)
    )
    return View(eye, forward, up, np.cross(forward, up), half, top, bottom)


def find_view(
    model: mujoco.MjModel, data: mujoco.MjData, camera: mujoco.MjvCamera, aspect: float
) -> View:
    """The view of `camera`; the positions of cameras in `data` must be up to date."""
    scene = mujoco.MjvScene(model, maxgeom=1)
    mujoco.mjv_updateCamera(model, data, camera, scene)
    return view_of(scene, aspect)


def find_camera(model: mujoco.MjModel, name: str | int | None) -> mujoco.MjvCamera:
    """The camera of this name, or of this number as MuJoCo counts.

    None means "overhead" or else a free one that shows everything.

    Raises:
        UserError: there is no such camera.
    """
    names = [model.camera(i).name for i in range(model.ncam)]
    camera = free_camera(model)
    if name is None and DEFAULT_CAMERA not in names:
        return camera
    name = DEFAULT_CAMERA if name in (None, "") else name
    numbers = [*range(len(names))] if isinstance(name, int | np.integer) else names
    if name not in numbers:
        raise UserError(f"unknown camera '{name}'; {suggest(str(name), filter(None, names))}")
    camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED.value, numbers.index(name)
    return camera


def free_camera(model: mujoco.MjModel) -> mujoco.MjvCamera:
    """MuJoCo's default view from slightly further away, so that it shows the corners as well."""
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    camera.distance *= 1.25
    return camera


def follow(model: mujoco.MjModel, source: mujoco.MjData, target: mujoco.MjData) -> None:
    """Copy the state of `source` to `target`, and compute all positions of `target`."""
    spec = mujoco.mjtState.mjSTATE_INTEGRATION.value
    state = np.empty(mujoco.mj_stateSize(model, spec))
    mujoco.mj_getState(model, source, state, spec)
    mujoco.mj_setState(model, target, state, spec)
    mujoco.mj_fwdPosition(model, target)


def what_to_draw(model: mujoco.MjModel) -> tuple[mujoco.MjvScene, mujoco.MjvOption]:
    """An empty abstract scene for drawing, and options for what it shows of the model."""
    option = mujoco.MjvOption()
    option.flags[mujoco.mjtVisFlag.mjVIS_RANGEFINDER] = False
    scene = mujoco.MjvScene(model, maxgeom=1000 + 2 * (model.ngeom + model.nsite + model.ntendon))
    # reflections cost as much as all the rest, and show nothing about the agent
    scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
    return scene, option
