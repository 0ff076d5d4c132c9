"""A model that predicts what sensors add up to, a few seconds ahead, from an agent's features.

It is given the agent's features at a moment and the actions that follow, each held for `STRIDE`
control steps, and predicts how every sum of sensors will change and what its mean will be, step by
step and without looking again; and what will be observed. It knows neither the reward nor any
measure. Agents learn it beside their task (`--aux-coef`), and `ppo_planner` plans with it.
"""

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

STRIDE = 4  # control steps of one step of the model: 0.2 s at 20 Hz
HORIZON = 8  # steps of the model that are learned and planned
APART = 8  # control steps between the moments of a rollout that it is learned from
LEAST_VAR = 1e-4  # so that what hardly ever happens in training does not count for too much
LATENT = 64  # width of its state and of its hidden layer, unless given


class Predicted(NamedTuple):
    """Step-by-step predictions from some moments of a rollout on."""

    outcomes: Tensor
    """(steps, moments, n, 2 sums), standardised"""
    states: Tensor
    """(steps, moments, n, latent), after each step"""
    times: Tensor
    """(steps, moments, 4): the control steps of each"""
    alive: Tensor
    """(steps, moments, n) bool, where the episode has not ended yet"""


class SensorModel(nn.Module):
    """Predicts from features, action by action.

    Outcomes are, for each sum, its change over a step and its mean in it; both are standardised by
    statistics that are buffers of the model.
    """

    outcome_mean: Tensor
    outcome_var: Tensor
    outcome_count: Tensor

    def __init__(
        self,
        features: int,
        action_size: int,
        sums: int,
        observation_size: int,
        latent: int = LATENT,
        layers: int = 1,
    ) -> None:
        """latent: the width of its state and of its `layers` hidden layers."""
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(features, latent), nn.Tanh())
        widths = [latent + action_size, *[latent] * layers]
        hidden = [(nn.Linear(a, b), nn.Tanh()) for a, b in pairwise(widths)]
        self.hidden = nn.Sequential(*chain(*hidden))
        self.change, self.outcome = nn.Linear(latent, latent), nn.Linear(latent, 2 * sums)
        self.observation = nn.Linear(latent, observation_size)
        self.register_buffer("outcome_mean", torch.zeros(2 * sums))
        self.register_buffer("outcome_var", torch.ones(2 * sums))
        self.register_buffer("outcome_count", torch.tensor(1e-4, dtype=torch.float64))

    def forward(self, features: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Features (..., size) and actions (steps, ..., size) that follow.

        Returns:
            Outcomes of each step, (steps, ..., 2 sums), and the state after it, as (steps, ...).
        """
        state, outcomes, states = self.encoder(features), [], []
        for action in actions:
            hidden = self.hidden(torch.cat([state, action], -1))
            state = state + self.change(hidden)
            outcomes.append(self.outcome(hidden))
            states.append(state)
        return torch.stack(outcomes), torch.stack(states)

    @torch.no_grad()
    def forecast(self, features: Tensor, actions: Tensor, which: Sequence[int]) -> Tensor:
        """Some outcomes of many plans from the same moments, in their own units.

        They are those of `forward`, up to rounding. The state itself is never computed: what it
        contributes to the hidden layer, being linear in it, is carried on instead.

        Args:
            features: (n, size) of each moment.
            actions: (steps, n, plans, actuators) that follow.
            which: the numbers of the outcomes.

        Returns:
            (steps, n, plans, outcomes).
        """
        first, latent = self.hidden[0], self.change.in_features
        assert isinstance(first, nn.Linear)
        of_state, of_action = first.weight.split([latent, first.in_features - latent], 1)
        change, shift = of_state @ self.change.weight, of_state @ self.change.bias
        weight, bias = self.outcome.weight[which], self.outcome.bias[which]
        contributed = linear(self.encoder(features), of_state, first.bias)[:, None]
        outcomes = []
        for step, action in enumerate(actions):
            hidden = self.hidden[1:](contributed + linear(action, of_action))
            outcomes.append(linear(hidden, weight, bias))
            if step < len(actions) - 1:
                contributed = contributed + linear(hidden, change, shift)
        scale = torch.sqrt(self.outcome_var[which] + LEAST_VAR)
        return torch.stack(outcomes) * scale + self.outcome_mean[which]

    def loss(
        self,
        features: Tensor,
        actions: Tensor,
        sums: Tensor,
        observations: Tensor,
        dones: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Mean squared error of what was predicted open loop on the actions that were taken.

        Args:
            features: (t, n, features) of a rollout.
            actions: (t, n, actions) taken.
            sums: (t + 1, n, sums) before each step, and after the last.
            observations: (t, n, size), normalised.
            dones: (t, n) bool, where the episode ended with the step; nothing is predicted beyond.
            weights: (2 sums,) of the outcomes' errors; None weighs all alike.
        """
        if len(actions) < STRIDE:
            return features.new_zeros(())
        predicted = self._open_loop(features, actions, dones)
        errors = self._squared_errors(predicted, sums)
        wrong = _mean(errors if weights is None else errors * weights, predicted.alive)
        after = predicted.times[..., -1] + 1
        observed = torch.cat([observations, observations[-1:]])[after]  # the last one is not known
        known = predicted.alive & (after < len(actions))[..., None]
        return wrong + _mean((self.observation(predicted.states) - observed).square(), known)

    @torch.no_grad()
    def errors(self, features: Tensor, actions: Tensor, sums: Tensor, dones: Tensor) -> Tensor:
        """Root mean squared error of each outcome, in standard deviations in training, (2 sums,).

        The arguments are those of `loss`.
        """
        predicted = self._open_loop(features, actions, dones)
        return self._squared_errors(predicted, sums)[predicted.alive].mean(0).sqrt()

    def _open_loop(self, features: Tensor, actions: Tensor, dones: Tensor) -> "Predicted":
        steps = min(HORIZON, len(actions) // STRIDE)
        starts = torch.arange(0, len(actions) - steps * STRIDE + 1, APART, device=dones.device)
        times = starts[:, None] + torch.arange(steps * STRIDE, device=dones.device)
        times = times.unflatten(1, (steps, STRIDE)).movedim(1, 0)
        outcomes, states = self(features[starts], actions.clamp(-1, 1)[times].mean(2))
        alive = ~dones[times].any(2).cummax(0).values
        return Predicted(outcomes, states, times, alive)

    def _squared_errors(self, predicted: "Predicted", sums: Tensor) -> Tensor:
        wanted = self.standardised(_outcomes(sums))[predicted.times[..., 0]]
        return (predicted.outcomes - wanted).square()

    @torch.no_grad()
    def observe_outcomes(self, sums: Tensor, dones: Tensor) -> None:
        """Update the outcomes' running mean and variance with a rollout's (Chan et al. 1979)."""
        ended = dones.unfold(0, STRIDE, 1).any(-1) if len(dones) >= STRIDE else dones[:0]
        outcomes = _outcomes(sums)[: len(ended)][~ended]
        if not len(outcomes):
            return
        var, mean = torch.var_mean(outcomes, 0, correction=0)
        total = self.outcome_count + len(outcomes)
        share = (len(outcomes) / total).to(var.dtype)
        delta = mean - self.outcome_mean
        self.outcome_var.mul_(1 - share).add_(share * (var + (1 - share) * delta.square()))
        self.outcome_mean.add_(share * delta)
        self.outcome_count.copy_(total)

    def standardised(self, outcomes: Tensor) -> Tensor:
        """Outcomes (..., 2 sums) in standard deviations from their mean in training."""
        return (outcomes - self.outcome_mean) * torch.rsqrt(self.outcome_var + LEAST_VAR)

    def restored(self, outcomes: Tensor) -> Tensor:
        """The inverse of `standardised`."""
        return outcomes * torch.sqrt(self.outcome_var + LEAST_VAR) + self.outcome_mean


def _outcomes(sums: Tensor) -> Tensor:
    """Changes and means of sums (t + 1, n, k) over a step from each time on: (t - 3, n, 2 k)."""
    changes = sums[STRIDE:] - sums[:-STRIDE]
    means = sums[1:].unfold(0, STRIDE, 1).mean(-1)
    return torch.cat([changes, means], -1)


def _mean(errors: Tensor, kept: Tensor) -> Tensor:
    """The mean of errors (..., n, k) over those that are kept (..., n) bool; 0 of none."""
    return (errors.mean(-1) * kept).sum() / kept.sum().clamp(min=1)


def outcome_names(sums: Sequence[str]) -> list[str]:
    """The names of the outcomes of some sums, in order."""
    return [f"change of {name}" for name in sums] + [f"mean of {name}" for name in sums]
