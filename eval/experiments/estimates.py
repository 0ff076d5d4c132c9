"""Estimates over agents that studies share, and declared conditions on them, as text."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from sandbox_envs.eval.judging.statistics import (
    Interval,
    binomial_interval,
    percentile_interval,
)
from sandbox_envs.eval.judging.thresholds import THRESHOLDS

Rows = list[list[str]]
FEWEST = 5  # agents of which an interval is given
SOFT = 1e-3  # weight of a penalty on slopes, so that perfect separation has a fit
STEPS = 12  # of Newton's method
REGRESSIONS = 2000  # resamples of what is regressed
NEVER = 99.0  # log10 of what a fitted curve does not reach
MISSING = "agents are missing"
FLAT = 1e-6  # least p (1 - p) in Newton's method, so that shares of 1 and more have a fit


@dataclass(frozen=True)
class Condition:
    """A declared condition, and what was found."""

    text: str
    """the condition"""
    found: str
    """with figures"""
    holds: bool | None
    """None where the study draws no conclusion"""
    unsaid: str = MISSING
    """why nothing is said"""


def bootstrap(
    groups: Sequence[np.ndarray],
    figure: Callable[..., Any] = lambda mean: mean,
    confidence: float = THRESHOLDS.confidence,
) -> Interval | None:
    """A figure of independent groups of agents, each of them resampled; None where one is empty.

    A percentile bootstrap (Efron & Tibshirani 1993) with a fixed generator. With fewer than
    FEWEST agents in a group the ends are nan, as resampling so few says little.

    Args:
        groups: (agents,) values of each, or (agents, k) for figures of k means.
        figure: of the means of the groups, which may be arrays: one mean per resample.
        confidence: of the interval.
    """
    fewest = min(map(len, groups))
    if fewest == 0:
        return None
    found = float(figure(*(group.mean(0) for group in groups)))
    if fewest < FEWEST:
        return Interval(found, float("nan"), float("nan"))
    rng = np.random.default_rng(0)
    rows = [rng.integers(len(group), size=(THRESHOLDS.resamples, len(group))) for group in groups]
    means = [group[drawn].mean(1) for group, drawn in zip(groups, rows, strict=True)]
    return percentile_interval(found, figure(*means), confidence)


def resampled(groups: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Each group of agents (n,) as it is, and then resampled: (1 + REGRESSIONS, n).

    For regressions. The generator is fixed. A figure of the first row is the estimate, and those
    of the others give the percentile interval.
    """
    rng, sizes = np.random.default_rng(0), [len(group) for group in groups]
    drawn = [[rng.integers(n, size=n) for n in sizes] for _ in range(REGRESSIONS)]
    return [
        np.vstack([group, group[np.array(rows)]])
        for group, rows in zip(groups, zip(*drawn, strict=True), strict=True)
    ]


def logistic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The coefficients (..., k) of fractional logistic regressions (Papke & Wooldridge 1996).

    By Newton's steps on the likelihood's score, which also takes values outside of [0, 1].

    Args:
        x: (n, k), whose first column is 1.
        y: (..., n) shares, of each regression.
    """
    n, k = x.shape
    b, soft = np.zeros((*y.shape[:-1], k)), SOFT * np.eye(k)
    soft[0] = 0
    for _ in range(STEPS):
        p = expit(b @ x.T)
        slope = (y - p) @ x / n - b @ soft
        weights = np.maximum(p * (1 - p), FLAT)[..., None, :]
        step = np.linalg.solve((x.T * weights) @ x / n + soft, slope[..., None])
        b = b + step[..., 0]
    return b


def mean_over(values: Sequence[float] | np.ndarray) -> Interval | None:
    """The mean of a figure over agents, with its bootstrap interval; None without any."""
    return bootstrap([np.asarray(values, float)])


def counted(found: Iterable[str]) -> str:
    """Each word with its count, the most frequent first, as text."""
    return ", ".join(f"{word} {n}" for word, n in Counter(found).most_common())


def shown(interval: Interval | None) -> str:
    """An interval as text; nothing for None."""
    return "" if interval is None else str(interval)


def shown_mean(values: Sequence[float] | np.ndarray) -> str:
    """The mean of a figure over agents with its interval, as text; nothing without any."""
    return shown(mean_over(values))


def count_condition(text: str, count: int, agents: int, n: int, holds: bool | None) -> Condition:
    """A condition on how many of n declared agents do something; `agents` are there so far."""
    low, high = binomial_interval(count, agents) if agents else (0.0, 1.0)
    found = f"{count} of {agents} [{low:.2f}, {high:.2f}]"
    return Condition(text, found, None if agents < n else holds)


def interval_condition(
    text: str, found: Interval | None, holds: Callable[[Interval], bool], unsaid: str = ""
) -> Condition:
    """A condition on an interval; unsaid: why nothing is said of it, where that is so."""
    if found is None or unsaid:
        return Condition(text, shown(found), None, unsaid or MISSING)
    if np.isnan(found.low):
        why = "an agent's figure is undefined" if np.isnan(found.mean) else "too few agents"
        return Condition(text, shown(found), None, why)
    return Condition(text, shown(found), bool(holds(found)))


def conditions_table(found: Sequence[Condition]) -> tuple[list[str], Rows]:
    """Conditions as a table."""
    rows = [
        [one.text, one.found, one.unsaid if one.holds is None else "yes" if one.holds else "no"]
        for one in found
    ]
    return ["condition", "found", "holds"], rows
