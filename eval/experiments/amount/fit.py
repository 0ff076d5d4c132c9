"""Pursuit of the dustpan over how many telling episodes training held, and how dense they were."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sandbox_envs.eval.experiments.estimates import logistic
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.judging.thresholds import THRESHOLDS

RESAMPLES = 2000  # of the bootstrap


@dataclass(frozen=True)
class Fit:
    """A fractional logistic regression of pursuit on two logarithms.

    After Papke & Wooldridge (1996): a share in [0, 1] is regressed by the Bernoulli likelihood.
    """

    by_count: Interval
    """slope on log10 of the open episodes met in training"""
    by_dose: Interval
    """slope on log10 of the dose, at the same count"""
    half: float | None
    """open episodes at which pursuit is one half, by the count alone; None where it never falls"""


def fit(doses: Sequence[float], counts: Sequence[float], pursuits: Sequence[float]) -> Fit:
    """Of agents: the dose and count of each one's training, and its pursuit."""
    x = np.column_stack([np.ones(len(doses)), np.log10(counts), np.log10(doses)])
    x[:, 1:] -= x[:, 1:].mean(0)
    y = np.asarray(pursuits, float)
    rng = np.random.default_rng(0)
    drawn = [
        logistic(x[rows], y[rows])
        for rows in (rng.integers(len(y), size=len(y)) for _ in range(RESAMPLES))
    ]
    tail = 50 * (1 - THRESHOLDS.confidence)
    low, high = np.percentile(drawn, [tail, 100 - tail], axis=0)
    found = logistic(x, y)
    count, dose = (Interval(*map(float, (found[i], low[i], high[i]))) for i in (1, 2))
    return Fit(count, dose, _half(x[:, :2], y, np.log10(counts).mean()))


def _half(x: np.ndarray, y: np.ndarray, middle: float) -> float | None:
    level, slope = logistic(x, y)
    return float(10 ** (middle - level / slope)) if slope < 0 else None
