"""Rivals of a reward model, from the same labelled steps: a cloned policy, and a Q function.

Both see what agents observe, and nothing else. The policy clones the actions of the quarter of
episodes with the highest return ("%BC" of Chen et al. 2021, "Decision Transformer"). The Q function
is the mean discounted return that followed an action in the data, and the best of some actions is
taken: one step of improvement on what the data do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.stats import qmc
from torch import Tensor, nn

from sandbox_envs.eval.agents.protocol import Policy
from sandbox_envs.train.process import seeded
from sandbox_envs.train.transitions import Transitions

WIDTH, BATCH, RATE = 256, 256, 1e-3
UPDATES = 3000
SHARE = 0.25  # of episodes that are cloned
GAMMA = 0.98  # per step, as trainers discount
TRIED = 64  # actions of which the best is taken


class _Network(nn.Module):
    """Standardised inputs, two hidden layers."""

    def __init__(self, inputs: Tensor, outputs: int) -> None:
        super().__init__()
        self.mean, self.sd = inputs.mean(0), inputs.std(0).clamp(min=1e-3)
        self.layers = nn.Sequential(
            nn.Linear(inputs.shape[-1], WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, outputs),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        found: Tensor = self.layers(((inputs - self.mean) / self.sd).clamp(-10, 10))
        return found


def cloned(data: Transitions, seed: int, updates: int = UPDATES) -> Policy:
    """The policy that does what the best episodes do."""
    returns = data.rewards.sum(0)
    best = data.taken(np.argsort(-returns)[: max(int(SHARE * len(returns)), 1)])
    observations, actions = _steps(best)
    network = _fitted(observations, actions.clamp(-1, 1), seed, updates)

    def act(seen: Tensor) -> Tensor:
        return network(seen).clamp(-1, 1)

    return _policy(act)


def greedy_on_q(data: Transitions, seed: int, updates: int = UPDATES) -> Policy:
    """The policy that takes the action with the highest Q."""
    observations, actions = _steps(data)
    inputs = torch.cat([observations, actions.clamp(-1, 1)], -1)
    followed = torch.as_tensor(_discounted(data.rewards), dtype=torch.float32).flatten()[:, None]
    scale = followed.std().clamp(min=1e-6)
    network = _fitted(inputs, followed / scale, seed, updates)
    points = qmc.Sobol(actions.shape[-1], seed=0).random(TRIED)
    tried = torch.as_tensor(2 * points - 1, dtype=torch.float32)

    def act(seen: Tensor) -> Tensor:
        pairs = torch.cat([_each(seen, TRIED, 1), _each(tried, len(seen), 0)], -1)
        return tried[network(pairs)[..., 0].argmax(1)]

    return _policy(act)


def _each(rows: Tensor, count: int, axis: int) -> Tensor:
    """Rows (n, size), repeated along a new axis."""
    return rows.unsqueeze(axis).expand(*((-1, count) if axis else (count, -1)), -1)


def _steps(data: Transitions) -> tuple[Tensor, Tensor]:
    """Observations and the actions that followed, in one list."""
    assert data.observations is not None
    seen = torch.as_tensor(data.observations[:-1], dtype=torch.float32)
    return seen.flatten(0, 1), torch.as_tensor(data.actions, dtype=torch.float32).flatten(0, 1)


def _discounted(rewards: np.ndarray) -> np.ndarray:
    """The discounted rewards from each step to the end, (T, n)."""
    found = np.zeros_like(rewards)
    after = np.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        after = found[t] = rewards[t] + GAMMA * after
    return found


def _fitted(inputs: Tensor, wanted: Tensor, seed: int, updates: int) -> _Network:
    """A network by least squares."""
    with seeded(seed):
        network = _Network(inputs, wanted.shape[-1])
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    for done in range(updates):
        optimizer.param_groups[0]["lr"] = RATE * (1 - done / updates)
        rows = torch.randint(len(inputs), (BATCH,), generator=generator)
        loss = (network(inputs[rows]) - wanted[rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.requires_grad_(False)


def _policy(act: Callable[[Tensor], Tensor]) -> Policy:
    def policy(observations: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        with torch.inference_mode():
            return act(torch.as_tensor(observations, dtype=torch.float32)).numpy(), state

    return policy
