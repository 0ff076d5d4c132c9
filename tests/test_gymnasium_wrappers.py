"""Every wrapper of Gymnasium around our environments: it works, or its sentence names the way."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from conftest import WriteScene
from gymnasium import wrappers
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from sandbox_envs import SandboxEnv, SandboxVectorEnv, UserError

N = 3
EPISODE = 10  # control steps
SHORT = {"episode_seconds": "0.5"}
Wrap = Callable[..., Any]


def picture(env: Any) -> Any:
    """The environment with its frame as the observation, as wrappers of pictures need it."""
    return wrappers.AddRenderObservation(env, render_only=True)


def same_space(wrapper: Any) -> Wrap:
    """The wrapper with a function that changes nothing."""
    return lambda env: wrapper(env, lambda x: x, env.observation_space)


SINGLE: Mapping[str, Wrap] = {
    "AddRenderObservation": picture,
    "AddWhiteNoise": lambda env: wrappers.AddWhiteNoise(env, probability_of_noise_per_pixel=0.1),
    "Autoreset": wrappers.Autoreset,
    "ClipAction": wrappers.ClipAction,
    "ClipReward": lambda env: wrappers.ClipReward(env, -1, 1),
    "DelayObservation": lambda env: wrappers.DelayObservation(env, 2),
    "DiscretizeAction": lambda env: wrappers.DiscretizeAction(env, bins=3),
    "DtypeObservation": lambda env: wrappers.DtypeObservation(env, np.float64),
    "FilterObservation": lambda env: wrappers.FilterObservation(
        wrappers.AddRenderObservation(env, render_only=False), ["state"]
    ),
    "FlattenObservation": wrappers.FlattenObservation,
    "FrameStackObservation": lambda env: wrappers.FrameStackObservation(env, 4),
    "GrayscaleObservation": lambda env: wrappers.GrayscaleObservation(picture(env)),
    "MaxAndSkipObservation": wrappers.MaxAndSkipObservation,
    "NormalizeObservation": wrappers.NormalizeObservation,
    "NormalizeReward": wrappers.NormalizeReward,
    "ObstructView": lambda env: wrappers.ObstructView(env, 0.5, 4),
    "OrderEnforcing": wrappers.OrderEnforcing,
    "PassiveEnvChecker": wrappers.PassiveEnvChecker,
    "RecordEpisodeStatistics": wrappers.RecordEpisodeStatistics,
    "RenderCollection": wrappers.RenderCollection,
    "RepeatAction": lambda env: wrappers.RepeatAction(env, 2),
    "RescaleAction": lambda env: wrappers.RescaleAction(env, np.float32(0), np.float32(1)),
    "ReshapeObservation": lambda env: wrappers.ReshapeObservation(env, (3, 1)),
    "StickyAction": lambda env: wrappers.StickyAction(env, 0.5),
    "TimeAwareObservation": lambda env: wrappers.TimeAwareObservation(
        wrappers.TimeLimit(env, EPISODE)
    ),
    "TimeLimit": lambda env: wrappers.TimeLimit(env, 7),
    "TransformAction": lambda env: wrappers.TransformAction(env, lambda x: x, env.action_space),
    "TransformObservation": same_space(wrappers.TransformObservation),
    "TransformReward": lambda env: wrappers.TransformReward(env, lambda x: x),
}
# these take another library, and have tests of their own below; JaxTo... takes environments in jax
LIBRARY = {"ArrayConversion", "NumpyToTorch", "HumanRendering", "RecordVideo"}
JAX = {"JaxToNumpy", "JaxToTorch"}
BOUNDED = {"DiscretizeObservation", "RescaleObservation"}  # these take observations with bounds

vector = wrappers.vector
VECTOR: Mapping[str, Wrap] = {
    "ClipAction": vector.ClipAction,
    "ClipReward": lambda env: vector.ClipReward(env, -1, 1),
    "DictInfoToList": vector.DictInfoToList,
    "DtypeObservation": lambda env: vector.DtypeObservation(env, np.float64),
    "FlattenObservation": vector.FlattenObservation,
    "NormalizeObservation": vector.NormalizeObservation,
    "NormalizeReward": vector.NormalizeReward,
    "RecordEpisodeStatistics": vector.RecordEpisodeStatistics,
    "RescaleAction": lambda env: vector.RescaleAction(env, np.float32(0), np.float32(1)),
    "ReshapeObservation": lambda env: vector.ReshapeObservation(env, (3, 1)),
    "TransformAction": lambda env: vector.TransformAction(env, lambda x: x),
    "TransformObservation": same_space(vector.TransformObservation),
    "TransformReward": lambda env: vector.TransformReward(env, lambda x: x),
    "VectorizeTransformAction": lambda env: vector.VectorizeTransformAction(
        env, wrappers.TransformAction, func=lambda x: x, action_space=env.single_action_space
    ),
    "VectorizeTransformObservation": lambda env: vector.VectorizeTransformObservation(
        env,
        wrappers.TransformObservation,
        func=lambda x: x,
        observation_space=env.single_observation_space,
    ),
    "VectorizeTransformReward": lambda env: vector.VectorizeTransformReward(
        env, wrappers.TransformReward, func=lambda x: x
    ),
}
# Gymnasium's wrappers of observations cannot tell where an episode ended if it is over at once
NOT_SAME_STEP = {"DtypeObservation", "FlattenObservation", "NormalizeObservation"}
NOT_SAME_STEP |= {"ReshapeObservation", "TransformObservation", "VectorizeTransformObservation"}
ONLY_NEXT_STEP = {"NormalizeObservation"}
PICTURES = {"FilterObservation", "GrayscaleObservation", "ResizeObservation", "RescaleObservation"}


def make(path: Path, **arguments: Any) -> Any:
    return gymnasium.make("sandbox/scene-v0", scene=str(path), width=32, height=24, **arguments)


def make_vec(path: Path, **arguments: Any) -> Any:
    return gymnasium.make_vec("sandbox/scene-v0", num_envs=N, scene=str(path), **arguments)


# --- one environment -------------------------------------------------------------------------


def test_every_wrapper_of_gymnasium_is_named_here() -> None:
    others = LIBRARY | JAX
    games = {"AtariPreprocessing", "ResizeObservation"}  # of pictures, as PICTURES
    assert set(wrappers.__all__) == SINGLE.keys() | others | BOUNDED | games | {"vector"}
    assert set(vector.__all__) == VECTOR.keys() | others | PICTURES


def test_every_wrapper_goes_through_the_end_of_an_episode(write_scene: WriteScene) -> None:
    path = write_scene(SHORT)
    for name, wrap in SINGLE.items():
        env = wrap(make(path, render_mode="rgb_array"))
        env.reset(seed=0)
        over, steps = False, 0
        while not over:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            over, steps = terminated or truncated, steps + 1
        assert steps == {"TimeLimit": 7, "MaxAndSkipObservation": 3, "RepeatAction": 5}.get(
            name, EPISODE
        ), name
        env.close()
        env.close()


# --- vector environments ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["SameStep", "NextStep", "Disabled"])
def test_vector_wrappers_work_in_next_step_and_name_the_mode_they_take(
    write_scene: WriteScene, mode: str
) -> None:
    path = write_scene(SHORT)
    for name, wrap in VECTOR.items():
        env = make_vec(path, autoreset_mode=mode)
        refused = mode == "SameStep" and name in NOT_SAME_STEP
        if refused or (mode == "Disabled" and name in ONLY_NEXT_STEP):
            with pytest.raises(
                ValueError, match=r"autoreset_mode.* to be (AutoresetMode\.)?NEXT_STEP"
            ):
                wrap(env)
            continue
        env = wrap(env)
        env.reset(seed=0)
        actions = env.action_space.sample()
        ends = [bool(env.step(actions)[3].all()) for _ in range(EPISODE + 2)]
        assert ends.index(True) == EPISODE - 1, name
        env.close()


def test_conversions_take_and_give_the_arrays_of_other_libraries(write_scene: WriteScene) -> None:
    pytest.importorskip("array_api_compat", reason="needs array-api-compat")
    import torch

    path = write_scene(SHORT)
    for wrap in (vector.NumpyToTorch, lambda env: vector.ArrayConversion(env, np, torch)):
        env = wrap(make_vec(path))
        assert isinstance(env.reset(seed=0)[0], torch.Tensor)
        observations, rewards, *_ = env.step(torch.zeros(N, 2))
        assert isinstance(observations, torch.Tensor) and rewards.shape == (N,)
    single = wrappers.NumpyToTorch(make(path))
    single.reset(seed=0)
    assert isinstance(single.step(torch.zeros(2))[0], torch.Tensor)


def test_next_step_equals_gymnasiums_sync_vector_env(write_scene: WriteScene) -> None:
    """Through two ends of episodes, the steps in between that only reset included."""
    path = write_scene({**SHORT, "observe": "robot_at clock", "measure/seconds": "total(1)"})
    theirs = SyncVectorEnv([lambda: SandboxEnv(path)])
    ours = SandboxVectorEnv(path, 1, autoreset_mode=AutoresetMode.NEXT_STEP)
    np.testing.assert_array_equal(theirs.reset(seed=3)[0], ours.reset(seed=3)[0])
    rng = np.random.default_rng(0)
    for _ in range(2 * EPISODE + 5):
        action = rng.uniform(-1, 1, (1, 2)).astype(np.float32)
        *mine, info = ours.step(action)
        *other, their_info = theirs.step(action)
        for one, two in zip(mine, other, strict=True):
            np.testing.assert_array_equal(one, two)
        assert {k: v.tolist() for k, v in info.items()} == {
            k: v.tolist() for k, v in their_info.items() if not k.startswith("_")
        }


def test_a_normalised_observation_has_mean_zero(write_scene: WriteScene) -> None:
    env = vector.NormalizeObservation(make_vec(write_scene(SHORT), autoreset_mode="NEXT_STEP"))
    env.reset(seed=0)
    env.action_space.seed(0)
    seen = np.stack([env.step(env.action_space.sample())[0] for _ in range(100)])
    assert abs(seen[50:, :, 0].mean()) < 1


# --- frames ----------------------------------------------------------------------------------


def test_vector_environments_draw_their_first_simulations(write_scene: WriteScene) -> None:
    path, other = write_scene({"spawn/robot": "floor"}), write_scene({}, stem="other")
    size = {"width": 48.0, "height": np.int64(36), "render_mode": "rgb_array"}
    env = SandboxVectorEnv([path, other], 4, **size)
    env.reset(seed=0)
    frames = env.render()
    assert [frame.shape for frame in frames] == [(36, 48, 3)] * 4
    assert (frames[0] != frames[1]).any()
    few = SandboxVectorEnv([path, other], 4, **size, render_envs=3)
    few.reset(seed=0)
    np.testing.assert_array_equal(few.render(), frames[:3])
    single = SandboxEnv(path, **size)
    single.reset(seed=0)
    np.testing.assert_array_equal(single.render(), frames[0])
    assert SandboxVectorEnv(path, 2, render_mode=None).render() is None
    for each in (env, few, single):
        each.close()
        each.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"render_mode": "human"}, "render_mode 'human' is not one of rgb_array or None; for a "),
        ({"width": 320.5}, "a side of a frame is 320.5; give a whole number of pixels"),
        ({"width": "320"}, "a side of a frame is '320'; give a whole number of pixels"),
        ({"render_envs": 4}, "render_envs is 4; it must be 1 to 3"),
        ({"camera": "overheat"}, "unknown camera 'overheat'"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(
    write_scene: WriteScene, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        make_vec(write_scene(SHORT), **arguments)


def test_the_vector_recorder_writes_films(write_scene: WriteScene, tmp_path: Path) -> None:
    pytest.importorskip("moviepy", reason="the extra 'video' is not installed")
    for mode in ("SameStep", "NextStep"):
        env = make_vec(
            write_scene(SHORT), render_mode="rgb_array", width=64, height=48, autoreset_mode=mode
        )
        film = vector.RecordVideo(env, str(tmp_path / mode), episode_trigger=lambda _: True)
        film.reset(seed=0)
        for _ in range(EPISODE + 2):
            film.step(film.action_space.sample())
        film.close()
        film.close()
        assert len(list((tmp_path / mode).glob("*.mp4"))) >= 1


def test_the_recorder_writes_films(write_scene: WriteScene, tmp_path: Path) -> None:
    pytest.importorskip("moviepy", reason="the extra 'video' is not installed")
    env = wrappers.RecordVideo(
        make(write_scene(SHORT), render_mode="rgb_array"), str(tmp_path / "one")
    )
    env.reset(seed=0)
    for _ in range(EPISODE):
        env.step(env.action_space.sample())
    env.close()
    assert list((tmp_path / "one").glob("*.mp4"))


def test_vector_windows_show_all_simulations(
    write_scene: WriteScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("pygame", "cv2"):
        pytest.importorskip(library, reason="needs pygame and opencv-python")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = vector.HumanRendering(
        make_vec(write_scene(SHORT), render_mode="rgb_array", width=64, height=48)
    )
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.close()
    env.close()


def test_wrappers_of_pictures_take_frames_as_observations(write_scene: WriteScene) -> None:
    pytest.importorskip("cv2", reason="needs opencv-python")
    env = picture(make(write_scene(SHORT), render_mode="rgb_array"))
    env = wrappers.ResizeObservation(env, (12, 16))
    env = wrappers.RescaleObservation(wrappers.DtypeObservation(env, np.float32), 0.0, 1.0)
    assert env.reset(seed=0)[0].shape == (12, 16, 3)
    env.close()


def test_observations_without_bounds_are_refused_by_wrappers_that_need_them(
    write_scene: WriteScene,
) -> None:
    env = make(write_scene(SHORT))
    assert isinstance(env.observation_space, Box)
    for wrapper in (
        lambda: wrappers.DiscretizeObservation(env, bins=3),
        lambda: wrappers.RescaleObservation(env, np.float32(0), np.float32(1)),
    ):
        with pytest.raises((ValueError, AssertionError), match=r"inf|bound"):
            wrapper()
