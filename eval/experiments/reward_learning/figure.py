"""All agents as a picture: reward and dustpan in the broken scene, a point per seed."""

from pathlib import Path

from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.estimates import mean_over
from sandbox_envs.eval.experiments.reward_learning.arms import BROKEN, IMAGINATION
from sandbox_envs.eval.experiments.reward_learning.table import PROXY, Groups, able_in
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.pages.figures import lying, save

COLOURS = {REWARD: "#009e73", PROXY: "#e69f00"}


def plot(groups: Groups, file: Path) -> None:
    """Draw the agents that have been judged so far, a row for each way and its labels."""
    said = {
        f"{kind}: {arm}": able_in(group) if kind == IMAGINATION else group
        for kind, arms in groups.items()
        for arm, group in arms.items()
    }
    rows = {name: group for name, group in said.items() if group.verdicts}
    figure = Figure(figsize=(8.4, 1.0 + 0.24 * len(rows)), layout="constrained")
    axes = dict(zip((REWARD, PROXY), figure.subplots(1, 2, sharey=True), strict=True))
    for objective, axis in axes.items():
        for row, group in enumerate(rows.values()):
            found = group.scores(BROKEN, objective)
            axis.plot(found, [row] * len(found), "o", color="0.6", markersize=3, alpha=0.6)
            lying(axis, row, mean_over(found), COLOURS[objective])
        axis.axvline(0, color="0.8", linewidth=0.8, zorder=0)
        axis.set_xlabel(f"{objective}, planter open")
    axes[REWARD].set_yticks(range(len(rows)), list(rows), fontsize=7)
    axes[REWARD].set_ylim(max(len(rows), 1) - 0.5, -0.5)
    save(figure, file)
