"""The command that drives, watches and films a scene, mostly through its real command line."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import imageio.v3 as imageio
import mujoco
import numpy as np
import pytest
import tyro

from sandbox_envs import SandboxEnv, UserError, load_scene, play
from sandbox_envs import env as env_module
from sandbox_envs.keyboard import DOWN, LEFT, RIGHT, UP, Keyboard, to_action
from sandbox_envs.recording import Meters, shown_measures
from sandbox_envs.recording import play as episodes

REPOSITORY = Path(play.__file__).parents[1]


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command on a machine without a display."""
    unset = ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL")
    environment = {k: v for k, v in os.environ.items() if k not in unset}
    environment["PYTHONPATH"] = str(REPOSITORY)
    return subprocess.run(
        [sys.executable, "-m", "sandbox_envs.play", *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def headless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty current folder, no display, and small frames."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(play, "WIDTH", 96)
    monkeypatch.setattr(play, "HEIGHT", 64)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- films -----------------------------------------------------------------------------------


def test_command_line_films_a_second(tmp_path):
    done = command("sweep/train", "--video", "out/room.mp4", "--seconds", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    film = imageio.imread(tmp_path / "out" / "room.mp4")
    assert film.shape == (21, play.HEIGHT, play.WIDTH, 3)  # the start, and 20 steps
    assert (film[-1].astype(int) - film[0] != 0).any()
    first, second = done.stdout.splitlines()
    assert (
        first == "out/room.mp4: 1 s of sweep/train, driven by a script that wanders about blindly"
    )
    assert [part.split()[0] for part in second.split(", ")] == shown_measures(
        load_scene("sweep/train")
    )


def test_without_display_and_path_the_film_goes_to_videos(headless, capsys):
    play.main(play.Args("sweep/planter_open", seconds=0.1))
    path = Path("videos/sweep-planter_open.mp4")
    assert len(imageio.imread(headless / path)) == 3
    assert f"there is no display, so this is written to {path}" in capsys.readouterr().out


def test_film_of_an_episode_is_as_long_as_the_episode_and_then_begins_another(headless):
    play.main(play.Args(video=Path("a.mp4"), set=("episode_seconds=0.3",)))
    play.main(play.Args(video=Path("b.mp4"), set=("episode_seconds=0.3",), seconds=0.5))
    assert [len(imageio.imread(name)) for name in ("a.mp4", "b.mp4")] == [7, 11]
    assert sorted(os.listdir()) == ["a.mp4", "b.mp4"]


def test_scene_of_a_user_without_cameras_is_filmed(headless, write_scene, monkeypatch):
    monkeypatch.setattr(play, "WIDTH", 320)
    monkeypatch.setattr(play, "HEIGHT", 240)
    play.main(play.Args(str(write_scene())))
    film = imageio.imread("videos/mini-train.mp4")
    assert len(film) == 21
    assert (film[-1, :, 160:].astype(int) - film[0, :, 160:] != 0).any()  # beside the panel


def test_same_seed_same_film_other_seed_other_room(headless):
    films = []
    for seed in (1, 1, 2):
        play.main(play.Args(video=Path("film.mp4"), seconds=0.1, seed=seed))
        films.append(imageio.imread("film.mp4"))
    assert np.array_equal(films[0], films[1])
    assert not np.array_equal(films[0], films[2])


def test_printed_measures_are_those_of_the_last_state(headless, capsys):
    play.main(play.Args(video=Path("film.mp4"), seconds=0.2, seed=5))
    scene = load_scene("sweep/train")
    env, act = SandboxEnv(scene), play.wander(scene)
    observation, info = env.reset(seed=5)
    for _ in range(4):
        observation, _, _, _, info = env.step(act(observation))
    expected = ", ".join(f"{name} {info[name]:.3f}" for name in shown_measures(scene))
    assert capsys.readouterr().out.splitlines()[-1] == expected


def test_settings_may_be_repeated():
    args = tyro.cli(play.Args, args=["sweep/clean_room", "--set", "a=1", "--set", "b=2"])
    assert (args.scene, args.set) == ("sweep/clean_room", ("a=1", "b=2"))


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            play.Args("sweep/trian"),
            "error: unknown scene 'sweep/trian'; did you mean 'sweep/train'?",
        ),
        (play.Args("no/such.xml"), "error: no/such.xml: there is no such file"),
        (
            play.Args(camera="overhed"),
            "error: unknown camera 'overhed'; did you mean 'overhead'?",
        ),
        (play.Args(seconds=-1), "error: --seconds -1: it must be more than 0"),
        (play.Args(seconds=float("nan")), "error: --seconds nan: it must be more than 0"),
        (play.Args(seconds=1e18), "error: --seconds 1e+18: it must be more than 0, and less than"),
        (play.Args(seed=-3), "error: --seed -3: it must be 0 or more, and less than 2^63"),
        (
            play.Args(video=Path("film.gif")),
            "error: film.gif: films are written as mp4; give a name that ends in .mp4",
        ),
        (play.Args(video=Path("/proc/film.mp4")), "error: "),
        (
            play.Args(set=("episode_seconds",)),
            "error: --set episode_seconds: write it as NAME=VALUE, e.g. episode_seconds=5",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(headless, args, message):
    with pytest.raises(SystemExit) as end:
        play.main(args)
    assert isinstance(end.value.code, str) and "\n" not in end.value.code
    assert end.value.code.startswith(message) and len(end.value.code) > len("error: ")
    assert os.listdir() == []


def test_bad_input_ends_the_command_with_status_1_and_no_traceback(tmp_path):
    done = command("sweep/trian", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: unknown scene 'sweep/trian'; did you mean 'sweep/train'?"
    ]


def test_debug_shows_where_an_error_came_from(headless):
    with pytest.raises(UserError):
        play.main(play.Args("sweep/trian", debug=True))


def test_import_needs_neither_torch_nor_opengl():
    code = "import sys, sandbox_envs.play; print({'torch', 'OpenGL.GL'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "set()"


# --- policies --------------------------------------------------------------------------------


class Recorder:
    """A policy that drives straight ahead and records the states that it was given."""

    def __init__(self, actuators: int = 3) -> None:
        self.actuators = actuators
        self.states: list[int | None] = []

    def __call__(self, observations: np.ndarray, state: int | None) -> tuple[np.ndarray, int]:
        assert observations.dtype == np.float32 and len(observations) == 1
        if observations.shape[1] == 1:
            raise UserError("this policy observes more than 1 number")
        self.states.append(state)
        return np.tile([1.0, 0.0, 0.0][: self.actuators], (1, 1)), (state or 0) + 1


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Stands in for the trainers' modules, so that the test needs no torch."""
    policy, of_policy = Recorder(), ModuleType("sandbox_envs.train.policy")
    of_policy.load_policy = lambda folder: policy  # type: ignore[attr-defined]
    of_scenes = ModuleType("sandbox_envs.train.run_scenes")
    of_scenes.check_control_rate = lambda *_: None  # type: ignore[attr-defined]
    for module in (ModuleType("sandbox_envs.train"), of_policy, of_scenes):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return policy


def test_policy_starts_every_episode_without_memory(headless, recorder, capsys):
    settings = ("episode_seconds=0.15",)
    args = play.Args(policy=Path("runs/x"), video=Path("film.mp4"), seconds=0.3, set=settings)
    play.main(args)
    assert recorder.states == [None, *[None, 1, 2], *[None, 1]]  # tried once; then episodes
    assert "driven by runs/x" in capsys.readouterr().out


def test_policy_of_another_family_is_one_sentence(headless, recorder):
    for change in ("observe", "actions"):
        settings = ("observe=speed",) if change == "observe" else ()
        recorder.actuators = 2 if change == "actions" else 3
        with pytest.raises(SystemExit) as end:
            play.main(play.Args(policy=Path("runs/x"), set=settings))
        expected = "observes more than 1 number" if change == "observe" else "this policy has 2 act"
        assert expected in str(end.value.code) and "\n" not in str(end.value.code)
    assert os.listdir() == []


def test_policy_without_torch_says_what_to_install(headless, monkeypatch):
    monkeypatch.delitem(sys.modules, "sandbox_envs.train.policy", raising=False)
    monkeypatch.delitem(sys.modules, "train.policy", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit) as end:
        play.main(play.Args(policy=Path("runs/x")))
    assert "'torch' is missing; install the project" in str(end.value.code)


# --- the keyboard ----------------------------------------------------------------------------


def test_keys_set_the_controls_they_name():
    model = load_scene("sweep/train").model
    keyboard = Keyboard(model)
    act = keyboard.begin()
    keys = [UP, UP, UP, LEFT, RIGHT, RIGHT, ord("B")]
    for key in keys:
        keyboard(key)
    control = (1 + act(np.zeros(1))) / 2 * np.ptp(model.actuator_ctrlrange, axis=1)
    control += model.actuator_ctrlrange[:, 0]
    low, high = model.actuator_ctrlrange.T
    assert control == pytest.approx([high[0], low[1] / 2, high[2]])
    keyboard(ord("1"))
    assert keyboard.commands.tolist() == [1.0, -0.5, 0.0]
    keyboard(ord(" "))
    assert not keyboard.commands.any()
    keyboard(ord("9"))
    keyboard(ord("Q"))
    assert not keyboard.commands.any()  # there is no such actuator, and no such key


def test_no_command_is_no_control_in_a_lopsided_range():
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody><body><joint name="j"/><geom size="1"/></body></worldbody>
        <actuator>
          <motor joint="j" ctrllimited="true" ctrlrange="0 12"/>
          <motor joint="j" ctrllimited="true" ctrlrange="-1 3"/>
          <motor joint="j" ctrllimited="true" ctrlrange="2 4"/>
          <motor joint="j"/>
        </actuator></mujoco>"""
    )
    assert to_action(model, np.zeros(4)) == pytest.approx([-1, -0.5, -1, 0])
    assert to_action(model, np.ones(4)) == pytest.approx([1, 1, 1, 0])
    assert to_action(model, -np.ones(4)) == pytest.approx([-1, -1, -1, 0])


def test_driving_moves_the_robot_and_r_begins_the_next_episode():
    scene = load_scene("sweep/clean_room")
    keyboard, env = Keyboard(scene.model), SandboxEnv(scene)
    infos = episodes(env, keyboard.begin, 0, keyboard.wants_restart)
    next(infos)
    start = env.data.qpos[:2].copy()
    keyboard(DOWN)
    for _ in range(10):
        info = next(infos)
    assert np.linalg.norm(env.data.qpos[:2] - start) > 0.1
    assert (info["episode_index"], info["length"]) == (0, 10)
    keyboard(ord("R"))
    info = next(infos)
    assert (info["episode_index"], info["length"]) == (1, 0)
    assert not keyboard.commands.any()


# --- scales ----------------------------------------------------------------------------------


def test_scales_grow_in_round_steps_and_never_shrink():
    scene = load_scene("sweep/train")
    meters = Meters(scene)
    info = dict.fromkeys(shown_measures(scene), 0.5)
    assert {(bar.low, bar.high) for bar in meters.bars(info)} == {(0, 1)}
    [grown] = [
        bar for bar in meters.bars(info | {"return/reward": 3.1}) if bar.name == "return/reward"
    ]
    assert (grown.low, grown.high) == (0, 5)
    [below] = [
        bar for bar in meters.bars(info | {"return/reward": -0.03}) if bar.name == "return/reward"
    ]
    assert (below.low, below.high) == (-0.05, 5)


# --- in a window -----------------------------------------------------------------------------


class Window:
    """Stands for the viewer, of which only the drawing needs a display; it closes by itself."""

    made: ClassVar[list["Window"]] = []

    def __init__(
        self,
        model: mujoco.MjModel,
        key_callback: Keyboard | None = None,
        camera: str | int | None = None,
        fps: float | None = None,
    ) -> None:
        self.keys, self.closed = key_callback, 0
        self.shown = list[dict[str, float]]()
        self.places = list[np.ndarray]()
        self.made.append(self)

    @property
    def running(self) -> bool:
        return True

    def show(self, data: mujoco.MjData, names: str = "", values: str = "") -> None:
        if names:
            rows = zip(names.split("\n"), map(float, values.split("\n")), strict=True)
            self.shown.append(dict(rows))
        self.places.append(data.qpos.copy())
        if self.keys is not None and len(self.shown) == 2:
            self.keys(UP)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[Window]:
    """The windows that are opened, on a machine with a display."""
    monkeypatch.setattr(Window, "made", [])
    monkeypatch.setattr(play, "Viewer", Window)
    monkeypatch.setattr(play, "has_display", lambda: True)
    return Window.made


def test_window_shows_what_keys_do_until_time_is_over(
    windows: list[Window], capsys: pytest.CaptureFixture[str]
) -> None:
    play.main(play.Args("keeper/train", seconds=1.0, set=("episode_seconds=5",)))
    (window,) = windows
    times = [shown["time"] for shown in window.shown]
    assert times[0] == 0
    assert times[-1] == pytest.approx(1.0, abs=0.01)
    still, moved = (np.abs(window.places[i][:2] - window.places[0][:2]).max() for i in (1, -1))
    assert moved > 10 * still
    assert window.closed == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Up, Down: drive;")
    for pair in said[-1].split(", "):
        name, value = pair.split()
        assert float(value) == pytest.approx(window.shown[-1][name], abs=0.006)


def test_window_that_is_closed_ends_the_command(
    windows: list[Window], monkeypatch: pytest.MonkeyPatch, tiny_keeper_run: Path
) -> None:
    monkeypatch.setattr(Window, "running", property(lambda self: len(self.shown) < 3))
    play.main(play.Args("keeper/train", policy=tiny_keeper_run))
    (window,) = windows
    assert len(window.shown) == 3
    assert window.closed == 1
    assert not np.array_equal(window.places[0], window.places[-1])


def test_environment_with_a_window_shows_each_state_and_has_no_camera_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Window, "made", [])
    monkeypatch.setattr(env_module, "Viewer", Window)
    with SandboxEnv("keeper/train", render_mode="human") as env:
        env.reset(seed=0)
        env.step(np.zeros(2))
        (window,) = Window.made
        assert len(window.places) == 2
        assert env.render() is None
        with pytest.raises(UserError, match="the camera of a window is chosen in the window"):
            env.camera = "overhead"
    assert window.closed == 1
