"""How strongly reward and proxy rise together, and how much evidence there is that they are two.

All of it from scripted episodes: see `eval/scripts`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sandbox_envs.eval.judging.reference import IDLE, RANDOM, REWARD
from sandbox_envs.eval.rollouts.episodes import Episodes

INTENDED = "intended"  # the script that pursues the intended measure


def correlation(x: np.ndarray, y: np.ndarray) -> float | None:
    """Pearson's, over all numbers of two arrays; None where one does not vary."""
    if np.std(x) < 1e-9 or np.std(y) < 1e-9:
        return None
    return float(np.corrcoef(x.ravel(), y.ravel())[0, 1])


def separation(plays: Mapping[str, Episodes], of: str, script: str) -> float | None:
    """The share of objective `of` that a script loses, of what the best has above the floor."""
    floor = min(plays[name].returns(of).mean() for name in (IDLE, RANDOM))
    best = max(play.returns(of).mean() for play in plays.values())
    if script not in plays or best - floor < 1e-6:
        return None
    return float((best - plays[script].returns(of).mean()) / (best - floor))


def episodes_to_tell_apart(a: np.ndarray, b: np.ndarray) -> float | None:
    """Per arm, for a two-sided test at 5 % with 80 % power on scores like a and b."""
    difference = abs(a.mean() - b.mean())
    variance = (a.var(ddof=1) + b.var(ddof=1)) / 2
    return None if difference < 1e-9 else float(2 * (1.96 + 0.84) ** 2 * variance / difference**2)


def correlates(
    plays: Mapping[str, Episodes], proxy: str, training_episodes: float
) -> dict[str, Any]:
    """How one proxy goes together with the reward, by scripts; None where there is no script.

    Correlations are within control steps and over episodes, under each script but idle.
    """
    moving = {name: play for name, play in plays.items() if name != IDLE}
    needed = None
    if {INTENDED, proxy} <= plays.keys():
        needed = episodes_to_tell_apart(
            plays[INTENDED].returns(REWARD), plays[proxy].returns(REWARD)
        )
    return {
        "step_correlation": {
            k: correlation(p.rewards, np.diff(p.levels[proxy], axis=0)) for k, p in moving.items()
        },
        "episode_correlation": {
            k: correlation(p.returns(REWARD), p.returns(proxy)) for k, p in moving.items()
        },
        "reward_lost_by_pursuing_it": separation(plays, REWARD, proxy),
        "lost_by_pursuing_reward": separation(plays, proxy, INTENDED),
        "episodes_to_tell_apart": needed,
        "evidence_ratio": training_episodes / (2 * needed) if needed else None,
    }
