"""Means, rates, differences and their intervals; what a sample could have shown.

Each function says what its sample is: episodes of one agent, agents, or agents that met the same
rooms. scipy computes most of it; the bootstrap generators are fixed, so that the same
values always give the same interval.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sandbox_envs.eval.judging.thresholds import THRESHOLDS

BLOCK = 500  # resamples that are drawn at a time
KEPT = 256  # values, of which what is drawn is kept: 20 MB at most


@dataclass(frozen=True)
class Interval:
    """A mean over episodes, agents or trainings, and its confidence interval."""

    mean: float
    """the sample's mean"""
    low: float
    """lower end of the interval; nan where there are too few to say"""
    high: float
    """upper end of the interval"""

    def __str__(self) -> str:
        ends = "" if math.isnan(self.low) else f" [{self.low:.2f}, {self.high:.2f}]"
        return f"{self.mean:.2f}{ends}"


def bootstrap_mean(
    values: Iterable[float],
    confidence: float = THRESHOLDS.confidence,
    resamples: int = THRESHOLDS.resamples,
) -> Interval:
    """The mean of two or more values with a percentile bootstrap interval, by default a verdict's.

    After Efron & Tibshirani (1993). The generator is fixed, so that the same values always give the
    same interval.
    """
    x = np.asarray(list(values), float)
    (found,) = bootstrap_means(x[None], confidence, resamples)
    return found


def bootstrap_means(
    values: np.ndarray,
    confidence: float = THRESHOLDS.confidence,
    resamples: int = THRESHOLDS.resamples,
) -> list[Interval]:
    """The same of several figures (figures, n) of the same episodes, together."""
    values = np.asarray(values, float)
    middle = np.median(values, axis=1, keepdims=True)
    beyond, n = values - middle, values.shape[1]  # nothing where all are equal: an exact interval
    blocks = _kept_counts if n <= KEPT else _counts
    # not by BLAS, whose last bits differ between processors
    sums = [np.einsum("fn,rn->fr", beyond, counts) for counts in blocks(n, resamples)]
    means = (middle + beyond.mean(1, keepdims=True))[:, 0]
    pairs = zip(means, middle + np.hstack(sums) / n, strict=True)
    return [percentile_interval(mean, drawn, confidence) for mean, drawn in pairs]


def _counts(n: int, resamples: int) -> Iterator[np.ndarray]:
    """Yield how often each resample has each of n values, in blocks (up to BLOCK, n)."""
    rng = np.random.default_rng(0)
    for first in range(0, resamples, BLOCK):
        rows = rng.integers(n, size=(min(BLOCK, resamples - first), n))
        places = np.arange(len(rows))[:, None] * n + rows
        yield np.bincount(places.ravel(), minlength=rows.size).reshape(rows.shape).astype(float)


@lru_cache(maxsize=2)
def _kept_counts(n: int, resamples: int) -> tuple[np.ndarray, ...]:
    """The same, kept: a verdict has dozens of intervals over as many episodes."""
    return tuple(_counts(n, resamples))


def percentile_interval(value: float, drawn: np.ndarray, confidence: float) -> Interval:
    """A figure with the interval that its resampled values (resamples,) span."""
    outside = 50 * (1 - confidence)
    low, high = np.percentile(drawn, [outside, 100 - outside])
    return Interval(float(value), float(low), float(high))


def grouped_mean(
    values: np.ndarray, groups: np.ndarray, confidence: float, resamples: int
) -> Interval:
    """The mean over values (n,) that belong to groups (n,), such as rooms, which are resampled.

    The bootstrap of whole clusters (Davison & Hinkley 1997), with a fixed generator.
    """
    _, place = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place)
    rows = np.random.default_rng(0).integers(len(sums), size=(resamples, len(sums)))
    drawn = sums[rows].sum(1) / counts[rows].sum(1)
    return percentile_interval(values.mean(), drawn, confidence)


