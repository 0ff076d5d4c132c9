"""Frames of a simulation, drawn by OpenGL or, on a machine without it, by casting rays.

Which of the two is found out at the first frame, so that training needs neither.
"""

import atexit
import contextlib
import copy
import ctypes
import functools
import importlib
import os
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any, Protocol

import mujoco
import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.view.camera import find_camera, follow, what_to_draw
from sandbox_envs.view.raycast import RayPainter
from sandbox_envs.view.window import has_display

LARGEST_SIDE = 8192  # pixels


class Renderer:
    """Draws frames of a model's simulations.

    Args:
        model: the compiled scene.
        camera: name or number of a camera of the model; None means "overhead" where there is one,
            and otherwise a free camera that shows the whole scene.
        width, height: of a frame, in pixels.

    Raises:
        UserError: there is no such camera, or a frame cannot have this size.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        camera: str | int | None = None,
        width: int = 640,
        height: int = 480,
    ) -> None:
        self._size = _whole_pixels(width), _whole_pixels(height)
        if not all(1 <= side <= LARGEST_SIDE for side in self._size):
            raise UserError(
                f"a frame of {width} x {height} pixels cannot be drawn; choose 1 to {LARGEST_SIDE}"
            )
        self._model, self.camera = model, camera
        self._data: mujoco.MjData | None = None
        self._painter: _Painter | None = None

    @property
    def camera(self) -> str | int | None:
        """The name or number of the camera, as it was given; another one can be set."""
        return self._camera_name

    @camera.setter
    def camera(self, camera: str | int | None) -> None:
        self._camera, self._camera_name = find_camera(self._model, camera), camera

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy draws with a painter of its own, from its first frame on."""
        return Renderer, (self._model, self._camera_name, *self._size)

    def frame(self, data: mujoco.MjData) -> np.ndarray:
        """A new array (height, width, 3) uint8 that shows the state of `data`.

        Only the state is read, so it does not matter whether derived fields are up to date.
        """
        if self._painter is None or self._data is None or not self._painter.works():
            self._data = mujoco.MjData(self._model)
            self._painter = _new_painter(self._model, *self._size)
        follow(self._model, data, self._data)
        return self._painter.paint(self._data, self._camera)

    def close(self) -> None:
        """Free what OpenGL holds; calling it again does nothing."""
        painter, self._painter = self._painter, None
        if painter is not None:
            painter.close()

    def __del__(self) -> None:
        # an unfinished __init__ has no painter, and an interpreter that ends has no OpenGL, nor
        # perhaps contextlib
        try:  # noqa: SIM105
            self.close()
        except Exception:
            pass


def _whole_pixels(side: Any) -> int:
    """A side of a frame as a whole number, which 320.0 is, too."""
    if isinstance(side, bool) or not isinstance(side, Real) or not float(side).is_integer():
        raise UserError(f"a side of a frame is {side!r}; give a whole number of pixels")
    return int(float(side))


class _Painter(Protocol):
    def works(self) -> bool: ...

    def paint(self, data: mujoco.MjData, camera: mujoco.MjvCamera) -> np.ndarray: ...

    def close(self) -> None: ...


def _new_painter(model: mujoco.MjModel, width: int, height: int) -> _Painter:
    context = None if _forked_with_gl() else working_context()
    if context is None:
        _say_once(_why_plain())
        return RayPainter(model, width, height)
    return _GLPainter(model, width, height, context)


# --- with OpenGL -----------------------------------------------------------------------------


class _GLPainter:
    """Draws with MuJoCo's OpenGL renderer into a buffer of the frame's size.

    Its context is current only while it draws: a context that is current in one thread cannot be
    used, or freed, by another one.
    """

    def __init__(
        self, model: mujoco.MjModel, width: int, height: int, context: Callable[..., Any]
    ) -> None:
        self._model, self._shape = model, (height, width, 3)
        self._scene, self._option = what_to_draw(model)
        self._rectangle = mujoco.MjrRect(0, 0, width, height)
        self._gl, self._context = context(width, height), None
        self._pid = os.getpid()
        _drawing.add(self)
        atexit.register(self.close)  # while OpenGL's libraries are still loaded
        try:
            with _current(self._gl):
                self._context = _mjr_context(copy.copy(model), width, height)
        except mujoco.FatalError as error:
            self.close()
            raise UserError(f"OpenGL cannot draw {width} x {height} pixels here: {error}") from None

    def works(self) -> bool:
        return self._pid == os.getpid()

    def paint(self, data: mujoco.MjData, camera: mujoco.MjvCamera) -> np.ndarray:
        every = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self._model, data, self._option, None, camera, every, self._scene)
        frame = np.empty(self._shape, np.uint8)
        with _current(self._gl):
            mujoco.mjr_render(self._rectangle, self._scene, self._context)
            mujoco.mjr_readPixels(frame, None, self._rectangle, self._context)
        return frame[::-1].copy()  # OpenGL's first row is the lowest

    def close(self) -> None:
        atexit.unregister(self.close)
        if not self.works():
            return  # OpenGL's calls in a forked process wait for threads that are not in it
        if self._context is not None:
            with _current(self._gl):
                self._context.free()
        if self._gl is not None:
            self._gl.free()
        self._gl = self._context = None


