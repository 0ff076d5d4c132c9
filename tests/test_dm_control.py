"""Scenes as dm_control environments: step by step the same as through Gymnasium."""

import importlib
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from conftest import WriteScene

import sandbox_envs
from sandbox_envs import SandboxEnv, SceneError, UserError
from sandbox_envs.scene.catalog import scene_files, scenes_folder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # glfw warns where there is no display
    control = pytest.importorskip("dm_control.rl.control")

TEMPLATE = scenes_folder().parent / "templates" / "family"
SHIPPED = [name.split("/") for name in scene_files() if name.endswith("/train")]
SHORT = {"episode_seconds": 5}
SCENES = [*SHIPPED, ("sweep", "planter_open"), (str(TEMPLATE), "noon")]


def load(*arguments: object, **options: object) -> "control.Environment":
    return sandbox_envs.dm_control.load(*arguments, **options)


def gymnasium_twin(
    family: str, scene: str, overrides: Mapping[str, float] | None = None
) -> SandboxEnv:
    file = Path(family) / f"{scene}.xml"
    return SandboxEnv(str(file) if file.is_file() else f"{family}/{scene}", overrides)


# --- the same as through Gymnasium -----------------------------------------------------------


@pytest.mark.parametrize(("family", "scene"), SCENES, ids=lambda part: Path(part).name)
def test_episodes_equal_those_of_gymnasium_step_by_step(family: str, scene: str) -> None:
    """Two short episodes: observations, rewards, all of info, and when they end."""
    env = load(family, scene, seed=3, overrides=SHORT)
    twin = gymnasium_twin(family, scene, SHORT)
    rng, over = np.random.default_rng(0), True
    for step in range(2 * twin.scene.episode_steps + 2):
        if over:
            time_step = env.reset()
            observation, info = twin.reset(seed=3 if step == 0 else None)
            assert time_step.first() and time_step.reward is None
        else:
            if step % 5 == 1:
                action = rng.uniform(-1.2, 1.2, twin.action_space.shape)  # beyond 1: clipped
            time_step = env.step(action)
            observation, reward, _, _, info = twin.step(action)
            assert time_step.reward == pytest.approx(reward, rel=1e-9, abs=1e-12)
        seen = np.concatenate(list(time_step.observation.values()))
        np.testing.assert_allclose(seen, observation, rtol=1e-5, atol=1e-6)
        assert env.task.info() == pytest.approx(info, rel=1e-9, abs=1e-12)
        over = info["length"] == twin.scene.episode_steps
        assert time_step.last() == over
        if not time_step.first():
            assert time_step.discount == 1  # running out of time ends no value
    assert info["episode_index"] == 1 and over


def test_an_observation_has_an_entry_for_each_term_or_one_for_all() -> None:
    scene = sandbox_envs.load_scene("sweep/train")
    env = load("sweep", seed=0)
    observation = env.reset().observation
    assert " ".join(observation) == scene.texts["observe"]
    assert observation["retina(16)"].shape == (64,)
    assert {key: spec.shape for key, spec in env.observation_spec().items()} == {
        key: value.shape for key, value in observation.items()
    }
    flat = load("sweep", seed=0, environment_kwargs={"flat_observation": True})
    [whole] = flat.reset().observation.values()
    np.testing.assert_array_equal(whole, SandboxEnv(scene).reset(seed=0)[0])


def test_a_term_named_twice_is_observed_twice(write_scene: WriteScene) -> None:
    file = write_scene({"observe": "robot_at robot_at clock"})
    observation = load(file.parent, seed=0).reset().observation
    assert [value.shape for value in observation.values()] == [(3,), (3,), (1,)]


def test_without_a_seed_two_environments_start_differently() -> None:
    starts = [load("sweep").reset().observation["retina(16)"] for _ in range(2)]
    assert not np.array_equal(*starts)


# --- its own physics -------------------------------------------------------------------------


def test_changes_to_the_physics_take_effect() -> None:
    """A puck put into the sun by hand is in the sun, and is where it was put."""
    env = load(TEMPLATE, "noon", seed=0)
    env.reset()
    sun = env.physics.named.data.mocap_pos
    with env.physics.reset_context():
        env.physics.named.data.qpos[["puck_x", "puck_y"]] = sun[1, :2]
    for _ in range(20):
        env.step(np.zeros(2))
    assert env.task.info()["charge"] == pytest.approx(1 / 8)


def test_the_shared_scene_is_not_modified() -> None:
    scene = sandbox_envs.load_scene("sweep/train")
    env = sandbox_envs.dm_control.load("sweep", seed=0)
    env.physics.model.opt.timestep = 1.0
    env.physics.model.geom_rgba[:] = 0
    assert scene.model.opt.timestep != 1.0
    assert env.task.scene.model.opt.timestep != 1.0


