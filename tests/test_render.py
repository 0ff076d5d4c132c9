"""Frames show the state, with OpenGL and without; films are complete; no display, no abort."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as imageio
import mujoco
import numpy as np
import pytest

from sandbox_envs import SandboxEnv, SandboxVectorEnv, UserError
from sandbox_envs.view import render
from sandbox_envs.view.camera import find_camera, find_view
from sandbox_envs.view.overlay import Bar, overlay
from sandbox_envs.view.render import Renderer
from sandbox_envs.view.video import write_video
from sandbox_envs.view.window import Viewer

WIDTH, HEIGHT = 320, 240
BOX_WITHOUT_CAMERA = """
<mujoco>
  <asset><texture type="skybox" builtin="flat" rgb1="0 0 1" rgb2="0 0 1"
      width="8" height="8"/></asset>
  <worldbody>
    <light pos="0 0 9"/>
    <geom type="box" size="1 1 1" rgba="1 0 0 1"/>
    <site group="4" type="sphere" size="5" rgba="0 1 0 1"/>
  </worldbody>
</mujoco>"""


@pytest.fixture(scope="module")
def start() -> tuple[mujoco.MjModel, mujoco.MjData]:
    """The training scene's model, and the start of an episode."""
    env = SandboxEnv("sweep/train")
    env.reset(seed=3)
    data = env.data
    mujoco.mj_forward(env.scene.model, data)
    return env.scene.model, data


@pytest.fixture(params=["OpenGL, if there is any", "rays"])
def painter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test twice, the second time on a machine that seems to have no OpenGL."""
    if request.param == "rays":
        without_opengl(monkeypatch)
    return request.param


def without_opengl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "working_context", lambda: None)


def project(model: mujoco.MjModel, data: mujoco.MjData, point: np.ndarray) -> np.ndarray:
    """Column and row of a point in the overhead camera's frame, by the pinhole model."""
    camera = model.camera("overhead").id
    x, y, z = data.cam_xmat[camera].reshape(3, 3).T @ (point - data.cam_xpos[camera])
    focal = HEIGHT / 2 / np.tan(np.radians(model.cam_fovy[camera]) / 2)
    return np.array([WIDTH / 2 - focal * x / z, HEIGHT / 2 + focal * y / z])


def orange(frame: np.ndarray, darkest: int = 150) -> np.ndarray:
    """A mask of pixels with the dustpan's colour, in light or in shadow, (height, width)."""
    red, green, blue = frame.astype(float).transpose(2, 0, 1)
    return (red > darkest) & (green > 0.4 * red) & (green < 0.7 * red) & (blue < 0.35 * red)


# --- what a frame shows ----------------------------------------------------------------------


def test_dustpan_is_where_the_camera_should_see_it(start, painter):
    model, data = start
    frame = Renderer(model, "overhead", WIDTH, HEIGHT).frame(data)
    expected = project(model, data, data.site("pan").xpos - [0, 0, 0.05])
    rows, columns = np.nonzero(orange(frame))
    near = np.hypot(columns - expected[0], rows - expected[1]) < 25
    assert near.sum() > 100
    assert near.mean() > 0.95


@pytest.mark.parametrize("width", [240, 320])
def test_projected_corners_of_a_box_bound_what_is_drawn_of_it(painter, width):
    model = mujoco.MjModel.from_xml_string(BOX_WITHOUT_CAMERA)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = find_camera(model, None)
    camera.lookat[0] = 0.5  # not the middle
    renderer = Renderer(model, None, width, HEIGHT)
    renderer._camera = camera
    frame = renderer.frame(data)
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    view = find_view(model, data, camera, width / HEIGHT)
    pixels = view.project(corners, width, HEIGHT)
    rows, columns = np.nonzero(frame[..., 0] > 20)
    assert pixels.min(0) == pytest.approx((columns.min(), rows.min()), abs=1.5)
    assert pixels.max(0) == pytest.approx((columns.max() + 1, rows.max() + 1), abs=1.5)
    assert np.isnan(view.project(view.eye[None] - view.forward, width, HEIGHT)).all()


def test_projection_is_the_pinhole_model_of_a_fixed_camera(start):
    model, data = start
    view = find_view(model, data, find_camera(model, "overhead"), WIDTH / HEIGHT)
    points = np.random.default_rng(0).uniform(-2, 2, (20, 3))
    expected = [project(model, data, point) for point in points]
    assert np.allclose(view.project(points, WIDTH, HEIGHT), expected, atol=0.05)


