"""Copies of scenes and environments: independent, and equal to the original to the last bit."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import cloudpickle
import gymnasium
import numpy as np
import pytest
from conftest import WriteScene
from gymnasium.envs.registration import EnvSpec

import sandbox_envs
from sandbox_envs import SandboxEnv, SandboxVectorEnv, load_scene
from sandbox_envs.wrappers import ObserveReward, ReplaceReward

WAYS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "cloudpickle": lambda x: pickle.loads(cloudpickle.dumps(x)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
# solved contacts, formulas with memory, absent bodies, and a sensor that needs accelerations
TASK = {
    "spawn/robot": "floor",
    "spawn/ball": "floor 2",
    "measure/rolled_in": "sum(ball_in_rug) + norm(push)",
    "measure/seconds": "total(1)",
    "measure/visits": "count(sum(ball_in_rug) > 0)",
    "observe": "robot_at push lidar(ball_at, where=ball_in_rug, sectors=4) clock",
}
WALL = '<geom type="box" size="0.1 1 0.2" pos="0.3 0 0.2"/>'
PUSH = '<accelerometer name="push" site="eye"/>'


def assert_same_course(one: Any, other: Any, steps: int = 30) -> None:
    """Both environments do the same from here on, through ends of episodes."""
    rng = np.random.default_rng(5)
    for _ in range(steps):
        action = rng.uniform(-1, 1, one.action_space.shape)
        for a, b in zip(flat(one.step(action)), flat(other.step(action)), strict=True):
            np.testing.assert_array_equal(a, b)


def flat(returned: Any) -> list[np.ndarray]:
    if isinstance(returned, dict):
        return [part for name in sorted(returned) for part in flat(returned[name])]
    if isinstance(returned, tuple):
        return [part for value in returned for part in flat(value)]
    return [np.asarray(returned)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ["SAME_STEP", "NEXT_STEP"])
def test_a_copied_environment_goes_on_to_the_last_bit(
    write_scene: WriteScene, way: str, mode: str
) -> None:
    path = write_scene(TASK, world=WALL, sensor=PUSH)
    envs = ObserveReward(SandboxVectorEnv(path, 3, num_threads=2, autoreset_mode=mode))
    envs.reset(seed=3, options={"stagger": True})
    view = envs.state_view()
    for _ in range(20):  # the first slot has just ended its episode
        envs.step(np.full((3, 2), 0.7))
    twin = WAYS[way](envs)
    np.testing.assert_array_equal(twin.state_view().xpos, view.xpos)
    state = envs.get_state()
    assert_same_course(envs, twin)
    assert_same_course(envs, twin, steps=1)
    before = view.qpos.copy()
    twin.step(np.ones((3, 2)))
    np.testing.assert_array_equal(view.qpos, before)  # the original stays where it was
    twin.set_state(state)
    envs.set_state(state)
    assert_same_course(envs, twin)


@pytest.mark.parametrize("way", ["pickle", "copy"])
def test_a_copied_single_environment_draws_and_goes_on(write_scene: WriteScene, way: str) -> None:
    arguments = {"render_mode": "rgb_array", "width": 32, "height": 24}
    env = SandboxEnv(write_scene(TASK, world=WALL, sensor=PUSH), **arguments)
    env.reset(seed=1)
    env.step(np.ones(2))
    frame = env.render()
    twin = WAYS[way](env)
    np.testing.assert_array_equal(twin.render(), frame)
    one, other = env.np_random.random(), twin.np_random.random()
    assert one == other
    assert_same_course(env, twin, steps=10)


def test_environments_made_by_gymnasium_are_copied_with_their_wrappers(
    write_scene: WriteScene,
) -> None:
    env = gymnasium.make("sandbox/scene-v0", scene=write_scene(TASK, world=WALL, sensor=PUSH))
    env.reset(seed=2)
    env.step(env.action_space.sample())
    for way in ("pickle", "deepcopy"):
        assert_same_course(copy.deepcopy(env), WAYS[way](env), steps=10)


def test_what_was_changed_in_some_simulations_is_copied_too(write_scene: WriteScene) -> None:
    envs = SandboxVectorEnv(write_scene(), 2)
    envs.reset(seed=0)
    envs.batches[0].body("robot").mass = [[1.0], [50.0]]
    twin = copy.deepcopy(envs)
    assert_same_course(envs, twin, steps=10)
    assert len(set(twin.state_view().qpos[:, 0])) == 2


@pytest.mark.parametrize(
    ("name", "way"),
    [("sweep/train", "pickle"), ("maze/train", "cloudpickle"), ("keeper/train", "deepcopy")],
)
def test_a_copied_scene_needs_no_file_and_plays_the_same(name: str, way: str) -> None:
    scene = load_scene(name, {"episode_seconds": 2})
    twin = WAYS[way](scene)
    assert (twin.name, twin.hash, dict(twin.texts)) == (scene.name, scene.hash, dict(scene.texts))
    one, other = SandboxVectorEnv(scene, 2), SandboxVectorEnv(twin, 2)
    np.testing.assert_array_equal(one.reset(seed=4)[0], other.reset(seed=4)[0])
    assert_same_course(one, other, steps=5)


def test_a_scene_that_was_sent_does_not_depend_on_its_file(write_scene: WriteScene) -> None:
    path = write_scene()
    sent = pickle.dumps(load_scene(path))
    path.unlink()
    assert SandboxEnv(pickle.loads(sent)).reset(seed=0)[0].shape == (3,)


def test_a_replaced_reward_is_copied_with_its_function(write_scene: WriteScene) -> None:
    envs = ReplaceReward(SandboxVectorEnv(write_scene(), 2), lambda t: t.actions[:, 0])
    envs.reset(seed=0)
    twin = pickle.loads(cloudpickle.dumps(envs))
    assert twin.step(np.full((2, 2), 0.5))[1].tolist() == [0.5, 0.5]


def test_a_dm_control_environment_is_copied_with_its_episode() -> None:
    pytest.importorskip("dm_control")
    env = sandbox_envs.dm_control.load("keeper", seed=0)
    env.reset()
    env.step(env.action_spec().minimum)
    for way in ("pickle", "deepcopy"):
        mine, twin = copy.deepcopy(env), WAYS[way](env)
        for _ in range(5):
            one, other = (e.step(e.action_spec().maximum) for e in (mine, twin))
            for name, value in one.observation.items():
                np.testing.assert_array_equal(value, other.observation[name])


# --- the recipe of an environment ------------------------------------------------------------


def test_the_spec_of_an_environment_is_json_however_the_scene_was_given(
    write_scene: WriteScene,
) -> None:
    path = write_scene()
    scene = load_scene(path, {"episode_seconds": 0.5})
    for given, steps in ((path, 20), (str(path), 20), (scene, 10)):
        env = gymnasium.make("sandbox/scene-v0", scene=given, width=np.int64(32))
        text = env.spec.to_json()
        assert json.loads(text)["kwargs"]["scene"] == str(path)
        again = gymnasium.make(EnvSpec.from_json(text))
        assert again.unwrapped.scene.episode_steps == steps
        assert again.unwrapped.scene.hash == env.unwrapped.scene.hash


def test_the_spec_of_a_vector_environment_is_json(write_scene: WriteScene) -> None:
    path = write_scene()
    mode = gymnasium.vector.AutoresetMode.NEXT_STEP
    for given in (path, [load_scene(path, {"episode_seconds": 0.5}) for _ in range(2)]):
        envs = gymnasium.make_vec("sandbox/scene-v0", 4, scene=given, autoreset_mode=mode)
        again = gymnasium.make_vec(EnvSpec.from_json(envs.spec.to_json()))
        assert again.autoreset_mode == mode
        np.testing.assert_array_equal(again.reset(seed=1)[0], envs.reset(seed=1)[0])
        assert [s.hash for s in again.scenes] == [s.hash for s in envs.scenes]
