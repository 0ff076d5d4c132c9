"""Learning curves of one or several runs, as a picture: `python eval/curves.py RUN... --out FILE`.

Drawn from the runs' metrics.jsonl alone: the mean score of each measure over the episodes that
ended in an update, smoothed over a few updates, one line per run.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import tyro

from sandbox_envs.errors import UserError, one_sentence
from sandbox_envs.files import read_lines, whole_file

SMOOTHING = 10  # updates

Curves = tuple[np.ndarray, dict[str, np.ndarray]]  # of a run: what read_scores gives


@dataclass
class Args:
    """Draw the learning curves of runs."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """run folders"""
    out: Path = Path("learning_curve.png")
    """the picture to write, .png or .svg"""
    reference: float | None = None
    """draw a dotted line at this score of the first measure, e.g. that of a scripted seeker"""
    debug: bool = False
    """show the traceback of an error"""


def read_scores(run: Path) -> Curves:
    """Steps (updates,) and measure -> mean score per update; updates without episodes left out."""
    file = run / "metrics.jsonl"
    if not file.is_file():
        raise UserError(f"{run}: this is not a run folder, it has no metrics.jsonl")
    try:
        rows = [row for row in read_lines(file) if row["episodes"]]
        names = (
            [k.removeprefix("score/") for k in rows[0] if k.startswith("score/")] if rows else []
        )
        scores = {name: np.array([float(row[f"score/{name}"]) for row in rows]) for name in names}
        steps = np.array([float(row["step"]) for row in rows])
    except (KeyError, TypeError):
        raise UserError(f"{file}: a line in it is damaged") from None
    if not rows:
        raise UserError(f"{run}: no episode has ended in it yet; train for longer")
    return steps, scores


def smooth(x: np.ndarray, width: int = SMOOTHING) -> np.ndarray:
    """Running mean over up to `width` values, as many as there are at the ends."""
    window = np.ones(min(width, len(x)))
    return np.convolve(x, window, "same") / np.convolve(np.ones(len(x)), window, "same")


def draw(axis: Any, curves: Sequence[Curves], name: str, **line: Any) -> None:
    """One measure of several runs, smoothed, into matplotlib's axes."""
    for steps, scores in curves:
        axis.plot(steps / 1e6, smooth(scores[name]), **{"linewidth": 1.2, **line})
    axis.set(xlabel="million steps")
    axis.spines[["top", "right"]].set_visible(False)


def svg(curves: Sequence[Curves], name: str, prefix: str) -> str:
    """One measure of several runs as an SVG element to be put into a page.

    Axes and text take the page's colour and font, curves the colour `--curve`. prefix: begins
    every id in it, so that several can be on one page.
    """
    ink, line = "#010203", "#040506"  # stand for the page's colours, which matplotlib cannot say
    style: Any = {
        k: ink for k in ("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    }
    style |= {"svg.fonttype": "none", "svg.hashsalt": "curves", "font.size": "11"}
    with plt.rc_context(style):
        figure, axis = plt.subplots(figsize=(4, 2.6), layout="constrained")
        draw(axis, curves, name, color=line, alpha=0.8, linewidth=1.5)
        text = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
        plt.close(figure)
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


@one_sentence
def main(args: Args) -> None:
    """Draw the curves and write the picture."""
    curves = [read_scores(run) for run in args.runs]
    names = list(curves[0][1])
    figure, axes = plt.subplots(
        1, len(names), figsize=(3.2 * len(names), 2.6), layout="constrained"
    )
    for axis, name in zip(np.atleast_1d(axes), names, strict=True):
        draw(axis, curves, name)
        axis.set(title=name)
    if args.reference is not None:
        np.atleast_1d(axes)[0].axhline(args.reference, color="0.4", linestyle=":", linewidth=1)
    np.atleast_1d(axes)[0].set_ylabel("mean score of an episode")
    with whole_file(args.out) as temporary:
        figure.savefig(temporary, dpi=110)
    print(args.out)


if __name__ == "__main__":
    main(tyro.cli(Args))