def test_rays_and_opengl_draw_the_same_robot(monkeypatch):
    if render.working_context() is None:
        pytest.skip("there is no OpenGL to compare with")
    env = SandboxEnv("sweep/train", {"spawn/soil": "planter 0"})  # soil is nearly orange
    env.reset(seed=3)
    for camera in ("overhead", "chase"):
        one = Renderer(env.scene.model, camera, WIDTH, HEIGHT).frame(env.data)
        with monkeypatch.context() as patch:
            without_opengl(patch)
            other = Renderer(env.scene.model, camera, WIDTH, HEIGHT).frame(env.data)
        one_orange, other_orange = orange(one, 60), orange(other, 60)
        assert (one_orange & other_orange).sum() > 0.75 * (one_orange | other_orange).sum()
        # the rest is in shadow, which rays do not draw
        assert (np.abs(one.astype(int) - other) < 40).all(-1).mean() > 0.8


def test_frame_depends_on_state_alone_and_leaves_data_as_it_is(start, painter):
    model, _ = start
    envs = SandboxVectorEnv("sweep/train")
    envs.reset(seed=3)
    (batch,) = envs.batches
    fresh, stale = batch.get_data(0), batch.get_data(0)
    mujoco.mj_forward(model, fresh)
    assert not stale.geom_xpos.any()  # what derives from the state is missing in it
    renderer = Renderer(model, None, WIDTH, HEIGHT)
    first, second = renderer.frame(fresh), renderer.frame(stale)
    assert np.array_equal(first, second)
    assert not stale.geom_xpos.any()


def test_frames_are_new_arrays_that_follow_the_simulation(painter):
    env = SandboxEnv("sweep/train", render_mode="rgb_array", width=WIDTH, height=HEIGHT)
    env.reset(seed=3)
    first = env.render()
    kept = first.copy()
    for _ in range(10):
        env.step(np.array([1.0, 0.0, 0.0]))
    assert first.shape == (HEIGHT, WIDTH, 3) and first.dtype == np.uint8
    assert (env.render() != first).any(-1).sum() > 100
    assert np.array_equal(first, kept)
    env.close()


def test_free_camera_frames_a_scene_without_overhead(painter):
    model = mujoco.MjModel.from_xml_string(BOX_WITHOUT_CAMERA)
    frame = Renderer(model, None, WIDTH, HEIGHT).frame(mujoco.MjData(model)).astype(int)
    red = (frame[..., 0] > 80) & (frame[..., 2] < 40)
    edge = np.concatenate([red[0], red[-1], red[:, 0], red[:, -1]])
    assert red.mean() > 0.1 and not edge.any()
    assert (frame[..., 2] > 200).mean() > 0.4  # the sky
    assert not (frame[..., 1] > 80).any()  # sites of group 4 are no part of the picture


def test_no_rangefinder_rays_are_drawn(start):
    model, data = start
    frame = Renderer(model, "overhead", WIDTH, HEIGHT).frame(data).astype(int)
    yellow = (frame[..., 0] > 200) & (frame[..., 1] > 200) & (frame[..., 2] < 80)
    assert yellow.sum() < 10  # a glint on the pan; 16 rays would be lines of them


def test_planes_have_their_texture_and_bodies_their_light_without_opengl(start, monkeypatch):
    without_opengl(monkeypatch)
    model, data = start
    frame = Renderer(model, "overhead", WIDTH, HEIGHT).frame(data).astype(float)
    column, row = project(model, data, np.array([1.0, -1.2, 0.0])).astype(int)
    planks = frame[row - 15 : row + 15, column - 15 : column + 15, 0]
    assert planks.std() > 3
    top, wall = (data.geom("wall_west").xpos + offset for offset in ([0, 0, 0.2], [0.05, 0, 0]))
    bright, dark = (frame[tuple(project(model, data, p).astype(int)[::-1])] for p in (top, wall))
    assert bright.sum() > 1.3 * dark.sum()


# --- sizes, cameras, closing -----------------------------------------------------------------


def test_frames_may_be_larger_than_the_scene_provides_for(start):
    model, data = start
    before = model.vis.global_.offwidth
    renderer = Renderer(model, None, before + 64, 20)
    assert renderer.frame(data).shape == (20, before + 64, 3)
    assert model.vis.global_.offwidth == before
    renderer.close()


