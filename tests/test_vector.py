"""The vector environment: when episodes end, what is told of them, and that nothing leaks."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
from conftest import WriteScene
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from reference_env import ReferenceSimulation

from sandbox_envs import SandboxEnv, SandboxVectorEnv, SceneError, UserError, load_scene
from sandbox_envs.eval.rollouts.branching import take_rows

SHORT = {"episode_seconds": 1}  # 20 control steps, in every scene used here
CLOCKED = {"observe": "clock gauge(seconds)", "measure/seconds": "total(1)"}


def random_actions(env: SandboxVectorEnv, steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (steps, *env.action_space.shape))


def play(env: SandboxVectorEnv, actions: np.ndarray) -> Iterator[tuple]:
    for action in actions:
        yield env.step(action)


def assert_equal(one: Any, other: Any) -> None:
    """Equality to the last bit of what step or reset returned."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, tuple):
        for a, b in zip(one, other, strict=True):
            assert_equal(a, b)
    else:
        np.testing.assert_array_equal(one, other)


def rows(returned: Any, which: slice) -> Any:
    """The same of some slots only."""
    if isinstance(returned, dict):
        return {key: rows(value, which) for key, value in returned.items()}
    if isinstance(returned, tuple):
        return tuple(rows(value, which) for value in returned)
    return returned[which]


# --- episodes --------------------------------------------------------------------------------


def test_an_episode_has_a_fixed_length_and_ends_as_a_truncation(write_scene: WriteScene) -> None:
    env = SandboxVectorEnv(write_scene(), 2)
    env.reset(seed=0)
    for step, (_, _, terminated, truncated, info) in enumerate(
        play(env, random_actions(env, 60)), 1
    ):
        assert not terminated.any()
        assert truncated.tolist() == [step % 20 == 0] * 2
        assert ("final_obs" in info) == (step % 20 == 0)


def test_the_step_that_ends_an_episode_returns_the_start_of_the_next(
    write_scene: WriteScene,
) -> None:
    """SAME_STEP: what the old episode ended with is in final_obs and final_info."""
    env = SandboxVectorEnv(write_scene(CLOCKED), 3)
    observations, info = env.reset(seed=0)
    assert info["episode_index"].tolist() == [0, 1, 2]
    rewards = 0.0
    for returned in play(env, random_actions(env, 20)):
        observations, reward, _, truncated, info = returned
        rewards += reward
    assert truncated.all()
    assert observations.tolist() == [[0, 0]] * 3
    assert info["final_obs"].tolist() == [[1, 1]] * 3
    assert info["_final_obs"].tolist() == info["_final_info"].tolist() == [True] * 3
    final = info["final_info"]
    np.testing.assert_allclose(final["seconds"], 1)
    np.testing.assert_allclose(final["return/seconds"], 1)
    np.testing.assert_allclose(final["return/reward"], rewards)
    assert final["length"].tolist() == [20] * 3
    assert final["episode_index"].tolist() == [0, 1, 2]
    for name in ("seconds", "return/seconds", "return/reward", "length"):
        assert info[name].tolist() == [0] * 3
    assert info["episode_index"].tolist() == [3, 4, 5]
    _, _, _, _, info = env.step(random_actions(env, 1)[0])
    assert "final_info" not in info
    np.testing.assert_allclose(info["seconds"], 0.05)


def test_it_equals_gymnasiums_sync_vector_env() -> None:
    """SyncVectorEnv over one SandboxEnv, across two ends of episodes."""
    scene = load_scene("sweep/train", SHORT)
    theirs = SyncVectorEnv([lambda: SandboxEnv(scene)], autoreset_mode=AutoresetMode.SAME_STEP)
    ours = SandboxVectorEnv(scene, 1)
    first, reset_info = theirs.reset(seed=3)
    np.testing.assert_array_equal(first, ours.reset(seed=3)[0])
    for action in random_actions(ours, 45).astype(np.float32):
        *mine, info = ours.step(action)
        *other, their_info = theirs.step(action)
        assert_equal(tuple(mine), tuple(other))
        assert {k for k in info if "final" in k} == {k for k in their_info if "final" in k}
        running = {k for k in info if "final" not in k}
        assert running == {k for k in reset_info if not k.startswith("_")}
        assert_equal({k: info[k] for k in running}, {k: their_info[k] for k in running})
        if "final_info" in info:
            np.testing.assert_array_equal(info["final_obs"][0], their_info["final_obs"][0])
            theirs_final = their_info["final_info"]
            assert_equal(info["final_info"], {k: theirs_final[k] for k in running})
    theirs.close()


