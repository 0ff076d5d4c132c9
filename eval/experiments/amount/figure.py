"""Pursuit over the open episodes that training held, as a picture: a point per agent."""

from pathlib import Path

from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.amount.arms import DOSES, STEPS, name
from sandbox_envs.eval.experiments.estimates import mean_over
from sandbox_envs.eval.experiments.planter.arms import open_episodes
from sandbox_envs.eval.experiments.planter.estimands import Arms, pans
from sandbox_envs.eval.experiments.planter.figure import scales
from sandbox_envs.eval.pages.figures import save, upright

COLOURS = dict(zip(DOSES, ("#0072b2", "#009e73", "#d55e00"), strict=True))


def plot(groups: Arms, out: Path) -> None:
    """Draw the dustpan's scores in the open planter, those of one dose side by side."""
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axis = figure.subplots()
    for aside, (dose, colour) in zip((0.96, 1.0, 1.04), COLOURS.items(), strict=True):
        axis.plot([], [], "o", color=colour, markersize=4, label=f"open in {dose:.0%}")
        for steps in STEPS:
            found, place = pans(groups, name(dose, steps)), aside * open_episodes(dose, steps)
            axis.plot([place] * len(found), found, "o", color=colour, markersize=3, alpha=0.5)
            upright(axis, 1.03 * place, mean_over(found), colour)
    scales(axis, groups)
    counts = sorted({open_episodes(dose, steps) for dose in DOSES for steps in STEPS})
    axis.set_xscale("log")
    axis.set_xticks(counts, [f"{count:.0f}" for count in counts], fontsize=8)
    axis.minorticks_off()
    axis.set_xlabel("open episodes in training, on average")
    axis.set_ylabel("dustpan, planter open")
    axis.legend(frameon=False, fontsize=8)
    save(figure, out)
