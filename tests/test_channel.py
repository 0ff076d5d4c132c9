"""The display of the reward is right, is kept, and changes nothing else."""

from typing import Any

import numpy as np
import pytest
from conftest import WriteScene
from gymnasium.vector import AutoresetMode

from sandbox_envs import SandboxVectorEnv, SceneError, load_scene
from sandbox_envs.language.display import Network
from sandbox_envs.spaces import observation_rows

BARE = {
    "measure/east": "component(robot_at, 0)",
    "intended": "east",
    "reward": "10 * gain(east) - 0.1 * effort",
    "observe": "previous_reward reward_so_far",
}
PLACEBO = {"observe": "previous_reward placebo", "placebo_on": "0.2", "placebo_off": "0.4"}


def played(path: Any, steps: int = 20, **arguments: Any) -> tuple[np.ndarray, np.ndarray]:
    """Observations (steps, n, size) and rewards (steps, n) of pushing at random."""
    env = SandboxVectorEnv(path, 3, num_threads=1, **arguments)
    env.reset(seed=4)
    rng, observations, rewards = np.random.default_rng(0), [], []
    for _ in range(steps):
        seen, reward, _, _, info = env.step(rng.uniform(-1, 1, (3, 2)))
        observations.append(info.get("final_obs", seen))
        rewards.append(reward)
    return np.array(observations), np.array(rewards)


def test_the_last_steps_reward_and_their_sum_are_shown(write_scene: WriteScene) -> None:
    """The last observation of an episode has them, too, and the first one 0."""
    path = write_scene(BARE)
    observations, rewards = played(path)
    assert np.abs(rewards).min() > 0
    np.testing.assert_allclose(observations[..., 0], rewards, rtol=1e-6)
    np.testing.assert_allclose(observations[..., 1], rewards.cumsum(0), rtol=1e-5, atol=1e-6)
    env = SandboxVectorEnv(path, 3)
    assert not env.reset(seed=4)[0].any()
    for _ in range(20):
        seen, *_ = env.step(np.ones((3, 2)))
    assert not seen.any(), "the next episode has begun"


def test_another_channel_changes_what_is_shown_and_nothing_else(write_scene: WriteScene) -> None:
    path = write_scene(BARE | {"observe": "robot_at previous_reward"})
    observations, rewards = played(path)
    other, same = played(path, overrides={"channel": "3 * level(east) - reward + effort"})
    np.testing.assert_array_equal(same, rewards)
    np.testing.assert_array_equal(other[..., :3], observations[..., :3])
    assert np.abs(other[..., 3] - observations[..., 3]).min() > 0
    assert load_scene(path, {"channel": "effort"}).hash != load_scene(path).hash


def test_a_formula_of_the_display_remembers(write_scene: WriteScene) -> None:
    texts = {"observe": "previous_reward", "channel": "count(reward > 0) + since(effort > 2) * 0"}
    with pytest.raises(SceneError, match="text 'channel': it is infinite or not a number"):
        played(write_scene(BARE | texts))
    observations, rewards = played(write_scene(BARE | texts | {"channel": "count(reward > 0)"}))
    above = np.concatenate([np.zeros((1, 3), bool), rewards > 0])
    rises = (above[1:] & ~above[:-1]).cumsum(0)
    np.testing.assert_array_equal(observations[..., 0], rises)


def test_noise_has_its_size_and_depends_on_the_episode_alone(write_scene: WriteScene) -> None:
    long = {"episode_seconds": "50", "channel": "0", "channel_noise": "2"}
    path = write_scene(BARE | long)
    noise = played(path, 1000)[0][..., 0]
    assert noise.std(0) == pytest.approx(2, rel=0.1)
    assert np.abs(noise.mean(0)).max() < 0.3
    assert np.abs(np.corrcoef(noise.T) - np.eye(3)).max() < 0.1
    env = SandboxVectorEnv(path, 1, num_threads=1)
    env.reset(seed=4, options={"episode": 2})
    alone = [env.step(np.zeros((1, 2)))[0][0, 0] for _ in range(50)]
    np.testing.assert_array_equal(alone, noise[:50, 2])


