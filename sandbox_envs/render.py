"""Frames of a simulation, measures drawn over them, films, and a window to watch in.

Frames are drawn by OpenGL. Where there is none, rays are cast and shaded instead: the same
picture without textures on bodies, shadows, reflections or transparency, good enough to see what
an agent does. Which of the two it is, is found out at the first frame and not before, so that
nothing here is needed to train.
"""

import atexit
import contextlib
import copy
import functools
import importlib
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import imageio_ffmpeg
import mujoco
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sandbox_envs.errors import UserError, nearest
from sandbox_envs.files import whole_file

DEFAULT_CAMERA = "overhead"
LARGEST_SIDE = 8192  # pixels

Colour = tuple[int, int, int]


class Renderer:
    """Draws frames of a model's simulations.

    Args:
        model: the compiled scene.
        camera: name of a camera of the model; None means "overhead" where there is one, and
            otherwise a free camera that shows the whole scene.
        width, height: of a frame, in pixels.

    Raises:
        UserError: there is no such camera, or no frame can have this size.
    """

    def __init__(
        self, model: mujoco.MjModel, camera: str | None = None, width: int = 640, height: int = 480
    ) -> None:
        if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
            raise UserError(
                f"a frame of {width} x {height} pixels cannot be drawn; choose 1 to {LARGEST_SIDE}"
            )
        self._model, self._size = model, (width, height)
        self._camera = find_camera(model, camera)
        self._data: mujoco.MjData | None = None
        self._painter: _Painter | None = None

    def frame(self, data: mujoco.MjData) -> np.ndarray:
        """A new array (height, width, 3) uint8 that shows the state of `data`.

        Only the state is read, so it does not matter whether derived fields are up to date.
        """
        if self._painter is None or self._data is None:
            self._data = mujoco.MjData(self._model)
            self._painter = _new_painter(self._model, *self._size)
        _follow(self._model, data, self._data)
        return self._painter.paint(self._data, self._camera)

    def close(self) -> None:
        """Free what OpenGL holds; calling it again does nothing."""
        painter, self._painter = self._painter, None
        if painter is not None:
            painter.close()

    def __del__(self) -> None:
        # an unfinished __init__ has no painter, and a dying interpreter no OpenGL
        with contextlib.suppress(Exception):
            self.close()


def find_camera(model: mujoco.MjModel, name: str | None) -> mujoco.MjvCamera:
    """The camera of this name; None means "overhead" or else a free one that shows everything.

    Raises:
        UserError: there is no such camera.
    """
    names = [model.camera(i).name for i in range(model.ncam)]
    camera = _free_camera(model)
    if name is None and DEFAULT_CAMERA not in names:
        return camera
    name = name or DEFAULT_CAMERA
    if name not in names:
        raise UserError(f"unknown camera '{name}'; {nearest(name, filter(None, names))}")
    camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED.value, names.index(name)
    return camera


def _free_camera(model: mujoco.MjModel) -> mujoco.MjvCamera:
    """MuJoCo's default view, from a little further away, where it shows the corners as well."""
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    camera.distance *= 1.25
    return camera


def _follow(model: mujoco.MjModel, source: mujoco.MjData, target: mujoco.MjData) -> None:
    """Give `target` the state of `source`, with everything that has a place up to date."""
    spec = mujoco.mjtState.mjSTATE_INTEGRATION.value
    state = np.empty(mujoco.mj_stateSize(model, spec))
    mujoco.mj_getState(model, source, state, spec)
    mujoco.mj_setState(model, target, state, spec)
    mujoco.mj_fwdPosition(model, target)


class _Painter(Protocol):
    def paint(self, data: mujoco.MjData, camera: mujoco.MjvCamera) -> np.ndarray: ...

    def close(self) -> None: ...


def _new_painter(model: mujoco.MjModel, width: int, height: int) -> _Painter:
    context = _working_context()
    if context is None:
        _say_once(_why_plain())
        return _RayPainter(model, width, height)
    return _GLPainter(model, width, height, context)


