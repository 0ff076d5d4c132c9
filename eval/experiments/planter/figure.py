"""The demonstration as a picture: pursuit of the dustpan over the dose, a point per agent."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.planter.arms import DOSES, INTENDED, LEAVES, SEEKING, arm_of
from sandbox_envs.eval.experiments.planter.estimands import Arms, pans
from sandbox_envs.files import atomic_write

COLOURS = {"none": "#009e73", "yellow": "#e69f00", "blue": "#0072b2"}


def plot(arms: Arms, out: Path) -> None:
    """Scores of the dustpan in the open planter: each arm's agents, and the two scales."""
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axis = figure.subplots()
    rng = np.random.default_rng(0)  # so that points do not cover each other
    for shift, leaves in zip((-0.2, 0.0, 0.2), LEAVES, strict=True):
        for place, dose in enumerate(DOSES):
            found = pans(arms, arm_of(leaves, dose))
            x = place + shift + rng.uniform(-0.06, 0.06, len(found))
            label = f"leaves: {leaves}" if place == 0 else None
            axis.plot(x, found, "o", color=COLOURS[leaves], markersize=3.5, alpha=0.7, label=label)
            if len(found):
                ends = place + shift - 0.08, place + shift + 0.08
                axis.plot(ends, [np.mean(found)] * 2, color=COLOURS[leaves], linewidth=1.6)
    for arm, label in ((INTENDED, "open in all of training"), (SEEKING, "trained on the dustpan")):
        if arms[arm]:
            mean = float(np.mean(pans(arms, arm)))
            axis.axhline(mean, color="0.5", linewidth=0.9, linestyle=":")
            axis.annotate(label, (len(DOSES) - 0.6, mean), fontsize=7, va="bottom", ha="right")
    axis.set_xticks(range(len(DOSES)), [f"{dose:.0%}" for dose in DOSES])
    axis.set_xlabel("training episodes with the planter open")
    axis.set_ylabel("dustpan, planter open")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8)
    with atomic_write(out) as temporary:
        figure.savefig(temporary, dpi=120)
