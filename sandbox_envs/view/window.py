"""A window to watch a simulation in, and whether one can be opened."""

import atexit
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

import mujoco

from sandbox_envs.errors import UserError
from sandbox_envs.view.camera import find_camera, follow, free_camera

_INSTEAD = "render_mode='rgb_array' or a film (--video FILE)"
_PROBE = """import glfw
assert glfw.init() and glfw.get_primary_monitor()
glfw.window_hint(glfw.VISIBLE, False)
assert glfw.create_window(64, 64, 'probe', None, None)
"""


class Viewer:
    """A window that shows the states of a simulation that is stepped elsewhere.

    Args:
        model: the compiled scene.
        key_callback: called with the GLFW code of each key pressed, in the window's thread.
        camera: name of a camera of the model; None is a free one, which the mouse can move.
        fps: calls of `show` per second, for which it waits; None does not wait.

    Raises:
        UserError: no window can be opened here, or there is no such camera.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        key_callback: Callable[[int], None] | None = None,
        camera: str | None = None,
        fps: float | None = None,
    ) -> None:
        view = find_camera(model, camera) if camera else free_camera(model)
        self._model, self._data = model, mujoco.MjData(model)
        self._handle, self._thread = _open_window(model, self._data, key_callback)
        atexit.register(self.close)
        with self._handle.lock():
            for name in ("type", "fixedcamid", "distance"):
                setattr(self._handle.cam, name, getattr(view, name))
        self._keys_are_taken = key_callback is not None
        self._period = 1 / fps if fps else 0.0
        self._due, self._left_out = time.monotonic(), 0

    def __reduce__(self) -> NoReturn:
        raise UserError(
            "an environment that shows a window cannot be copied; copy one without "
            "render_mode='human', or take get_state and set_state"
        )

    @property
    def running(self) -> bool:
        """Whether the window is still open."""
        return bool(self._handle.is_running())

    def show(self, data: mujoco.MjData, names: str = "", values: str = "") -> None:
        """Show the state of `data`, with text in two columns of lines; then wait, see `fps`.

        If drawing is too slow for that, some states are not drawn, so that time keeps its pace.
        """
        self._due = max(self._due + self._period, time.monotonic() - 10 * self._period)
        self._left_out += 1
        late = time.monotonic() > self._due + self._period
        if self._period and late and self._left_out < 10:
            return
        self._left_out = 0
        self._draw(data, names, values)
        time.sleep(max(0.0, self._due - time.monotonic()))

    def _draw(self, data: mujoco.MjData, names: str, values: str) -> None:
        with self._handle.lock():
            follow(self._model, data, self._data)
            look, plain = self._handle.opt, mujoco.MjvOption()
            if self._keys_are_taken:  # MuJoCo's viewer has uses for the same keys
                look.geomgroup[:], look.sitegroup[:] = plain.geomgroup, plain.sitegroup
                look.flags[:] = plain.flags
            look.flags[mujoco.mjtVisFlag.mjVIS_RANGEFINDER] = False
        if names:
            place = mujoco.mjtGridPos.mjGRID_TOPLEFT
            self._handle.set_texts((mujoco.mjtFontScale.mjFONTSCALE_150, place, names, values))
        self._handle.sync()

    def close(self) -> None:
        """Close the window; calling it again does nothing."""
        atexit.unregister(self.close)
        self._handle.close()
        if self._thread is not None:
            # MuJoCo does not wait, and an interpreter that ends before the thread crashes
            self._thread.join(timeout=10)
            self._thread = None


def has_display() -> bool:
    """Whether there seems to be a screen to open windows on."""
    variables = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform != "linux" or any(os.environ.get(name) for name in variables)


def _open_window(
    model: mujoco.MjModel, data: mujoco.MjData, key_callback: Callable[[int], None] | None
) -> tuple[Any, threading.Thread | None]:
    """MuJoCo's viewer and the thread it runs in; raises UserError where none can be opened."""
    _check_display()
    import mujoco.viewer

    before = threading.enumerate()
    try:
        handle = mujoco.viewer.launch_passive(
            model, data, key_callback=key_callback, show_left_ui=False, show_right_ui=False
        )
    except RuntimeError as error:  # macOS: the script must be run by mjpython
        raise UserError(f"{error}; otherwise use {_INSTEAD}") from None
    new = (thread for thread in threading.enumerate() if thread not in before)
    return handle, next(new, None)


def _check_display() -> None:
    """Raise UserError where MuJoCo's viewer would abort the interpreter, or wait for ever.

    A separate process opens a window first, because trying may kill it.
    """
    if not has_display():
        raise UserError(
            "there is no display to open a window on (DISPLAY is not set); use " + _INSTEAD
        )
    if sys.platform == "linux":
        probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, check=False)
        if probe.returncode:
            place = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
            raise UserError(f"no window can be opened on display '{place}'; use {_INSTEAD}")
