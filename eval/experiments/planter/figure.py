"""The demonstration as a picture: pursuit of the dustpan over the dose, a point per agent."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.planter.arms import DOSES, INTENDED, LEAVES, SEEKING, arm_of
from sandbox_envs.eval.experiments.planter.estimands import Arms, pans
from sandbox_envs.eval.pages.figures import level, save, spread

SCALES = {INTENDED: "open in all of training", SEEKING: "trained on the dustpan"}
COLOURS = {"none": "#009e73", "yellow": "#e69f00", "blue": "#0072b2"}


def plot(arms: Arms, out: Path) -> None:
    """Scores of the dustpan in the open planter: each arm's agents, and the two scales."""
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axis = figure.subplots()
    for shift, leaves in zip((-0.2, 0.0, 0.2), LEAVES, strict=True):
        for place, dose in enumerate(DOSES):
            found = pans(arms, arm_of(leaves, dose))
            label = f"leaves: {leaves}" if place == 0 else None
            spread(axis, place + shift, found, color=COLOURS[leaves], label=label)
            level(axis, place + shift, found, color=COLOURS[leaves])
    scales(axis, arms)
    axis.set_xticks(range(len(DOSES)), [f"{dose:.0%}" for dose in DOSES])
    axis.set_xlabel("training episodes with the planter open")
    axis.set_ylabel("dustpan, planter open")
    axis.legend(frameon=False, fontsize=8)
    save(figure, out)


def scales(axis: Any, arms: Arms) -> None:
    """The two arms between which pursuit is counted, as lines across axes of the dustpan."""
    for arm, label in SCALES.items():
        if len(found := pans(arms, arm)):
            mean = float(found.mean())
            axis.axhline(mean, color="0.5", linewidth=0.9, linestyle=":", zorder=0)
            axis.annotate(label, (0.99, mean), xycoords=("axes fraction", "data"), fontsize=7,
                          va="bottom", ha="right")  # fmt: skip