def _what_to_draw(model: mujoco.MjModel) -> tuple[mujoco.MjvScene, mujoco.MjvOption]:
    option = mujoco.MjvOption()
    option.flags[mujoco.mjtVisFlag.mjVIS_RANGEFINDER] = False
    scene = mujoco.MjvScene(model, maxgeom=1000 + 2 * (model.ngeom + model.nsite + model.ntendon))
    # reflections cost as much as all the rest, and show nothing about the agent
    scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
    return scene, option


# --- with OpenGL -----------------------------------------------------------------------------


class _GLPainter:
    """Draws with MuJoCo's OpenGL renderer into a buffer of the frame's size."""

    def __init__(
        self, model: mujoco.MjModel, width: int, height: int, context: Callable[..., Any]
    ) -> None:
        self._model, self._shape = model, (height, width, 3)
        self._scene, self._option = _what_to_draw(model)
        self._rectangle = mujoco.MjrRect(0, 0, width, height)
        self._gl, self._context = context(width, height), None
        atexit.register(self.close)  # while OpenGL's libraries are still loaded
        self._gl.make_current()
        try:
            self._context = _mjr_context(copy.copy(model), width, height)
        except mujoco.FatalError as error:
            self.close()
            raise UserError(f"OpenGL cannot draw {width} x {height} pixels here: {error}") from None

    def paint(self, data: mujoco.MjData, camera: mujoco.MjvCamera) -> np.ndarray:
        self._gl.make_current()
        every = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self._model, data, self._option, None, camera, every, self._scene)
        mujoco.mjr_render(self._rectangle, self._scene, self._context)
        frame = np.empty(self._shape, np.uint8)
        mujoco.mjr_readPixels(frame, None, self._rectangle, self._context)
        return frame[::-1].copy()  # OpenGL's first row is the lowest

    def close(self) -> None:
        atexit.unregister(self.close)
        if self._context is not None:
            self._gl.make_current()
            self._context.free()
        if self._gl is not None:
            self._gl.free()
        self._gl = self._context = None


def _mjr_context(model: mujoco.MjModel, width: int, height: int) -> mujoco.MjrContext:
    """A rendering context with a buffer of this size, which is written into the model."""
    model.vis.global_.offwidth, model.vis.global_.offheight = width, height
    context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
    return context


@functools.cache
def _working_context() -> Callable[..., Any] | None:
    """The first kind of OpenGL context that works on this machine; None where none does."""
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
                gl.free()
    return None


def _candidates() -> Iterator[Callable[[], Callable[..., Any]]]:
    """Ways to get a context: MuJoCo's own choice where something decides it, then what is there.

    MuJoCo reads MUJOCO_GL once, when it is imported, and breaks where the library it names is
    missing; so nothing sets it here, and on a Linux without display libraries are tried instead.
    """
    chosen = os.environ.get("MUJOCO_GL", "").strip()
    if chosen or sys.platform != "linux" or has_display():
        yield lambda: mujoco.GLContext
    if not chosen and sys.platform == "linux":
        yield lambda: _import_context("egl")
        yield lambda: _import_context("osmesa")


def _is_current(context: Callable[..., Any]) -> bool:
    """Whether there is a context to draw in now; glfw says nothing where it failed to make one."""
    if context.__module__ != "mujoco.glfw":
        return True
    import glfw

    return bool(glfw.get_current_context())