def mean_interval(values: Iterable[float], confidence: float) -> Interval:
    """The mean of a few independent values with Student's interval: of some trainings, say.

    One value alone shows no spread: its interval is the value.
    """
    from scipy.stats import t

    x = np.asarray(list(values), float)
    mean = float(x.mean())
    if len(x) < 2:
        return Interval(mean, mean, mean)
    half = float(t.ppf((1 + confidence) / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return Interval(mean, mean - half, mean + half)


def contrast_interval(
    groups: Sequence[np.ndarray], weights: Sequence[float], confidence: float
) -> Interval:
    """A weighted sum of the means of independent groups, with Welch's interval for small groups.

    Degrees of freedom are Satterthwaite's (Welch 1947, Biometrika 34; Satterthwaite 1946,
    Biometrics Bulletin 2). The ends are nan where a group has a single value.

    Args:
        groups: (n,) values of each.
        weights: of their means: (1, -1) for a difference.
        confidence: of the interval.
    """
    from scipy.stats import t

    mean = sum(w * float(x.mean()) for w, x in zip(weights, groups, strict=True))
    if min(map(len, groups)) < 2:
        return Interval(mean, math.nan, math.nan)
    pairs = zip(weights, groups, strict=True)
    parts = np.array([w**2 * x.var(ddof=1) / len(x) for w, x in pairs])
    if not parts.any():
        return Interval(mean, mean, mean)
    freedom = parts.sum() ** 2 / sum(parts**2 / [len(x) - 1 for x in groups])
    half = float(t.ppf((1 + confidence) / 2, freedom) * np.sqrt(parts.sum()))
    return Interval(mean, mean - half, mean + half)


def crossed_mean(
    values: Sequence[Sequence[float] | np.ndarray], confidence: float, resamples: int
) -> Interval:
    """The mean over agents (rows) that all met the same rooms (columns), resampled in both.

    Agents and rooms are crossed, so each is drawn anew independently of the other (the pigeonhole
    bootstrap; Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1). It is
    somewhat too wide for many agents and rooms; with fewer than eight agents it is too narrow, as
    every percentile bootstrap is. Resampling agents alone says how far
    other agents would differ in *these* rooms; this says it for other rooms, too.

    Args:
        values: (agents, rooms).
    """
    x = np.asarray(values, float)
    agents, rooms = x.shape
    rng = np.random.default_rng(0)
    a = rng.multinomial(agents, np.full(agents, 1 / agents), resamples) / agents
    r = rng.multinomial(rooms, np.full(rooms, 1 / rooms), resamples) / rooms
    means = np.einsum("ia,ar,ir->i", a, x, r, optimize=True)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(x.mean()), float(low), float(high))


def binomial_interval(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval (Clopper & Pearson 1934) of a rate observed as `count` in `n`."""
    from scipy.stats import binomtest

    found = binomtest(count, n).proportion_ci(confidence, "exact")
    return float(found.low), float(found.high)


def bounded_rate(count: int, unknown: int, n: int) -> tuple[float, float]:
    """The interval of a rate observed as `count` in n, of which `unknown` more may belong to it.

    From the lower end that holds if none of the unknown do to the upper one if all do (worst-case
    bounds; Manski 2003, "Partial Identification of Probability Distributions"). To leave the
    unknown out would take for granted that they are like the others.
    """
    return binomial_interval(count, n)[0], binomial_interval(count + unknown, n)[1]


def detectable_rate(n: int, power: float = 0.8) -> float:
    """The smallest rate that n agents would have shown at least once with this power.

    Below it, none of n shows it with a probability above 1 - power. It is one minus the n-th root
    of 1 - power.
    For the rates that none of n *excludes*, see `binomial_interval`.
    """
    return float(1 - (1 - power) ** (1 / n))


def detectable_mean(sd: float, n: int, power: float = 0.8, confidence: float = 0.95) -> float:
    """The smallest mean, of a value or of paired differences, that n show to differ from 0.

    By a two-sided t test with this power.

    Args:
        sd: standard deviation of the values.
        n: how many.
    """
    return _detectable(sd / np.sqrt(n), n - 1, power, confidence)


def detectable_difference(
    sd: float, n: int, m: int | None = None, power: float = 0.8, confidence: float = 0.95
) -> float:
    """The smallest difference of two means that n and m agents show with this power.

    By a two-sided t test of two groups (Cohen 1988).

    Args:
        sd: standard deviation between the agents of a group.
        n: agents in one group.
        m: agents in the other; None for as many.
    """
    m = n if m is None else m
    return _detectable(sd * np.sqrt(1 / n + 1 / m), n + m - 2, power, confidence)


def _detectable(error: float, freedom: int, power: float, confidence: float) -> float:
    """The smallest shift with a standard error that a t test shows; infinite without freedom."""
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    if freedom < 1 or error == 0:
        return float("inf") if freedom < 1 else 0.0
    critical = float(t.ppf((1 + confidence) / 2, freedom))

    def missing(shift: float) -> float:
        shown = nct.sf(critical, freedom, shift) + nct.cdf(-critical, freedom, shift)
        return float(np.nan_to_num(shown, nan=1.0)) - power  # far out scipy gives up

    return float(error * brentq(missing, 0.0, critical + 10.0))
