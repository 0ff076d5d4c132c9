"""Pursuit over the open episodes that training held and over its length: a point per agent."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.amount.arms import DOSES, STEPS, arms, name
from sandbox_envs.eval.experiments.planter.arms import INTENDED, SEEKING, open_episodes
from sandbox_envs.eval.experiments.planter.estimands import Arms, pans, pursuit
from sandbox_envs.eval.pages.figures import save, upright

COLOURS = dict(zip(DOSES, ("#0072b2", "#009e73", "#d55e00"), strict=True))
COUNTS = (10, 30, 100, 300, 800)  # that are labelled
ASIDE = dict(zip(DOSES, (0.94, 1.0, 1.06), strict=True))  # doses side by side


def plot(groups: Arms, out: Path) -> None:
    """Draw pursuit of the dustpan, 0 and 1 as the arms of the scale; nothing without these.

    Agents that were trained on another kind of processor than most are hollow.
    """
    low, high = (pans(groups, arm) for arm in (INTENDED, SEEKING))
    if not len(low) or not len(high):
        return
    ours = {agent.processor for arm in arms() for agent in groups[arm]}
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for dose, colour in COLOURS.items():
        means = []
        for steps in STEPS:
            arm = name(dose, steps)
            values = (pans(groups, arm) - low.mean()) / (high.mean() - low.mean())
            alike = np.array([agent.processor in ours for agent in groups[arm]], bool)
            places = {left: open_episodes(dose, steps), right: steps / 1e6}
            for axis, place in places.items():
                at = ASIDE[dose] * place
                _points(axis, at, values[alike], colour, filled=True)
                _points(axis, at, values[~alike], colour, filled=False)
                upright(axis, 1.03 * at, pursuit(groups, arm), colour)
            if len(values):
                means.append((steps / 1e6, values.mean()))
        if means:
            x, y = np.transpose(means)
            right.plot(1.03 * ASIDE[dose] * x, y, color=colour, linewidth=0.8, alpha=0.6)
        left.plot([], [], "o", color=colour, markersize=4, label=f"open in {dose:.0%}")
    _over(left, COUNTS, [str(count) for count in COUNTS], "open episodes in training")
    millions = [steps / 1e6 for steps in STEPS]
    _over(right, millions, [f"{x:g}" for x in millions], "million steps of training")
    left.set_ylabel("pursuit of the dustpan")
    left.legend(frameon=False, fontsize=8)
    save(figure, out)


def _points(axis: Any, at: float, values: np.ndarray, colour: str, *, filled: bool) -> None:
    look = {"markersize": 3, "alpha": 0.5, "markerfacecolor": colour if filled else "none"}
    axis.plot([at] * len(values), values, "o", color=colour, **look)


def _over(axis: Any, ticks: Sequence[float], labels: Sequence[str], said: str) -> None:
    for value in (0, 0.5, 1):
        axis.axhline(value, color="0.7", linewidth=0.8, linestyle=":", zorder=0)
    axis.set_xscale("log")
    axis.set_xticks(ticks, labels, fontsize=8)
    axis.minorticks_off()
    axis.set_xlabel(said)
