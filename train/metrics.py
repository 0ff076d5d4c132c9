"""What a training earned: the return of its episodes, read from the run's metrics.jsonl alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.files import read_lines

LAST = 0.1  # the share of a training, at its end, that the objective is the mean of
POINTS = 50  # of a curve, at most


@dataclass(frozen=True)
class History:
    """A training, update by update: arrays (updates,).

    steps, seconds: since its beginning. episodes: that ended. returns: their mean, 0 without any.
    """

    steps: np.ndarray
    seconds: np.ndarray
    episodes: np.ndarray
    returns: np.ndarray


def read_history(run: Path) -> History:
    """What a run's metrics.jsonl says of the return of its training episodes."""
    file = run / "metrics.jsonl"
    keys = ("step", "seconds", "episodes")
    try:
        rows = [(*(float(r[k]) for k in keys), float(r.get("return", 0))) for r in read_lines(file)]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{file}: a line in it is damaged") from None
    if not rows:
        raise UserError(f"{run}: it has logged no update")
    steps, clock, episodes, returns = np.array(rows).T
    ticks = np.diff(clock, prepend=0)
    ticks = np.where(ticks < 0, clock, ticks)  # a run that was gone on with counts anew
    return History(steps, ticks.cumsum(), episodes, returns)


def objective(history: History) -> float:
    """Mean return of the episodes that ended in the last part of a training."""
    last = history.steps > (1 - LAST) * history.steps[-1]
    if not history.episodes[last].any():
        raise UserError("no episode ended in the last tenth of the training; train for longer")
    mean = float(np.average(history.returns[last], weights=history.episodes[last]))
    if not np.isfinite(mean):
        raise UserError("the returns are not finite")
    return mean


def curve(history: History) -> list[tuple[float, float, float]]:
    """Steps, seconds and mean return, at no more than POINTS places of a training."""
    points = []
    for part in np.array_split(np.arange(len(history.steps)), min(POINTS, len(history.steps))):
        episodes = history.episodes[part]
        if episodes.any():
            mean = float(np.average(history.returns[part], weights=episodes))
            points.append((float(history.steps[part[-1]]), float(history.seconds[part[-1]]), mean))
    return points


def outcome(run: Path) -> dict[str, Any]:
    """What a training came to."""
    history = read_history(run)
    steps, seconds = int(history.steps[-1]), float(history.seconds[-1])
    return {
        "objective": objective(history),
        "steps": steps,
        "seconds": seconds,
        "steps_per_second": steps / seconds,
    }


def logged_steps(folder: Path) -> list[int]:
    """The environment steps done after each update that a run has logged."""
    metrics = folder / "metrics.jsonl"
    rows = read_lines(metrics) if metrics.is_file() else []
    try:
        return [int(row["step"]) for row in rows]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{metrics}: a line in it is damaged") from None


Curves = tuple[np.ndarray, dict[str, np.ndarray]]  # of a run: what read_scores gives


def read_scores(run: Path) -> Curves:
    """Steps (updates,) and measure -> mean score per update; updates without episodes left out."""
    file = run / "metrics.jsonl"
    if not file.is_file():
        raise UserError(f"{run}: this is not a run folder, it has no metrics.jsonl")
    try:
        rows = [row for row in read_lines(file) if row["episodes"]]
        names = (
            [k.removeprefix("return/") for k in rows[0] if k.startswith("return/")] if rows else []
        )
        scores = {name: np.array([float(row[f"return/{name}"]) for row in rows]) for name in names}
        steps = np.array([float(row["step"]) for row in rows])
    except (KeyError, TypeError):
        raise UserError(f"{file}: a line in it is damaged") from None
    if not rows:
        raise UserError(f"{run}: no episode has ended in it yet; train for longer")
    return steps, scores