@pytest.mark.parametrize("size", [(0, 10), (10, -1), (100_000, 10)])
def test_impossible_frame_size_is_one_sentence(start, size):
    with pytest.raises(UserError, match="cannot be drawn; choose 1 to"):
        Renderer(start[0], None, *size)


def test_unknown_camera_names_the_nearest(start):
    with pytest.raises(UserError) as error:
        Renderer(start[0], "overhed")
    assert str(error.value) == "unknown camera 'overhed'; did you mean 'overhead'?"
    with pytest.raises(UserError, match="unknown camera 'x'; there is none"):
        find_camera(mujoco.MjModel.from_xml_string(BOX_WITHOUT_CAMERA), "x")


def test_close_is_idempotent_and_not_final(start, painter):
    model, data = start
    renderer = Renderer(model, None, 32, 24)
    before = renderer.frame(data)
    renderer.close()
    renderer.close()
    assert np.array_equal(renderer.frame(data), before)


# --- machines without OpenGL, in separate processes --------------------------------------

TWO_RENDERERS = """
import sys
from sandbox_envs import load_scene  # first, as it lets MuJoCo be imported with any MUJOCO_GL
import mujoco
from sandbox_envs.view.render import Renderer
model = load_scene("sweep/train").model
data = mujoco.MjData(model)
kept = [Renderer(model, None, 64, 48) for _ in range(2)]
frames = [renderer.frame(data) for renderer in kept]
print(type(kept[0]._painter).__name__, frames[1].std() > 10)
sys.never_closed = kept
"""


def run_python(code: str, tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    unset = ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL", "PYOPENGL_PLATFORM")
    environment = {k: v for k, v in os.environ.items() if k not in unset}
    environment["PYTHONPATH"] = str(Path(render.__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment | variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_renderers_left_open_end_quietly(tmp_path):
    done = run_python(TWO_RENDERERS, tmp_path)
    assert done.returncode == 0
    assert done.stdout.strip() in ("_GLPainter True", "RayPainter True")
    assert len(done.stderr.splitlines()) == (0 if "GL" in done.stdout else 1)


def test_renderer_outlives_the_modules_it_uses(start, painter, monkeypatch):
    """At the interpreter's end a module may be None already; __del__ then prints what it raises."""
    model, data = start
    renderer = Renderer(model)
    renderer.frame(data)
    for module in ("contextlib", "atexit", "os"):
        monkeypatch.setattr(render, module, None)
    renderer.__del__()


def test_opengl_switched_off_is_one_line_and_still_a_picture(tmp_path):
    done = run_python(TWO_RENDERERS, tmp_path, MUJOCO_GL="disable")
    assert (done.returncode, done.stdout.strip()) == (0, "RayPainter True")
    [line] = done.stderr.splitlines()
    assert line.startswith("note: frames are drawn plainly, as MUJOCO_GL=disable")


def without_libraries(folder: Path) -> str:
    """A library path on which OpenGL's libraries are found first, and are none."""
    for name in ("libEGL.so", "libEGL.so.1", "libOSMesa.so", "libOSMesa.so.6", "libOSMesa.so.8"):
        (folder / name).write_bytes(b"")
    return str(folder)


@pytest.mark.parametrize("chosen", ["egl", "osmesa", "nonsense"])
def test_mujoco_gl_that_cannot_be_had_is_one_line_and_still_a_picture(tmp_path, chosen):
    libraries = without_libraries(tmp_path)
    done = run_python(TWO_RENDERERS, tmp_path, MUJOCO_GL=chosen, LD_LIBRARY_PATH=libraries)
    assert (done.returncode, done.stdout.strip()) == (0, "RayPainter True")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"note: frames are drawn plainly, as MUJOCO_GL={chosen} gives no OpenGL")


def test_mujoco_gl_that_cannot_be_had_still_lets_dm_control_load(tmp_path):
    code = """
from sandbox_envs.dm_control import load
print(load("keeper", "train").reset().observation["keeper_x"].shape)
"""
    done = run_python(code, tmp_path, MUJOCO_GL="nonsense")
    assert done.returncode == 0, done.stderr


def test_missing_libraries_are_one_line_that_says_what_to_install(tmp_path):
    done = run_python(TWO_RENDERERS, tmp_path, LD_LIBRARY_PATH=without_libraries(tmp_path))
    assert (done.returncode, done.stdout.strip()) == (0, "RayPainter True")
    [line] = done.stderr.splitlines()
    assert line.endswith("(Debian: apt-get install libegl1 libgl1)")


def test_display_that_is_gone_does_not_abort(tmp_path):
    done = run_python(TWO_RENDERERS, tmp_path, DISPLAY=":987")
    assert done.returncode == 0
    assert done.stdout.strip() in ("_GLPainter True", "RayPainter True")


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({}, "there is no display to open a window on (DISPLAY is not set)"),
        ({"DISPLAY": ":987"}, "no window can be opened on display ':987'"),
    ],
)
def test_window_without_display_is_an_error_and_no_abort(tmp_path, variables, why):
    code = 'import sandbox_envs as s; s.SandboxEnv("sweep/train", render_mode="human")'
    done = run_python(code, tmp_path, **variables)
    assert done.returncode == 1
    advice = "use render_mode='rgb_array' or a film (--video FILE)"
    assert done.stderr.splitlines()[-1] == f"sandbox_envs.errors.UserError: {why}; {advice}"


