"""The single environment as users of Gymnasium meet it."""

import copy
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
from conftest import WriteScene

from sandbox_envs import SandboxEnv, SandboxVectorEnv, SceneError, UserError, load_scene


def test_gymnasium_makes_shipped_scenes() -> None:
    version = load_scene("sweep/train").texts["version"]
    env = gymnasium.make(f"sandbox/sweep-train-v{version}", overrides={"episode_seconds": 1})
    observation, info = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    assert set(load_scene("sweep/train").measures) < set(info)
    ends = [env.step(env.action_space.sample())[2:4] for _ in range(20)]
    assert ends == [(False, False)] * 19 + [(False, True)]
    env.close()


def test_gymnasium_makes_a_users_file(write_scene: WriteScene) -> None:
    path = write_scene()
    for given in (path, str(path)):
        env = gymnasium.make("sandbox/scene-v0", scene=given)
        assert env.unwrapped.scene.name == "mini/train"
        assert env.reset(seed=0)[0].shape == (3,)
        env.close()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone.xml"
    with pytest.raises(SceneError, match=f"^{path}: there is no such file$"):
        gymnasium.make("sandbox/scene-v0", scene=path)


def test_no_time_limit_wrapper_is_added(write_scene: WriteScene) -> None:
    """No TimeLimit wrapper, and no id announces a limit."""
    env = gymnasium.make("sandbox/scene-v0", scene=write_scene())
    assert env.spec is not None
    assert env.spec.max_episode_steps is None
    assert "TimeLimit" not in str(env)
    env.close()


def test_step_returns_pythons_values_and_an_info_of_numpys_scalars(write_scene: WriteScene) -> None:
    env = SandboxEnv(write_scene({"reward": "-effort"}))
    env.reset(seed=0)
    observation, reward, terminated, truncated, info = env.step(np.array([1, -1], np.float32))
    assert observation.dtype == np.float32
    assert (reward, terminated, truncated) == (-1.0, False, False)
    assert {type(x) for x in (reward, terminated, truncated)} == {float, bool}
    kinds = {key: type(value) for key, value in info.items()}
    assert kinds == {
        "rolled_in": np.float64,
        "return/rolled_in": np.float64,
        "return/reward": np.float64,
        "length": np.int64,
        "episode_index": np.int64,
        "unstable": np.bool_,
    }


def test_episodes_differ_and_a_seed_starts_over(write_scene: WriteScene) -> None:
    env = SandboxEnv(write_scene({"spawn/robot": "floor"}))
    first, second = env.reset(seed=3)[0], env.reset()[0]
    assert (first != second).any()
    np.testing.assert_array_equal(env.reset(seed=3)[0], first)
    np.testing.assert_array_equal(env.reset()[0], second)
    np.testing.assert_array_equal(env.reset(options={"episode": 0})[0], first)
    assert env.reset(seed=3, options={"episode": 1})[0].tolist() == second.tolist()


def test_data_is_a_copy_of_the_state() -> None:
    env = SandboxEnv("sweep/train", {"episode_seconds": 1})
    observation, _ = env.reset(seed=0)
    data = env.data
    assert isinstance(data, mujoco.MjData)
    data.qpos[:] = 0
    data.qvel[:] = 100
    other = SandboxEnv("sweep/train", {"episode_seconds": 1})
    np.testing.assert_array_equal(other.reset(seed=0)[0], observation)
    action = np.full(3, 0.5)
    np.testing.assert_array_equal(env.step(action)[0], other.step(action)[0])
    assert env.data.time == pytest.approx(1 / env.scene.control_hz)


def test_model_and_data_are_what_mujoco_draws_without_a_call_of_ours() -> None:
    env = SandboxEnv("sweep/train")
    env.reset(seed=0)
    env.step(np.full(3, 0.5))
    assert env.model is env.scene.model
    after = env.data
    mujoco.mj_forward(env.model, after)
    np.testing.assert_allclose(env.data.xpos, after.xpos)
    assert np.abs(env.data.xpos).sum() > 0
    np.testing.assert_allclose(env.data.sensordata, after.sensordata)


