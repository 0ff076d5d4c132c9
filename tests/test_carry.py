"""Values that a scene carries from one episode of a slot into the next, unseen by agents."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import WriteScene
from reference_env import ReferenceSimulation

from sandbox_envs import SandboxEnv, SandboxVectorEnv, SceneError, load_scene
from sandbox_envs.dm_control import load
from sandbox_envs.spaces import observation_rows

# a puck that was ever in the rug doubles the reward of the next episode; pushed along +x it gets in
CARRYING = {
    "carry/boost": "ever(robot_in_rug)",
    "carry/streak": "carried(streak) * ever(robot_in_rug) + ever(robot_in_rug)",
    "measure/east": "x(robot_at)",
    "measure/boosted": "carried(boost)",
    "measure/streak": "carried(streak)",
    "intended": "east",
    "reward": "gain(east) * (1 + carried(boost))",
    "episode_seconds": "2",
}
SENSOR = '<insidesite name="robot_in_rug" site="rug" objtype="xbody" objname="robot"/>'
STEPS = 40
INTO = np.array([1.0, 1.0])  # of the rug; the second motor pushes along y by (-4, 0) N
AWAY = np.array([-1.0, 1.0])


@pytest.fixture
def path(write_scene: WriteScene) -> Path:
    return write_scene(CARRYING, sensor=SENSOR)


def episode(env: SandboxVectorEnv, *actions: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Rewards (n,) of a whole episode with an action for each slot, and the final info."""
    total = np.zeros(env.num_envs)
    for _ in range(env.scenes[0].episode_steps):
        _, rewards, _, _, info = env.step(np.array(actions))
        total += rewards
    return total, info


def test_what_an_episode_leaves_counts_in_the_next_one_of_its_slot(path: Path) -> None:
    env = SandboxVectorEnv(path, 2)
    _, info = env.reset(seed=0)
    assert info["boosted"].tolist() == [0, 0]
    first, info = episode(env, INTO, AWAY)
    assert info["final_info"]["boosted"].tolist() == [0, 0]
    assert info["boosted"].tolist() == [1, 0]
    second, info = episode(env, AWAY, AWAY)
    assert info["final_info"]["boosted"].tolist() == [1, 0]
    assert second[0] == pytest.approx(2 * first[1])
    assert second[1] == pytest.approx(first[1])
    assert info["boosted"].tolist() == [0, 0]


def test_carried_values_can_build_on_one_another(path: Path) -> None:
    env = SandboxVectorEnv(path, 1)
    env.reset(seed=0)
    assert [episode(env, INTO)[1]["streak"][0] for _ in range(3)] == [1, 2, 3]
    assert episode(env, AWAY)[1]["streak"] == 0


def test_it_is_not_observed_unless_the_scene_says_so(path: Path, write_scene: WriteScene) -> None:
    env = SandboxVectorEnv(path, 2)
    env.reset(seed=0)
    _, info = episode(env, INTO, AWAY)
    assert info["boosted"].tolist() == [1, 0]
    seen = []
    for _ in range(STEPS):  # the same actions in both slots, of which one is boosted
        observations, rewards, _, _, info = env.step(np.array([INTO, INTO]))
        seen.append(info.get("final_obs", observations))
        assert rewards[0] == 2 * rewards[1]
    np.testing.assert_array_equal(np.array(seen)[:, 0], np.array(seen)[:, 1])
    shown = SandboxVectorEnv(load_scene(path, {"observe": "robot_at carried(boost)"}), 2)
    (row,) = [row for row in observation_rows(shown.scenes[0]) if row.name == "carried(boost)"]
    assert (row.numbers, row.what[:15]) == ("3", "carried(boost):")
    shown.reset(seed=0)
    episode(shown, INTO, AWAY)
    observations, *_, info = shown.step(np.array([AWAY, INTO]))
    assert observations[:, 3].tolist() == [1, 0]  # until the episode ends, whatever is done in it
    for _ in range(STEPS - 1):
        observations, *_, info = shown.step(np.array([AWAY, INTO]))
    assert info["final_obs"][:, 3].tolist() == [1, 0]
    assert observations[:, 3].tolist() == [0, 1]


def test_swapped_it_goes_to_another_slot(path: Path) -> None:
    """Two members of three slots each: what one does pays the other."""
    env = SandboxVectorEnv(path, 6, carry_shift=3)
    env.reset(seed=0)
    _, info = episode(env, INTO, AWAY, INTO, AWAY, AWAY, AWAY)
    assert info["boosted"].tolist() == [0, 0, 0, 1, 0, 1]
    _, info = episode(env, AWAY, INTO, AWAY, AWAY, AWAY, INTO)
    assert info["boosted"].tolist() == [0, 0, 1, 0, 1, 0]


def test_first_episodes_are_given_nothing(path: Path) -> None:
    env = SandboxVectorEnv(path, 2)
    env.reset(seed=0)
    episode(env, INTO, INTO)
    assert env.reset(seed=0)[1]["boosted"].tolist() == [0, 0]
    episode(env, INTO, INTO)
    assert env.reset(options={"episode": 8})[1]["boosted"].tolist() == [0, 0]
    episode(env, INTO, INTO)
    assert env.reset()[1]["boosted"].tolist() == [1, 1]  # which goes on


