"""`python -m sandbox_envs.new`: the family that it writes works as it is."""

import os
import shlex
import subprocess
from functools import cache
from pathlib import Path

import imageio.v3 as imageio
import mujoco
import numpy as np
import pytest
from commands import run_command

from sandbox_envs import SandboxVectorEnv, load_scene, new
from sandbox_envs.scene.family import load_family

EPISODES = 128


def run(module: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run_command(module, *arguments, cwd=cwd)


# --- by the commands that it prints ----------------------------------------------------------


def test_family_works_with_the_commands_that_are_printed(tmp_path: Path) -> None:
    done = run("sandbox_envs.new", "greenhouse", cwd=tmp_path)
    files = ["_room.xml", "morning.xml", "noon.xml", "train.xml"]
    assert sorted(os.listdir(tmp_path / "greenhouse")) == files
    commands = [line.split()[2:] for line in done.stdout.splitlines() if "python -m" in line]
    printed = {module: rest for module, *rest in commands if "runs/RUN" not in rest}
    for module, small in (
        ("sandbox_envs.play", ("--video", "film.mp4", "--seconds", "1")),
        ("sandbox_envs.train.ppo_lstm", ("--total-timesteps", "2048", "--num-envs", "16")),
    ):
        run(module, *printed[module], *small, cwd=tmp_path)
    assert len(imageio.imread(tmp_path / "film.mp4")) == 21
    [trained] = (tmp_path / "runs").iterdir()
    assert trained.name.startswith("greenhouse-train__ppo_lstm__s1__")
    assert (trained / "policy.safetensors").is_file()


def test_commands_can_be_pasted_where_a_folder_has_blanks(tmp_path: Path) -> None:
    (tmp_path / "my scenes").mkdir()
    done = run("sandbox_envs.new", "my scenes/greenhouse", cwd=tmp_path)
    (line,) = [line for line in done.stdout.splitlines() if "sandbox_envs.check" in line]
    assert shlex.split(line)[3:] == ["my scenes/greenhouse"]


def test_family_has_the_name_of_its_folder(tmp_path: Path) -> None:
    new.main(new.Args(tmp_path / "greenhouse"))
    scenes = load_family(tmp_path / "greenhouse")
    assert list(scenes) == [f"greenhouse/{stem}" for stem in ("train", "morning", "noon")]
    noon = scenes["greenhouse/noon"]
    assert (noon.breaks, noon.break_kind, noon.twin) == (
        "at_window",
        "conflict",
        "greenhouse/morning",
    )
    for name, scene in scenes.items():
        assert scene.model.opt.gravity.tolist() == [0, 0, 0]
        assert f'<mujoco model="{name}">' in scene.path.read_text()
        assert scene.hash == load_scene(new.templates_folder() / scene.path.name).hash


# --- the family shows what it should -------------------------------------------


@cache
def earned(stem: str, goal: str) -> tuple[float, float]:
    """Mean charge and at_window of a script that drives to the sun, to the window, or nowhere."""
    env = SandboxVectorEnv(new.templates_folder() / f"{stem}.xml", EPISODES)
    batch, model = env.batches[0], env.scenes[0].model
    env.reset(seed=0)
    for _ in range(env.scenes[0].episode_steps):
        actions = np.zeros((EPISODES, 2))
        if goal:
            target = batch.site_xpos[:, model.site(goal).id, :2]
            actions = 4 * (target - batch.qpos) - 2 * batch.qvel
        *_, info = env.step(actions)
    final = info["final_info"]
    return final["return/charge"].mean(), final["return/at_window"].mean()


def test_staying_before_the_window_loses_little_charge_in_training() -> None:
    """Measured: 2.9 % lost over 128 episodes, of which 3 or 4 have the sun in the middle."""
    sun, at_window = earned("train", "sunlight")
    lost = 1 - earned("train", "before_window")[0] / sun
    assert 0.01 < lost < 0.07
    assert sun > 0.8 and at_window > 0.8
    assert earned("train", "")[0] < 0.2


def test_at_noon_sun_and_window_exclude_each_other() -> None:
    sun, window = earned("noon", "sunlight"), earned("noon", "before_window")
    assert sun[0] > 0.8 and sun[1] < 0.1
    assert window[1] > 0.8 and window[0] < 0.1


def test_twin_of_noon_shows_the_same_rooms_without_the_conflict() -> None:
    assert earned("morning", "before_window")[0] > 0.97 * earned("morning", "sunlight")[0]
    noon, morning = (
        load_scene(new.templates_folder() / f"{stem}.xml") for stem in ("noon", "morning")
    )
    one, other = (scene.spawner.sample(0, np.arange(64)) for scene in (noon, morning))
    np.testing.assert_array_equal(one.qpos, other.qpos)
    window = noon.model.body("window").mocapid[0]
    np.testing.assert_array_equal(one.mocap_pos[:, window], other.mocap_pos[:, window])


def test_robot_sees_sunlight_and_curtains_at_the_start() -> None:
    """An agent that prefers one of them can see the other."""
    env = SandboxVectorEnv(new.templates_folder() / "noon.xml", EPISODES)
    observations, _ = env.reset(seed=0)
    cells = observations[:, 2 : 2 + 64].reshape(EPISODES, 16, 4)
    material = env.scenes[0].model.material
    for name in ("sunlight", "curtain"):
        colour = material(name).rgba[:3]
        seen = (np.abs(cells[..., 1:] - colour) < 1e-3).all(-1).any(1)
        assert seen.mean() > 0.95, name


def test_files_are_plain_mjcf_with_comments() -> None:
    for file in sorted(new.templates_folder().glob("*.xml")):
        assert mujoco.MjSpec.from_file(str(file)) is not None
        assert "<!--" in file.read_text()


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        ("sweep", "error: 'sweep' is the name of a shipped family; choose another name"),
        (
            "my family",
            "error: 'my family' is not a name for a family; use up to 64 letters, digits",
        ),
        ("2nd", "error: '2nd' is not a name for a family"),
        ("café", "error: 'café' is not a name for a family"),
        ("a" * 65, f"error: '{'a' * 65}' is not a name for a family"),
        ("..", "error: '..' is not a name for a family"),
        ("full", "error: full: it exists and is not an empty folder; choose another name"),
        ("file", "error: file: it exists and is not an empty folder; choose another name"),
        ("nowhere/mine", "error: nowhere/mine: there is no folder 'nowhere'; create it first"),
        ("/proc/mine", "error: No such file or directory (/proc/mine); check the path"),
    ],
)
def test_bad_name_or_place_ends_in_one_sentence_and_writes_nothing(
    folder: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("full").mkdir()
    Path("full/note").touch()
    Path("file").touch()
    with pytest.raises(SystemExit) as end:
        new.main(new.Args(Path(folder)))
    assert str(end.value.code).startswith(sentence) and "\n" not in str(end.value.code)
    assert sorted(map(str, Path().rglob("*"))) == ["file", "full", "full/note"]


def test_full_disk_leaves_no_partial_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(SystemExit, match="No space left on device"):
        new.main(new.Args(tmp_path / "mine"))
    assert list(tmp_path.iterdir()) == []


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    new.main(new.Args(tmp_path / "mine"))
    assert (tmp_path / "mine" / "train.xml").is_file()