def test_the_placebo_has_its_rhythm_and_tells_nothing(write_scene: WriteScene) -> None:
    """Mean durations within 20 %; the same whatever is done; another seed gives another trace."""
    path = write_scene(BARE | PLACEBO | {"episode_seconds": "200", "channel": "0"})
    env = SandboxVectorEnv(path, 3, num_threads=1)
    env.reset(seed=4)
    trace = np.array([env.step(np.zeros((3, 2)))[0][:, 1] for _ in range(3999)])
    assert set(np.unique(trace)) == {0, 1}
    turned_off = (np.diff(trace, axis=0) < 0).sum()
    assert trace.sum() / 20 / turned_off == pytest.approx(0.2, rel=0.2)
    assert (1 - trace).sum() / 20 / turned_off == pytest.approx(0.4, rel=0.2)
    np.testing.assert_array_equal(played(path, 300)[0][..., 1], trace[:300])
    other = played(path, 300, overrides={"placebo_seed": 1})[0][..., 1]
    assert 0.2 < (other != trace[:300]).mean() < 0.8


def test_the_network_keeps_the_reward_decodable(write_scene: WriteScene) -> None:
    """Within 1 % of the range, by the nearest of the codes of a fine grid; seeds differ."""
    plain = played(write_scene(BARE))[0]
    coded = played(write_scene(BARE | {"channel_network": "7"}))[0]
    assert coded.shape[-1] == 8
    assert np.abs(coded).max() <= 1
    for codes, numbers in ((coded[..., :4], plain[..., 0]), (coded[..., 4:], plain[..., 1])):
        grid = np.linspace(numbers.min(), numbers.max(), 1000)
        apart = np.abs(codes[:, :, None] - Network(7)(grid)).sum(-1)
        wrong = np.abs(grid[apart.argmin(-1)] - numbers)
        assert wrong.max() < 0.01 * np.ptp(numbers)
    assert np.abs(Network(7)(np.zeros(1)) - Network(8)(np.zeros(1))).max() > 0.1


@pytest.mark.parametrize("at", [7, 20, 27])
def test_a_snapshot_goes_on_exactly(write_scene: WriteScene, at: int) -> None:
    """Over an episode's end, with noise, placebo and a formula that remembers."""
    texts = BARE | PLACEBO | {"channel_noise": "0.3", "channel": "reward + count(effort > 0.5)"}
    path = write_scene(texts | {"observe": "previous_reward reward_so_far placebo"})
    actions = np.random.default_rng(1).uniform(-1, 1, (45, 3, 2))
    env, other = (SandboxVectorEnv(path, 3, num_threads=1) for _ in range(2))
    env.reset(seed=2)
    for action in actions[:at]:
        env.step(action)
    other.set_state(env.get_state())
    for action in actions[at:]:
        np.testing.assert_array_equal(env.step(action)[0], other.step(action)[0])


def test_a_slot_that_is_due_for_a_reset_shows_nothing_new(write_scene: WriteScene) -> None:
    """NEXT_STEP: the step that begins an episode shows 0, as a reset does."""
    env = SandboxVectorEnv(write_scene(BARE), 2, autoreset_mode=AutoresetMode.NEXT_STEP)
    env.reset(seed=0)
    for _ in range(20):
        last, reward, *_ = env.step(np.ones((2, 2)))
    np.testing.assert_allclose(last[:, 0], reward, rtol=1e-6)
    assert not env.step(np.ones((2, 2)))[0].any()


def test_a_scene_without_a_display_has_none(write_scene: WriteScene) -> None:
    env = SandboxVectorEnv(write_scene(), 2)
    assert env.scenes[0].display is None
    assert not any("channel" in name or "placebo" in name for name in env.get_state())


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"channel": "gain(west)"}, r"text 'channel': gain\(west\): unknown 'west'"),
        ({"channel": "robot_at"}, "text 'channel': unknown name 'robot_at'"),
        ({"channel_noise": "-1"}, "'channel_noise': -1 is not a number from 0 to 1e"),
        ({"channel_noise": "loud"}, "'channel_noise': loud is not a number from 0 to 1e"),
        ({"channel_network": "1.5"}, "'channel_network': 1.5 is not a whole number"),
        ({"observe": "placebo"}, "the numeric 'placebo_on' is missing"),
        (PLACEBO | {"placebo_off": "0"}, "'placebo_off': 0 is not a positive number"),
        (PLACEBO | {"placebo_seed": "nan"}, "'placebo_seed': nan is not a number from 0"),
        ({"observe": "previous_rewards"}, "unknown name; did you mean 'previous_reward'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    write_scene: WriteScene, texts: dict[str, str], message: str
) -> None:
    with pytest.raises(SceneError, match=message):
        load_scene(write_scene(BARE | texts))


def test_terms_are_explained(write_scene: WriteScene) -> None:
    scene = load_scene(write_scene(BARE | {"channel_network": "7"}))
    first = observation_rows(scene)[0]
    assert (first.numbers, first.name) == ("0 to 3", "previous_reward")
    assert "coded by a fixed random network" in first.what