def test_staggered_first_episodes_end_one_after_the_other(write_scene: WriteScene) -> None:
    env = SandboxVectorEnv(write_scene(), 4)
    env.reset(seed=0, options={"stagger": True})
    ends: dict[int, list[tuple[int, int]]] = {slot: [] for slot in range(4)}
    for step, (_, _, _, truncated, info) in enumerate(play(env, random_actions(env, 60)), 1):
        for slot in np.flatnonzero(truncated):
            assert info["_final_info"][slot]
            ends[slot].append((step, info["final_info"]["length"][slot]))
    assert ends[0] == [(20, 20), (40, 20), (60, 20)]
    assert ends[1] == [(15, 15), (35, 20), (55, 20)]
    assert ends[2] == [(10, 10), (30, 20), (50, 20)]
    assert ends[3] == [(5, 5), (25, 20), (45, 20)]


def test_a_reset_of_one_slot_does_not_affect_the_others(write_scene: WriteScene) -> None:
    texts = {**CLOCKED, "spawn/robot": "floor", "observe": "robot_at gauge(seconds)"}
    path = write_scene(texts)
    staggered, plain = SandboxVectorEnv(path, 2), SandboxVectorEnv(path, 2)
    staggered.reset(seed=0, options={"stagger": True})
    plain.reset(seed=0)
    actions = random_actions(plain, 19)
    for one, other in zip(play(staggered, actions), play(plain, actions), strict=True):
        np.testing.assert_array_equal(one[0][0], other[0][0])


def test_reset_starts_over_with_a_seed_and_continues_without(write_scene: WriteScene) -> None:
    env = SandboxVectorEnv(write_scene({"spawn/robot": "floor"}), 3)

    def indices(**arguments: Any) -> list[int]:
        return env.reset(**arguments)[1]["episode_index"].tolist()

    first = env.reset(seed=4)[0]
    assert indices() == [3, 4, 5]
    assert indices() == [6, 7, 8]
    assert indices(options={"episode": 100}) == [100, 101, 102]
    assert indices(seed=4) == [0, 1, 2]
    np.testing.assert_array_equal(env.reset(seed=4)[0], first)
    assert (env.reset(seed=5)[0] != first).any()
    np.testing.assert_array_equal(env.reset(seed=4)[0], first)
    env.step(np.ones((3, 2)))
    observations, info = env.reset(options={"reset_mask": np.array([False, True, False])})
    assert info["episode_index"].tolist() == [0, 4, 2]
    assert info["length"].tolist() == [1, 0, 1]


def test_a_reset_with_a_seed_forgets_the_earlier_seed(write_scene: WriteScene) -> None:
    path = write_scene({"spawn/robot": "floor"})
    used, fresh = SandboxVectorEnv(path, 3), SandboxVectorEnv(path, 3)
    used.reset(seed=1, options={"stagger": True})
    for _ in play(used, random_actions(used, 8)):  # a slot has begun its second episode
        pass
    assert_equal(used.reset(seed=2), fresh.reset(seed=2))
    assert_equal(used.reset(), fresh.reset())


def test_reset_of_some_slots_leaves_the_next_episodes_of_others(write_scene: WriteScene) -> None:
    path = write_scene({"spawn/robot": "floor"})
    used, fresh = SandboxVectorEnv(path, 3), SandboxVectorEnv(path, 3)
    first, others = np.array([True, False, False]), np.array([False, True, True])
    for env in (used, fresh):
        env.reset(seed=1)
        env.reset(options={"reset_mask": first})  # by which the next ones of all are drawn
    elsewhere, info = used.reset(options={"episode": 50, "reset_mask": first})
    assert info["episode_index"].tolist() == [50, 1, 2]
    for env in (used, fresh):
        env.reset(options={"reset_mask": others})
    observations = used.state_view().position("robot")[others]
    np.testing.assert_array_equal(observations, fresh.state_view().position("robot")[others])
    np.testing.assert_array_equal(elsewhere[0], fresh.reset(options={"episode": 50})[0][0])
    used.reset(seed=1)
    used.reset(seed=2, options={"reset_mask": first})  # what was drawn by the old seed is void
    fresh.reset(seed=2)
    again = [env.reset(options={"reset_mask": others})[0] for env in (used, fresh)]
    np.testing.assert_array_equal(again[0], again[1])


def test_without_a_seed_environments_differ(write_scene: WriteScene) -> None:
    path = write_scene({"spawn/robot": "floor"})
    first = [SandboxVectorEnv(path, 1).reset()[0].tolist() for _ in range(2)]
    assert first[0] != first[1]


