"""Episodes with what is kept of them, and branches from exact snapshots, in real scenes."""

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from sandbox_envs import SandboxVectorEnv, UserError, load_scene
from sandbox_envs.eval.agents.protocol import Policy
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.rollouts import episodes
from sandbox_envs.eval.rollouts.branching import (
    Branch,
    play_each,
    play_from,
    preserved,
    replay,
    take_rows,
)
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.eval.rollouts.steps import POSES
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.snapshots import splice_states

SCENES = ("sweep/planter_open", "keeper/train", "patrol/train", "maze/train")
ALL = ("observations", "actions", "poses")
N = 4


@pytest.fixture(params=SCENES)
def scene(request: pytest.FixtureRequest) -> Scene:
    return load_scene(request.param, {"episode_seconds": 4})


def started(scene: Scene, n: int = N, steps: int = 10) -> SandboxVectorEnv:
    """An environment some steps into its episodes, in each simulation in another state."""
    envs = SandboxVectorEnv(scene, n, autoreset_mode=AutoresetMode.DISABLED)
    envs.reset(seed=1)
    for actions in np.random.default_rng(2).uniform(-1, 1, (steps, n, scene.model.nu)):
        envs.step(actions)
    return envs


def drawn(scene: Scene, steps: int, n: int = N, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (steps, n, scene.model.nu))


def assert_same(one: Branch, other: Branch, rows: np.ndarray | slice = slice(None)) -> None:
    """Bit by bit; of `other` only some simulations, in that order."""
    np.testing.assert_array_equal(one.rewards, other.rewards[:, rows])
    np.testing.assert_array_equal(one.reward_so_far, other.reward_so_far[:, rows])
    np.testing.assert_array_equal(one.observations, other.observations[:, rows])  # type: ignore[index]
    for mine, others in ((one.values, other.values), (one.poses, other.poses)):
        assert mine.keys() == others.keys() and mine
        for name, array in mine.items():
            np.testing.assert_array_equal(array, others[name][:, rows])


