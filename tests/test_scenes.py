"""Tests of every shipped scene that `check` does not make; a new one is found automatically."""

import warnings
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest
from conftest import shipped
from gymnasium.utils.env_checker import check_env

from sandbox_envs import SandboxEnv, SandboxVectorEnv, Scene, UserError, load_scene
from sandbox_envs.language.terms import OBJECTS
from sandbox_envs.scene.catalog import families, scene_files, texts_in, training_scene
from sandbox_envs.scene.family import load_family
from sandbox_envs.spawn.absence import is_absent
from sandbox_envs.vector import observation_space
from sandbox_envs.view.camera import find_camera, find_view

FILES = scene_files()


@pytest.fixture(scope="module", params=sorted(FILES))
def scene(request: pytest.FixtureRequest) -> Scene:
    return shipped(request.param)


# --- each scene alone --------------------------------------------------------------------------


def test_a_second_of_random_control_gives_no_warning_and_finite_numbers(scene: Scene) -> None:
    env = SandboxVectorEnv(scene, 8)
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.reset(seed=0)
        for _ in range(round(scene.control_hz)):
            actions = rng.uniform(-1, 1, env.action_space.shape)
            observations, rewards, _, _, info = env.step(actions)
            assert env.observation_space.contains(observations)
            assert np.isfinite(rewards).all()
            assert all(np.isfinite(info[name]).all() for name in scene.measures)
            assert not info["unstable"].any()
    assert env.batches[0].warning[:, :, 1].sum() == 0


def test_gymnasium_checker_finds_nothing(scene: Scene) -> None:
    """Except for its advice against unbounded observations, which raw sensors have."""
    env = SandboxEnv(scene)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*Box observation space (min|max)imum value is")
        check_env(env, skip_render_check=True)
    env.close()


def test_same_seed_gives_the_same_trajectory_bit_for_bit(scene: Scene) -> None:
    short = load_scene(scene.name, {"episode_seconds": 1})

    def trajectory(num_threads: int) -> tuple[np.ndarray, np.ndarray]:
        env = SandboxVectorEnv(short, 3, num_threads=num_threads)
        rng = np.random.default_rng(1)
        seen = [env.reset(seed=5)[0]]
        rewards = []
        for _ in range(30):
            observations, reward, *_ = env.step(rng.uniform(-1, 1, env.action_space.shape))
            seen.append(observations)
            rewards.append(reward)
        return np.array(seen), np.array(rewards)

    for one, other in zip(trajectory(1), trajectory(2), strict=True):
        np.testing.assert_array_equal(one, other)


def test_square_picture_from_overhead_shows_all_that_the_agent_may_see(scene: Scene) -> None:
    """As in films; except for absent bodies, which are far away."""
    model, data = scene.model, mujoco.MjData(scene.model)
    start = scene.spawner.sample(3, np.arange(50))
    seen = model.geom_group == OBJECTS
    for e in range(50):
        start.put(e, data)
        mujoco.mj_fwdPosition(model, data)
        view = find_view(model, data, find_camera(model, "overhead"), 1.0)
        things = data.geom_xpos[seen]
        here = ~is_absent(things) & (things[:, 2] > 0)
        place = view.project(things[here], 1, 1)
        assert ((place > 0) & (place < 1)).all(), f"episode {e}: {place}"


def test_gymnasium_id_ends_in_the_version(scene: Scene) -> None:
    id_ = f"sandbox/{scene.name.replace('/', '-')}-v{scene.version}"
    env = gymnasium.make(id_)
    assert isinstance(env.unwrapped, SandboxEnv)
    assert env.unwrapped.scene.hash == scene.hash
    env.close()


# --- within a family -------------------------------------------------------------------------


@pytest.mark.parametrize("family", families())
def test_scenes_of_a_family_measure_and_reward_the_same(family: str) -> None:
    """Compared beyond `check`: formulas, labels of proxies, reward, spaces, substeps."""
    scenes = load_family(family)
    train = scenes[training_scene(family)]
    for scene in scenes.values():
        assert {k: f.text for k, f in scene.measures.items()} == {
            k: f.text for k, f in train.measures.items()
        }
        assert scene.proxies == train.proxies
        assert scene.reward.text == train.reward.text
        assert observation_space(scene) == observation_space(train)
        np.testing.assert_array_equal(
            scene.model.actuator_ctrlrange, train.model.actuator_ctrlrange
        )
        assert scene.substeps == train.substeps
    assert len({scene.hash for scene in scenes.values()}) == len(scenes)


def _twins() -> list[str]:
    return [name for name, file in FILES.items() if "twin" in texts_in(file)]


@pytest.mark.parametrize("name", _twins())
def test_twin_has_the_same_bodies(name: str) -> None:
    scene = shipped(name)
    twin = shipped(str(scene.twin))
    for field in ("body_mass", "geom_size", "geom_pos", "geom_type", "site_pos", "dof_damping"):
        np.testing.assert_array_equal(getattr(scene.model, field), getattr(twin.model, field))


@pytest.mark.parametrize("name", _twins())
def test_twin_shows_the_same_rooms(name: str) -> None:
    """Movable things lie at the same places; only fixtures (mocap bodies) may be elsewhere."""
    scene = shipped(name)
    twin = shipped(str(scene.twin))
    one, other = (s.spawner.sample(0, np.arange(200)) for s in (scene, twin))
    np.testing.assert_array_equal(one.qpos, other.qpos)


def test_parts_of_scenes_are_not_registered() -> None:
    assert all(not Path(file).stem.startswith("_") for file in FILES.values())
    assert {"sandbox/scene-v0"} < set(gymnasium.registry)
    registered = {id_ for id_ in gymnasium.registry if id_.startswith("sandbox/")}
    assert len(registered) == len(FILES) + 1


def test_model_that_was_edited_is_refused_where_its_hash_would_lie() -> None:
    scene = load_scene("keeper/train")
    scene.model.body_mass[:] *= 50
    for make in (lambda: SandboxVectorEnv(scene, 2), lambda: SandboxEnv(scene)):
        with pytest.raises(UserError, match="keeper/train: its model was edited .* in the XML"):
            make()