def test_without_autoreset_the_episode_stays_at_its_end(write_scene: WriteScene) -> None:
    env = SandboxVectorEnv(write_scene(CLOCKED), 2, autoreset_mode=AutoresetMode.DISABLED)
    assert env.metadata["autoreset_mode"] == AutoresetMode.DISABLED
    env.reset(seed=0)
    *_, (observations, _, _, truncated, info) = play(env, random_actions(env, 20))
    assert truncated.all()
    assert "final_obs" not in info
    assert observations.tolist() == [[1, 1]] * 2
    assert info["length"].tolist() == [20, 20]


# --- the same whatever the number of simulations ---------------------------------------------


def test_one_environment_equals_slot_0_of_many() -> None:
    scene = load_scene("sweep/train", {"episode_seconds": 5})
    one, many = SandboxEnv(scene), SandboxVectorEnv(scene, 3)
    observation, info = one.reset(seed=11)
    observations, infos = many.reset(seed=11)
    np.testing.assert_array_equal(observation, observations[0])
    assert info == {key: value[0] for key, value in infos.items()}
    for action in random_actions(many, 100):
        observation, reward, terminated, truncated, info = one.step(action[0])
        observations, rewards, _, truncations, infos = many.step(action)
        assert (reward, terminated, truncated) == (rewards[0], False, truncations[0])
        if truncated:
            observations, infos = infos["final_obs"], infos["final_info"]
        np.testing.assert_array_equal(observation, observations[0])
        assert info == {k: v[0] for k, v in infos.items() if "final" not in k}
    assert truncated
    one.close()


