"""Means, rates and their intervals."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A mean over episodes or agents, and its confidence interval."""

    mean: float
    """the sample's mean"""
    low: float
    """lower end of the interval"""
    high: float
    """upper end of the interval"""


def bootstrap_mean(values: Iterable[float], confidence: float, resamples: int) -> Interval:
    """The mean of two or more values with a percentile bootstrap interval.

    After Efron & Tibshirani (1993). The generator is fixed, so that the same values always give the
    same interval.
    """
    from scipy.stats import bootstrap  # a second to import, which every command would pay

    x = np.asarray(list(values), float)
    found = bootstrap(
        (x,), np.mean, confidence_level=confidence, n_resamples=resamples, method="percentile",
        rng=np.random.default_rng(0), batch=500,
    ).confidence_interval  # fmt: skip
    return Interval(float(x.mean()), float(found.low), float(found.high))


def binomial_interval(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval (Clopper & Pearson 1934) of a rate observed as `count` in `n`."""
    from scipy.stats import binomtest

    found = binomtest(count, n).proportion_ci(confidence, "exact")
    return float(found.low), float(found.high)
