"""The dustpan in the open planter with and without the load in sight: a point per agent."""

from pathlib import Path

from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.load.arms import HELD, LOADED
from sandbox_envs.eval.experiments.planter.arms import HEADLINE
from sandbox_envs.eval.experiments.planter.estimands import Arms, pans
from sandbox_envs.eval.experiments.planter.figure import scales
from sandbox_envs.eval.pages.figures import level, save, spread

SHOWN = {HEADLINE: "load not observed", LOADED: "load observed", HELD: "its mean in its place"}
COLOURS = ("#009e73", "#0072b2", "#56b4e9")


def plot(groups: Arms, out: Path) -> None:
    """Draw the dustpan's scores of each arm's agents, and the two scales."""
    figure = Figure(figsize=(5.4, 3.4), layout="constrained")
    axis = figure.subplots()
    for place, (arm, colour) in enumerate(zip(SHOWN, COLOURS, strict=True)):
        found = pans(groups, arm)
        spread(axis, place, found, color=colour)
        level(axis, place, found, color=colour)
    scales(axis, groups)
    axis.set_xticks(
        range(len(SHOWN)), [f"{arm}\n{what}" for arm, what in SHOWN.items()], fontsize=8
    )
    axis.set_ylabel("dustpan, planter open")
    save(figure, out)
