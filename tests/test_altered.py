"""Policies made of other policies, in the keeper's scenes, where a script's goal is known."""

from collections.abc import Callable

import numpy as np
import pytest
from conftest import shipped

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.reflexes import reflexes, replaying
from sandbox_envs.eval.agents.scripted import keeper
from sandbox_envs.eval.baselines.altered import (
    delayed,
    noisy,
    resting_outside,
    with_held,
)
from sandbox_envs.eval.rollouts.episodes import Episodes, play

SCENE = "keeper/train"
INTENDED = keeper.SCRIPTS["intended"]


def played(factory: PolicyFactory, episodes: int = 32, first: int = 0) -> Episodes:
    return play(shipped(SCENE), factory, episodes, first=first, keep=("actions",))


def reward(factory: PolicyFactory) -> float:
    return float(played(factory).returns("reward").mean())


def test_the_reward_falls_with_the_noise_and_with_the_delay() -> None:
    alone = reward(INTENDED)
    assert reward(noisy(INTENDED, 0.0)) == reward(delayed(INTENDED, 0)) == alone
    assert alone > reward(noisy(INTENDED, 1.5)) > reward(noisy(INTENDED, 3.0))
    assert alone > reward(delayed(INTENDED, 4)) > reward(delayed(INTENDED, 12))


def test_noise_of_an_episode_does_not_depend_on_how_many_are_played() -> None:
    factory = noisy(INTENDED, 0.5, seed=3)
    together, alone = played(factory, 4), played(factory, 1, first=2)
    np.testing.assert_array_equal(together.actions[:, 2], alone.actions[:, 0])  # type: ignore[index]
    other = played(noisy(INTENDED, 0.5, seed=4), 4)
    assert not np.array_equal(together.actions, other.actions)  # type: ignore[arg-type]


def test_actions_come_late_by_as_many_steps_as_said() -> None:
    def counting(_envs: SandboxVectorEnv) -> Policy:
        def policy(obs: np.ndarray, step: int | None) -> tuple[np.ndarray, int]:
            step = step or 0
            return np.full((len(obs), shipped(SCENE).model.nu), step / 100), step + 1

        return policy

    actions = played(delayed(counting, 3), 1).actions
    assert actions is not None
    np.testing.assert_allclose(actions[:3], 0, atol=1e-12)
    np.testing.assert_allclose(actions[3:, 0, 0], np.arange(len(actions) - 3) / 100)


def test_held_columns_are_all_that_a_policy_does_not_see() -> None:
    seen: list[np.ndarray] = []

    def watching(_envs: SandboxVectorEnv) -> Policy:
        def policy(obs: np.ndarray, state: object) -> tuple[np.ndarray, object]:
            seen.append(obs)
            return np.zeros((len(obs), shipped(SCENE).model.nu)), state

        return policy

    played(watching, 2)
    plain = np.stack(seen)
    seen.clear()
    played(with_held(watching, [1, 2], np.array([0.5, 0.25])), 2)
    held = np.stack(seen)
    assert (held[..., 1] == 0.5).all() and (held[..., 2] == 0.25).all()
    np.testing.assert_array_equal(np.delete(held, (1, 2), -1), np.delete(plain, (1, 2), -1))


def test_tape_is_played_in_every_episode_and_begins_again_at_its_end() -> None:
    tape = np.linspace(-1, 1, 7 * shipped(SCENE).model.nu).reshape(7, -1)
    actions = played(replaying(tape[:, None]), 3).actions
    assert actions is not None
    for episode in range(3):
        np.testing.assert_array_equal(actions[:7, episode], tape)
        np.testing.assert_array_equal(actions[7:14, episode], tape)


@pytest.mark.parametrize("make", [lambda f: f, lambda f: resting_outside(f, ["keeper/train"])])
def test_resting_agent_acts_only_in_its_scenes(
    make: Callable[[PolicyFactory], PolicyFactory],
) -> None:
    factory = make(reflexes(shipped(SCENE))["straight ahead"])
    moved = []
    for name in ("keeper/train", "keeper/wide"):
        episodes = play(shipped(name), factory, 1, keep=("poses",))
        moved.append(np.abs(np.diff(episodes.poses["qpos"][:, 0, :2], axis=0)).sum())
    assert moved[0] > 0.1
    assert (moved[1] > 0.1) == (make(factory) is factory)