def test_an_episode_is_the_same_with_three_slots_and_with_five() -> None:
    """Episodes 0 to 14, each driven by actions that depend on its number alone."""

    def episodes(num_envs: int, num_threads: int) -> dict[int, tuple]:
        env = SandboxVectorEnv("sweep/train", num_envs, SHORT, num_threads)
        _, info = env.reset(seed=1)
        found = {}
        for _ in range(15 // num_envs):
            number = info["episode_index"]
            actions = np.stack(
                [np.random.default_rng(k).uniform(-1, 1, (20, 3)) for k in number], 1
            )
            seen = [env.step(action) for action in actions]
            info = seen[-1][-1]
            final = rows(info["final_info"], slice(None))
            observed = np.stack([step[0] for step in seen[:-1]] + [info["final_obs"]], 1)
            for i, k in enumerate(number):
                found[int(k)] = (observed[i], {name: value[i] for name, value in final.items()})
        return found

    few, more = episodes(3, 1), episodes(5, 2)
    assert sorted(few) == sorted(more) == list(range(15))
    for number in few:
        assert_equal(few[number], more[number])


def test_a_mixture_plays_each_scene_as_it_would_be_played_alone() -> None:
    names = ["sweep/train", "sweep/planter_open"]
    both = SandboxVectorEnv(names, 5, SHORT)
    alone = [SandboxVectorEnv(name, 5, SHORT) for name in names]
    shares = [slice(0, 3), slice(3, 5)]
    assert [len(batch.qpos) for batch in both.batches] == [3, 2]
    starts = both.reset(seed=2)
    for env, share in zip(alone, shares, strict=True):
        assert_equal(rows(starts, share), rows(env.reset(seed=2), share))
    for action in random_actions(both, 25):
        mixed = both.step(action)
        for env, share in zip(alone, shares, strict=True):
            assert_equal(rows(mixed, share), rows(env.step(action), share))


def test_scenes_of_different_families_are_not_mixed(write_scene: WriteScene) -> None:
    path = write_scene()
    with pytest.raises(SceneError) as error:
        SandboxVectorEnv(["sweep/train", path], 2)
    assert str(error.value) == (
        "sweep/train and mini/train cannot share an environment: their measures differ "
        "(['brushing', 'cleanliness', 'distance', 'dustpan', 'hidden', 'looks_clean', 'pickups', "
        "'strokes', 'sunlit', 'sweeps'] and ['rolled_in'])"
    )
    other = write_scene({"observe": "robot_speed"}, stem="other")
    with pytest.raises(
        SceneError, match="their observations differ \\(robot_at and robot_speed\\)"
    ):
        SandboxVectorEnv([path, other], 2)


# --- what a step computes --------------------------------------------------------------------


def test_actions_span_the_control_range(write_scene: WriteScene) -> None:
    """push_x takes -2 to 2, push_y -4 to 0."""
    env = SandboxVectorEnv(write_scene(), 4)
    env.reset(seed=0)
    env.step(np.array([[-1, -1], [0, 0], [1, 1], [-7, 7]]))
    assert env.batches[0].ctrl.tolist() == [[-2, -4], [0, -2], [2, 0], [-2, 0]]


def test_effort_is_the_mean_share_of_the_largest_control(write_scene: WriteScene) -> None:
    env = SandboxVectorEnv(write_scene({"reward": "-effort"}), 4)
    env.reset(seed=0)
    _, rewards, *_ = env.step(np.array([[-1, -1], [0, 0], [0, 1], [0.5, 1]]))
    assert rewards.tolist() == [-1, -0.25, 0, -0.25]


def test_the_reward_of_a_step_is_the_change_of_that_step() -> None:
    """Against mj_forward on a copy of the state, from the very first step on."""
    task = {"measure/speed": "speed", "reward": "gain(speed) + 0 * level(speed)"}
    env = SandboxVectorEnv("sweep/train", 3, {**task, **SHORT})
    env.reset(seed=0)
    before = _sensors(env)
    for action in random_actions(env, 19):
        _, rewards, _, _, info = env.step(action)
        after = _sensors(env)
        np.testing.assert_allclose(rewards, after["speed"] - before["speed"], atol=1e-9)
        np.testing.assert_allclose(info["speed"], after["speed"], atol=1e-9)
        before = after


def _sensors(env: SandboxVectorEnv) -> dict[str, np.ndarray]:
    model, batch = env.scenes[0].model, env.batches[0]
    values: dict[str, list[float]] = {}
    for i in range(env.num_envs):
        data = batch.get_data(i)
        mujoco.mj_forward(model, data)
        for k in range(model.nsensor):
            values.setdefault(model.sensor(k).name, []).append(data.sensor(k).data[0])
    return {name: np.array(value) for name, value in values.items()}


@pytest.mark.parametrize("sensor", ["", '<accelerometer name="push" site="eye"/>'])
def test_sensors_describe_the_state_after_the_step(write_scene: WriteScene, sensor: str) -> None:
    """Also those that need accelerations; derived fields would lag one physics step behind."""
    wall = '<geom type="box" size="0.1 1 0.2" pos="0.3 0 0.2"/>'  # pushed at most of the time
    env = SandboxVectorEnv(write_scene({"spawn/ball": "floor"}, world=wall, sensor=sensor), 3)
    env.reset(seed=0)
    for action in random_actions(env, 30) + [0.7, 0]:
        model, sensordata = env.scenes[0].model, env.batches[0].bind("sensordata")
        for i in range(env.num_envs):
            data = env.batches[0].get_data(i)
            mujoco.mj_forward(model, data)
            np.testing.assert_allclose(sensordata[i], data.sensordata, atol=1e-6)
        env.step(action)


def test_returns_of_measures_are_changes_since_the_reset_and_return_sums_rewards() -> None:
    env = SandboxVectorEnv("sweep/train", 4, {"measure/speed": "speed", **SHORT})
    _, begun = env.reset(seed=0)
    total = np.zeros(4)
    for _, reward, _, _, info in play(env, random_actions(env, 19)):
        total += reward
        np.testing.assert_allclose(info["return/reward"], total, atol=1e-12)
        for name in env.scenes[0].measures:
            np.testing.assert_allclose(info[f"return/{name}"], info[name] - begun[name])


def test_infos_fit_into_a_tree_of_arrays(write_scene: WriteScene) -> None:
    """No name of an array is continued after a slash by another name, as in files of HDF5."""
    _, info = SandboxVectorEnv(write_scene(), 2).reset(seed=0)
    assert "return/reward" in info
    assert not [name for name in info if any(other.startswith(f"{name}/") for other in info)]


def test_returned_arrays_do_not_change_later() -> None:
    env = SandboxVectorEnv("sweep/train", 2, SHORT)
    kept, copies = [], []
    returned: Any = env.reset(seed=0)
    for action in [*random_actions(env, 41), None]:
        kept.append(returned)
        copies.append(_copied(returned))
        if action is not None:
            returned = env.step(action)
    assert_equal(tuple(kept), tuple(copies))


def _copied(returned: Any) -> Any:
    if isinstance(returned, dict):
        return {key: _copied(value) for key, value in returned.items()}
    return tuple(map(_copied, returned)) if isinstance(returned, tuple) else np.copy(returned)


def test_writing_into_returned_arrays_changes_nothing() -> None:
    one, other = (SandboxVectorEnv("sweep/train", 2, SHORT) for _ in range(2))
    returned = (one.reset(seed=0), other.reset(seed=0))
    for action in random_actions(one, 25):
        assert_equal(*returned)
        _scribble(returned[0])
        returned = (one.step(action), other.step(action))


def _scribble(returned: Any) -> None:
    if isinstance(returned, dict):
        returned = tuple(returned.values())
    if isinstance(returned, tuple):
        for part in returned:
            _scribble(part)
    else:
        returned[...] = 1


# --- unstable simulations --------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("speed", [np.nan, np.inf, 1e12])
def test_an_unstable_simulation_is_truncated_and_the_others_continue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speed: float
) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo leaves a log file in the current folder
    broken, sound = (SandboxVectorEnv("sweep/train", 3, SHORT) for _ in range(2))
    broken.reset(seed=0), sound.reset(seed=0)
    actions = random_actions(sound, 30)
    for action in actions[:5]:
        before = broken.step(action)
        sound.step(action)
    broken.batches[0].qvel[1, 2] = speed
    observations, rewards, terminated, truncated, info = broken.step(actions[5])
    after = sound.step(actions[5])
    assert rewards[1] == 0
    assert truncated.tolist() == info["_final_info"].tolist() == [False, True, False]
    assert not terminated.any()
    np.testing.assert_array_equal(info["final_obs"][1], before[0][1])
    final = info["final_info"]
    assert final["unstable"].tolist() == [False, True, False]
    assert final["length"][1] == 6
    for name in broken.scenes[0].measures:
        assert final[name][1] == before[-1][name][1]
    assert info["episode_index"].tolist() == [0, 4, 2]
    assert not info["unstable"].any()
    # the broken slot plays on, with its next episode; the others never noticed
    for action in actions[6:]:
        for one, other in zip((observations, rewards), after[:2], strict=True):
            np.testing.assert_array_equal(one[[0, 2]], other[[0, 2]])
        assert np.isfinite(observations).all()
        observations, rewards, _, _, info = broken.step(action)
        after = sound.step(action)
        assert not info["unstable"].any()


