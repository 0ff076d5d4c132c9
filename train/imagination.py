"""An agent that plans in a learned latent model: it imagines what actions would earn.

A recurrent network (GRU) sums up what was observed and done. From its state a latent model
predicts, action by action and open loop, how sums of sensors will change, the reward, and the
discounted return after that under the policies of the episodes that it learned from. It is the
model of `prediction.py` with two more sums: the return so far, whose change is the reward of a
step, and the return that is still to come, whose mean counts.

At each decision plans are drawn and the best of them refined (the cross-entropy method, as PlaNet
does: Hafner et al. 2019, "Learning Latent Dynamics for Planning from Pixels"), and the best that
was tried is followed. The agent knows neither the physics nor what is hidden, and no policy is
learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sandbox_envs.train.model_files import ModelFiles
from sandbox_envs.train.prediction import HORIZON, STRIDE, SensorModel

FILES = ModelFiles("imagination", "train/imagine.py")
HELD = 2  # steps of the model that the noise of a search is held for
LAYERS = 2  # hidden ones of the latent model
DISCOUNT = 0.98  # of what is earned, in each control step
AT_ONCE = 16  # moments that are planned from together, so that what is computed stays in caches
CLIP = 10.0  # standard deviations beyond which observations are cut


@dataclass(frozen=True)
class Search:
    """Settings of the search for plans at each decision, by the cross-entropy method."""

    samples: int = 128
    """plans that are drawn in each iteration"""
    iterations: int = 3
    """each around the best of the one before"""
    elite: int = 12
    """plans that the next ones are drawn around"""
    sd: float = 0.7
    """standard deviation of actions in the first iteration"""
    least_sd: float = 0.1
    """and at least in the others"""


class Imagination(nn.Module):
    """Observations and actions -> a recurrent state -> what other actions would come to."""

    observation_mean: Tensor
    observation_sd: Tensor

    def __init__(
        self, observation_size: int, action_size: int, sums: Sequence[str], hidden_size: int = 128
    ) -> None:
        super().__init__()
        self.sizes: dict[str, Any] = {
            "observation_size": observation_size,
            "action_size": action_size,
            "sums": list(sums),
            "hidden_size": hidden_size,
        }
        self.encoder = nn.Sequential(
            nn.Linear(observation_size + action_size, hidden_size), nn.Tanh()
        )
        self.memory = nn.GRU(hidden_size, hidden_size)
        self.model = SensorModel(
            hidden_size, action_size, len(sums) + 2, observation_size, hidden_size, LAYERS
        )
        self.register_buffer("observation_mean", torch.zeros(observation_size))
        self.register_buffer("observation_sd", torch.ones(observation_size))

    def normalised(self, observations: Tensor) -> Tensor:
        """Observations (..., size) in standard deviations from their mean in training."""
        scaled = (observations - self.observation_mean) / self.observation_sd
        return scaled.clamp(-CLIP, CLIP)

    def features(
        self, observations: Tensor, actions: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The recurrent state at each moment.

        Args:
            observations: (t, n, size).
            actions: (t, n, actuators) that led to them, 0 where an episode begins.
            state: (1, n, hidden) before them; None where episodes begin.

        Returns:
            (t, n, hidden), and the last one as (1, n, hidden).
        """
        seen = torch.cat([self.normalised(observations), actions.clamp(-1, 1)], -1)
        features, state = self.memory(self.encoder(seen), state)
        return features, state

    @torch.no_grad()
    def imagined(self, features: Tensor, actions: Tensor) -> Tensor:
        """Predicted discounted returns of plans, with the return after their end, (n, samples).

        Args:
            features: (n, hidden) now.
            actions: (steps, n, samples, actuators), each for a step of the model.
        """
        last = self.model.outcome.out_features - 1  # the mean of what is still to come
        parts = zip(features.split(AT_ONCE), actions.split(AT_ONCE, 1), strict=True)
        which = [last // 2 - 1, last]
        outcomes = torch.cat([self.model.forecast(*part, which) for part in parts], 1)
        earned, ahead = outcomes[..., 0], outcomes[-1, ..., 1]
        discount = DISCOUNT ** (STRIDE * torch.arange(len(actions) + 1))
        return torch.tensordot(discount[:-1], earned, 1) + discount[-1] * ahead


class Mind(NamedTuple):
    """An imagining policy's memory of n episodes."""

    state: Tensor
    """(1, n, hidden) of the recurrent network"""
    action: np.ndarray
    """(n, actuators) last done"""
    plan: Tensor
    """(steps, n, actuators) of the last decision"""
    step: int
    """control steps done"""


class ImaginingPolicy:
    """(observations, state) -> (actions, state): plans anew every `STRIDE` control steps.

    Noise of the search is a function of the decision's number, so that an episode does not depend
    on how many are played at a time.
    """

    def __init__(self, imagination: Imagination, search: Search = Search()) -> None:
        self.imagination, self.search = imagination, search

    def __call__(self, observations: np.ndarray, mind: Mind | None) -> tuple[np.ndarray, Mind]:
        """Actions (n, actuators), and what is remembered."""
        n, actuators = len(observations), self.imagination.sizes["action_size"]
        if mind is None:
            hidden = torch.zeros(1, n, self.imagination.sizes["hidden_size"])
            blank = torch.zeros(HORIZON, n, actuators)
            mind = Mind(hidden, np.zeros((n, actuators), np.float32), blank, 0)
        with torch.no_grad():
            seen = torch.as_tensor(observations, dtype=torch.float32)[None]
            done = torch.as_tensor(mind.action, dtype=torch.float32)[None]
            features, hidden = self.imagination.features(seen, done, mind.state)
            plan = mind.plan
            if mind.step % STRIDE == 0:
                later = torch.cat([plan[1:], plan[-1:]]) if mind.step else plan
                plan = self._decided(features[0], later, mind.step // STRIDE)
        action = plan[0].numpy()
        return action, Mind(hidden, action, plan, mind.step + 1)

    def _decided(self, features: Tensor, mean: Tensor, decision: int) -> Tensor:
        """The best plan that was tried, (steps, n, actuators)."""
        generator = torch.Generator().manual_seed(decision)
        search, sd = self.search, torch.full_like(mean, self.search.sd)
        best, most = mean, torch.full((mean.shape[1],), -torch.inf)
        steps, _, actuators = mean.shape
        for _ in range(search.iterations):
            shape = (-(-steps // HELD), 1, search.samples, actuators)
            noise = torch.randn(shape, generator=generator).repeat_interleave(HELD, 0)[:steps]
            noise[:, :, 0] = 0  # what the others are drawn around is tried, too
            tried = (mean[:, :, None] + sd[:, :, None] * noise).clamp(-1, 1)
            worth, order = self.imagination.imagined(features, tried).sort(1, descending=True)
            index = order[None, :, : search.elite, None].expand(steps, -1, -1, actuators)
            elite = tried.gather(2, index)
            better = worth[:, 0] > most
            best = torch.where(better[:, None], elite[:, :, 0], best)
            most = worth[:, 0].maximum(most)
            mean, sd = elite.mean(2), elite.std(2).clamp(min=search.least_sd)
        return best


def load_imagination(folder: Path) -> Imagination:
    """The model of a run of `train/imagine.py`.

    Raises:
        UserError: this is no such run, or its files are damaged.
    """
    return FILES.read(folder, Imagination)
