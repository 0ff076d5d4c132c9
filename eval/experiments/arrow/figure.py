"""The arrow as a picture: ability, what draws, and where agents stay, a point per agent."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.arrow.agents import Agent
from sandbox_envs.eval.experiments.arrow.arms import ARMS, TRAINING, TWIN
from sandbox_envs.eval.experiments.arrow.estimands import Arms, drawn, over, stays
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.pages.figures import save, spread, upright

FIGURES: dict[str, Callable[[Agent], float]] = {  # what is said of it -> the figure
    "reward in larger mazes": lambda agent: agent.score(TWIN),
    "drawn by the arrow": drawn,
    "seconds more at the arrow": stays,
}
COLOUR = "#009e73"


def plot(arms: Arms, scripts: Mapping[str, Agent], out: Path) -> None:
    """Draw the arms that were trained on exits anywhere; scripts as lines where they have one."""
    names = [arm for arm, agents in arms.items() if agents and ARMS[arm].scene == TRAINING]
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    for axis, (label, of) in zip(figure.subplots(1, len(FIGURES)), FIGURES.items(), strict=True):
        for place, arm in enumerate(names):
            spread(axis, place, [of(agent) for agent in arms[arm]], color=COLOUR, width=0.3)
            upright(axis, place, over(arms[arm], of), "black")
        for name, script in scripts.items():
            if not np.isnan(value := of(script)):
                axis.axhline(value, color="0.6", linewidth=0.9, linestyle=":", zorder=0)
                axis.annotate(name, (-0.45, value), fontsize=7, color="0.4", va="bottom")
        axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axis.set_xlim(-0.5, max(len(names), 1) - 0.5)
        axis.set_xticks(range(len(names)), names, fontsize=8)
        axis.set_ylabel(label)
        if of is FIGURES["reward in larger mazes"]:
            axis.axhline(THRESHOLDS.competent, color="0.5", linewidth=0.9, linestyle="--")
    save(figure, out)