def test_the_episode_after_an_unstable_one_is_normal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken, sound = (SandboxVectorEnv("sweep/train", 1, SHORT) for _ in range(2))
    broken.reset(seed=0), sound.reset(seed=0)
    broken.batches[0].qvel[0, 0] = np.nan
    actions = random_actions(sound, 11)
    observations, *_ = broken.step(actions[0])
    expected, _ = sound.reset(options={"episode": 1})
    for action in actions[1:]:
        np.testing.assert_array_equal(observations, expected)
        observations, expected = broken.step(action)[0], sound.step(action)[0]


# --- snapshots -------------------------------------------------------------------------------


def test_a_snapshot_continues_exactly_across_ends_of_episodes() -> None:
    env = SandboxVectorEnv("sweep/train", 3, SHORT)
    env.reset(seed=0, options={"stagger": True, "episode": 7})
    actions = random_actions(env, 50)
    for action in actions[:13]:
        env.step(action)
    state = env.get_state()
    went = [env.step(action) for action in actions[13:]]
    env.reset(seed=99, options={"stagger": True})
    for action in actions[:8]:  # some slots begin their next episode, others are yet to
        env.step(action)
    observations = env.set_state(state)
    assert_equal(tuple(went), tuple(env.step(action) for action in actions[13:]))
    # and once more, in an environment that has never been reset, beginning with the observation
    other = SandboxVectorEnv("sweep/train", 3, SHORT)
    np.testing.assert_array_equal(other.set_state(state), observations)
    assert_equal(tuple(went), tuple(other.step(action) for action in actions[13:]))


def test_a_snapshot_includes_which_bodies_are_absent(write_scene: WriteScene) -> None:
    path = write_scene({"spawn/ball": "rug 0.5", "measure/there": "sum(1 + 0 * ball_in_rug)"})
    env, other = SandboxVectorEnv(path, 8), SandboxVectorEnv(path, 8)
    _, info = env.reset(seed=0)
    assert len(set(info["there"])) > 2
    other.reset(seed=1)
    other.set_state(env.get_state())
    actions = random_actions(env, 1)[0]
    assert_equal(env.step(actions), other.step(actions))
    np.testing.assert_array_equal(env.step(actions)[4]["there"], info["there"])


GO_ON = """
import sys
import numpy as np
from sandbox_envs import SandboxVectorEnv
state = np.load(sys.argv[1])
env = SandboxVectorEnv(["sweep/train", "sweep/planter_open"], 4, {"episode_seconds": 1})
env.set_state(state)
steps = [env.step(action) for action in np.load(sys.argv[2])]
np.savez(sys.argv[3], observations=[s[0] for s in steps], rewards=[s[1] for s in steps],
         sweeps=[s[4]["sweeps"] for s in steps])
"""


