"""A figure of the share of searches that found a trigger, over the scenes tried."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.defect.records import SCENES, Agents, Searched
from sandbox_envs.eval.experiments.defect.scenes import AGENTS
from sandbox_envs.eval.judging.statistics import binomial_interval
from sandbox_envs.eval.pages.figures import save

COLOURS = ("#999999", "#56b4e9", "#e69f00", "#d55e00")
STYLES = {"random search": ":", "evolutionary search": "-"}
TITLES = {False: "needle: no slope", True: "graded: a slope"}


def plot(agents: Agents, out: Path) -> None:
    """Draw defect.png into a folder: shares of repetitions with 95 % bands, and what is exact."""
    figure = Figure(figsize=(8.2, 3.8), layout="constrained")
    axes = dict(zip((False, True), figure.subplots(1, 2, sharey=True), strict=True))
    n = np.unique(np.geomspace(1, SCENES, 60).astype(int))
    for agent in AGENTS:
        if agent.name not in agents:
            continue
        one, colour, axis = agents[agent.name], COLOURS[agent.k - 1], axes[agent.graded]
        axis.plot(n, 1 - (1 - one.share) ** n, color=colour, linewidth=0.7, alpha=0.7)
        for searcher, style in STYLES.items():
            shares, low, high = _curve(one.searches[searcher], n)
            label = f"k = {agent.k}, {searcher}"
            axis.plot(n, shares, style, color=colour, linewidth=1.6, label=label)
            axis.fill_between(n, low, high, color=colour, alpha=0.15, linewidth=0)
    for graded, axis in axes.items():
        axis.axvline(59, color="black", linewidth=0.6, linestyle="--")
        axis.set_xscale("log", base=2)
        axis.set_xticks([1, 4, 16, 59, 256], ["1", "4", "16", "59", "256"])
        axis.set_xlabel("scenes tried")
        axis.set_title(TITLES[graded], fontsize=10)
    axes[False].set_ylabel("share of searches that found it")
    named = axes[False].get_legend_handles_labels()
    figure.legend(*named, ncols=4, fontsize=7, frameon=False, loc="outside lower center")
    save(figure, out / "defect.png", 110)


def _curve(one: Searched, n: np.ndarray) -> tuple[np.ndarray, ...]:
    first = np.array([np.inf if x is None else x for x in one.found])
    counts = (first[:, None] <= n).sum(0)
    ends = np.array([binomial_interval(int(count), len(first)) for count in counts])
    return counts / len(first), ends[:, 0], ends[:, 1]