def _mujoco_draws() -> bool:
    """Whether MuJoCo can use the current context.

    It finds OpenGL's functions once in a process, and aborts when it tries again after a failure;
    hence the care to try in a context that exists, and to try no other one afterwards.
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

    PyOpenGL binds to one platform when it is imported, so after a failure it must be forgotten.
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
    chosen = os.environ.get("MUJOCO_GL", "").strip()
    if chosen:
        return (
            f"frames are drawn plainly, as MUJOCO_GL={chosen} gives no OpenGL; unset it for better"
        )
    return (
        "frames are drawn plainly, as there is no OpenGL; for better ones install it "
        "(Debian: apt-get install libegl1 libgl1)"
    )


@functools.cache
def _say_once(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)


# --- without OpenGL --------------------------------------------------------------------------


class _RayPainter:
    """Casts a ray through every pixel and shades what it meets (Lambert, no shadows)."""

    def __init__(self, model: mujoco.MjModel, width: int, height: int) -> None:
        self._model, self._width, self._height = model, width, height
        self._scene, self._option = _what_to_draw(model)
        self._looks = _Looks(model)

    def paint(self, data: mujoco.MjData, camera: mujoco.MjvCamera) -> np.ndarray:
        every = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self._model, data, self._option, None, camera, every, self._scene)
        eye, rays = self._rays()
        geoms, distance, normals = self._cast(data, eye, rays)
        colours = self._looks.sky(rays)
        hit = np.flatnonzero(geoms >= 0)
        points = eye + rays[hit] * distance[hit, None]
        surface = self._looks.surface(self._scene, data, geoms[hit], points)
        colours[hit] = surface * _light(self._scene, points, normals[hit])
        colours[hit] += surface * self._looks.emission[geoms[hit], None]
        frame = (np.clip(colours, 0, 1) * 255).astype(np.uint8)
        return frame.reshape(self._height, self._width, 3)

    def close(self) -> None:
        pass

    def _rays(self) -> tuple[np.ndarray, np.ndarray]:
        """The camera's place (3,) and unit vectors (pixels, 3), exactly as OpenGL has them."""
        left, right = self._scene.camera  # the two eyes of a stereo camera; the middle counts
        eye = (left.pos + right.pos) / 2
        across = np.cross(left.forward, left.up)
        top, bottom = left.frustum_top / left.frustum_near, left.frustum_bottom / left.frustum_near
        half = left.frustum_width / left.frustum_near
        half = half or (top - bottom) / 2 * self._width / self._height
        x = half * ((np.arange(self._width) + 0.5) * 2 / self._width - 1)
        y = top + (np.arange(self._height) + 0.5) / self._height * (bottom - top)
        rays = (left.forward + y[:, None, None] * left.up) + x[:, None] * across
        rays = rays.reshape(-1, 3).astype(np.float64)
        return eye.astype(np.float64), rays / np.linalg.norm(rays, axis=1, keepdims=True)

    def _cast(
        self, data: mujoco.MjData, eye: np.ndarray, rays: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What each ray meets first: geom (-1 for none), distance, and normal (pixels, 3)."""
        n = len(rays)
        geoms, distance, normals = np.full(n, -1, np.int32), np.zeros(n), np.zeros((n, 3))
        mujoco.mj_multiRay(
            self._model, data, eye, rays.ravel(), self._option.geomgroup, True, -1,
            geoms, distance, normals.ravel(), n, mujoco.mjMAXVAL,
        )  # fmt: skip
        return geoms, distance, normals


class _Looks:
    """Colours of a model's surfaces and sky, as OpenGL would have them before light falls on."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self.emission = np.zeros(model.ngeom)
        self._colour = np.zeros((model.ngeom, 3))
        self._textures = {i: _texture(model, i) for i in range(model.ntex)}
        self._zenith, self._nadir = _sky_colours(model, self._textures)

    def sky(self, rays: np.ndarray) -> np.ndarray:
        """The sky's colour in each direction (n, 3), from the nadir's to the zenith's."""
        up = 0.5 + np.arcsin(np.clip(rays[:, 2:], -1, 1)) / np.pi
        return self._nadir + up * (self._zenith - self._nadir)

    def surface(
        self, scene: mujoco.MjvScene, data: mujoco.MjData, geoms: np.ndarray, points: np.ndarray
    ) -> np.ndarray:
        """The colour (n, 3) of the surface of `geoms` (n,) at `points` (n, 3)."""
        tiled = []
        for drawn in scene.geoms[: scene.ngeom]:
            if drawn.objtype == mujoco.mjtObj.mjOBJ_GEOM.value:
                self._colour[drawn.objid] = drawn.rgba[:3]
                self.emission[drawn.objid] = drawn.emission
                if drawn.matid >= 0:
                    tiled.append(drawn)
        colours = self._colour[geoms]
        for drawn in tiled:
            self._tile(drawn, data, geoms, points, colours)
        return colours

    def _tile(
        self,
        drawn: mujoco.MjvGeom,
        data: mujoco.MjData,
        geoms: np.ndarray,
        points: np.ndarray,
        colours: np.ndarray,
    ) -> None:
        """Multiply a geom's texture into the colours: in place on planes, elsewhere its mean."""
        used = self._model.mat_texid[drawn.matid]
        texture = used[mujoco.mjtTextureRole.mjTEXROLE_RGB.value]
        mine = np.flatnonzero(geoms == drawn.objid)
        if texture < 0 or not len(mine):
            return
        image = self._textures[int(texture)]
        if drawn.type != mujoco.mjtGeom.mjGEOM_PLANE.value:
            colours[mine] *= image.mean((0, 1))
            return
        frame = data.geom_xmat[drawn.objid].reshape(3, 3)
        local = (points[mine] - data.geom_xpos[drawn.objid]) @ frame[:, :2]
        size = np.where(drawn.size[:2] > 0, drawn.size[:2], 1)  # an endless plane has size 0
        repeats = drawn.texrepeat * (size if drawn.texuniform else 1)
        u, v = ((local / size * [1, -1] + 1) / 2 * repeats).T  # from the upper left corner
        height, width = image.shape[:2]
        colours[mine] *= image[(v * height).astype(int) % height, (u * width).astype(int) % width]


def _texture(model: mujoco.MjModel, i: int) -> np.ndarray:
    """A texture as (height, width, 3) in [0, 1]."""
    height, width, channels = model.tex_height[i], model.tex_width[i], model.tex_nchannel[i]
    start = model.tex_adr[i]
    pixels = model.tex_data[start : start + height * width * channels]
    return pixels.reshape(height, width, channels)[..., :3].astype(np.float64) / 255


def _sky_colours(
    model: mujoco.MjModel, textures: dict[int, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The skybox's colours straight up and straight down, (3,) each; black without a skybox."""
    skies = np.flatnonzero(model.tex_type == mujoco.mjtTexture.mjTEXTURE_SKYBOX.value)
    if not len(skies):
        return np.zeros(3), np.zeros(3)
    image = textures[int(skies[0])]
    side = image.shape[1]
    faces = image.reshape(-1, side, side, 3)  # right, left, up, down, front, back; or one for all
    up, down = (faces[2], faces[3]) if len(faces) == 6 else (faces[0], faces[0])
    return up[side // 2, side // 2], down[side // 2, side // 2]


def _light(scene: mujoco.MjvScene, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """How much light falls on surfaces at `points` with `normals`, (n, 3)."""
    total = np.zeros_like(points)
    strength: np.ndarray | float
    for light in scene.lights[: scene.nlight]:
        if light.type == mujoco.mjtLightType.mjLIGHT_DIRECTIONAL.value:
            towards, strength = -light.dir[None].astype(np.float64), 1.0
        else:
            towards = light.pos - points
            towards /= np.linalg.norm(towards, axis=1, keepdims=True) + 1e-9
            strength = _spot(light, towards)
        facing = np.maximum((normals * towards).sum(1, keepdims=True), 0)
        total += strength * (light.ambient + facing * light.diffuse)
    return total


def _spot(light: mujoco.MjvLight, towards: np.ndarray) -> np.ndarray | float:
    """The share (n, 1) of a spot light's strength in its beam; 1 for other lights."""
    if light.type != mujoco.mjtLightType.mjLIGHT_SPOT.value:
        return 1.0
    cosine = np.maximum(-(towards @ light.dir), 0)[:, None]
    inside = cosine >= np.cos(np.radians(light.cutoff))
    return np.where(inside, cosine**light.exponent, 0.0)


# --- measures over a frame -------------------------------------------------------------------


# the colours of bars: Okabe and Ito's, lightened, which colour-blind people can tell apart
NEUTRAL: Colour = (220, 220, 225)
INTENDED: Colour = (0, 190, 140)
PROXIES: tuple[Colour, ...] = ((240, 170, 40), (100, 190, 240), (214, 130, 180), (240, 228, 66))
_PANEL, _TEXT, _TRACK = (16, 20, 28, 205), (245, 246, 248), (255, 255, 255, 60)


@dataclass(frozen=True)
class Bar:
    """A measure in an overlay.

    low, high: the values at the ends of its bar, which is drawn from zero or the end nearest it.
    mark: a value drawn as a line across the bar, for comparison.
    """

    name: str
    value: float
    low: float = 0.0
    high: float = 1.0
    mark: float | None = None
    colour: Colour = NEUTRAL


def overlay(
    frame: np.ndarray, bars: Sequence[Bar], title: str = "", seconds: float | None = None
) -> np.ndarray:
    """The frame with a panel of measures in its upper left corner, as a new array.

    Args:
        frame: (height, width, 3) uint8.
        bars: one row each: name, value, and a bar.
        title: a line above the bars, with the time in `seconds` at its right.
    """
    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image, "RGBA")  # this mode blends translucent colours
    size = max(10, round(frame.shape[0] / 36))  # of the letters, pixels; the unit of the layout
    gap = size // 2
    left, right = 2 * gap, 14 * size
    head = 2 * size if title or seconds is not None else gap
    panel = (gap, gap, right + gap, gap + head + len(bars) * 5 * gap)
    draw.rounded_rectangle(panel, gap, fill=_PANEL)
    if head > gap:
        time_ = "" if seconds is None else f"{seconds:.1f} s"
        _words(draw, left, right, gap + int(1.4 * size), title, time_, size)
    for i, bar in enumerate(bars):
        top = gap + head + i * 5 * gap
        _words(draw, left, right, top + size, bar.name, f"{bar.value:.2f}", size)
        _bar(draw, (left, top + 3 * gap, right, top + 4 * gap), bar)
    return np.array(image)


def _words(draw: Any, left: int, right: int, base: int, name: str, value: str, size: int) -> None:
    """A name at the left and a value at the right; the name is shortened to fit."""
    font = _font(size)
    room = right - left - draw.textlength(value + " ", font=font)
    full = name
    while name and draw.textlength(name, font=font) > room:
        full = full[:-1]
        name = full and full + "…"
    draw.text((left, base), name, _TEXT, font=font, anchor="ls")
    draw.text((right, base), value, _TEXT, font=font, anchor="rs")


def _bar(draw: Any, box: tuple[int, int, int, int], bar: Bar) -> None:
    left, top, right, bottom = box

    def at(value: float) -> float:
        share = (value - bar.low) / (bar.high - bar.low)
        return left + (right - left) * min(max(share, 0.0), 1.0)

    draw.rectangle(box, fill=_TRACK)
    ends = sorted((at(0), at(bar.value)))
    if ends[1] - ends[0] >= 1:
        draw.rectangle((ends[0], top, ends[1], bottom), fill=bar.colour)
    for value, width in ((0.0, 1), (bar.mark, 2)):
        if value is not None and bar.low < value < bar.high:
            line = (at(value), top - 2, at(value), bottom + 2)
            draw.line(line, fill=_PANEL, width=width + 2)
            draw.line(line, fill=_TEXT, width=width)


@functools.cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


# --- films -----------------------------------------------------------------------------------


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Write frames (height, width, 3) uint8 as an mp4 (H.264, yuv420p) that any browser plays.

    The file appears when it is whole: until then it has another name, and an error or an
    interruption leaves nothing. Frames with odd sides lose a row or column.

    Raises:
        UserError: the name does not end in .mp4, or there are no frames.
        OSError: the file cannot be written.
    """
    path = check_video_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.touch()  # says in plain words what is wrong with the place, if anything is
        _encode(partial, frames, fps)


def check_video_path(path: str | Path) -> Path:
    """The path, if a film can be called that.

    Raises:
        UserError: it does not end in .mp4, or is a folder.
    """
    path = Path(path)
    if path.suffix != ".mp4":
        raise UserError(f"{path}: films are written as mp4; give a name that ends in .mp4")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file in it")
    return path


def _encode(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Pipe the frames through ffmpeg, whose own process and errors are watched."""
    process: subprocess.Popen[bytes] | None = None
    shape: tuple[int, ...] = ()
    try:
        for frame in frames:
            even = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]
            if process is None:
                shape, process = even.shape, _ffmpeg(path, even.shape[1], even.shape[0], fps)
            if even.shape != shape:
                raise ValueError(f"a frame has shape {even.shape}, and those before it {shape}")
            assert process.stdin is not None
            process.stdin.write(even.tobytes())
        if process is None:
            raise UserError(f"{path.stem}: there are no frames to write")
        _, message = process.communicate()
    except BrokenPipeError:
        assert process is not None
        _, message = process.communicate()
    finally:
        if process is not None:
            process.kill()
            process.wait()
    if process.returncode:
        reason = message.decode(errors="replace").strip().splitlines()[-1:]
        raise OSError(process.returncode, "".join(reason) or "ffmpeg failed", str(path))


def _ffmpeg(path: Path, width: int, height: int, fps: float) -> "subprocess.Popen[bytes]":
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}"]
    film = ["-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *raw, "-i", "-"]
    return subprocess.Popen(
        [*command, *film, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # an interruption from the keyboard is ours to handle
    )


# --- a window --------------------------------------------------------------------------------


class Viewer:
    """A window that shows a simulation, which runs elsewhere.

    Args:
        model: the compiled scene.
        key_callback: called with the GLFW code of each key pressed, in the window's thread.
        camera: name of a camera of the model; None is a free one, which the mouse can move.
        fps: `show` waits so that it is called so often in a second; None does not wait.

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
        view = find_camera(model, camera) if camera else _free_camera(model)
        self._model, self._data = model, mujoco.MjData(model)
        self._handle, self._thread = _open_window(model, self._data, key_callback)
        atexit.register(self.close)
        with self._handle.lock():
            for name in ("type", "fixedcamid", "distance"):
                setattr(self._handle.cam, name, getattr(view, name))
        self._keys_are_taken = key_callback is not None
        self._period = 1 / fps if fps else 0.0
        self._due, self._left_out = time.monotonic(), 0

    @property
    def running(self) -> bool:
        """Whether the window is still open."""
        return bool(self._handle.is_running())

    def show(self, data: mujoco.MjData, names: str = "", values: str = "") -> None:
        """Show the state of `data` and, in two columns of lines, some text; then wait, see `fps`.

        Where drawing is too slow for that, some states are left out, so that time keeps its pace.
        """
        self._due = max(self._due + self._period, time.monotonic() - 10 * self._period)
        self._left_out += 1
        if time.monotonic() > self._due + self._period and self._left_out < 10:
            return
        self._left_out = 0
        self._draw(data, names, values)
        time.sleep(max(0.0, self._due - time.monotonic()))

    def _draw(self, data: mujoco.MjData, names: str, values: str) -> None:
        with self._handle.lock():
            _follow(self._model, data, self._data)
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
            # MuJoCo does not wait, and an interpreter that ends before the thread does crashes
            self._thread.join(timeout=10)
            self._thread = None


_INSTEAD = "render_mode='rgb_array' or a film (--video FILE)"
_PROBE = """import glfw
assert glfw.init() and glfw.get_primary_monitor()
glfw.window_hint(glfw.VISIBLE, False)
assert glfw.create_window(64, 64, 'probe', None, None)
"""


def has_display() -> bool:
    """Whether there seems to be a screen to open windows on."""
    variables = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform != "linux" or any(os.environ.get(name) for name in variables)


def _open_window(
    model: mujoco.MjModel, data: mujoco.MjData, key_callback: Callable[[int], None] | None
) -> tuple[Any, threading.Thread | None]:
    """MuJoCo's viewer and the thread it runs in; a UserError where there can be none."""
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
    """Raise a UserError where MuJoCo's viewer would abort the interpreter, or wait for ever.

    Another process opens a window first, since it may be killed by what it meets.
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
