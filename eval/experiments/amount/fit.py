"""Pursuit of the dustpan as a function of the number and share of disambiguating episodes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sandbox_envs.eval.experiments.estimates import NEVER, logistic, resampled
from sandbox_envs.eval.judging.statistics import Interval, percentile_interval
from sandbox_envs.eval.judging.thresholds import THRESHOLDS


@dataclass(frozen=True)
class Fit:
    """A fractional logistic regression of pursuit on two logarithms.

    After Papke & Wooldridge (1996): a share in [0, 1] is regressed by the Bernoulli likelihood.
    """

    by_count: Interval
    """slope on log10 of the open episodes met in training"""
    by_dose: Interval
    """slope on log10 of the dose, at the same count"""
    half: Interval
    """log10 of the open episodes at which pursuit is one half, by the count alone; NEVER where it
    does not fall"""


Pans = Mapping[tuple[float, float], np.ndarray]  # dose, count -> (agents,) the dustpan's scores


def fit(pans: Pans, low: np.ndarray, high: np.ndarray) -> Fit:
    """Fit, with percentile bootstraps over the agents of each arm and of both scales.

    Args:
        pans: the scores of the dustpan in every arm.
        low: (agents,) scores of agents that always met the open planter: their mean is pursuit 0.
        high: (agents,) scores of agents trained on the dustpan: their mean is pursuit 1.
    """
    sizes = [len(one) for one in pans.values()]
    x = np.repeat([[1, np.log10(count), np.log10(dose)] for dose, count in pans], sizes, axis=0)
    middle = x[:, 1:].mean(0)
    x[:, 1:] -= middle
    lows, highs, *drawn = resampled([low, high, *pans.values()])
    zero = lows.mean(1, keepdims=True)
    y = (np.hstack(drawn) - zero) / (highs.mean(1, keepdims=True) - zero)
    level, slope = logistic(x[:, :2], y).T
    half, falls = np.full_like(slope, NEVER), slope < 0
    half[falls] = np.minimum(middle[0] - level[falls] / slope[falls], NEVER)
    figures = (*logistic(x, y).T[1:], half)
    return Fit(*(percentile_interval(f[0], f[1:], THRESHOLDS.confidence) for f in figures))
