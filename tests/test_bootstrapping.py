"""A problem of two states whose values are known, and trainers that must find them exactly.

The states alternate in every step. With gamma 1/2 and the reward 3 in the first state and 0 in the
second, the first is worth 4 and the second 2 for ever; where the episode terminates, what it is
worth follows from the steps that are left. All of it is multiplied by a number that is shown in the
episode's first observation only, so that whoever values a later state must remember it.

Each mistake is then made on purpose, in the source of the trainer, and must be found.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from torch.distributions import Normal

from sandbox_envs.train.trainers import TRAINERS, trainer

GAMMA, LENGTH, SLOTS = 0.5, 3, 6
REWARDS = (3.0, 0.0)
UNKNOWN = 64.0  # what the critic says where nobody may ask it: after a terminal state


def worth(state: int, left: int, terminates: bool) -> float:
    """The discounted sum of the rewards to come, of a state with so many steps left."""
    if not terminates:
        return (4.0, 2.0)[state]
    return REWARDS[state] + GAMMA * worth(1 - state, left - 1, True) if left else 0.0


class TwoStates:
    """`SLOTS` copies of the problem, out of step; episodes of every second one terminate.

    An observation is the state, the number to remember (0 after the first step), the steps left and
    whether the episode will terminate.
    """

    num_envs = SLOTS
    single_observation_space = Box(-np.inf, np.inf, (4,), np.float32)
    single_action_space = Box(-1, 1, (1,), np.float32)

    def __init__(self) -> None:
        self.terminates = np.arange(SLOTS) % 2 == 1
        self.left = 1 + np.arange(SLOTS) % LENGTH
        self.state = (LENGTH - self.left) % 2
        self.number = self.shown = 1.0 + np.arange(SLOTS)

    def reset(self, **_: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """The first episodes; some of them have begun ahead of time."""
        return self.observed(), {}

    def observed(self) -> np.ndarray:
        """The observations, (n, 4)."""
        columns = (self.state, self.shown, self.left, self.terminates)
        return np.stack(columns, 1).astype(np.float32)

    def step(
        self, _: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step; where an episode ends, the next one starts at once."""
        rewards = np.choose(self.state, REWARDS) * self.number
        self.state, self.left, self.shown = 1 - self.state, self.left - 1, np.zeros(SLOTS)
        over, final = self.left == 0, self.observed()
        self.state, self.left = np.where(over, 0, self.state), np.where(over, LENGTH, self.left)
        self.number = np.where(over, self.number % 7 + 1, self.number)
        self.shown = np.where(over, self.number, 0.0)
        info = {"final_obs": final, "_final_obs": over, "final_info": {"return/reward": rewards}}
        ends = over & self.terminates, over & ~self.terminates
        return self.observed(), rewards, *ends, info if over.any() else {}


class Critic:
    """Remembers the sum of the numbers shown in the episode, and knows what states are worth.

    only_last: knows it of the last observations of episodes alone, and says 0 of all others.
    """

    def __init__(self, only_last: bool) -> None:
        self.only_last = only_last

    def initial_state(self, n: int) -> tuple[torch.Tensor]:
        """Nothing was shown yet."""
        return (torch.zeros(1, n, 1),)

    def reset_state(
        self, state: tuple[torch.Tensor], episode_starts: torch.Tensor
    ) -> tuple[torch.Tensor]:
        """Nothing was shown yet in an episode that starts."""
        return (state[0].masked_fill(episode_starts[None, :, None], 0.0),)

    def watch(self, _: TwoStates) -> torch.Tensor:
        """Nothing is predicted."""
        return torch.zeros(SLOTS, 0)

    def act(
        self, obs: torch.Tensor, state: tuple[torch.Tensor]
    ) -> tuple[Normal, torch.Tensor, tuple[torch.Tensor]]:
        """Any action, and what the observed states are worth."""
        remembered = state[0] + obs[None, :, 1:2]
        values = torch.tensor([self.value(*map(int, row)) for row in obs[:, [0, 2, 3]]])
        actions = Normal(torch.zeros(len(obs), 1), torch.ones(len(obs), 1))
        return actions, values * remembered[0, :, 0], (remembered,)

    def value(self, state: int, left: int, terminates: int) -> float:
        """Of a state, for a number of 1."""
        if self.only_last and left:
            return 0.0
        return UNKNOWN if terminates and not left else worth(state, left, bool(terminates))


