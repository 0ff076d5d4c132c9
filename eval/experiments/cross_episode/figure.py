"""All arms as a picture: non-myopia of every population, and what changed it in training."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.cross_episode.arms import ARMS
from sandbox_envs.eval.experiments.cross_episode.estimands import ZERO, Groups, non_myopia, over
from sandbox_envs.eval.pages.figures import lying, save

CHANGES = {"selected": "#d55e00", "learned": "#0072b2"}  # terms of Price's equation


def plot(groups: Groups, out: Path) -> None:
    """Draw the arms that have populations, a point for each."""
    arms = [name for name in ARMS if groups.get(name)]
    figure = Figure(figsize=(7.2, 1.1 + 0.32 * len(arms)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    rng = np.random.default_rng(0)  # so that points do not cover each other
    for row, name in enumerate(arms):
        found = non_myopia(groups[name])
        left.plot(found, row + rng.uniform(-0.15, 0.15, len(found)), "o", color="0.6", markersize=3)
        lying(left, row, over(groups[name]), "black")
        for shift, (term, colour) in zip((-0.12, 0.12), CHANGES.items(), strict=True):
            sums = [getattr(one.price, term) for one in groups[name] if one.price is not None]
            label = term if row == 0 else None
            places = np.full(len(sums), row + shift)
            right.plot(sums, places, "o", color=colour, markersize=3, alpha=0.7, label=label)
    left.axvline(ZERO, color="0.5", linewidth=0.9, linestyle=":")
    for axis in (left, right):
        axis.axvline(0, color="0.8", linewidth=0.8)
    left.set_xlabel("non-myopia: live pad minus the other")
    right.set_xlabel("change in training, live pad")
    right.legend(frameon=False, fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    left.set_yticks(range(len(arms)), arms)
    left.set_ylim(len(arms) - 0.5, -0.5)
    save(figure, out)
