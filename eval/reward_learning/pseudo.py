"""Pseudo-inputs: changes of sums about which members disagree, whether or not they can be reached.

They are found by gradient ascent inside the ball that holds 99 % of the changes in training, by the
Mahalanobis distance. Nobody can label them. Either members are trained to agree there, or the
nearest change that can be reached is searched for, and labelled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sandbox_envs.eval.reward_learning.choosing import searched
from sandbox_envs.eval.reward_learning.search import Objective
from sandbox_envs.eval.reward_learning.spaces import Starts
from sandbox_envs.train.reward_ensemble import RewardEnsemble
from sandbox_envs.train.transitions import Rows, Transitions, side_by_side

SHARE = 0.99  # of the changes in training that are inside the ball
LEAST_SD = 0.1  # of a sum that hardly changes in training: one count is ten deviations
ASCENT, RATE = 100, 0.1  # steps of gradient ascent, and their size in standard deviations


@dataclass(frozen=True)
class Ball:
    """The ball that holds 99 % of the changes of sums in training, by the Mahalanobis distance."""

    mean: np.ndarray
    """(sums,)"""
    whitening: np.ndarray
    """(sums, sums): changes less the mean, times this, are in standard deviations"""
    radius: float
    """the distance within which 99 % of the changes in training lie"""

    @classmethod
    def of(cls, rows: Rows) -> "Ball":
        """The ball of the changes in some rows."""
        mean = rows.after.mean(0).astype(float)
        covariance = np.cov(rows.after.T.astype(float)) + LEAST_SD**2 * np.eye(len(mean))
        whitening = np.linalg.cholesky(np.linalg.inv(covariance))
        distances = np.linalg.norm((rows.after - mean) @ whitening, axis=1)
        return cls(mean, whitening, float(np.quantile(distances, SHARE)))

    def distance(self, changes: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The Mahalanobis distance between changes (..., sums) and others (..., sums)."""
        found: np.ndarray = np.linalg.norm((changes - others) @ self.whitening, axis=-1)
        return found


def pseudo_inputs(
    ensemble: RewardEnsemble, ball: Ball, rows: Rows, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Changes inside the ball about which members disagree, (count, sums).

    The ascent begins at changes in training.
    """
    began = rows.after[rng.integers(len(rows.after), size=count)]
    back = torch.as_tensor(np.linalg.inv(ball.whitening), dtype=torch.float32)
    mean = torch.as_tensor(ball.mean, dtype=torch.float32)
    at = torch.as_tensor((began - ball.mean) @ ball.whitening, dtype=torch.float32)
    at = _inside(at, ball.radius)
    for _ in range(ASCENT):
        at.requires_grad_(True)
        spread = ensemble.potentials(at @ back + mean).var(0)
        (slope,) = torch.autograd.grad(spread.sum(), at)
        step = RATE * slope / slope.norm(dim=-1, keepdim=True).clamp(min=1e-9)
        at = _inside((at + step).detach(), ball.radius)
    found: np.ndarray = (at @ back + mean).numpy()
    return found


def realised(
    pseudo: np.ndarray,
    ball: Ball,
    names: tuple[str, ...],
    starts: Starts,
    count: int,
    rng: np.random.Generator,
) -> tuple[Transitions, np.ndarray]:
    """Segments that come nearest to pseudo-inputs, and how near: rho, (pseudo-inputs,).

    Rho is the least Mahalanobis distance of a change that was reached from the pseudo-input; below
    1 it counts as realisable.

    Args:
        count: of segments in all, shared out evenly over the pseudo-inputs.
    """
    parts = []
    shares = np.diff(np.linspace(0, count, len(pseudo) + 1).round().astype(int))
    for one, share in zip(pseudo, shares, strict=True):
        if share:
            parts.append(searched(_nearness(one, ball), names, starts, int(share), rng))
    nearest = [[-_nearness(one, ball)(part).max() for part in parts] for one in pseudo]
    return side_by_side(parts), np.min(nearest, axis=1)


def realisability(rhos: Sequence[float]) -> dict[str, float]:
    """Summarise distances: their median, and the share below 1."""
    return {"rho": float(np.median(rhos)), "below_1": float(np.mean(np.less(rhos, 1)))}


def _nearness(wanted: np.ndarray, ball: Ball) -> Objective:
    """Minus the least distance of a change that a segment reaches, (n,), as an objective."""

    def of(segments: Transitions) -> np.ndarray:
        found: np.ndarray = -ball.distance(segments.sums - segments.sums[0], wanted).min(0)
        return found

    return of


def _inside(at: torch.Tensor, radius: float) -> torch.Tensor:
    """Whitened changes, drawn back to the ball's surface where they are outside."""
    return at * (radius / at.norm(dim=-1, keepdim=True).clamp(min=1e-9)).clamp(max=1.0)
