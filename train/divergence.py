"""Detection of diverged trainings: numbers that are not finite, and unstable episodes.

What is not finite never recovers: every later number becomes the same, the saved policy too. So a
training ends there, in a sentence that says when, why, and what to change.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from sandbox_envs.errors import UserError

HUGE = 1e6  # rewards beyond it are the likely reason
ENOUGH = 64  # episodes from which a share of unstable ones is told
RUINED = 1e3  # times the loss of an untrained model, at least 1: what no training mends
NOTABLE, HOPELESS = 0.1, 0.95  # shares of unstable episodes: worth a note, and the end


class DivergedError(UserError):
    """A training cannot go on; the message says why, and what to change."""


def finite(observations: np.ndarray) -> np.ndarray:
    """The same observations (n, size), which must be finite.

    Raises:
        DivergedError: they are not, and where.
    """
    if not np.isfinite(observations).all():
        _, number = np.argwhere(~np.isfinite(observations))[0]
        raise DivergedError(
            f"number {number} of the observation is not finite (counted from 0); look at the "
            "scene's text 'observe', and at what it measures"
        )
    return observations


def check_learning(
    agent: torch.nn.Module, rewards: torch.Tensor, losses: Mapping[str, float]
) -> None:
    """Raise DivergedError if an update left losses or weights that are not finite.

    rewards: of the rollout that the agent learned from.
    """
    wrong = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
    if not wrong and are_finite(agent.state_dict()):
        return
    largest = float(rewards.abs().max())
    if largest > HUGE:
        advice = f"rewards are as large as {largest:.3g}; scale the reward down"
    else:
        advice = "the steps of the optimiser were probably too large; lower --learning-rate"
    raise DivergedError(f"{(wrong or ['a weight is not finite'])[0]}; {advice}")


def are_finite(tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether all numbers are finite: where one is not, the sum is not, and it is cheaper."""
    return all(math.isfinite(tensor.sum()) for tensor in tensors.values())


def unstable_share(episodes: Sequence[Mapping[str, float]]) -> float:
    """The share of episodes that became unstable; 0 where too few have ended to tell."""
    if len(episodes) < ENOUGH:
        return 0.0
    return float(np.mean([episode["unstable"] for episode in episodes]))


def check_stable(episodes: Sequence[Mapping[str, float]]) -> None:
    """Raise DivergedError if nearly all of some recent episodes became unstable."""
    share = unstable_share(episodes)
    if share >= HOPELESS:
        raise DivergedError(
            f"{share:.0%} of the last {len(episodes)} episodes were unstable, so there is nothing "
            "to learn from; make the scene's timestep shorter, or its actuators weaker"
        )


def check_loss(first: float, last: float) -> None:
    """Raise DivergedError if a loss of supervised training rose far above what it was at first."""
    if not last <= RUINED * max(first, 1):
        raise DivergedError(f"the loss rose from {first:.3g} to {last:.3g}; lower --learning-rate")


def finite_loss(loss: float) -> float:
    """A loss of supervised training as it is; raises DivergedError if it is not finite."""
    if not math.isfinite(loss):
        raise DivergedError("the loss is not finite; lower --learning-rate")
    return loss