@pytest.mark.parametrize("make", [SandboxEnv, SandboxVectorEnv])
def test_camera_that_is_set_draws_the_next_frame(make: Any) -> None:
    settings = {"render_mode": "rgb_array", "width": 40, "height": 30}
    env, other = (make("sweep/train", camera=name, **settings) for name in ("overhead", "chase"))
    for one in (env, other):
        one.reset(seed=0)
    before = np.asarray(env.render())
    env.camera = "chase"
    assert env.camera == "chase"
    assert not np.array_equal(before, env.render())
    assert np.array_equal(env.render(), other.render())
    with pytest.raises(UserError, match="^unknown camera 'chose'; did you mean 'chase'"):
        env.camera = "chose"
    assert np.array_equal(env.render(), other.render())
    assert np.array_equal(copy.deepcopy(env).render(), other.render())


def test_a_snapshot_continues_exactly() -> None:
    env = SandboxEnv("sweep/train", {"episode_seconds": 1})
    env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    for action in actions[:10]:
        env.step(action)
    state, observation = env.get_state(), env.step(actions[10])[0]
    went = [env.step(action) for action in actions[11:]]
    assert env.set_state(state).shape == observation.shape
    np.testing.assert_array_equal(env.step(actions[10])[0], observation)
    for (one, *values, info), action in zip(went, actions[11:], strict=True):
        other, *others, other_info = env.step(action)
        np.testing.assert_array_equal(one, other)
        assert values == others
        assert info == other_info


def test_wrong_arguments_raise_one_sentence(write_scene: WriteScene) -> None:
    path = write_scene()
    message = "^render_mode 'video' is not one of human, rgb_array or None$"
    with pytest.raises(UserError, match=message):
        SandboxEnv(path, render_mode="video")
    with pytest.raises(UserError, match="camera"):
        SandboxEnv(path, camera="overheat")
    env = SandboxEnv(path)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.zeros(2))
    env.reset(seed=0)
    with pytest.raises(UserError, match=r"^the action has shape \(3,\), not \(2,\)$"):
        env.step(np.zeros(3))
    with pytest.raises(UserError, match="^an action is not a finite number$"):
        env.step(np.array([0, np.nan]))


@pytest.mark.parametrize("make", [SandboxEnv, SandboxVectorEnv])
def test_both_environments_refuse_the_same_in_the_same_sentence(
    write_scene: WriteScene, make: type
) -> None:
    with pytest.raises(UserError, match="^no scene is named; give scene='sweep/train' or another"):
        make()
    env = make(write_scene(), render_mode=None)
    for seed in ([1, 2], "1", 1.5, True):
        with pytest.raises(UserError, match="^seed is .*; give one whole number, which is the"):
            env.reset(seed=seed)
    env.reset(seed=np.int64(4))
    with pytest.raises(UserError, match="^max_episode_steps is 0; it must be 1 or more$"):
        make(write_scene(), max_episode_steps=0)
    with pytest.raises(UserError, match="^a frame of 0 x 480 pixels cannot be drawn"):
        make(write_scene(), width=0)


@pytest.mark.parametrize("make", [gymnasium.make, gymnasium.make_vec])
def test_the_id_for_a_users_file_takes_a_scene(make: Any) -> None:
    with pytest.raises(UserError, match="^no scene is named"):
        make("sandbox/scene-v0")


@pytest.mark.parametrize(("limit", "steps"), [(7, 7), (1000, 20), (-1, 20)])
def test_a_limit_of_steps_shortens_episodes_alike_and_changes_nothing_else(
    write_scene: WriteScene, limit: int, steps: int
) -> None:
    path = str(write_scene({"observe": "robot_at clock"}))
    single = gymnasium.make("sandbox/scene-v0", scene=path, max_episode_steps=limit)
    envs = gymnasium.make_vec("sandbox/scene-v0", 2, scene=path, max_episode_steps=limit)
    plain = SandboxEnv(path, max_episode_steps=limit)
    for env in (single, envs, plain):
        env.reset(seed=0)
    for step in range(1, steps + 1):
        action = np.ones(2, np.float32)
        one, two, many = single.step(action), plain.step(action), envs.step(np.ones((2, 2)))
        ends = [one[3], two[3], bool(many[3].all())]
        assert ends == [step == steps] * 3
        last = many[4]["final_obs"] if ends[2] else many[0]
        np.testing.assert_array_equal(one[0], last[0])
        np.testing.assert_array_equal(two[0], last[0])


def test_render_without_a_mode_returns_none_and_closing_twice_is_allowed(
    write_scene: WriteScene,
) -> None:
    env = SandboxEnv(write_scene())
    env.reset(seed=0)
    assert env.render() is None
    env.close()
    env.close()