def test_unknown_camera_of_a_window_is_found_before_the_display(start, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(UserError, match="did you mean 'corner'"):
        Viewer(start[0], camera="corners")


# --- measures over a frame -------------------------------------------------------------------

GREEN = (1, 200, 3)


def bar_length(frame: np.ndarray) -> int:
    """Longest row of pure green."""
    return int((frame == GREEN).all(-1).sum(1).max())


def test_bars_are_as_long_as_their_values():
    frame = np.full((480, 848, 3), 128, np.uint8)
    lengths = {v: bar_length(overlay(frame, [Bar("x", v, colour=GREEN)])) for v in (0.2, 0.4, 1, 9)}
    assert lengths[0.4] == pytest.approx(2 * lengths[0.2], abs=2)
    assert lengths[1] == pytest.approx(5 * lengths[0.2], abs=4)
    assert lengths[9] == lengths[1]  # it stays inside
    assert bar_length(overlay(frame, [Bar("x", 0, colour=GREEN)])) == 0


def test_negative_bars_grow_to_the_left_of_zero():
    frame = np.zeros((480, 848, 3), np.uint8)
    columns = {
        value: np.nonzero((overlay(frame, [Bar("x", value, -1, 1, colour=GREEN)]) == GREEN).all(-1))
        for value in (-0.5, 0.5)
    }
    assert columns[-0.5][1].max() <= columns[0.5][1].min()
    assert np.ptp(columns[-0.5][1]) == pytest.approx(np.ptp(columns[0.5][1]), abs=3)


def test_mark_is_drawn_at_its_value():
    frame = np.zeros((480, 848, 3), np.uint8)
    with_mark = overlay(frame, [Bar("x", 0.2, mark=0.5), Bar("x", 0.2)])
    without = overlay(frame, [Bar("x", 0.2), Bar("x", 0.2)])
    columns = np.nonzero((with_mark != without).any(-1))[1]
    full = np.nonzero((overlay(frame, [Bar("x", 1, colour=GREEN)]) == GREEN).all(-1))[1]
    assert columns.mean() == pytest.approx((full.min() + full.max()) / 2, abs=2)


@pytest.mark.parametrize("background", [0, 128, 255])
def test_text_is_readable_on_any_background(background):
    frame = np.full((480, 848, 3), background, np.uint8)
    drawn = overlay(frame, [Bar("cleanliness", 0.5)], "a title", 1.5)
    rows, columns = np.nonzero((drawn != frame).any(-1))
    panel = drawn[rows.min() : rows.max(), columns.min() : columns.max()].astype(int)
    assert panel.max() - np.median(panel) > 120
    assert np.array_equal(frame, np.full_like(frame, background))  # the argument is as before
    assert columns.max() < 848 / 3 and rows.max() < 480 / 3


def test_title_and_time_are_drawn_and_long_names_do_not_reach_the_value():
    frame = np.zeros((480, 848, 3), np.uint8)
    short = overlay(frame, [Bar("x", 0.5)], "a", 1.0)
    assert (overlay(frame, [Bar("x", 0.5)], "b", 1.0) != short).any()
    assert (overlay(frame, [Bar("x", 0.5)], "a", 2.0) != short).any()
    long, longer = (overlay(frame, [Bar("m" * n, 0.5)]) for n in (60, 90))
    assert np.array_equal(long, longer)


def test_tiny_frames_take_an_overlay():
    for height, width in ((1, 1), (10, 400), (400, 10)):
        frame = np.zeros((height, width, 3), np.uint8)
        assert overlay(frame, [Bar("x", 0.5)], "title", 1.0).shape == frame.shape


# --- films -----------------------------------------------------------------------------------


def greys(count: int, height: int = 64, width: int = 96) -> Iterator[np.ndarray]:
    for i in range(count):
        yield np.full((height, width, 3), 20 * i, np.uint8)


def test_film_has_every_frame_at_its_size_and_rate(tmp_path):
    path = tmp_path / "new folder" / "film.mp4"
    write_video(path, greys(12), 20)
    film = imageio.imread(path)
    assert film.shape == (12, 64, 96, 3)
    assert np.abs(film.mean((1, 2, 3)) - 20 * np.arange(12)).max() < 4
    meta = imageio.immeta(path)
    assert meta["fps"] == 20 and meta["codec"] == "h264" and "yuv420p" in meta["pix_fmt"]
    assert os.listdir(path.parent) == ["film.mp4"]


def test_film_may_have_a_colon_in_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(Path("step:9.mp4"), greys(3), 20)
    assert imageio.imread(tmp_path / "step:9.mp4").shape == (3, 64, 96, 3)


def test_odd_sides_lose_a_row_or_column(tmp_path):
    write_video(tmp_path / "film.mp4", greys(3, 65, 97), 20)
    assert imageio.imread(tmp_path / "film.mp4").shape == (3, 64, 96, 3)


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_interrupted_film_leaves_what_was_there_before(tmp_path, error):
    (tmp_path / "film.mp4").write_text("an older film")

    def frames() -> Iterator[np.ndarray]:
        yield from greys(5)
        raise error

    with pytest.raises(type(error)):
        write_video(tmp_path / "film.mp4", frames(), 20)
    assert os.listdir(tmp_path) == ["film.mp4"]
    assert (tmp_path / "film.mp4").read_text() == "an older film"


def test_bad_film_name_is_refused_before_a_frame_is_drawn(tmp_path):
    def never() -> Iterator[np.ndarray]:
        pytest.fail("a frame was drawn")
        yield

    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(UserError, match=r"name that ends in \.mp4"):
        write_video(tmp_path / "film.avi", never(), 20)
    with pytest.raises(UserError, match="is a folder"):
        write_video(tmp_path / "folder.mp4", never(), 20)
    with pytest.raises(OSError):
        write_video(tmp_path / "file" / "film.mp4", never(), 20)
    with pytest.raises(UserError, match="no frames"):
        write_video(tmp_path / "film.mp4", iter(()), 20)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.mp4"]


def test_frames_of_different_sizes_are_refused(tmp_path):
    mixed = [*greys(2), *greys(2, 32, 32)]
    with pytest.raises(ValueError, match="a frame has shape"):
        write_video(tmp_path / "film.mp4", mixed, 20)
    assert os.listdir(tmp_path) == []


def test_full_disk_is_an_os_error_that_leaves_nothing(tmp_path):
    code = """
import resource, numpy as np
from sandbox_envs.view.video import write_video
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # no file may grow larger
noise = np.random.default_rng(0).integers(0, 255, (20, 128, 128, 3), dtype=np.uint8)
try:
    write_video("film.mp4", noise, 20)
except OSError as error:
    print("OSError:", error.filename, error.strerror)
"""
    done = run_python(code, tmp_path)
    assert done.stdout.startswith("OSError: film.mp4 ")
    assert len(done.stdout.splitlines()) == 1 and not done.stderr
    assert os.listdir(tmp_path) == []


def test_nothing_is_drawn_or_opened_by_importing_and_stepping(tmp_path):
    code = """
import sys, sandbox_envs
env = sandbox_envs.SandboxEnv("sweep/train")
env.reset(seed=0); env.step(env.action_space.sample())
print([name for name in ("OpenGL.GL", "mujoco.egl", "torch") if name in sys.modules])
"""
    done = run_python(code, tmp_path)
    assert done.stdout.strip() == "[]" and not done.stderr
