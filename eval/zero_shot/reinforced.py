"""The comparator: an agent trained by reinforcement on what the games of the table pay.

The algorithm is that of a trainer in train/, as it stands. Its actions are continuous, so the game
takes the option whose number is the largest. An episode is one game, drawn from those of the table,
with its menu in any order; the reward is what is paid at the end.
"""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box

from sandbox_envs.eval.zero_shot.encode import Question
from sandbox_envs.eval.zero_shot.rules import HOLDINGS, KINDS, MOST, Game, Option
from sandbox_envs.progress import progress_bar
from sandbox_envs.train.process import seeded
from sandbox_envs.train.trainers import TRAINERS, trainer, trainer_args

STEPS = 4_000_000  # decisions to train for, some minutes
MEMORYLESS = "mlp"  # the trainer whose name ends so: a decision tells all that matters
PER_OPTION = 2 * KINDS
# found on other games, seed 7: four passes instead of one, nothing else of the defaults but sizes
SETTINGS = {"gamma": 1.0, "num_envs": 256, "num_steps": 16, "update_epochs": 4, "hidden_size": 128}


def observation(one: Question, size: int) -> np.ndarray:
    """(size,) what is told of a decision, as numbers, with options in the order of the menu.

    On a shorter menu than that of training what is missing looks like an option that does nothing.
    """
    at, seen = one.situation, np.zeros(size)
    rules = [_rule(at.game.options[i]) for i in one.options]
    told = np.concatenate([*_state(at.held, at.game.pay, at.left), *rules])
    seen[: len(told)] = told
    return seen


def _state(held: Any, pay: Any, left: Any) -> list[np.ndarray]:
    """Things held, pay-offs and decisions left, scaled: (..., kinds), (..., kinds), (..., 1)."""
    return [np.asarray(held) / MOST, np.asarray(pay) / 3, np.asarray(left)[..., None] / 4]


def _rule(option: Option) -> np.ndarray:
    """(6,) how much is taken and given of each kind; nothing of a sham."""
    changes = (option.takes != option.gives).any()
    return np.concatenate([option.takes, option.gives]) * float(changes)


class GameEnvs:
    """Games side by side, for a trainer: as `sandbox_envs.training_envs.TrainingEnvs` says.

    It has no scenes, so a trainer's `iterate` can be used and not its run folder.
    """

    scenes: Sequence[Any] = ()

    def __init__(self, games: Sequence[Game], num_envs: int) -> None:
        self.games, self.num_envs = list(games), num_envs
        self.options = len(games[0].options)
        size = 2 * KINDS + 1 + self.options * PER_OPTION
        self.single_observation_space = Box(-np.inf, np.inf, (size,), np.float32)
        self.single_action_space = Box(-1, 1, (self.options,), np.float32)
        self._after = np.stack([game.after for game in games])  # (games, options, states)
        self._start = np.array([game.start for game in games])
        self._decisions = np.array([game.decisions for game in games])
        self._pay = np.array([game.pay for game in games], float)
        self._rules = np.array([[_rule(rule) for rule in game.options] for game in games])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a game in each place."""
        self._rng = np.random.default_rng(seed)
        self._game = np.zeros(self.num_envs, int)
        self._state = np.zeros(self.num_envs, int)
        self._left = np.zeros(self.num_envs, int)
        self._order = np.zeros((self.num_envs, self.options), int)
        self._begin(np.arange(self.num_envs))
        return self._observed(), {}

    def _begin(self, rows: np.ndarray) -> None:
        drawn = self._rng.integers(len(self.games), size=len(rows))
        self._game[rows], self._state[rows] = drawn, self._start[drawn]
        self._left[rows] = self._decisions[drawn]
        self._order[rows] = self._rng.random((len(rows), self.options)).argsort(1)

    def _observed(self) -> np.ndarray:
        rules = self._rules[self._game[:, None], self._order].reshape(self.num_envs, -1)
        state = _state(HOLDINGS[self._state], self._pay[self._game], self._left)
        seen = np.concatenate([*state, rules], 1)
        return seen.astype(np.float32)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One decision in each game; a game that is over is followed by another one."""
        rows = np.arange(self.num_envs)
        taken = self._order[rows, actions.argmax(1)]
        self._state = self._after[self._game, taken, self._state]
        self._left -= 1
        over = self._left == 0
        paid = (HOLDINGS[self._state] * self._pay[self._game]).sum(1)
        rewards = np.where(over, paid, 0.0).astype(np.float32)
        info: dict[str, Any] = {}
        if over.any():
            info = {"final_obs": self._observed(), "final_info": {"return": paid}}
            self._begin(np.flatnonzero(over))
        return self._observed(), rewards, over, np.zeros_like(over), info


class Reinforced:
    """A player that was trained on some games."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent

    @torch.no_grad()
    def __call__(self, questions: Sequence[Question]) -> list[np.ndarray]:
        """(answers,) of each question."""
        size = self.agent.observation_size
        rows = np.array([observation(one, size) for one in questions], np.float32)
        distribution, *_ = self.agent.act(
            torch.as_tensor(rows), self.agent.initial_state(len(rows))
        )
        scores = (distribution.mean / distribution.stddev).numpy()
        return [row[: len(one.options)] for row, one in zip(scores, questions, strict=True)]


def trained(games: Sequence[Game], seed: int, steps: int = STEPS) -> Reinforced:
    """A player trained on some games, all with menus of equal length."""
    name = next(name for name in TRAINERS if name.endswith(MEMORYLESS))
    module: ModuleType = trainer(name)
    settings: Mapping[str, Any] = {**SETTINGS, "seed": seed, "total_timesteps": steps}
    args = trainer_args(name, settings)
    envs = GameEnvs(games, args.num_envs)
    generator = torch.Generator().manual_seed(seed)
    with seeded(seed):
        agent = module.Agent(**module.Agent.sizes(envs, args))
    optimizer = torch.optim.Adam(agent.parameters(), args.learning_rate, eps=1e-5)
    state = module.reset_envs(agent, envs, args)
    updates = max(steps // (args.num_envs * args.num_steps), 1)
    for done in progress_bar(range(updates), desc="training", unit="update"):
        optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - done / updates)
        *_, state = module.iterate(agent, optimizer, envs, state, args, generator)
    return Reinforced(agent)
