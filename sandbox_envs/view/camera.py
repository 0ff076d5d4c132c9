"""What the frames and the window share: where to look from, what to show, and of which state."""

from dataclasses import dataclass

import mujoco
import numpy as np

from sandbox_envs.errors import UserError, suggest

DEFAULT_CAMERA = "overhead"


@dataclass(frozen=True)
class View:
    """What a camera takes in, exactly as OpenGL has it.

    eye: (3,) metres. forward, up, across: (3,) unit vectors. half, top, bottom: how far the picture
    reaches to either side, up and down, in metres at a distance of 1 m (bottom is negative).
    """

    eye: np.ndarray
    forward: np.ndarray
    up: np.ndarray
    across: np.ndarray
    half: float
    top: float
    bottom: float

    def project(self, points: np.ndarray, width: int, height: int) -> np.ndarray:
        """Columns and rows (n, 2) of points (n, 3) in a picture, in pixels from its upper left.

        The middle of the first pixel is (0.5, 0.5). Points beside the picture have their place
        beside it; points behind the eye have none (nan).
        """
        offset = points - self.eye
        depth = offset @ self.forward
        depth = np.where(depth > 1e-6, depth, np.nan)
        x, y = offset @ self.across / depth, offset @ self.up / depth
        rows = (y - self.top) / (self.bottom - self.top)
        return np.stack([(x / self.half + 1) / 2 * width, rows * height], -1)


def view_of(scene: mujoco.MjvScene, aspect: float) -> View:
    """The view that an abstract scene was last updated for, in a picture `aspect` times as wide
    as high."""
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
    """What `camera` takes in; cameras' places in `data` must be up to date."""
    scene = mujoco.MjvScene(model, maxgeom=1)
    mujoco.mjv_updateCamera(model, data, camera, scene)
    return view_of(scene, aspect)


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
        raise UserError(f"unknown camera '{name}'; {suggest(name, filter(None, names))}")
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
