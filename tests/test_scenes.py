"""Every shipped scene file, through the same checks; a new one is found by itself."""

import warnings
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sandbox_envs import SandboxEnv, SandboxVectorEnv, Scene, load_scene
from sandbox_envs.language.terms import OBJECTS
from sandbox_envs.scene.catalog import scene_files
from sandbox_envs.spawn.absence import is_absent
from sandbox_envs.vector import observation_space
from sandbox_envs.view.camera import find_camera, find_view

FILES = scene_files()
FAMILIES = sorted({name.split("/")[0] for name in FILES})
LABELS = {"side-effect", "instrumental"}
DEPTH = 1e-6  # metres by which things may overlap at the start


@pytest.fixture(scope="module", params=sorted(FILES))
def scene(request: pytest.FixtureRequest) -> Scene:
    return load_scene(request.param)


def members(family: str) -> dict[str, Scene]:
    return {name: load_scene(name) for name in FILES if name.startswith(f"{family}/")}


# --- each by itself --------------------------------------------------------------------------


def test_it_runs_for_a_second_of_random_control_without_a_warning(scene: Scene) -> None:
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


def test_gymnasiums_own_checker_finds_nothing(scene: Scene) -> None:
    """But for its advice against unbounded observations, which raw sensors are."""
    env = SandboxEnv(scene)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*Box observation space (min|max)imum value is")
        check_env(env, skip_render_check=True)
    env.close()


def test_the_same_seed_gives_the_same_trajectory_to_the_last_bit(scene: Scene) -> None:
    def trajectory(num_threads: int) -> tuple[np.ndarray, np.ndarray]:
        env = SandboxVectorEnv(scene, 3, {"episode_seconds": 1}, num_threads)
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


def test_many_episodes_can_be_placed_and_nothing_starts_inside_another_thing(scene: Scene) -> None:
    start, model = scene.spawner.sample(0, np.arange(200)), scene.model
    data = mujoco.MjData(model)
    for e in range(200):
        data.qpos, data.mocap_pos = start.qpos[e], start.mocap_pos[e]
        data.mocap_quat = start.mocap_quat[e]
        mujoco.mj_forward(model, data)
        for contact in data.contact:
            names = model.geom(contact.geom1).name, model.geom(contact.geom2).name
            assert contact.dist > -DEPTH, f"episode {e}: {names}"


def test_it_has_the_cameras_that_films_are_taken_with(scene: Scene) -> None:
    names = {scene.model.camera(i).name for i in range(scene.model.ncam)}
    assert {"overhead", "chase"} <= names


def test_square_picture_from_overhead_shows_all_that_the_agent_may_see(scene: Scene) -> None:
    """As in films; except for absent bodies, which are far away."""
    model, data = scene.model, mujoco.MjData(scene.model)
    start = scene.spawner.sample(3, np.arange(50))
    seen = model.geom_group == OBJECTS
    for e in range(50):
        data.qpos, data.mocap_pos = start.qpos[e], start.mocap_pos[e]
        data.mocap_quat = start.mocap_quat[e]
        mujoco.mj_fwdPosition(model, data)
        view = find_view(model, data, find_camera(model, "overhead"), 1.0)
        things = data.geom_xpos[seen]
        here = ~is_absent(things) & (things[:, 2] > 0)
        place = view.project(things[here], 1, 1)
        assert ((place > 0) & (place < 1)).all(), f"episode {e}: {place}"


def test_gymnasium_knows_it_by_its_version(scene: Scene) -> None:
    id_ = f"sandbox/{scene.name.replace('/', '-')}-v{scene.texts['version']}"
    env = gymnasium.make(id_)
    assert isinstance(env.unwrapped, SandboxEnv)
    assert env.unwrapped.scene.hash == scene.hash
    env.close()


def test_it_says_what_it_is_about_and_what_it_breaks(scene: Scene) -> None:
    assert scene.texts["about"].endswith(".")
    assert set(scene.proxies.values()) <= LABELS
    assert scene.intended not in scene.proxies
    twins = {other.texts.get("twin") for other in members(scene.family).values()}
    exempt = scene.path.stem == "train" or scene.path.stem in twins
    assert exempt != ("breaks" in scene.texts)
    if scene.texts.get("break") == "conflict":
        assert "twin" in scene.texts


# --- within a family -------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_scenes_of_a_family_can_be_compared(family: str) -> None:
    """The same measures (formulas included), proxies, reward, spaces and rate."""
    scenes = members(family)
    train = scenes[f"{family}/train"]
    for scene in scenes.values():
        assert {k: f.text for k, f in scene.measures.items()} == {
            k: f.text for k, f in train.measures.items()
        }
        assert (scene.intended, scene.proxies) == (train.intended, train.proxies)
        assert scene.reward.text == train.reward.text
        assert observation_space(scene) == observation_space(train)
        assert scene.texts["observe"] == train.texts["observe"]
        assert scene.model.nu == train.model.nu
        np.testing.assert_array_equal(
            scene.model.actuator_ctrlrange, train.model.actuator_ctrlrange
        )
        assert (scene.control_hz, scene.substeps) == (train.control_hz, train.substeps)
    assert len({scene.hash for scene in scenes.values()}) == len(scenes)


def _twins() -> list[str]:
    return [name for name in sorted(FILES) if "twin" in load_scene(name).texts]


@pytest.mark.parametrize("name", _twins())
def test_a_twin_lasts_as_long_and_has_the_same_bodies(name: str) -> None:
    scene = load_scene(name)
    twin = load_scene(f"{scene.family}/{scene.texts['twin']}")
    assert twin.episode_steps == scene.episode_steps
    assert twin.path != scene.path
    for field in ("body_mass", "geom_size", "geom_pos", "geom_type", "site_pos", "dof_damping"):
        np.testing.assert_array_equal(getattr(scene.model, field), getattr(twin.model, field))


@pytest.mark.parametrize("name", _twins())
def test_a_twin_shows_the_same_rooms(name: str) -> None:
    """What can move lies at the same places; only fixtures (mocap bodies) may be elsewhere."""
    scene = load_scene(name)
    twin = load_scene(f"{scene.family}/{scene.texts['twin']}")
    one, other = (s.spawner.sample(0, np.arange(200)) for s in (scene, twin))
    np.testing.assert_array_equal(one.qpos, other.qpos)


def test_parts_of_scenes_are_no_scenes() -> None:
    assert all(not Path(file).stem.startswith("_") for file in FILES.values())
    assert {"sandbox/scene-v0"} < set(gymnasium.registry)
    registered = {id_ for id_ in gymnasium.registry if id_.startswith("sandbox/")}
    assert len(registered) == len(FILES) + 1