def rollouts(module: ModuleType, only_last: bool) -> Iterator[Any]:
    """Three in a row, of lengths such that episodes end inside, at the cut, and across it."""
    envs, agent = TwoStates(), Critic(only_last)
    start = module.RolloutState(
        torch.as_tensor(envs.reset()[0]), agent.initial_state(SLOTS), torch.ones(SLOTS).bool()
    )
    for steps in (4, 5, 7):
        data, start = module.rollout(agent, envs, start, steps, torch.Generator())
        yield data


def largest_error(module: ModuleType) -> float:
    """The largest error of a trainer against the known answer."""
    errors = []
    for data in rollouts(module, only_last=False):  # nothing is left to learn
        advantages, returns = module.gae(data, GAMMA, 0.9)
        errors += [advantages.abs().max(), (returns - data.values).abs().max()]
    exact = rollouts(module, only_last=False)
    for data, true in zip(rollouts(module, only_last=True), exact, strict=True):
        _, returns = module.gae(data, GAMMA, 1.0)  # all is learned from the episodes' ends
        ends_later = data.dones.flip(0).cummax(0).values.flip(0)
        errors.append((returns - true.values)[ends_later].abs().max())
    return float(torch.stack(errors).max())


MISTAKES = {
    "time limit taken as terminal": (
        "gamma * data.next_values",
        "gamma * (~data.dones) * data.next_values",
    ),
    "terminal bootstrapped": ("data.next_values[data.terminated] = 0.0", "pass"),
    "terminal not taken as an end": ("terminated | truncated", "truncated"),
    "final observation of the wrong episode": ('info["final_obs"][rows]', "obs[rows]"),
    "final observations in another order": ("torch.cat(obs)", "torch.cat(obs).flip(0)"),
    "next value across an episode's end": (
        "data.next_values[data.dones] = agent.act(final_obs, state)[1]",
        "pass",
    ),
    "advantage across an episode's end": ("(~data.dones[t]) * advantage", "advantage"),
    "hidden state forgotten at a truncation": (
        "(part[:, rows] for part in state)",
        "(0 * part[:, rows] for part in state)",
    ),
    "hidden state kept in the next episode": (
        "state = agent.reset_state(state, next_starts)",
        "pass",
    ),
    "value before the last step of a rollout": (
        "data.next_values[-1] = agent.act(end.next_obs, state)[1]",
        "data.next_values[-1] = data.values[-1]",
    ),
}


def mutated(name: str, right: str, wrong: str) -> ModuleType:
    """A trainer in whose source a piece is replaced."""
    original = trainer(name)
    source = Path(str(original.__file__)).read_text(encoding="utf-8")
    assert source.count(right) == 1, f"{name}.py has changed: where is now {right!r}?"
    module = ModuleType("mutated_trainer")
    module.__file__ = original.__file__
    sys.modules[module.__name__] = module  # dataclasses look themselves up there
    try:
        exec(compile(source.replace(right, wrong), name, "exec"), vars(module))
    finally:
        del sys.modules[module.__name__]
    return module


@pytest.mark.parametrize("name", TRAINERS)
def test_values_of_two_states_are_found_exactly(name: str) -> None:
    assert largest_error(trainer(name)) == 0


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("name", TRAINERS)
def test_each_mistake_of_bootstrapping_is_found(name: str, mistake: str) -> None:
    assert largest_error(mutated(name, *MISTAKES[mistake])) > 0.5
