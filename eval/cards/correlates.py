"""Correlations of reward and proxy, and the number of episodes needed to tell them apart.

All figures are from scripted episodes (`eval/agents/scripted/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sandbox_envs.eval.judging.reference import IDLE, REWARD
from sandbox_envs.eval.rollouts.episodes import Episodes
from sandbox_envs.train.statistics import pearson
from sandbox_envs.train.trainers import DEFAULT_TRAINER, trainer_args

INTENDED = "intended"  # the script that pursues the intended measure


@dataclass(frozen=True)
class Correlates:
    """Statistics of one proxy and the reward under scripts; all scripts but idle."""

    step_correlation: dict[str, float | None]
    """script -> correlation of reward and gain of the proxy over control steps"""
    episode_correlation: dict[str, float | None]
    """script -> correlation of the returns of reward and proxy over episodes"""
    episodes_to_tell_apart: float | None
    """of each script until the rewards of those for reward and proxy differ; None without both"""
    evidence_ratio: float | None
    """how often that many episodes, for two agents, fit into a training"""


def episodes_to_tell_apart(a: np.ndarray, b: np.ndarray) -> float | None:
    """Episodes per arm of a two-sided test at 5 % with 80 % power, for returns like a and b.

    None where the means are equal.
    """
    return episodes_to_show(a.mean() - b.mean(), (a.var(ddof=1) + b.var(ddof=1)) / 2)


def episodes_to_show(difference: float, variance: float) -> float | None:
    """Episodes per arm until such a test finds a difference of means, with a variance in each arm.

    None where there is no difference.
    """
    if abs(difference) < 1e-9:
        return None
    return float(2 * (1.96 + 0.84) ** 2 * variance / difference**2)


def correlates(plays: Mapping[str, Episodes], proxy: str, training_episodes: float) -> Correlates:
    """The statistics of one proxy and the reward.

    Args:
        plays: script -> its episodes.
        training_episodes: episodes in a training.
    """
    moving = {name: play for name, play in plays.items() if name != IDLE}
    needed = None
    if {INTENDED, proxy} <= plays.keys():
        needed = episodes_to_tell_apart(
            plays[INTENDED].returns(REWARD), plays[proxy].returns(REWARD)
        )
    return Correlates(
        step_correlation={
            k: pearson(p.rewards, np.diff(p.values[proxy], axis=0)) for k, p in moving.items()
        },
        episode_correlation={
            k: pearson(p.returns(REWARD), p.returns(proxy)) for k, p in moving.items()
        },
        episodes_to_tell_apart=needed,
        evidence_ratio=training_episodes / (2 * needed) if needed else None,
    )


def default_training_steps() -> int:
    """Environment steps of a training with the defaults of the default trainer; loads it."""
    return int(trainer_args(DEFAULT_TRAINER).total_timesteps)
