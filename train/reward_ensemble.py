"""An ensemble of learned rewards, each the change of a potential less what effort costs.

A member i estimates the reward of a step as P_i(d') - P_i(d) - c_i |a|. Here d is how sums of
sensors have changed since the episode began, before and after the step, and |a| is the mean size
of the action. A potential is given neither a measure nor what lies where at the start, and what it
pays in an episode does not grow with the episode's length.

Members differ in their weights, in the steps that they are trained on (a bootstrap) and in a prior
function, which is random, never trained, and added to each potential (Osband et al. 2018,
"Randomized Prior Functions for Deep Reinforcement Learning"). Where nothing was labelled they
disagree.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sandbox_envs.train.divergence import finite_loss
from sandbox_envs.train.model_files import ModelFiles
from sandbox_envs.train.transitions import Rows

FILES = ModelFiles("reward_model", "train/reward_model.py")
LEAST_SCALE = 1.0  # most sums are counts: one that hardly ever changed counts as it is
EVENT = 1.0  # standard deviations from the mean reward, from which on a step is an event
HELD_OUT = 10  # every so many-th row is not trained on
AT_ONCE = 8192  # rows that are estimated together: millions at once would take gigabytes


class RewardEnsemble(nn.Module):
    """Potentials of `members` members over the changes of some sums."""

    scale: Tensor
    unit: Tensor

    def __init__(
        self,
        sums: Sequence[str],
        members: int = 5,
        hidden_size: int = 64,
        prior_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.sums, self.members, self.prior_scale = tuple(sums), members, prior_scale
        self.learned = _Potentials(members, len(self.sums), hidden_size)
        self.prior = _Potentials(members, len(self.sums), hidden_size).requires_grad_(False)
        self.cost = nn.Parameter(torch.zeros(members))
        self.register_buffer("scale", torch.ones(len(self.sums)))
        self.register_buffer("unit", torch.ones(()))

    @property
    def sizes(self) -> dict[str, Any]:
        """The arguments with which it is made again."""
        return {
            "sums": list(self.sums),
            "members": self.members,
            "hidden_size": self.learned.width,
            "prior_scale": self.prior_scale,
        }

    def potentials(self, changes: Tensor) -> Tensor:
        """Changes of sums (n, sums) or (members, n, sums) -> potentials (members, n)."""
        scaled = changes / self.scale
        return self.unit * (self.learned(scaled) + self.prior_scale * self.prior(scaled))

    def learned_reward(self, before: Tensor, after: Tensor, effort: Tensor) -> Tensor:
        """The learned part of the reward of steps, in `unit`s, (members, n).

        Args:
            before, after: changes of sums since the start, (members, n, sums).
            effort: (members, n).
        """
        after_before = self.learned(torch.cat([after, before], 1) / self.scale)
        paid = after_before[:, : after.shape[1]] - after_before[:, after.shape[1] :]
        return paid - self.cost[:, None] * effort

    @torch.no_grad()
    def prior_paid(self, before: Tensor, after: Tensor) -> Tensor:
        """The prior functions' part of the reward in `unit`s: changes (n, sums) -> (members, n)."""
        paid = self.prior(after / self.scale) - self.prior(before / self.scale)
        return self.prior_scale * paid

    @torch.no_grad()
    def member_potentials(self, changes: np.ndarray) -> np.ndarray:
        """As `potentials`, for changes (..., sums) without gradients: (members, ...)."""
        flat = torch.as_tensor(changes, dtype=torch.float32).reshape(-1, len(self.sums))
        found = torch.cat([self.potentials(part) for part in flat.split(AT_ONCE)], 1)
        return found.double().numpy().reshape(self.members, *changes.shape[:-1])

    @property
    def costs(self) -> np.ndarray:
        """(members,) what a member takes off for an effort of 1."""
        found: np.ndarray = (self.unit * self.cost).detach().double().numpy()
        return found

    def estimate(self, before: np.ndarray, after: np.ndarray, effort: np.ndarray) -> np.ndarray:
        """The reward of steps by each member: (members, ...) of changes (..., sums)."""
        paid = self.member_potentials(after) - self.member_potentials(before)
        return paid - np.multiply.outer(self.costs, effort)


class _Potentials(nn.Module):
    """A network of two hidden layers for each member, 0 where nothing has changed."""

    def __init__(self, members: int, inputs: int, width: int) -> None:
        super().__init__()
        self.width = width
        sizes = [(inputs, width), (width, width), (width, 1)]
        bounds = [1 / math.sqrt(rows) for rows, _ in sizes]  # as nn.Linear draws them
        self.weights = nn.ParameterList(
            torch.empty(members, *size).uniform_(-b, b)
            for size, b in zip(sizes, bounds, strict=True)
        )
        self.biases = nn.ParameterList(
            torch.empty(members, 1, size[1]).uniform_(-b, b)
            for size, b in zip(sizes, bounds, strict=True)
        )

    def forward(self, changes: Tensor) -> Tensor:
        """(n, inputs) or (members, n, inputs) -> (members, n)."""
        members = len(self.weights[0])
        here = self._out(changes.expand(members, *changes.shape[-2:]))
        return here - self._out(changes.new_zeros(members, 1, changes.shape[-1]))

    def _out(self, hidden: Tensor) -> Tensor:
        first, second, last = zip(self.weights, self.biases, strict=True)
        for weight, bias in (first, second):
            hidden = torch.tanh(torch.baddbmm(bias, hidden, weight))
        return torch.baddbmm(last[1], hidden, last[0]).squeeze(-1)