def remembering(weight: float = 0.9) -> Policy:
    """A recurrent policy: it acts on an average of all that it has observed."""

    def policy(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        memory = obs if state is None else weight * state + (1 - weight) * obs
        return np.tanh(memory[:, :2].repeat(2, 1)[:, :3]), memory

    return policy


# --- episodes --------------------------------------------------------------------------------


def test_replaying_recorded_actions_gives_equal_returns(scene: Scene) -> None:
    for script in ("random", "intended"):
        first = play(scene, scripts(scene)[script], N, seed=5, keep=("actions",))
        assert first.actions is not None
        assert first.actions.shape == (scene.episode_steps, N, scene.model.nu)
        policy = replay(first.actions)
        again = play(scene, lambda _envs, policy=policy: policy, N, seed=5)  # type: ignore[misc]
        np.testing.assert_array_equal(first.rewards, again.rewards)
        for objective in ("reward", *scene.measures):
            np.testing.assert_array_equal(first.returns(objective), again.returns(objective))


def test_kept_observations_are_those_the_policy_saw(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(episodes, "MAX_PARALLEL", 2)  # so that 3 episodes take two rounds
    seen: list[np.ndarray] = []

    def watching(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        seen.append(obs.copy())
        return np.full((len(obs), scene.model.nu), 0.5), state

    played = play(scene, lambda _envs: watching, 3, keep=("observations",))
    steps = scene.episode_steps
    rounds = np.concatenate([np.array(seen[:steps]), np.array(seen[steps:])], 1)
    assert played.observations is not None
    assert played.observations.shape == (steps + 1, 3, seen[0].shape[1])
    np.testing.assert_array_equal(played.observations[:-1], rounds[:, :3])


def test_nothing_is_kept_unless_requested(scene: Scene) -> None:
    played = play(scene, scripts(scene)["random"], 2)
    assert played.observations is None and played.actions is None and played.poses == {}
    with pytest.raises(ValueError, match='keep=\\("poses",\\)'):
        played.trajectory(0)
    everything = play(scene, scripts(scene)["random"], 2, keep=ALL)
    assert set(everything.poses) == set(POSES)
    np.testing.assert_array_equal(played.rewards, everything.rewards)
    with pytest.raises(ValueError, match="'videos'"):
        play(scene, scripts(scene)["idle"], 2, keep=("videos",))


def test_a_trajectory_holds_rewards_values_and_poses_of_one_episode(scene: Scene) -> None:
    played = play(scene, scripts(scene)["random"], 2, first=7, keep=("poses",))
    one = played.trajectory(1)
    assert (one.episode, one.times[-1]) == (8, pytest.approx(4.0))
    assert one.reward_so_far[0] == 0
    assert one.reward_so_far[-1] == pytest.approx(played.returns("reward")[1])
    for name in scene.measures:
        assert one.values[name][-1] - one.values[name][0] == played.returns(name)[1]
    np.testing.assert_array_equal(one.poses["qpos"], played.poses["qpos"][:, 1])


# --- branches --------------------------------------------------------------------------------


def test_equal_actions_from_one_snapshot_give_bit_identical_branches(scene: Scene) -> None:
    envs = started(scene)
    snapshot, policy = envs.get_state(), replay(drawn(scene, 20))
    first = play_from(envs, snapshot, policy, 20, keep=ALL)
    play_from(envs, snapshot, replay(drawn(scene, 20, seed=4)), 20)
    assert_same(play_from(envs, snapshot, policy, 20, keep=ALL), first)
    elsewhere = SandboxVectorEnv(scene, N, autoreset_mode=AutoresetMode.DISABLED)
    assert_same(play_from(elsewhere, snapshot, policy, 20, keep=ALL), first)


def test_a_branch_plays_what_the_environment_would_have_played(scene: Scene) -> None:
    envs, actions = started(scene), drawn(scene, 20)
    branch = play_from(envs, envs.get_state(), replay(actions), 20, keep=ALL)
    other = started(scene)
    for t, action in enumerate(actions):
        obs, rewards, _, _, info = other.step(action)
        np.testing.assert_array_equal(branch.rewards[t], rewards)
        np.testing.assert_array_equal(branch.reward_so_far[t + 1], info["return/reward"])
        np.testing.assert_array_equal(branch.observations[t + 1], obs)  # type: ignore[index]
        for name in scene.measures:
            np.testing.assert_array_equal(branch.values[name][t + 1], info[name])


def test_branches_do_not_disturb_the_trunk(scene: Scene) -> None:
    undisturbed, envs, actions = started(scene), started(scene), drawn(scene, 15)
    for action in actions:
        with preserved(envs) as snapshot:
            play_each(envs, snapshot, {"a": replay(drawn(scene, 3)), "b": replay(actions)}, 3)
        expected, found = undisturbed.step(action), envs.step(action)
        for one, other in zip(expected[:4], found[:4], strict=True):
            np.testing.assert_array_equal(one, other)
        assert expected[4].keys() == found[4].keys()
        for name, array in expected[4].items():
            np.testing.assert_array_equal(array, found[4][name])


def test_a_branch_goes_on_from_the_end_of_another(scene: Scene) -> None:
    envs, actions = started(scene), drawn(scene, 20)
    snapshot = envs.get_state()
    whole = play_from(envs, snapshot, replay(actions), 20)
    first = play_from(envs, snapshot, replay(actions), 8)
    rest = play_from(envs, first.end, replay(actions[8:]), 12)
    np.testing.assert_array_equal(whole.rewards, np.concatenate([first.rewards, rest.rewards]))
    np.testing.assert_array_equal(whole.reward_so_far[8:], rest.reward_so_far)


def test_a_recurrent_policy_goes_on_only_with_its_state() -> None:
    scene = load_scene("sweep/train", {"episode_seconds": 4})
    envs, policy = started(scene), remembering()
    snapshot = envs.get_state()
    whole = play_from(envs, snapshot, policy, 20, keep=("actions",))
    first = play_from(envs, snapshot, policy, 8)
    assert whole.actions is not None
    states = {"going on": first.policy_state}
    found = play_each(
        envs, first.end, {"going on": policy, "afresh": policy}, 12, states, keep=("actions",)
    )
    np.testing.assert_array_equal(found["going on"].actions, whole.actions[8:])  # type: ignore[arg-type]
    assert np.abs(found["afresh"].actions - whole.actions[8:]).max() > 1e-3  # type: ignore[operator]
    np.testing.assert_array_equal(found["going on"].policy_state, whole.policy_state)


def test_spliced_simulations_go_on_as_in_the_branches_they_are_from(scene: Scene) -> None:
    envs = started(scene)
    snapshot = envs.get_state()
    policies = {str(seed): replay(drawn(scene, 6, seed=seed)) for seed in range(3)}
    ends = [branch.end for branch in play_each(envs, snapshot, policies, 6).values()]
    then, which = replay(drawn(scene, 9)), np.array([2, 0, 1, 2])
    mixed = play_from(envs, splice_states(ends, which), then, 9, keep=ALL)
    for row, end in enumerate(which):
        alone = play_from(envs, ends[end], then, 9, keep=ALL)
        np.testing.assert_array_equal(mixed.rewards[:, row], alone.rewards[:, row])
        np.testing.assert_array_equal(mixed.poses["qpos"][:, row], alone.poses["qpos"][:, row])
        for name in scene.measures:
            np.testing.assert_array_equal(mixed.values[name][:, row], alone.values[name][:, row])


def test_one_state_is_repeated_for_many_candidates(scene: Scene) -> None:
    """Each of 6 candidates from simulation 2 earns what it earns alone."""
    envs, candidates = started(scene), drawn(scene, 10, n=6)
    snapshot, many = envs.get_state(), started(scene, 6, steps=0)
    found = play_from(many, take_rows(snapshot, np.repeat(2, 6)), replay(candidates), 10, keep=ALL)
    for k in range(6):
        everywhere = replay(np.repeat(candidates[:, k : k + 1], N, 1))
        alone = play_from(envs, snapshot, everywhere, 10, keep=ALL)
        np.testing.assert_array_equal(found.rewards[:, k], alone.rewards[:, 2])
        np.testing.assert_array_equal(found.poses["qpos"][:, k], alone.poses["qpos"][:, 2])
    back = take_rows(found.end, np.array([5]))
    one = play_from(started(scene, 1, steps=0), back, replay(drawn(scene, 5, 1)), 5)
    assert one.reward_so_far[0, 0] == found.reward_so_far[-1, 5]


def test_nothing_is_earned_after_the_end_of_an_episode(scene: Scene) -> None:
    envs = started(scene, steps=10)
    left = scene.episode_steps - 10
    branch = play_from(envs, envs.get_state(), replay(drawn(scene, left + 5)), left + 5)
    assert (branch.lengths == left).all()
    assert not branch.rewards[left:].any()
    for values in branch.values.values():
        assert (values[left:] == values[left]).all()
    over = play_from(envs, branch.end, replay(drawn(scene, 3)), 3)
    assert (over.lengths == 0).all() and not over.rewards.any()


def test_branching_refuses_what_does_not_fit(scene: Scene) -> None:
    envs, policy = started(scene), replay(drawn(scene, 2))
    with pytest.raises(UserError, match="another number"):
        play_from(envs, take_rows(envs.get_state(), np.array([0])), policy, 2)
    with pytest.raises(UserError, match="acts with an array of \\(3, "):
        play_from(envs, envs.get_state(), replay(drawn(scene, 2, n=3)), 2)
    resetting = SandboxVectorEnv(scene, N)
    resetting.reset(seed=1)
    with pytest.raises(ValueError, match="AutoresetMode.DISABLED"):
        play_from(resetting, resetting.get_state(), policy, 2)


def test_what_is_no_snapshot_and_no_number_of_steps_is_told() -> None:
    scene = load_scene("keeper/train", {"episode_seconds": 4})
    envs, actions = started(scene), drawn(scene, 2)
    snapshot = envs.get_state()
    with pytest.raises(UserError, match="or it is damaged"):
        play_from(envs, {}, replay(actions), 2)
    for steps in (-1, 1.5):
        with pytest.raises(UserError, match=rf"^steps is {steps}; it must be"):
            play_from(envs, snapshot, replay(actions), steps)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="^replay: there are actions for 2 steps, and no more"):
        play_from(envs, snapshot, replay(actions), 3)


@pytest.mark.parametrize("rows", [[N], [-1], [0.0], 1, [[0]]])
def test_rows_that_are_not_there_are_refused(rows: Any) -> None:
    snapshot = started(load_scene("keeper/train")).get_state()
    with pytest.raises(
        UserError, match=f"^take_rows: rows must be whole numbers from 0 to {N - 1}"
    ):
        take_rows(snapshot, np.array(rows))
    with pytest.raises(UserError, match="^take_rows: this is no snapshot of an environment of one"):
        take_rows({}, np.array([0]))
    with pytest.raises(UserError, match="^`which` must be whole numbers from 0 to 0"):
        splice_states([snapshot], np.full(N, 1))
