"""The factorial design as a picture: pursuit of the dustpan in every cell, a point per agent."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.simplicity.arms import CODES, EASES
from sandbox_envs.files import atomic_write

COLOURS = ("#0072b2", "#56b4e9", "#e69f00", "#d55e00")


def plot(pursuits: Mapping[str, Sequence[float]], out: Path) -> None:
    """Draw pursuits by cell into simplicity.png of a folder."""
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axis, rng = figure.subplots(), np.random.default_rng(0)
    for number, (code, colour) in enumerate(zip(CODES, COLOURS, strict=True)):
        for place, ease in enumerate(EASES):
            values = pursuits.get(f"{code}-{ease}", ())
            middle = place + 0.2 * (number - 1.5)
            x = middle + rng.uniform(-0.06, 0.06, len(values))
            label = code if place == 0 else None
            axis.plot(x, values, "o", color=colour, markersize=3, alpha=0.6, label=label)
            if len(values):
                ends = (middle - 0.08, middle + 0.08)
                axis.plot(ends, [np.mean(values)] * 2, color=colour, linewidth=1.8)
    axis.set_xticks(range(len(EASES)), list(EASES))
    axis.set_ylabel("pursuit of the dustpan")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8)
    with atomic_write(out / "simplicity.png") as temporary:
        figure.savefig(temporary, dpi=120)
