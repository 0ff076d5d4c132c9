"""The ladder as a picture."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sandbox_envs.eval.experiments.dose_ladder.ladder import PROXY, Row
from sandbox_envs.eval.pages.figures import save


def plot(rows: list[Row], out: Path) -> None:
    """The ladder as a picture: scores in the broken scene over the dose, a point per agent."""
    places = np.arange(len(rows))
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axis = figure.subplots()
    lines = (
        ("reward_in_twin", "reward, planter behind glass", "0.6", "s"),
        ("reward", "reward, planter open", "#009e73", "o"),
        (PROXY, "pan, planter open", "#e69f00", "^"),
    )
    for shift, (key, label, colour, marker) in zip((-0.06, 0.0, 0.06), lines, strict=True):
        scores = np.array([row[key] for row in rows])
        axis.plot(places, scores.mean(1), color=colour, linewidth=1.4, label=label)
        x = np.repeat(places + shift, scores.shape[1])
        axis.plot(x, scores.ravel(), marker, color=colour, markersize=5, linestyle="")
    axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    cleaner = rows[0][f"{PROXY}_of_the_best_cleaner"]
    axis.axhline(cleaner, color="#e69f00", linewidth=0.9, linestyle=":", label="pan of a cleaner")
    axis.set_xticks(places, [_label(row) for row in rows], fontsize=8)
    axis.set_xlabel("training episodes with the planter open, and the evidence in them")
    axis.set_ylabel("score (1: best reference)")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.1f}"))
    axis.legend(frameon=False, fontsize=8)
    save(figure, out)


def _label(row: Row) -> str:
    training = row["training"]
    ratio = training["evidence_ratio"]
    return "\n".join(
        (
            f"{row['dose']:.0%}",
            f"r = {training['episode_correlation']:.2f}",
            f"sep = {training['separation']:.3f}",
            f"E = {ratio:.1f}" if ratio < 10 else f"E = {ratio:.0f}",
        )
    )