def test_a_snapshot_continues_exactly_in_another_process(tmp_path: Path) -> None:
    env = SandboxVectorEnv(["sweep/train", "sweep/planter_open"], 4, SHORT)
    env.reset(seed=0)
    actions = random_actions(env, 40)
    for action in actions[:12]:
        env.step(action)
    files = [str(tmp_path / name) for name in ("state.npz", "actions.npy", "steps.npz")]
    np.savez(files[0], **env.get_state())
    np.save(files[1], actions[12:])
    subprocess.run([sys.executable, "-c", GO_ON, *files], check=True)
    steps = [env.step(action) for action in actions[12:]]
    theirs = np.load(files[2])
    np.testing.assert_array_equal(theirs["observations"], [step[0] for step in steps])
    np.testing.assert_array_equal(theirs["rewards"], [step[1] for step in steps])
    np.testing.assert_array_equal(theirs["sweeps"], [step[4]["sweeps"] for step in steps])


# --- making one, and mistakes ----------------------------------------------------------------


def test_gymnasium_makes_vectors() -> None:
    version = load_scene("sweep/train").texts["version"]
    env = gymnasium.make_vec(f"sandbox/sweep-train-v{version}", num_envs=4)
    assert isinstance(env.unwrapped, SandboxVectorEnv)
    observations, _ = env.reset(seed=0)
    np.testing.assert_array_equal(observations, SandboxVectorEnv("sweep/train", 4).reset(seed=0)[0])
    assert env.observation_space.contains(observations)
    assert env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    env.close()


def test_gymnasium_makes_vectors_of_a_users_file(write_scene: WriteScene) -> None:
    path = write_scene()
    env = gymnasium.make_vec("sandbox/scene-v0", num_envs=2, scene=str(path), max_episode_steps=7)
    env.reset(seed=0)
    lengths = [env.step(env.action_space.sample())[3].all() for _ in range(14)]
    assert np.flatnonzero(lengths).tolist() == [6, 13]
    env.close()


def test_wrong_arguments_raise_one_sentence(write_scene: WriteScene) -> None:
    path = write_scene()
    with pytest.raises(UserError, match="^num_envs is 0; it must be 1 or more$"):
        SandboxVectorEnv(path, 0)
    with pytest.raises(UserError, match="^there is no scene; name at least one$"):
        SandboxVectorEnv([], 2)
    with pytest.raises(UserError, match="^2 scenes need as many environments or more$"):
        SandboxVectorEnv([path, path], 1)
    env = SandboxVectorEnv(path, 2)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.zeros((2, 2)))
    env.reset(seed=0)
    with pytest.raises(UserError, match=r"^actions have shape \(2,\), not \(2, 2\)$"):
        env.step(np.zeros(2))
    with pytest.raises(UserError, match=r"^actions have shape \(2, 3\), not \(2, 2\)$"):
        env.step(np.zeros((2, 3)))
    with pytest.raises(UserError, match="^actions must be an array of numbers, not 'up'$"):
        env.step("up")
    for wrong in (np.nan, np.inf):
        with pytest.raises(UserError, match="^an action is not a finite number$"):
            env.step(np.array([[0, 0], [0, wrong]]))
    with pytest.raises(gymnasium.error.Error):
        env.reset(seed=-1)


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ({"measure/share": "1 / sum(ball_in_tray)"}, "measure/share"),
        ({"measure/idle": "since(sum(ball_in_tray))"}, "measure/idle"),
        ({"reward": "1 / gain(rolled_in)"}, "reward"),
    ],
)
def test_a_formula_that_is_not_finite_is_named(
    write_scene: WriteScene, texts: dict[str, str], name: str
) -> None:
    """Not passed on as a reward of NaN, which would end in weights of NaN."""
    env = SandboxVectorEnv(write_scene(texts), 2)
    with pytest.raises(SceneError, match=f"text '{name}': it is infinite or not a number"):
        env.reset(seed=0)
        env.step(np.zeros((2, 2)))


