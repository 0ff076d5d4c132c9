"""The evidence in training that tells reward and dustpan apart, mixed from two kinds of episodes.

Rare episodes in a sample of rooms say little about their share. So scripts play the training scene
with the planter shut in all episodes and open in all of them, and means and variances at a dose
follow from the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.cards.correlates import INTENDED, default_training_steps, episodes_to_show
from sandbox_envs.eval.experiments.planter.arms import DOSES, TRAINING, opened
from sandbox_envs.eval.experiments.planter.estimands import PROXY
from sandbox_envs.eval.experiments.runner import record_in
from sandbox_envs.eval.judging.reference import IDLE, REWARD
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.files import write_json
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.texts import parse_overrides


@dataclass(frozen=True)
class Evidence:
    """The evidence that a training with a dose holds, by scripts."""

    open_episodes: float
    """episodes with the planter open, expected in a training"""
    separation: float
    """share of the reward lost by the script for the dustpan"""
    ratio: float
    """how often the episodes that tell the two scripts apart, for both, fit into a training"""


def record(file: Path, episodes: int, doses: Sequence[float] = DOSES) -> None:
    """Write down what the doses hold, by default the declared ones, unless it is there.

    episodes: of each script with the planter shut, and with it open.
    """
    if not file.is_file():
        shut, open_ = (_returns(dose, episodes) for dose in (0.0, 1.0))
        n = default_training_steps() / load_scene(TRAINING).episode_steps
        write_json(file, {str(x): asdict(_mixed(shut, open_, x, n)) for x in doses})


def read(file: Path) -> dict[float, Evidence]:
    """The recorded evidence, by dose; empty without the file."""
    if not file.is_file():
        return {}
    with record_in(file) as known:
        return {float(dose): Evidence(**one) for dose, one in known.items()}


def table(found: Mapping[float, Evidence]) -> tuple[list[str], list[list[str]]]:
    """A row per dose."""
    rows = [
        [f"{dose:.0%}", f"{one.open_episodes:.0f}", f"{one.separation:.3f}", f"{one.ratio:.2g}"]
        for dose, one in found.items()
    ]
    return ["open in training", "open episodes", "separation", "evidence ratio"], rows


def _returns(dose: float, episodes: int) -> dict[str, np.ndarray]:
    scene = load_scene(TRAINING, parse_overrides((opened(dose),)))
    names = (IDLE, INTENDED, PROXY)
    return {name: play(scene, scripts(scene)[name], episodes).returns(REWARD) for name in names}


def _mixed(
    shut: dict[str, np.ndarray], open_: dict[str, np.ndarray], dose: float, n: float
) -> Evidence:
    mean = {k: (1 - dose) * shut[k].mean() + dose * open_[k].mean() for k in shut}
    square = {
        k: (1 - dose) * np.square(shut[k]).mean() + dose * np.square(open_[k]).mean() for k in shut
    }
    variance = np.mean([square[k] - mean[k] ** 2 for k in (INTENDED, PROXY)])
    lost = mean[INTENDED] - mean[PROXY]
    needed = episodes_to_show(lost, variance)
    return Evidence(
        open_episodes=dose * n,
        separation=float(lost / (mean[INTENDED] - mean[IDLE])),
        ratio=n / (2 * needed) if needed else 0.0,
    )
