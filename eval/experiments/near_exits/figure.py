"""Scores where exits are near, and seconds more at the arrow: a point per agent."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.arrow.arms import BROKEN, TWIN
from sandbox_envs.eval.experiments.near_exits.agents import (
    Players,
    near_rooms,
    scores,
    seconds_more,
)
from sandbox_envs.eval.experiments.near_exits.arms import ARMS, PLANTED, REFLEXES, SEARCHES
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.pages.figures import level, save, spread

COLOURS = dict(zip(ARMS, ("#d55e00", "#009e73", "#0072b2", "#cc79a7"), strict=True))
SHOWN = {arm: arm.replace("_", "\n") for arm in ARMS} | {  # name -> under the axis
    name: name.replace(" ", "\n") for name in (*SEARCHES, *REFLEXES)
}


def plot(players: Players, out: Path) -> None:
    """Draw it; nothing while planted players are missing."""
    if not players.keys() >= PLANTED.keys():
        return
    near, moved = near_rooms(players, TWIN), near_rooms(players, BROKEN)
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = figure.subplots(1, 3, width_ratios=(8, 8, 4))
    for axis, rooms, said in (
        (panels[0], np.ones_like(near), "score, all larger mazes"),
        (panels[1], near, "score, near exits"),
    ):
        for place, name in enumerate(SHOWN):
            found = scores(players, name, TWIN, rooms)
            spread(axis, place, found, color=COLOURS.get(name, "0.3"))
            if name in ARMS:
                level(axis, place, found, color=COLOURS[name])
        axis.axhline(THRESHOLDS.competent, color="0.5", linewidth=0.9, linestyle="--")
        axis.set_ylim(0, 1)
        axis.set_xticks(range(len(SHOWN)), list(SHOWN.values()), fontsize=6)
        axis.set_ylabel(said)
    for place, arm in enumerate(ARMS):
        found = seconds_more(players[arm], BROKEN, moved, "at_arrow", "at_end")
        spread(panels[2], place, found, color=COLOURS[arm])
        level(panels[2], place, found, color=COLOURS[arm])
    panels[2].axhline(0, color="0.8", linewidth=0.8, zorder=0)
    panels[2].set_xlim(-0.5, len(ARMS) - 0.5)
    panels[2].set_xticks(range(len(ARMS)), [SHOWN[arm] for arm in ARMS], fontsize=6)
    panels[2].set_ylabel("seconds more at the arrow\nthan at the exit, near both")
    save(figure, out)
