"""Hyperparameters compared by the reward in training: figures, and a picture of the curves."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.experiments.estimates import Rows
from sandbox_envs.eval.pages.figures import save
from sandbox_envs.files import read_json
from sandbox_envs.train.jobs import Job, run_jobs
from sandbox_envs.train.metrics import POINTS, curve, outcome, read_history

COLOURS = ("0.45", "#009e73", "#e69f00")  # of the arms, in order

Arms = dict[str, Any]  # arm -> {"hyperparameters", "seeds": seed -> outcome}, as plain JSON


def compare(
    arms: Mapping[str, Mapping[int, Mapping[str, Any]]], folder: Path, workers: int, trainer: str
) -> dict[str, dict[str, Any]]:
    """Train every arm with every seed: arm -> seed -> outcome and learning curve."""
    pairs = [(arm, seed) for arm in arms for seed in arms[arm]]
    pairs.sort(key=lambda pair: pair[1])  # arms by turns: a slow phase of the machine hits all
    jobs = [Job(f"{arm}-s{seed}", trainer, arms[arm][seed]) for arm, seed in pairs]
    runs = dict(zip(pairs, run_jobs(jobs, folder, workers), strict=True))
    return {
        arm: {
            str(seed): {**outcome(run), "curve": curve(read_history(run))}
            for seed in arms[arm]
            for run in [runs[arm, seed]]
        }
        for arm in arms
    }


def plot(arms: Arms, out: Path) -> None:
    """Learning curves over the steps of the training and over its seconds.

    Each arm has a line, the median over its seeds, and a band from the smallest to the largest.
    """
    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, column, unit in zip(axes, (0, 1), (1e6, 1), strict=True):
        for (arm, trained), colour in zip(arms.items(), COLOURS, strict=False):
            curves = [np.array(one["curve"]) for one in trained["seeds"].values()]
            x, y = together([(points[:, column] / unit, points[:, 2]) for points in curves])
            axis.plot(x, np.median(y, 0), color=colour, linewidth=1.4, label=arm)
            axis.fill_between(x, y.min(0), y.max(0), color=colour, alpha=0.2, linewidth=0)
    axes[0].set(xlabel="million steps", ylabel="reward per episode")
    axes[1].set(xlabel="seconds of training")
    axes[0].legend(frameon=False, fontsize=8)
    save(figure, out)


def together(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Curves at common places, where all are defined: x (places,) and y (curves, places)."""
    x = np.linspace(max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves), 4 * POINTS)
    return x, np.array([np.interp(x, *points) for points in curves])


def summary(arms: Arms) -> Iterator[str]:
    """A line per arm: median, smallest and largest over its seeds."""
    for arm, trained in arms.items():
        shown = []
        for name, digits in (("objective", 3), ("seconds", 0), ("steps_per_second", 0)):
            x = [one[name] for one in trained["seeds"].values()]
            label = name.replace("_", " ")
            middle, least, most = (f"{v:.{digits}f}" for v in (np.median(x), min(x), max(x)))
            shown.append(f"{label} {middle} ({least} to {most})")
        yield f"{arm}: {', '.join(shown)}"


def changes(file: Path, best: float) -> tuple[list[str], Rows]:
    """The trials of the planner: what was changed, and the return in each tenth of training.

    best: the most reward that is known in the training scene.
    """
    rows = []
    for one in read_json(file)["trials"]:
        earned = " ".join(f"{value:.1f}" for value in one["returns"])
        end = "" if len(one["returns"]) == 10 else f"stopped at {one['steps'] / 1000:.0f} thousand"
        at_end = end or f"{one['returns'][-1]:.2f}"
        rows.append([one["changes"], str(one["seed"]), earned, at_end])
    last = f"last tenth ({0.75 * best:.2f} are three quarters of the best)"
    return ["what was changed", "seed", "return in each tenth of a training", last], rows
