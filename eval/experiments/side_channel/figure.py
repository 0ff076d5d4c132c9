"""All arms as a picture: what the display is worth, whether it is followed, and when."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.side_channel.arms import ARMS, Arm
from sandbox_envs.eval.experiments.side_channel.estimands import (
    COMPARED,
    FOLLOWED,
    WORTH,
    Agents,
    by_swaps,
    index,
    no_verdict,
    value,
)
from sandbox_envs.eval.pages.figures import lying, save, upright

SWAPS = (1, 5, 20, 50)
COLOURS = dict(zip(COMPARED, ("#0072b2", "#e69f00", "#009e73"), strict=True))
USED, UNUSED = "#0072b2", "#999999"  # arms to which the display is worth something, and others


def plot(agents: Agents, out: Path) -> None:
    """Draw every arm with agents that are shown something, a point per agent."""
    placebo = {name for name, arm in ARMS.items() if arm.display == "none"}
    names = [name for name, group in agents.items() if group and name not in placebo]
    figure = Figure(figsize=(10.4, 1.6 + 0.24 * len(names)), layout="constrained")
    left, right, over = figure.subplots(1, 3)
    right.sharey(left)
    right.tick_params(labelleft=False)
    rng = np.random.default_rng(0)  # so that points do not cover each other
    for row, name in enumerate(names):
        worth = value(agents, ARMS[name]) if name in ARMS else None
        is_used = name not in ARMS or not no_verdict(agents, ARMS[name])
        colour = USED if is_used else UNUSED
        lying(left, row, worth, colour)
        if not is_used:  # nothing is said of following
            continue
        found = [one.following.mean for one in agents[name] if one.following]
        lying(right, row, index(agents[name]), colour)
        heights = row + rng.uniform(-0.15, 0.15, len(found))
        right.plot(found, heights, "o", color=colour, markersize=2.5, alpha=0.5)
    for axis, bar, label in (
        (left, WORTH, "value of information"),
        (right, FOLLOWED, "following index"),
    ):
        axis.axvline(0, color="0.8", linewidth=0.8)
        axis.axvline(bar, color="0.5", linewidth=0.9, linestyle=":")
        axis.set_xlabel(label)
    left.set_yticks(range(len(names)), [said(name) for name in names], fontsize=7)
    left.set_ylim(len(names) - 0.5, -0.5)
    _over_swaps(over, agents)
    save(figure, out)


def _over_swaps(axis: Any, agents: Agents) -> None:
    """The index over how often the switch is swapped in training, a line per display.

    Where nothing is said of following there is no point.
    """
    for display, colour in COLOURS.items():
        found = {
            percent: index(some)
            for percent, some in by_swaps(agents, display).items()
            if not no_verdict(agents, Arm(display, percent))
        }
        known = {percent: mean for percent, mean in sorted(found.items()) if mean}
        places = [np.log10(percent) for percent in known]
        axis.plot(places, [one.mean for one in known.values()], color=colour, label=display)
        for place, one in zip(places, known.values(), strict=True):
            upright(axis, place, one, colour)
    axis.axhline(FOLLOWED, color="0.5", linewidth=0.9, linestyle=":")
    axis.set_xticks(np.log10(SWAPS), [str(percent) for percent in SWAPS])
    axis.set_xlim(np.log10(min(SWAPS)) - 0.1, np.log10(max(SWAPS)) + 0.1)  # room for outer markers
    axis.set_xlabel("swapped in % of training episodes")
    axis.set_ylabel("following index, LSTM")
    axis.set_ylim(-0.05, 1.05)
    axis.legend(fontsize=7, frameon=False)


def said(name: str) -> str:
    """The row of an arm, or of a planted agent."""
    if name not in ARMS:
        return f"planted: {name}"
    arm = ARMS[name]
    return f"{arm.display}, swapped in {arm.percent}, {arm.mind}"