def test_an_unstable_simulation_raises_a_physics_error() -> None:
    env = load("sweep", seed=0)
    env.reset()
    env.physics.data.qvel[0] = np.nan
    with pytest.raises(control.PhysicsError):
        env.step(np.zeros(3))
    assert env.reset().first()


# --- the viewer ------------------------------------------------------------------------------


def python(code: str, **environment: str) -> str:
    """The output of code in a process of its own: there is one OpenGL in each, chosen once."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_dm_controls_viewer_runs_its_episodes() -> None:
    """The viewer's loop, of which only the window needs a display.

    The viewer loads OpenGL its own way, after which nothing else in the process can.
    """
    code = """
import numpy as np, sandbox_envs
from dm_control.viewer import runtime
env = sandbox_envs.dm_control.load("sweep", seed=0, overrides={"episode_seconds": 0.5})
loop = runtime.Runtime(env, policy=lambda time_step: np.array([1.0, 0.0, 0.0]))
begun = []
loop.on_episode_begin += lambda: begun.append(env.task.info()["episode_index"])
for _ in range(30):
    loop.tick(0.05, paused=False)
stopped = loop.state is runtime.State.STOPPED
print(abs(env.physics.data.time - 0.5) < 1e-6, stopped)
loop.restart()
loop.tick(0.05, paused=False)
loop.tick(0.05, paused=True)
print(begun)
"""
    assert python(code) == "True True\n[0, 1]"


def test_the_physics_renders_without_a_display_and_without_mujoco_gl() -> None:
    context = python("from sandbox_envs.view import render; print(render.working_context())")
    if "egl" not in context:
        pytest.skip("no EGL here")
    code = """
import numpy as np, sandbox_envs
env = sandbox_envs.dm_control.load("sweep", seed=0)
env.reset()
frames = [env.physics.render(96, 128, camera_id="overhead")]
for _ in range(10):
    env.step(np.array([1.0, 0.0, 1.0]))
frames.append(env.physics.render(96, 128, camera_id="overhead"))
print(frames[0].std() > 10, (frames[0] != frames[1]).mean() > 0.001)
"""
    nothing = {"MUJOCO_GL": "", "DISPLAY": "", "WAYLAND_DISPLAY": ""}
    assert python(code, **nothing) == "True True"


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sweep", "trian"), "unknown scene 'sweep/trian'; did you mean 'sweep/train'?"),
        (("swep",), "unknown scene 'swep/train'; did you mean 'sweep/train'?"),
        ((TEMPLATE, "dusk"), "dusk.xml: there is no such file"),
        (("keeper/train",), 'given apart; call load("keeper", "train")'),
        (("sweep", "train.xml"), "'sweep/train.xml': the family and the scene in it are given"),
        ((TEMPLATE / "noon.xml",), f'call load("{TEMPLATE}", "noon")'),
        ((TEMPLATE / "noon",), f'call load("{TEMPLATE}", "noon")'),
    ],
)
def test_an_unknown_scene_raises_one_sentence(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(SceneError, match=re.escape(message)):
        load(*arguments)


@pytest.mark.parametrize("action", [np.zeros(4), np.zeros((1, 3)), "left"])
def test_an_action_of_another_shape_gets_the_sentence_of_gymnasiums_environment(
    action: object,
) -> None:
    env, twin = load("sweep", seed=0), SandboxEnv("sweep/train")
    env.reset()
    twin.reset(seed=0)
    with pytest.raises(UserError) as expected:
        twin.step(action)
    with pytest.raises(UserError, match=re.escape(str(expected.value))):
        env.step(action)


@pytest.mark.parametrize("seed", ["1", 1.5, True])
def test_a_seed_that_is_no_whole_number_is_refused(seed: object) -> None:
    with pytest.raises(UserError, match="give one whole number"):
        load("sweep", seed=seed)


def test_one_number_stands_for_all_actuators_as_in_the_bounds_of_the_spec() -> None:
    one, all_ = load("sweep", seed=0), load("sweep", seed=0)
    one.reset()
    all_.reset()
    bound = one.action_spec().maximum
    stepped, twin = one.step(bound), all_.step(np.full(3, 1.0))
    assert np.shape(bound) == () and stepped.reward == twin.reward
    for name, value in stepped.observation.items():
        np.testing.assert_array_equal(value, twin.observation[name])


def test_missing_dm_control_raises_one_sentence_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "sandbox_envs.dm_task", raising=False)
    monkeypatch.setitem(sys.modules, "dm_control.mujoco", None)
    with pytest.raises(UserError, match="'dm_control.mujoco' is missing; pip install dm-control"):
        load("sweep")


def test_the_module_does_not_hide_the_dm_control_library() -> None:
    assert importlib.import_module("dm_control").__file__ != sandbox_envs.dm_control.__file__
