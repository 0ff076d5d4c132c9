"""Learning curves of one or several runs, as a picture: `python eval/curves.py RUN... --out FILE`.

Plotted from the runs' metrics.jsonl alone: the mean return of each measure over the episodes that
ended in an update, smoothed over a few updates, one line per run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from matplotlib.figure import Figure

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.agents.run_folders import run_folders
from sandbox_envs.eval.pages.curves import plot
from sandbox_envs.files import atomic_write
from sandbox_envs.train.arguments import origin_of
from sandbox_envs.train.jobs import learned_with
from sandbox_envs.train.metrics import FILE as METRICS
from sandbox_envs.train.metrics import learning_curves, logged_steps
from sandbox_envs.train.run_files import read_training


@dataclass
class Args:
    """Plot the learning curves of runs."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """run folders"""
    out: Path = Path("learning_curve.png")
    """the picture to write, .png or .svg"""
    reference: float | None = None
    """draw a dotted line at this return of the first measure, e.g. that of a scripted policy"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Plot the curves and write the picture."""
    runs = run_folders(args.runs, ("args.json", METRICS))
    curves = [learning_curves(run) for run in _last_of_each_training(runs)]
    names = list(curves[0].returns)
    figure = Figure(figsize=(3.2 * len(names), 2.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(names)))
    for axis, name in zip(axes, names, strict=True):
        plot(axis, curves, name)
        axis.set(title=name)
    if args.reference is not None:
        axes[0].axhline(args.reference, color="0.4", linestyle=":", linewidth=1)
    axes[0].set_ylabel("mean return of an episode")
    with atomic_write(args.out) as temporary:
        figure.savefig(temporary, dpi=110)
    print(args.out)


def _last_of_each_training(runs: Sequence[Path]) -> list[Path]:
    """The runs without checkpoints that a later one of the same training goes on from.

    The curve of the later one begins with theirs.
    """
    last: dict[str, Path] = {}
    for run in runs:
        key = _training_of(run)
        if key not in last or logged_steps(run)[-1:] > logged_steps(last[key])[-1:]:
            last[key] = run
    if len(last) < len(runs):
        print(f"note: of {len(runs)} runs {len(last)} are drawn: others are their earlier steps")
    return list(last.values())


def _training_of(run: Path) -> str:
    """What checkpoints of one training share; of a folder that only has a log its own path."""
    if not (run / "args.json").is_file():
        return str(run.resolve())
    training = read_training(run)
    return origin_of(training.trainer, learned_with(training), training.scenes)


if __name__ == "__main__":
    main(tyro.cli(Args))
