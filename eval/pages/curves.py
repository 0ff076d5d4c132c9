"""Learning curves, drawn from runs' metrics."""

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from sandbox_envs.train.metrics import History

SMOOTHING = 10  # updates


def smooth(x: np.ndarray, width: int = SMOOTHING) -> np.ndarray:
    """Running mean over up to `width` values, as many as there are at the ends."""
    window = np.ones(min(width, len(x)))
    return np.convolve(x, window, "same") / np.convolve(np.ones(len(x)), window, "same")


def plot(axis: Any, curves: Sequence[History], name: str, **line: Any) -> None:
    """The mean return of one measure in several runs, smoothed, into matplotlib's axes."""
    for run in curves:
        axis.plot(run.steps / 1e6, smooth(run.returns[name]), **{"linewidth": 1.2, **line})
    axis.set(xlabel="million steps")
    axis.spines[["top", "right"]].set_visible(False)


def svg(curves: Sequence[History], name: str, prefix: str) -> str:
    """One measure of several runs as an SVG element to be put into a page.

    Axes and text take the page's colour and font, curves the colour `--curve`. prefix: begins
    every id in it, so that several can be on one page.
    """
    import matplotlib.figure  # here, because every judging imports this module and few need it

    ink, line = "#010203", "#040506"  # stand for the page's colours, which matplotlib cannot say
    style: Any = {
        k: ink for k in ("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    }
    style |= {"svg.fonttype": "none", "svg.hashsalt": "curves", "font.size": "11"}
    with matplotlib.rc_context(style):
        figure = matplotlib.figure.Figure(figsize=(4, 2.6), layout="constrained")
        axis = figure.subplots()
        plot(axis, curves, name, color=line, alpha=0.8, linewidth=1.5)
        text = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    drawn = text.getvalue().partition("<svg ")[2]
    drawn = re.sub(r"<style.*?</style>", "", drawn, flags=re.DOTALL)  # it would hold for the page
    for old, new in (
        (ink, "currentColor"),
        (line, "var(--curve, currentColor)"),
        ('id="', f'id="{prefix}-'),
        ('href="#', f'href="#{prefix}-'),
        ("url(#", f"url(#{prefix}-"),
    ):
        drawn = drawn.replace(old, new)
    return f"<svg {drawn}"
