"""Shared parts of studies' figures: a point per agent, means with intervals, a PNG on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.files import atomic_write


def spread(axis: Any, place: float, values: Sequence[float] | np.ndarray, **look: Any) -> None:
    """A point per agent above a place of matplotlib's axes, side by side in the agents' order.

    So agents with the same number stand alike in all groups, and no point covers another.

    Args:
        axis: the axes.
        place: on its x axis.
        values: one of each agent.
        look: of the points, as `axis.plot` takes it, and `width` (0.12), all of them together.
    """
    width = look.pop("width", 0.12)
    x = place + width * (np.arange(len(values)) + 0.5 - len(values) / 2) / max(len(values), 1)
    axis.plot(x, values, "o", **{"markersize": 3, "alpha": 0.6, "markeredgewidth": 0, **look})


def level(axis: Any, place: float, values: Sequence[float] | np.ndarray, **look: Any) -> None:
    """The mean over agents as a line of `width` (0.16), that of their points; no line if none."""
    half = look.pop("width", 0.16) / 2
    if len(values):
        ends = place - half, place + half
        axis.plot(ends, [np.mean(values)] * 2, **{"linewidth": 1.7, **look})


def upright(axis: Any, place: float, found: Interval | None, colour: str) -> None:
    """A mean with its interval at a place of the x axis; nothing where there is none."""
    if found is not None:
        axis.plot(place, found.mean, "D", color=colour, markersize=4)
        axis.plot([place, place], [found.low, found.high], color=colour, linewidth=1.4)


def lying(axis: Any, row: float, found: Interval | None, colour: str) -> None:
    """The same in a row of the y axis."""
    if found is not None:
        axis.plot(found.mean, row, "D", color=colour, markersize=4)
        axis.plot([found.low, found.high], [row, row], color=colour, linewidth=1.4)


def save(figure: Any, file: Path, dpi: int = 120) -> None:
    """Write a figure as PNG, whole or not at all, with its axes open at the top and right."""
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
    with atomic_write(file) as temporary:
        figure.savefig(temporary, dpi=dpi, format="png")