Penalty = Callable[[RewardEnsemble], Tensor]


def fit(
    ensemble: RewardEnsemble,
    rows: Rows,
    updates: int,
    batch_size: int,
    learning_rate: float,
    generator: torch.Generator,
    on_update: Callable[[int, float], object] = lambda _update, _loss: None,
    penalty: Penalty | None = None,
) -> dict[str, float]:
    """Train an ensemble by least squares on the steps of transitions.

    A tenth of the steps is held out, any of them. Half of each batch are events, steps whose reward
    is out of the ordinary, as there are few of them. The learning rate falls linearly to 0.

    Args:
        generator: draws bootstraps and batches.
        on_update: is called with the number of updates done and the loss.
        penalty: added to the loss.

    Returns:
        labels trained on, events among them, and the share of the variance that the members' mean
        explains of held-out rewards: r2.
    """
    data = [torch.as_tensor(part, dtype=torch.float32) for part in vars(rows).values()]
    _, after, _, rewards = data
    ensemble.scale.copy_(after.std(0, correction=0).clamp(min=LEAST_SCALE))
    ensemble.unit.copy_(rewards.abs().max().clamp(min=1e-6))
    is_event = (rewards - rewards.mean()).abs() > EVENT * rewards.std()
    trained = torch.randperm(len(rewards), generator=generator) % HELD_OUT != HELD_OUT - 1
    pools = [
        _bootstrap(torch.nonzero(trained & of_kind)[:, 0], ensemble.members, generator)
        for of_kind in (is_event, ~is_event)
    ]
    pools = [pool for pool in pools if pool.shape[1]]
    left = rewards - ensemble.unit * ensemble.prior_paid(*data[:2])
    parameters = [one for one in ensemble.parameters() if one.requires_grad]
    optimizer = torch.optim.Adam(parameters, learning_rate)
    for done in range(updates):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - done / updates)
        drawn = torch.cat([_drawn(pool, batch_size // len(pools), generator) for pool in pools], 1)
        before, after, effort = (part[drawn] for part in data[:3])
        wrong = (
            ensemble.learned_reward(before, after, effort) - left.gather(1, drawn) / ensemble.unit
        )
        loss = wrong.square().mean() + (penalty(ensemble) if penalty else 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        on_update(done + 1, finite_loss(float(loss.detach())))
    r2 = explained(ensemble, rows, ~trained.numpy())
    return {"labels": int(trained.sum()), "events": int((trained & is_event).sum()), "r2": r2}


def agreement(changes: Tensor, coef: float) -> Penalty:
    """A penalty on the variance over members of what reaching some changes (n, sums) earns."""

    def penalty(ensemble: RewardEnsemble) -> Tensor:
        found = ensemble.potentials(changes) / ensemble.unit
        return coef * found.var(0).mean()

    return penalty


def explained(ensemble: RewardEnsemble, rows: Rows, which: np.ndarray) -> float:
    """The share of the variance of rewards that the members' mean explains; nan without any.

    which: (N,) bool, the rows that count.
    """
    parts = Rows(*(part[which] for part in vars(rows).values()))
    spread = parts.rewards.var() if which.any() else 0.0
    if spread == 0:
        return float("nan")
    found = ensemble.estimate(parts.before, parts.after, parts.effort).mean(0)
    return float(1 - np.square(found - parts.rewards).mean() / spread)


def _bootstrap(which: Tensor, members: int, generator: torch.Generator) -> Tensor:
    """(members, len(which)): for each member as many of some numbers, drawn with replacement."""
    if not len(which):
        return which.expand(members, 0)
    return which[torch.randint(len(which), (members, len(which)), generator=generator)]


def _drawn(pool: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(members, count) of each member's own numbers."""
    return pool.gather(1, torch.randint(pool.shape[1], (len(pool), count), generator=generator))


# --- files -----------------------------------------------------------------------------------


def load_ensemble(folder: Path) -> RewardEnsemble:
    """The reward model of a run of `train/reward_model.py`.

    Raises:
        UserError: this is no such run, or its files are damaged.
    """
    return FILES.read(folder, RewardEnsemble)


def held_out_r2(folder: Path) -> float:
    """The share of the variance of held-out rewards that a run's model explains.

    Raises:
        UserError: this is no run of `train/reward_model.py`.
    """
    return float(FILES.metadata(folder).get("r2", "nan"))


def ensemble_hash(folder: Path) -> str:
    """The first 16 digits of the SHA-256 of a reward model's weights.

    Raises:
        UserError: this is no run of `train/reward_model.py`.
    """
    return FILES.hash(folder)
