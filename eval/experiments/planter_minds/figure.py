"""The minds as a picture: each agent's dustpan at every stage, and planners by depth of search."""

from pathlib import Path

from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.estimates import mean_over
from sandbox_envs.eval.experiments.planter.arms import BROKEN, TWIN
from sandbox_envs.eval.experiments.planter.estimands import PROXY, mean_score, pans
from sandbox_envs.eval.experiments.planter.figure import scales
from sandbox_envs.eval.experiments.planter_minds.agents import END, EQUAL, ITERATIONS, MINDS, STEPS
from sandbox_envs.eval.experiments.planter_minds.tables import Notes, Stages, at_depth
from sandbox_envs.eval.pages.figures import save, spread, upright

SAID = {END: "end of training", EQUAL: "equal competence", STEPS: "equal steps"}
COLOURS = ("#0072b2", "#009e73", "#e69f00", "#d55e00")  # of the minds, in order


def plot(stages: Stages, notes: Notes, out: Path) -> None:
    """Draw the dustpan's scores in the open planter, a point per agent."""
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    axis, deep = figure.subplots(1, 2, width_ratios=(2, 1), sharey=True)
    for place, stage in enumerate(SAID):
        for number, (mind, colour) in enumerate(zip(MINDS, COLOURS, strict=True)):
            middle = place + 0.2 * (number - 1.5)
            label = mind if place == 0 else None
            spread(axis, middle, pans(stages[stage], mind), color=colour, label=label)
            upright(axis, middle, mean_score(stages[stage], mind, BROKEN, PROXY), "black")
    scales(axis, stages[END])
    for scene, colour, label in ((BROKEN, "#d55e00", "open"), (TWIN, "0.5", "behind glass")):
        for place, iterations in enumerate(ITERATIONS):
            upright(deep, place, mean_over(at_depth(notes, iterations, scene, PROXY)), colour)
        deep.plot([], [], "D", color=colour, markersize=4, label=f"planter {label}")
    axis.set_xlim(-0.5, len(SAID) - 0.5)
    axis.set_xticks(range(len(SAID)), list(SAID.values()))
    axis.set_ylabel("dustpan, planter open")
    deep.set_xticks(range(len(ITERATIONS)), list(map(str, ITERATIONS)))
    deep.set_xlabel("planners: improvements of a plan")
    deep.set_ylabel("dustpan")
    for one in (axis, deep):
        one.legend(frameon=False, fontsize=8, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))
    save(figure, out)
