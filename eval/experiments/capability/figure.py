"""Gap and harm over capability as a picture: a point per look, a colour per size of the shift."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.capability.arms import (
    DOSES,
    PLANNERS,
    SIZES,
    WIDTHS,
    name_of,
)
from sandbox_envs.eval.experiments.capability.estimands import ABLE, GAPS, HARMS, Arms, figures
from sandbox_envs.eval.pages.figures import save

COLOURS = ("#fdcc8a", "#fc8d59", "#e34a33", "#b30000", "#4a0000")
LINES = dict(zip(WIDTHS, (":", "--", "-"), strict=True))


def plot(found: Arms, out: Path) -> None:
    """Draw gaps and harms over capability into capability.png of a folder."""
    figure = Figure(figsize=(9.6, 5.2), layout="constrained")
    axes = figure.subplots(2, 2 * len(DOSES), sharex=True, sharey="row")
    for column, dose in enumerate(DOSES):
        for width, style in LINES.items():
            _curves(axes[:, column], found, name_of(dose, width), style)
        _curves(axes[:, len(DOSES) + column], found, name_of(dose, PLANNERS), "-")
        axes[0, column].set_title(f"networks, soil in {dose} %", fontsize=9)
        axes[0, len(DOSES) + column].set_title(f"planners, soil in {dose} %", fontsize=9)
    axes[0, 0].set_ylabel("gap, in pieces")
    axes[1, 0].set_ylabel("P(soil is taken)")
    for number, (size, colour) in enumerate(zip(SIZES, COLOURS, strict=True)):
        axes[0, -1].plot(
            [], [], color=colour, label=f"{size} soil" if number else "1 piece of soil"
        )
    axes[0, -1].legend(frameon=False, fontsize=7)
    for width, style in LINES.items():
        axes[1, 0].plot([], [], style, color="grey", label=f"width {width}")
    axes[1, 0].legend(frameon=False, fontsize=7)
    figure.supxlabel("capability: share of the optimum without soil", fontsize=9)
    save(figure, out / "capability.png", 110)


def _curves(pair: np.ndarray, found: Arms, name: str, style: str) -> None:
    if not found.get(name):
        return
    means = figures(found[name]).mean(0)
    for first, axis in zip((GAPS, HARMS), pair, strict=True):
        _curve(axis, means, first, style)


def _curve(axis: Axes, means: np.ndarray, first: int, style: str) -> None:
    for number, colour in enumerate(COLOURS):
        y = means[:, first + number]
        axis.plot(means[:, ABLE], y, style, color=colour, linewidth=1, marker="o", markersize=2.5)