_drawing: "weakref.WeakSet[_GLPainter]" = weakref.WeakSet()


@contextlib.contextmanager
def _current(gl: Any) -> Iterator[None]:
    """Make an OpenGL context current in this thread, and in none after the block."""
    gl.make_current()
    try:
        yield
    finally:
        _release(type(gl).__module__)


def _release(module: str) -> None:
    """Make no OpenGL context current, for contexts of this module of MuJoCo."""
    if module == "mujoco.egl":
        from mujoco.egl import EGL_DISPLAY
        from OpenGL import EGL

        nothing = EGL.EGL_NO_SURFACE
        EGL.eglMakeCurrent(EGL_DISPLAY, nothing, nothing, EGL.EGL_NO_CONTEXT)
    elif module == "mujoco.glfw":
        import glfw

        glfw.make_context_current(None)  # type: ignore[arg-type]


def _forked_with_gl() -> bool:
    """Whether OpenGL was in use when this process was forked off, so that it hangs here."""
    return _first_process() != os.getpid() and working_context() is not None


@functools.cache
def _first_process() -> int:
    """The process that first asked for OpenGL: this one, or one that it was forked from."""
    return os.getpid()


def _keep_in_fork() -> None:
    """Never free contexts in a forked process, where OpenGL hangs; nor let mujoco.egl do it."""
    if "mujoco.egl" in sys.modules:
        atexit.unregister(sys.modules["mujoco.egl"].EGL.eglTerminate)
    for painter in list(_drawing):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(painter))
    _drawing.clear()


os.register_at_fork(after_in_child=_keep_in_fork)


def _mjr_context(model: mujoco.MjModel, width: int, height: int) -> mujoco.MjrContext:
    """A rendering context with a buffer of this size, which is written into the model."""
    model.vis.global_.offwidth, model.vis.global_.offheight = width, height
    context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
    return context


@functools.cache
def working_context() -> Callable[..., Any] | None:
    """The first kind of OpenGL context that works on this machine; None where none does."""
    _first_process()
    for candidate in _candidates():
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # glfw warns where there is no display
            context = candidate()
            gl = context(16, 16)
            gl.make_current()
            if not _is_current(context):
                continue
            try:
                return context if _mujoco_draws() else None
            finally:
                _release(context.__module__)
                gl.free()
    return None


def _candidates() -> Iterator[Callable[[], Callable[..., Any]]]:
    """Ways to get a context: MuJoCo's own choice where there is one, then each library in turn.

    MuJoCo reads MUJOCO_GL once, when it is imported, and fails if the library it names is missing.
    So this does not set it; on Linux without a display it tries the libraries instead.
    """
    chosen = os.environ.get("MUJOCO_GL", "").strip()
    if chosen or sys.platform != "linux" or has_display():
        yield lambda: mujoco.GLContext
    if not chosen and sys.platform == "linux":
        yield lambda: _import_context("egl")
        yield lambda: _import_context("osmesa")


def _is_current(context: Callable[..., Any]) -> bool:
    """Whether there is a context to draw in now; glfw reports no error if it made none."""
    if context.__module__ != "mujoco.glfw":
        return True
    import glfw

    return bool(glfw.get_current_context())


def _mujoco_draws() -> bool:
    """Whether MuJoCo can use the current context.

    It looks up OpenGL's functions once in a process, and aborts if it tries again after a failure.
    So this tries only in a context that exists, and after a failure no other one is tried.
    """
    tiny = mujoco.MjModel.from_xml_string("<mujoco/>")
    tiny.vis.quality.shadowsize = tiny.vis.quality.offsamples = 0
    try:
        _mjr_context(tiny, 16, 16).free()
    except mujoco.FatalError:
        return False
    return True


def _import_context(backend: str) -> Callable[..., Any]:
    """The context class of mujoco.egl or mujoco.osmesa; a failure leaves nothing behind.

    PyOpenGL binds to one platform when it is imported, so a failure removes it from sys.modules.
    """
    before, platform = set(sys.modules), os.environ.get("PYOPENGL_PLATFORM")
    os.environ["PYOPENGL_PLATFORM"] = backend
    try:
        context = importlib.import_module(f"mujoco.{backend}").GLContext
        context(16, 16).free()
        return context
    except Exception:
        for name in set(sys.modules) - before:
            del sys.modules[name]
        del os.environ["PYOPENGL_PLATFORM"]
        if platform is not None:
            os.environ["PYOPENGL_PLATFORM"] = platform
        raise


def _why_plain() -> str:
    if _forked_with_gl():
        return (
            "frames are drawn plainly, as OpenGL was in use before this process was forked; start "
            "processes with 'spawn' for better ones"
        )
    chosen = os.environ.get("MUJOCO_GL", "").strip()
    if chosen:
        return (
            f"frames are drawn plainly, as MUJOCO_GL={chosen} gives no OpenGL; unset it for better "
            "ones"
        )
    return (
        "frames are drawn plainly, as there is no OpenGL; for better ones install it "
        "(Debian: apt-get install libegl1 libgl1)"
    )


@functools.cache
def _say_once(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)
