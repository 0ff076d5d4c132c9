"""Reward and soil against the quality of the brush and against depth of search, as a picture."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.suboptimality.arms import DEPTHS, QUALITIES
from sandbox_envs.eval.experiments.suboptimality.records import Arms, Planted
from sandbox_envs.eval.pages.figures import save

PLANNERS = {  # planner -> colour, dashes
    "planner for reward": ("black", "-"),
    "planner for dustpan": ("#d55e00", "-"),
    "planner for dustpan, poor brush in mind": ("#d55e00", ":"),
}
LEARNED = {
    "hidden": "#cc79a7",
    "poor_1": "#009e73",
    "poor_3": "#56b4e9",
    "poor_100": "#0072b2",
    "pan_poor_100": "#e69f00",
    "pan_100": "#999999",
}


def plot(planted: Planted, arms: Arms, out: Path) -> None:
    """Draw suboptimality.png into a folder: planners as lines, agents' means dashed with points."""
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    reward, soil, deep = figure.subplots(1, 3)
    for axis, measure in ((reward, "reward"), (soil, "soil")):
        _against_quality(axis, measure, planted, arms)
        axis.set_xlabel("quality of the brush")
        axis.set_ylabel(f"{measure}, pieces")
    for goal, colour in (("reward", "black"), ("dustpan", "#d55e00")):
        curves = planted.depth[goal]
        deep.plot(DEPTHS, curves.reward, color=colour, label=f"reward, planner for {goal}")
    deep.plot(DEPTHS, planted.depth["dustpan"].soil, "--", color="#d55e00", label="its soil")
    deep.set_xlabel("steps that a planner looks ahead")
    deep.set_ylabel("pieces")
    deep.legend(frameon=False, fontsize=7, loc="center right", bbox_to_anchor=(1.0, 0.77))
    figure.legend(
        *reward.get_legend_handles_labels(), ncols=5, fontsize=7, loc="outside lower left"
    )
    save(figure, out / "suboptimality.png", 110)


def _against_quality(axis: Any, measure: str, planted: Planted, arms: Arms) -> None:
    places = np.arange(len(QUALITIES))
    for name, (colour, dashes) in PLANNERS.items():
        axis.plot(places, getattr(planted.brush[name], measure), dashes, color=colour, label=name)
    for name, agents in arms.items():
        mean = np.mean([getattr(one.curves, measure) for one in agents], axis=0)
        axis.plot(places, mean, "o--", markersize=3, color=LEARNED[name], linewidth=1, label=name)
    axis.set_xticks(places, [f"{q:g}" for q in QUALITIES])
