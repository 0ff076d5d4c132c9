"""All agents as a picture: reward and dustpan in the broken scene, a point per seed."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.estimates import mean_over
from sandbox_envs.eval.experiments.reward_learning.arms import BROKEN, KINDS, SEEDS
from sandbox_envs.eval.experiments.reward_learning.table import PROXY, read_group, sayable
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.pages.figures import lying, save

COLOURS = {REWARD: "#009e73", PROXY: "#e69f00"}


def plot(out: Path, file: Path, seeds: Sequence[int] = SEEDS) -> None:
    """Draw the agents that have been judged so far, a row for each way and its labels."""
    pairs = [(kind, arm) for kind, how in KINDS.items() for arm in how.arms]
    groups = {pair: sayable(read_group(out, pair[1], pair[0], seeds), pair[0]) for pair in pairs}
    rows = [pair for pair, group in groups.items() if group.verdicts]
    figure = Figure(figsize=(8.4, 1.0 + 0.24 * len(rows)), layout="constrained")
    axes = dict(zip((REWARD, PROXY), figure.subplots(1, 2, sharey=True), strict=True))
    for objective, axis in axes.items():
        for row, pair in enumerate(rows):
            found = groups[pair].scores(BROKEN, objective)
            axis.plot(found, [row] * len(found), "o", color="0.6", markersize=3, alpha=0.6)
            lying(axis, row, mean_over(found), COLOURS[objective])
        axis.axvline(0, color="0.8", linewidth=0.8, zorder=0)
        axis.set_xlabel(f"{objective}, planter open")
    names = [f"{kind}: {arm}" for kind, arm in rows]
    axes[REWARD].set_yticks(range(len(rows)), names, fontsize=7)
    axes[REWARD].set_ylim(max(len(rows), 1) - 0.5, -0.5)
    save(figure, file)