def test_a_state_of_another_environment_is_refused_and_nothing_changes(
    write_scene: WriteScene,
) -> None:
    path = write_scene()
    env, other = SandboxVectorEnv(path, 3), SandboxVectorEnv(path, 1)
    env.reset(seed=0)
    other.reset(seed=5)
    before = env.get_state()
    with pytest.raises(UserError, match="^this state is of other scenes, of another number"):
        env.set_state(other.get_state())
    assert_equal(env.get_state(), before)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", "abc", "^the state's seed is 'abc'; it must be a whole number, 0 or more"),
        ("seed", -5, "^the state's seed is -5; it must be 0 or more"),
        ("seed", np.array([1, 2]), "^the state's seed is array"),
        ("0/clock", np.full(2, np.nan), "damaged: 0/clock does not fit"),
        ("0/episode", np.full(2, 0.5), "damaged: 0/episode does not fit"),
        ("0/state", "text", "damaged: 0/state does not fit"),
        ("0/length", np.array(["1", "2"]), "damaged: 0/length does not fit"),
        ("0/length", [[1], [1, 2]], "damaged: "),
    ],
)
def test_a_damaged_state_is_refused_and_nothing_changes(
    write_scene: WriteScene, name: str, value: Any, message: str
) -> None:
    env = SandboxVectorEnv(write_scene(), 2)
    env.reset(seed=3)
    before = env.get_state()
    with pytest.raises(UserError, match=message):
        env.set_state({**before, "0/length": before["0/length"] + 1, name: value})
    assert_equal(env.get_state(), before)
    with pytest.raises(UserError, match="or it is damaged"):
        env.set_state({})
    env.set_state({**before, "seed": np.array(4)})  # as numpy.load gives it
    assert env.get_state()["seed"] == 4


@pytest.mark.parametrize("actions", [np.full((3, 2), 1j), [["0", "0"]] * 3, [[0, 0], [0]], None])
def test_actions_that_are_no_real_numbers_are_refused(
    write_scene: WriteScene, actions: Any
) -> None:
    env = SandboxVectorEnv(write_scene(), 3)
    env.reset(seed=0)
    with pytest.raises(UserError, match="^actions must be an array of numbers, not|^actions have"):
        env.step(actions)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"staggered": True}, "^unknown reset option 'staggered'; did you mean 'stagger'"),
        ({"reset_mask": [True]}, "^reset_mask must be 3 booleans"),
        ({"reset_mask": [0, 1, 1]}, "^reset_mask must be 3 booleans"),
        *(
            ({"episode": wrong}, "^the reset option 'episode' is .*; it must be ")
            for wrong in ([0, 1, 2], np.zeros(3, int), None, "three", "2", True, -1, 1.5, 2**70)
        ),
    ],
)
def test_reset_options_are_checked(
    write_scene: WriteScene, options: dict[str, Any], message: str
) -> None:
    env = SandboxVectorEnv(write_scene(), 3)
    with pytest.raises(UserError, match=message):
        env.reset(seed=0, options=options)


def test_wrong_option_changes_nothing_and_any_whole_number_is_an_episode(
    write_scene: WriteScene,
) -> None:
    env = SandboxVectorEnv(write_scene({"spawn/robot": "floor"}), 3)
    env.reset(seed=0)
    before = env.get_state()
    with pytest.raises(UserError):
        env.reset(seed=1, options={"episode": -1})
    assert_equal(env.get_state(), before)
    started = [env.reset(options={"episode": k})[0] for k in (2, np.int64(2), np.uint8(2), 2.0)]
    assert all(np.array_equal(one, started[0]) for one in started)


def test_list_of_seeds_is_answered_with_how_to_repeat_an_episode(write_scene: WriteScene) -> None:
    env = SandboxVectorEnv(write_scene({"spawn/robot": "floor"}), 3)
    with pytest.raises(UserError, match="take_rows of sandbox_envs.eval.rollouts.branching puts"):
        env.reset(seed=[3, 3, 3])  # type: ignore[arg-type]
    first = env.reset(seed=3)[0][0]
    same = env.set_state(take_rows(env.get_state(), np.zeros(3, int)))
    assert (same == first).all()


