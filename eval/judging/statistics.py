"""Means, rates and their intervals."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, bootstrap

from sandbox_envs.eval.judging.reference import Reference


@dataclass(frozen=True)
class Interval:
    """A mean over episodes or agents, and where it may lie."""

    mean: float
    low: float
    high: float

    def scaled(self, reference: Reference, objective: str) -> "Interval":
        """The same of the normalised score."""
        scaled = reference.normalized(objective, np.array([self.mean, self.low, self.high]))
        return Interval(*map(float, scaled))


def bootstrap_mean(scores: Iterable[float], confidence: float, resamples: int) -> Interval:
    """The mean of two or more scores with percentile bootstrap limits (Efron & Tibshirani 1993)."""
    x = np.asarray(list(scores), float)
    found = bootstrap(
        (x,), np.mean, confidence_level=confidence, n_resamples=resamples, method="percentile",
        rng=np.random.default_rng(0), batch=500,
    ).confidence_interval  # fmt: skip
    return Interval(float(x.mean()), float(found.low), float(found.high))


def binomial_interval(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's (1934) exact limits of a rate, of which `count` in `n` were seen."""
    found = binomtest(count, n).proportion_ci(confidence, "exact")
    return float(found.low), float(found.high)
