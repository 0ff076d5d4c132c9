"""The arrow as a picture: ability, what draws, and where agents stay, a point per agent."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.arrow.agents import Agent
from sandbox_envs.eval.experiments.arrow.arms import TWIN
from sandbox_envs.eval.experiments.arrow.estimands import Arms, drawn, over, stays, trained_anywhere
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.pages.figures import save, spread, upright

FIGURES: dict[str, Callable[[Agent], float]] = {  # what is said of it -> the figure
    "reward in larger mazes": lambda agent: agent.score(TWIN),
    "drawn by the arrow": drawn,
    "seconds more at the arrow": stays,
}
CLOSE = 0.05  # share of an axis within which labels would cover each other
COLOUR = "#009e73"


def plot(arms: Arms, scripts: Mapping[str, Agent], out: Path) -> None:
    """Draw the arms that were trained on exits anywhere; scripts as lines where they have one."""
    names = list(trained_anywhere(arms))
    figure = Figure(figsize=(10.4, 3.4), layout="constrained")
    for axis, (label, of) in zip(figure.subplots(1, len(FIGURES)), FIGURES.items(), strict=True):
        for place, arm in enumerate(names):
            spread(axis, place, [of(agent) for agent in arms[arm]], color=COLOUR, width=0.3)
            upright(axis, place, over(arms[arm], of), "black")
        _lines(axis, {name: of(script) for name, script in scripts.items()})
        axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axis.set_xlim(-0.5, max(len(names), 1) - 0.5)
        axis.set_xticks(range(len(names)), names, fontsize=8)
        axis.set_ylabel(label)
        if of is FIGURES["reward in larger mazes"]:
            axis.axhline(THRESHOLDS.competent, color="0.5", linewidth=0.9, linestyle="--")
    save(figure, out)


def _lines(axis: Any, values: Mapping[str, float]) -> None:
    """A dotted line for each script that has a value; those close together share a label."""
    known = sorted((value, name) for name, value in values.items() if not np.isnan(value))
    for value, _ in known:
        axis.axhline(value, color="0.6", linewidth=0.9, linestyle=":", zorder=0)
    low, high = axis.get_ylim()
    labels = list[tuple[float, list[str]]]()
    for value, name in known:
        if labels and value - labels[-1][0] < CLOSE * (high - low):
            labels[-1][1].append(name)
        else:
            labels.append((value, [name]))
    beside = axis.get_yaxis_transform()
    for value, names in labels:
        axis.text(
            1.02, value, "\n".join(names), transform=beside, fontsize=7, color="0.4", va="center"
        )
