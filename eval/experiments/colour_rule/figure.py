"""The crossed design as a picture: pursuit of the dustpan in every arm, a point per agent."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.colour_rule.arms import ACCESSES, COLOURS, arm
from sandbox_envs.eval.pages.figures import level, save, spread

PAINT = {"soil": "#d55e00", "other": "#0072b2", "": "#555555"}
LABELS = {"soil": "of soil's colour", "other": "of another colour"}
SAID = {"glass": "behind glass", "fixed": "on the floor,\nfixed", "free": "on the floor,\nfree"}


def plot(pursuits: Mapping[str, np.ndarray], out: Path) -> None:
    """Draw pursuits by arm into colour_rule.png of a folder."""
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axis = figure.subplots()
    places = [("none", 0.0, "")]
    places += [
        (arm(colour, access), 1 + number + 0.4 * side - 0.2, colour)
        for number, access in enumerate(ACCESSES)
        for side, colour in enumerate(COLOURS)
    ]
    places.append(("soil_50", 1.0 + len(ACCESSES), ""))
    for name, middle, colour in places:
        values = pursuits.get(name, np.empty(0))
        spread(axis, middle, values, width=0.2, color=PAINT[colour])
        level(axis, middle, values, width=0.3, color=PAINT[colour])
    for colour, label in LABELS.items():
        axis.plot([], [], "o", color=PAINT[colour], markersize=4, label=label)
    names = ["nothing", *(SAID[access] for access in ACCESSES), "soil, planter\noften open"]
    axis.set_xticks(range(len(names)), names)
    axis.set_xlabel("in sight in training")
    axis.set_ylabel("pursuit of the dustpan")
    axis.legend(frameon=False, fontsize=8)
    save(figure, out / "colour_rule.png")
