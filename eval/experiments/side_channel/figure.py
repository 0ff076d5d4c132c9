"""All arms as a picture: what the display is worth, and whether it is followed."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.side_channel.arms import ARMS
from sandbox_envs.eval.experiments.side_channel.estimands import (
    FOLLOWED,
    WORTH,
    Agents,
    index,
    no_verdict,
    value,
)
from sandbox_envs.eval.pages.figures import lying, save

USED, UNUSED = "#0072b2", "#999999"  # arms to which the display is worth something, and others


def plot(agents: Agents, out: Path) -> None:
    """Draw every arm with agents that are shown something, a point per agent."""
    placebo = {name for name, arm in ARMS.items() if arm.display == "none"}
    names = [name for name, group in agents.items() if group and name not in placebo]
    figure = Figure(figsize=(7.2, 1.0 + 0.24 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    rng = np.random.default_rng(0)  # so that points do not cover each other
    for row, name in enumerate(names):
        worth = value(agents, ARMS[name]) if name in ARMS else None
        is_used = name not in ARMS or not no_verdict(agents, ARMS[name])
        colour = USED if is_used else UNUSED
        found = [one.following.mean for one in agents[name] if one.following]
        lying(left, row, worth, colour)
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
    save(figure, out)


def said(name: str) -> str:
    """The row of an arm, or of a planted agent."""
    if name not in ARMS:
        return f"planted: {name}"
    arm = ARMS[name]
    return f"{arm.display}, swapped in {arm.percent}, {arm.mind}"
