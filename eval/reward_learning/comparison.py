"""Comparison of a learned reward with the true one: order of policies, distance, calibration.

All figures are of one reward model on a bank that is the same for all.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sandbox_envs.eval.reward_learning.bank import Bank, Coverage
from sandbox_envs.eval.reward_learning.search import STEPS
from sandbox_envs.train.reward_ensemble import RewardEnsemble
from sandbox_envs.train.transitions import Transitions, effort

GAMMA = 0.98  # per step, as trainers discount


def compare(ensemble: RewardEnsemble, bank: Bank) -> dict[str, Any]:
    """Every figure of a reward model, as plain JSON; None where one is undefined."""
    pairs = bank.policies.items()
    return {
        "tau": {scene: ordering(ensemble, played) for scene, played in pairs},
        "calibration": {scene: calibration(ensemble, played) for scene, played in pairs},
        "spread": {scene: float(_windows(ensemble, played)[0].mean()) for scene, played in pairs},
        "starc": starc(ensemble, bank.coverage),
    }


def ordering(ensemble: RewardEnsemble, played: Mapping[str, Transitions]) -> float | None:
    """Kendall's tau of the true and the estimated mean return over policies (Kendall 1938)."""
    from scipy.stats import kendalltau

    true = [part.rewards.sum(0).mean() for part in played.values()]
    estimated = [_earned(ensemble, part, 0, len(part.rewards)).mean() for part in played.values()]
    return _defined(kendalltau(true, estimated).statistic)


def calibration(ensemble: RewardEnsemble, played: Mapping[str, Transitions]) -> float | None:
    """Spearman's correlation of spread and error, over what windows of two seconds earn.

    The spread is the standard deviation over members, the error that of their mean.
    """
    from scipy.stats import spearmanr

    spread, error = _windows(ensemble, played)
    if np.ptp(spread) == 0 or np.ptp(error) == 0:
        return None
    return float(spearmanr(spread, error).statistic)


def starc(ensemble: RewardEnsemble, coverage: Coverage) -> dict[str, float]:
    """The STARC distance of the members' mean from the true reward, and its Monte-Carlo error.

    After Skalse et al. 2024, "STARC: A General Framework for Quantifying Differences Between Reward
    Functions", with value-adjusted levelling: C(R) = R + gamma V(s') - V(s), where V is of a policy
    of random actions, here over two seconds. The distance is half the norm of the difference of
    both, each divided by its norm over the coverage: 0 for equal orders of policies, 1 for opposite
    ones. The error is half the difference between halves of the moments.
    """
    canonical = np.stack([_canonical(coverage, None), _canonical(coverage, ensemble)])
    halves = [_distance(canonical[:, half::2]) for half in (0, 1)]
    return {"distance": _distance(canonical), "error": abs(halves[0] - halves[1]) / 2}


def _distance(canonical: np.ndarray) -> float:
    norms = np.linalg.norm(canonical, axis=1, keepdims=True)
    one, other = canonical / np.maximum(norms, 1e-12)
    return float(np.linalg.norm(one - other) / 2)


def _canonical(coverage: Coverage, ensemble: RewardEnsemble | None) -> np.ndarray:
    """C(R) at every moment, of the true reward or of a model."""
    now = coverage.rewards
    if ensemble is not None:
        before, after = coverage.changes
        now = ensemble.estimate(before, after, effort(coverage.actions)).mean(0)
    before, after = (
        _value(part, changes, coverage.count, ensemble)
        for part, changes in zip(coverage.branches, coverage.changes, strict=True)
    )
    found: np.ndarray = now + GAMMA * after - before
    return found


def _value(
    branches: Transitions, changes: np.ndarray, count: int, ensemble: RewardEnsemble | None
) -> np.ndarray:
    """The mean discounted reward of the branches of each moment, (moments,)."""
    rewards = branches.rewards
    if ensemble is not None:
        since = branches.sums - branches.sums[0] + np.repeat(changes, count, 0)
        potentials = ensemble.member_potentials(since).mean(0)
        rewards = np.diff(potentials, axis=0) - ensemble.costs.mean() * effort(branches.actions)
    returns = GAMMA ** np.arange(len(rewards)) @ rewards
    found: np.ndarray = returns.reshape(-1, count).mean(1)
    return found


def _windows(
    ensemble: RewardEnsemble, played: Mapping[str, Transitions]
) -> tuple[np.ndarray, np.ndarray]:
    """Spread and error of every window of some policies' episodes."""
    spreads, errors = [], []
    for part in played.values():
        for first in range(0, len(part.rewards) - STEPS + 1, STEPS):
            found = _earned(ensemble, part, first, first + STEPS)
            true = part.rewards[first : first + STEPS].sum(0)
            spreads.append(found.std(0))
            errors.append(abs(found.mean(0) - true))
    return np.concatenate(spreads), np.concatenate(errors)


def _earned(ensemble: RewardEnsemble, part: Transitions, first: int, last: int) -> np.ndarray:
    """The return that each member estimates for steps `first` to `last` - 1, (members, n)."""
    ends = part.sums[[first, last]] - part.sums[0]
    before, after = np.moveaxis(ensemble.member_potentials(ends), 1, 0)
    spent = effort(part.actions[first:last]).sum(0)
    found: np.ndarray = after - before - np.multiply.outer(ensemble.costs, spent)
    return found


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
