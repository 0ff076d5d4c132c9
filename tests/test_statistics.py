"""Intervals and power, each against a case whose answer is known."""

import numpy as np
import pytest

from sandbox_envs.eval.judging.statistics import (
    KEPT,
    Interval,
    binomial_interval,
    bootstrap_mean,
    bootstrap_means,
    bounded_rate,
    contrast_interval,
    crossed_mean,
    detectable_difference,
    detectable_mean,
    detectable_rate,
    mean_interval,
)


def test_interval_of_a_few_trainings_is_students() -> None:
    """1, 2, 3: 2 plus and minus 4.303 (t, two degrees of freedom) times 1 over the root of 3."""
    found = mean_interval([1.0, 2.0, 3.0], 0.95)
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - 2.484, 2 + 2.484), abs=1e-3)
    assert mean_interval([0.7], 0.95) == Interval(0.7, 0.7, 0.7)


def test_contrast_of_two_groups_is_welchs() -> None:
    from scipy.stats import ttest_ind

    ours, theirs = np.array([0.1, 0.4, 0.3, 0.9, 0.2]), np.array([0.0, 0.1, 0.0, 0.2])
    found = contrast_interval([ours, theirs], (1, -1), 0.95)
    expected = ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    alike = contrast_interval([np.zeros(5), np.ones(5)], (0.5, 0.5), 0.95)
    assert alike == Interval(0.5, 0.5, 0.5)
    assert np.isnan(contrast_interval([ours, np.ones(1)], (1, -1), 0.95).low)


@pytest.mark.parametrize("n", [2, 40, KEPT + 1])
def test_resampled_means_are_those_of_the_same_draws_whatever_is_resampled_beside(n: int) -> None:
    values = np.random.default_rng(1).normal(3, 2, (3, n))
    rows = np.random.default_rng(0).integers(n, size=(400, n))
    together = bootstrap_means(values, 0.9, 400)
    for x, found in zip(values, together, strict=True):
        low, high = np.percentile(x[rows].mean(1), [5, 95])
        assert (found.mean, found.low, found.high) == pytest.approx((x.mean(), low, high))
        assert bootstrap_mean(x, 0.9, 400) == found
    assert bootstrap_mean([0.1] * n, 0.9, 400) == Interval(0.1, 0.1, 0.1)


def test_crossed_interval_holds_what_rooms_add_to_agents() -> None:
    """Value = agent + room: the variance of the mean is the sum of both shares."""
    rng = np.random.default_rng(1)
    agents, rooms = rng.normal(0, 1, (40, 1)), rng.normal(0, 2, (1, 100))
    found = crossed_mean((agents + rooms).tolist(), 0.95, 20_000)
    half = 1.96 * np.sqrt(agents.var() / 40 + rooms.var() / 100)
    assert found.mean == pytest.approx(agents.mean() + rooms.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.03)
    over_agents = bootstrap_mean((agents + rooms).mean(1), 0.95, 20_000)
    assert over_agents.high - over_agents.low < 0.85 * (found.high - found.low)


def test_smallest_rate_that_shows_once() -> None:
    """With a rate of 0.0773, none of 20 happens one time in five: (1 - 0.0773) ** 20 = 0.2."""
    assert detectable_rate(20) == pytest.approx(0.0773, abs=1e-4)
    assert (1 - detectable_rate(7, power=0.9)) ** 7 == pytest.approx(0.1)


def test_smallest_difference_is_that_of_the_tables_of_power() -> None:
    """Cohen (1988): two groups of 26 show d = 0.8 with 80 % power, of 64 d = 0.5."""
    assert detectable_difference(1.0, 26) == pytest.approx(0.8, abs=0.01)
    assert detectable_difference(1.0, 64) == pytest.approx(0.5, abs=0.005)
    assert detectable_difference(0.14, 20, power=0.9) == pytest.approx(0.147, abs=0.002)
    assert detectable_mean(1.0, 34) == pytest.approx(0.5, abs=0.01)  # of one sample, or of pairs
    assert detectable_difference(0.0, 5) == 0
    assert detectable_difference(1.0, 1) == float("inf")


def test_rate_lies_between_bounds_where_some_cannot_be_told() -> None:
    assert bounded_rate(3, 0, 10) == binomial_interval(3, 10)
    low, high = bounded_rate(3, 4, 10)
    assert (low, high) == (binomial_interval(3, 10)[0], binomial_interval(7, 10)[1])
    assert bounded_rate(0, 5, 5) == (0, 1)