def test_episode_that_was_broken_off_leaves_nothing_of_its_own(path: Path) -> None:
    env = SandboxVectorEnv(path, 2)
    env.reset(seed=0)
    episode(env, INTO, AWAY)
    for _ in range(STEPS - 1):
        env.step(np.array([AWAY, INTO]))
    assert env.reset()[1]["boosted"].tolist() == [1, 0]


@pytest.mark.parametrize("mode", ["SAME_STEP", "NEXT_STEP", "DISABLED"])
def test_it_is_the_last_step_that_counts_in_every_mode(path: Path, mode: str) -> None:
    """Steps after the end, which only reset or which the caller takes, do not count."""
    place = {"carry/boost": "x(robot_at)", "carry/streak": "0"}
    env = SandboxVectorEnv(load_scene(path, place), 2, autoreset_mode=mode)
    env.reset(seed=0)
    _, info = episode(env, INTO, AWAY)
    ended = info.get("final_info", info)["east"]
    assert ended[0] > 1 > -1 > ended[1]
    if mode == "NEXT_STEP":
        *_, info = env.step(np.array([INTO, AWAY]))
    elif mode == "DISABLED":
        for _ in range(5):
            *_, info = env.step(np.array([INTO, AWAY]))
        assert info["east"][0] > ended[0]
        _, info = env.reset()
    np.testing.assert_array_equal(info["boosted"], ended)


def test_snapshot_restores_it(path: Path) -> None:
    env, other = SandboxVectorEnv(path, 2), SandboxVectorEnv(path, 2)
    env.reset(seed=0)
    episode(env, INTO, AWAY)
    for _ in range(STEPS // 2):
        env.step(np.array([AWAY, INTO]))
    other.set_state(env.get_state())
    for copied in (other, copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        again = copy.deepcopy(env)
        for _ in range(2 * STEPS):
            one, two = (e.step(np.array([AWAY, INTO])) for e in (again, copied))
            np.testing.assert_array_equal(one[1], two[1])
            np.testing.assert_array_equal(one[4]["streak"], two[4]["streak"])
        assert one[4]["boosted"].tolist() == [0, 1]


def test_one_environment_and_dm_controls_carry_as_slot_0_does(path: Path) -> None:
    one, control = SandboxEnv(path), load(str(path.parent), path.stem, seed=0)
    one.reset(seed=0)
    control.reset()
    for _ in range(STEPS):
        one.step(INTO)
        control.step(INTO)
    assert one.reset()[1]["boosted"] == 1
    control.reset()
    assert control.task.info()["boosted"] == 1


def test_scene_without_it_has_the_snapshots_it_had() -> None:
    env = SandboxVectorEnv("keeper/train", 2)
    env.reset(seed=0)
    assert not {name for name in env.get_state() if "carried" in name or "left" in name}


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({"carry/2nd": "1"}, "text 'carry/2nd': '2nd' is not a name that formulas can use"),
        ({"reward": "carried(bost)"}, "text 'reward': carried(bost): unknown 'bost'; did you mean"),
        ({"observe": "carried(bost)"}, "'carried(bost)': there is no text 'carry/bost'; did you"),
        ({"carry/boost": "level(east)"}, "text 'carry/boost': unknown function 'level'"),
        ({"carry/boost": "robot_at"}, "text 'carry/boost': this is a vector of 3"),
        ({"carry/boots": "0"}, "'carry/boots', which nothing reads; did you mean 'carry/boost'?"),
    ],
)
def test_wrong_texts_are_told_in_a_sentence(
    path: Path, texts: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SceneError) as error:
        load_scene(path, texts)
    assert sentence in str(error.value)


def test_value_that_is_not_finite_at_the_end_is_named(path: Path) -> None:
    env = SandboxVectorEnv(load_scene(path, {"carry/boost": "since(robot_in_rug)"}), 2)
    env.reset(seed=0)
    episode(env, INTO, INTO)
    with pytest.raises(SceneError, match="text 'carry/boost': it is infinite or not a number"):
        episode(env, INTO, AWAY)


def test_it_equals_the_reference_environment_over_two_episodes() -> None:
    tiles = "sum(ever(brush_in_tile * (brush_speed > 3)))"
    texts = {
        "episode_seconds": 2,
        "carry/tiles": f"{tiles} + carried(tiles) / 2",
        "measure/earlier": "carried(tiles)",
        "reward": "gain(cleanliness) * (1 + carried(tiles)) - 0.01 * effort * carried(tiles)",
    }
    env = SandboxVectorEnv("sweep/train", 2, overrides=texts)
    env.reset(seed=8)
    scene, batch, rng = env.scenes[0], env.batches[0], np.random.default_rng(2)
    slow = [ReferenceSimulation(scene, batch.get_data(i)) for i in range(2)]
    actions = rng.uniform(-1, 1, (2, 3))
    for step in range(1, 2 * scene.episode_steps + 1):
        actions = np.clip(actions + rng.normal(0.05, 0.3, (2, 3)), -1, 1)
        _, rewards, _, over, info = env.step(actions)
        measures = info["final_info"] if over.any() else info
        for i, simulation in enumerate(slow):
            _, reward, levels = simulation.step(actions[i])
            assert rewards[i] == pytest.approx(reward, abs=1e-12)
            assert {k: measures[k][i] for k in levels} == pytest.approx(levels, rel=1e-6, abs=1e-12)
        if step == scene.episode_steps:
            assert any(one.left["tiles"] > 0 for one in slow)
            slow = [ReferenceSimulation(scene, batch.get_data(i), slow[i].left) for i in range(2)]
