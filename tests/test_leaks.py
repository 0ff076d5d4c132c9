"""Nothing flows from one episode into the next in any trainer, and each leak would be noticed.

Each leak is planted in a trainer's own source, or in what the environment shows, and must change
the answer of the two states.
"""

from types import ModuleType

import numpy as np
import pytest
from two_states import TwoStates, leaking, trained

from sandbox_envs.train.trainers import TRAINERS, trainer

# the planner needs sensors; it remembers as ppo_lstm does, and what learns is the same in all
WITH_MEMORY = [name for name in TRAINERS if name not in ("ppo_mlp", "ppo_planner")]
OVER_THE_END = [("gae_lambda * (~data.dones[t]) * advantage", "gae_lambda * advantage")]
NEXT_EPISODES_VALUE = [
    ("        data.next_values[data.dones] = agent.act(final_obs, state)[1]\n", "")
]
STATE_KEPT = [
    ("        state = agent.reset_state(state, next_starts)\n", ""),
    ("data.episode_starts[t] = next_obs, next_starts", "data.episode_starts[t] = next_obs, False"),
]


def share_of_b(module: ModuleType, seed: int, **problem: bool) -> float:
    return 1 - trained(module, TwoStates(seed=seed, **problem), seed)["is_a"].mean()


@pytest.mark.parametrize(
    ("name", "sees", "seeds"),
    [("ppo_mlp", True, 5), ("ppo_mlp", False, 1), ("ppo_lstm", True, 1)],
)
def test_trainers_learn_what_pays_within_the_episode(name: str, sees: bool, seeds: int) -> None:
    assert min(share_of_b(trainer(name), seed, sees=sees) for seed in range(seeds)) >= 0.95


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        # the critic would explain the advantage away if it saw the state
        (OVER_THE_END, {"sees": False}),
        (NEXT_EPISODES_VALUE, {"sees": True}),
        ([], {"sees": True, "leaks": True}),
    ],
    ids=["advantage over the end", "value of the next episode", "next state in the last one"],
)
def test_leak_between_episodes_makes_a_trainer_act_for_the_next_one(
    changes: list[tuple[str, str]], problem: dict[str, bool]
) -> None:
    module = leaking("ppo_mlp", changes)
    assert max(share_of_b(module, seed, **problem) for seed in range(2)) <= 0.5


@pytest.mark.parametrize("name", WITH_MEMORY)
def test_agents_remember_nothing_of_the_last_episode(name: str) -> None:
    earned = trained(trainer(name), TwoStates(sees=False, recall=True), 0)["rewarded"]
    assert abs(earned.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(earned))


def test_state_that_is_kept_would_be_noticed() -> None:
    module = leaking("ppo_lstm", STATE_KEPT)
    earned = trained(module, TwoStates(sees=False, recall=True), 0)["rewarded"]
    assert earned.mean() > 0.8
