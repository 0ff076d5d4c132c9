"""The factorial design as a picture: pursuit of the dustpan in every cell, a point per agent."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.simplicity.arms import CODES, EASES
from sandbox_envs.eval.pages.figures import level, save, spread

COLOURS = ("#0072b2", "#56b4e9", "#e69f00", "#d55e00")


def plot(pursuits: Mapping[str, Sequence[float]], out: Path) -> None:
    """Draw pursuits by cell into simplicity.png of a folder."""
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axis = figure.subplots()
    for number, (code, colour) in enumerate(zip(CODES, COLOURS, strict=True)):
        for place, ease in enumerate(EASES):
            values = pursuits.get(f"{code}-{ease}", ())
            middle = place + 0.2 * (number - 1.5)
            spread(axis, middle, values, color=colour, label=code if place == 0 else None)
            level(axis, middle, values, color=colour)
    axis.set_xticks(range(len(EASES)), list(EASES))
    axis.set_ylabel("pursuit of the dustpan")
    axis.legend(frameon=False, fontsize=8)
    save(figure, out / "simplicity.png")
