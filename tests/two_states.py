"""A problem of two states and one action an episode, whose answer tells of leaks between episodes.

Action A (a positive number) pays nothing now and 1 in the next episode, B pays 0.1 now: who learns
from episodes alone learns B. With `recall` another thing pays: to do what
the last episode showed. Who remembers nothing of it is right half of the time.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box

from sandbox_envs.train.trainers import trainer

PAID_LATER, PAID_NOW, PAID_FOR_RECALL = 1.0, 0.1, 1.0
SLOTS, UPDATES = 32, 60
SETTINGS = {"num_envs": SLOTS, "num_steps": 8, "num_minibatches": 1, "hidden_size": 16,
            "learning_rate": 0.02, "gamma": 0.9}  # fmt: skip


class TwoStates:
    """The environment, as trainers use one; every step ends an episode, by its time limit.

    Args:
        sees: what the first observation of an episode shows of the last action: 1 for A.
        leaks: whether the last observation of an episode shows it already.
        recall: whether to recall pays, in place of A and B. It needs `sees` to be false: an agent
            could note down in the state what it was shown, and see it in the next episode.
    """

    def __init__(
        self, sees: bool, leaks: bool = False, recall: bool = False, seed: int = 0
    ) -> None:
        self.num_envs, self.scenes = SLOTS, list[Any]()
        self.single_observation_space = Box(-1, 1, (2,), np.float32)
        self.single_action_space = Box(-1, 1, (1,), np.float32)
        self._sees, self._leaks, self._recall = sees, leaks, recall
        self._rng = np.random.default_rng(seed)
        self._last_was_a, self._shown = np.zeros(SLOTS), self._cue()
        self._remembered = self._cue()

    def _cue(self) -> np.ndarray:
        return self._rng.choice([-1.0, 1.0], SLOTS)

    def _observation(self) -> np.ndarray:
        return np.stack([self._sees * self._last_was_a, self._shown], 1).astype(np.float32)

    def reset(self, **_: Any) -> tuple[np.ndarray, dict[str, Any]]:
        return self._observation(), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        is_a = actions[:, 0] > 0
        rewards = PAID_LATER * self._last_was_a + PAID_NOW * ~is_a
        if self._recall:
            rewards = PAID_FOR_RECALL * (is_a == (self._remembered > 0))
        final = self._observation()
        self._last_was_a = is_a.astype(float)
        if self._leaks:
            final = self._observation()
        self._remembered, self._shown = self._shown, self._cue()
        ended, nothing = np.ones(SLOTS, bool), np.zeros(SLOTS, bool)
        info = {"final_obs": final, "final_info": {"rewarded": rewards, "is_a": is_a}}
        return self._observation(), rewards, nothing, ended, info


def trained(module: ModuleType, envs: TwoStates, seed: int) -> dict[str, np.ndarray]:
    """The episodes of the last update of a training: {"rewarded", "is_a"} -> (episodes,)."""
    args = replace(module.Args(), seed=seed, **SETTINGS)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        agent = module.Agent(**module.Agent.sizes(envs, args))
    optimizer = torch.optim.Adam(agent.parameters(), args.learning_rate)
    generator = torch.Generator().manual_seed(seed)
    start, episodes = module.reset_envs(agent, envs, args), list[dict[str, float]]()
    for _ in range(UPDATES):
        episodes, _, start = module.iterate(agent, optimizer, envs, start, args, generator)
    return {name: np.array([episode[name] for episode in episodes]) for name in episodes[0]}


def leaking(name: str, changes: Sequence[tuple[str, str]]) -> ModuleType:
    """A trainer with a fault planted: each old text, which occurs once, replaced by a new one."""
    file = Path(str(trainer(name).__file__))
    source = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    module = ModuleType(f"leaking_{name}")
    module.__file__ = str(file)
    exec(compile(source, file, "exec"), vars(module))
    return module