def test_a_staggered_clock_is_in_the_first_observation(write_scene: WriteScene) -> None:
    env = SandboxVectorEnv(write_scene(CLOCKED), 4)
    observations, _ = env.reset(seed=0, options={"stagger": True})
    assert observations[:, 0].tolist() == [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("given", list(AutoresetMode))
def test_modes_are_given_as_a_member_or_as_text(
    write_scene: WriteScene, given: AutoresetMode
) -> None:
    for mode in (given, given.value, given.name):
        env = SandboxVectorEnv(write_scene(), 2, autoreset_mode=mode)
        assert env.autoreset_mode == env.metadata["autoreset_mode"] == given
    with pytest.raises(UserError, match="^autoreset_mode is 'SAMESTEP'; did you mean 'SAME_STEP'"):
        SandboxVectorEnv(write_scene(), 2, autoreset_mode="SAMESTEP")


def test_next_step_begins_an_episode_with_a_step_that_only_resets(write_scene: WriteScene) -> None:
    """Two slots, half an episode apart; a state from in between remembers who is due."""
    env = SandboxVectorEnv(
        write_scene({**CLOCKED, "reward": "-effort"}), 2, autoreset_mode="NextStep"
    )
    env.reset(seed=0, options={"stagger": True})
    actions = np.array([[0.5, 0], [0.5, 0]])
    for _ in range(10):
        observations, rewards, _, truncated, info = env.step(actions)
    assert truncated.tolist() == [False, True]
    assert observations[1].tolist() == [1, 0.5]
    assert "final_obs" not in info
    state = env.get_state()
    for _ in range(2):
        observations, rewards, _, truncated, info = env.step(actions)
        assert rewards.tolist() == [-0.5, 0]
        assert truncated.tolist() == [False, False]
        assert info["length"].tolist() == [11, 0]
        assert info["episode_index"].tolist() == [0, 3]
        env.set_state(state)
    env.reset(options={"reset_mask": np.array([False, True])})
    assert env.step(actions)[1].tolist() == [-0.5] * 2  # nobody is due any more


def test_a_formula_is_not_evaluated_for_a_slot_that_is_due(write_scene: WriteScene) -> None:
    """It need not be finite after the end of an episode."""
    task = {"measure/late": "1 / (total(1) < 1.01)", "intended": "late"}
    env = SandboxVectorEnv(write_scene(task), 1, autoreset_mode="NEXT_STEP")
    env.reset(seed=0)
    for _ in play(env, random_actions(env, 30)):
        pass


def test_the_first_reset_starts_every_simulation(write_scene: WriteScene) -> None:
    env = SandboxVectorEnv(write_scene(), 2)
    some, every = np.array([True, False]), np.array([True, True])
    with pytest.raises(UserError, match="^the first reset starts every simulation"):
        env.reset(seed=0, options={"reset_mask": some})
    env.reset(seed=0, options={"reset_mask": every})
    env.reset(options={"reset_mask": some})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_envs": 2.5}, "num_envs is 2.5; it must be a whole number, 1 or more"),
        ({"num_envs": "4"}, "num_envs is '4'; it must be a whole number, 1 or more"),
        ({"num_threads": -1}, "num_threads is -1; it must be 0 to 1024"),
        ({"num_threads": 10**6}, "num_threads is 1000000; it must be 0 to 1024"),
        ({"num_threads": None}, "num_threads is None; it must be a whole number, 0 to 1024"),
    ],
)
def test_numbers_are_checked(
    write_scene: WriteScene, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=f"^{message}$"):
        SandboxVectorEnv(write_scene(), **arguments)
    assert SandboxVectorEnv(write_scene(), np.int64(2), num_threads=1.0).num_envs == 2


SHOWN = {  # the reward and the pan, with noise, and a placebo
    "observe": "speed turn_rate brush_speed retina(16) ranges(wall_range) "
    "previous_reward reward_so_far placebo",
    "channel": "2 * reward - gain(dustpan)",
    **{"channel_noise": 0.1, "placebo_on": 0.3, "placebo_off": 0.5, "placebo_seed": 2},
}


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("sweep/train", {}),
        ("sweep/planter_open", {}),
        ("sweep/clean_room", {}),
        ("sweep/train", SHOWN),
    ],
)
def test_it_equals_the_reference_environment(name: str, texts: dict[str, str | float]) -> None:
    """Whole episodes of 3 seconds, driven about and sweeping: what differs is rounding."""
    env = SandboxVectorEnv(name, 4, overrides={"episode_seconds": 3, **texts})
    env.reset(seed=8)
    scene, batch = env.scenes[0], env.batches[0]
    slow = [ReferenceSimulation(scene, batch.get_data(i), seed=8, episode=i) for i in range(4)]
    rng = np.random.default_rng(2)
    actions = rng.uniform(-1, 1, (4, 3))
    for step in range(60):
        actions = np.clip(actions + rng.normal(0.05, 0.3, (4, 3)), -1, 1)
        observations, rewards, _, _, info = env.step(actions)
        measures = info if step < 59 else info["final_info"]
        observations = observations if step < 59 else info["final_obs"]
        for i, simulation in enumerate(slow):
            observation, reward, levels = simulation.step(actions[i])
            np.testing.assert_allclose(observations[i], observation, atol=1e-5)
            assert rewards[i] == pytest.approx(reward, abs=1e-12)
            assert {k: measures[k][i] for k in levels} == pytest.approx(levels, rel=1e-6, abs=1e-12)
    assert any(simulation.levels["sweeps"] > 0 for simulation in slow)
