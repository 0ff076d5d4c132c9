"""Learning curves, drawn from runs' metrics."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.train.metrics import History

SMOOTHING = 10  # updates
COLOURS = 10  # that matplotlib tells apart; further arms have other strokes
STROKES = ("-", "--", ":", "-.")
LEGEND_LINE = 0.15  # inches


@dataclass(frozen=True)
class Arm:
    """Runs that are drawn alike, as they differ in nothing but their seed."""

    label: str
    """its entry in the legend, of one or several lines"""
    curves: Sequence[History]
    """of its runs"""


def smooth(x: np.ndarray) -> np.ndarray:
    """Running mean over up to SMOOTHING values, as many as there are at the ends."""
    window = np.ones(min(SMOOTHING, len(x)))
    return np.convolve(x, window, "same") / np.convolve(np.ones(len(x)), window, "same")


def returns_of(run: History, name: str) -> np.ndarray | None:
    """The mean return of a measure, or of `REWARD`, (updates,); None where the run has none."""
    return run.rewards if name == REWARD else run.returns.get(name)


def plot(axis: Any, curves: Sequence[History], name: str, **line: Any) -> None:
    """A mean return in several runs, those that have it, smoothed, into matplotlib's axes."""
    for run in curves:
        if (returns := returns_of(run, name)) is not None:
            axis.plot(run.steps / 1e6, smooth(returns), **{"linewidth": 1.2, **line})
    axis.set(xlabel="million steps")
    axis.spines[["top", "right"]].set_visible(False)


def picture(arms: Sequence[Arm], reference: float | None = None) -> Any:
    """A panel for the reward and one for every measure of any run, as a matplotlib Figure.

    Arms have a colour and an entry in the legend each. reference: a dotted line at this return of
    the first measure.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    names = [REWARD, *dict.fromkeys(k for arm in arms for run in arm.curves for k in run.returns)]
    styles: list[dict[str, Any]] = [
        {"color": f"C{i % COLOURS}", "linestyle": STROKES[i // COLOURS % len(STROKES)]}
        for i in range(len(arms))
    ]
    legend = LEGEND_LINE * sum(arm.label.count("\n") + 1 for arm in arms)
    figure = Figure(figsize=(3.2 * len(names), 2.7 + legend), layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for axis, name in zip(axes, names, strict=True):
        for arm, style in zip(arms, styles, strict=True):
            plot(axis, arm.curves, name, **style)
        axis.set(title=name)
    if reference is not None:
        for axis in axes[1:2]:
            axis.axhline(reference, color="0.4", linestyle=":", linewidth=1)
    axes[0].set_ylabel("mean return of an episode")
    figure.legend(
        [Line2D([], [], **style) for style in styles],
        [_plain(arm.label) for arm in arms],
        loc="outside lower left",
        fontsize=8,
        frameon=False,
    )
    return figure


def _plain(label: str) -> str:
    """A label that matplotlib shows as it is: it hides those with _ and computes between $."""
    shown = label.encode(errors="replace").decode().replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


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
