"""Reading a run's metrics.jsonl, where a training logs a line per update. The only reader of it."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.files import read_lines

FILE = "metrics.jsonl"
LONGEST_LINE = 2**16  # bytes
LAST = 0.1  # the share of a training, at its end, over which the objective is averaged
POINTS = 50  # of a curve, at most
REWARD, PREFIX = "return", "return/"  # a line's keys: of the reward, and before a measure's name


@dataclass(frozen=True)
class History:
    """A training, update by update; arrays are (updates,)."""

    steps: np.ndarray
    """environment steps since the beginning, int"""
    seconds: np.ndarray
    """of training since the beginning; a resumed run continues to count"""
    episodes: np.ndarray
    """episodes that ended in the update, int"""
    rewards: np.ndarray
    """mean return of the reward over these episodes; 0 where none ended"""
    returns: Mapping[str, np.ndarray]
    """measure -> its mean return over these episodes; 0 where none ended"""

    def where_episodes_ended(self) -> "History":
        """The updates in which episodes ended."""
        kept = self.episodes > 0
        returns = {name: values[kept] for name, values in self.returns.items()}
        return History(
            self.steps[kept], self.seconds[kept], self.episodes[kept], self.rewards[kept], returns
        )


def read_history(run: Path) -> History:
    """All that a run has logged so far; without an update the arrays are empty.

    Raises:
        UserError: this is not a run folder, or a line of its metrics is damaged.
    """
    file = run / FILE
    if not file.is_file():
        raise UserError(f"{run}: this is not a run folder, it has no {FILE}")
    rows = read_lines(file)
    try:
        return _history(rows)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{file}: a line in it is damaged") from None


def logged_steps(run: Path) -> list[int]:
    """The environment steps done after each update that a run has logged; none without a log."""
    return read_history(run).steps.tolist() if (run / FILE).is_file() else []


def last_step(run: Path) -> int:
    """The environment steps after the last update that a run has logged; 0 without one.

    Only the log's last line is read, so that it can be asked often while the run goes on.
    """
    try:
        with (run / FILE).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST_LINE))
            return int(json.loads(file.read().rpartition(b"\n")[0].rpartition(b"\n")[2])["step"])
    except (OSError, LookupError, TypeError, ValueError):
        return 0


def _history(rows: Sequence[Mapping[str, Any]]) -> History:
    names = list(dict.fromkeys(k for row in rows for k in row if k.startswith(PREFIX)))
    clock = np.array([float(row["seconds"]) for row in rows])
    ticks = np.diff(clock, prepend=0)
    ticks = np.where(ticks < 0, clock, ticks)  # a resumed run restarts its clock
    return History(
        steps=np.array([int(row["step"]) for row in rows], int),
        seconds=ticks.cumsum(),
        episodes=np.array([int(row["episodes"]) for row in rows], int),
        rewards=_column(rows, REWARD),
        returns={name.removeprefix(PREFIX): _column(rows, name) for name in names},
    )


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    """One figure of every update; it is logged exactly where episodes ended."""
    return np.array([float(row[key]) if row["episodes"] else 0.0 for row in rows])


# --- what a training came to -----------------------------------------------------------------


def objective(history: History) -> float:
    """Mean return of the episodes that ended in the last tenth of a training.

    Raises:
        UserError: there is no update, no episode ended there, or the returns are not finite.
    """
    if not len(history.steps):
        raise UserError("it has logged no update; train for longer")
    last = history.steps > (1 - LAST) * history.steps[-1]
    if not history.episodes[last].any():
        raise UserError("no episode ended in the last tenth of the training; train for longer")
    mean = float(np.average(history.rewards[last], weights=history.episodes[last]))
    if not np.isfinite(mean):
        raise UserError("the returns are not finite")
    return mean


def curve(history: History) -> list[tuple[float, float, float]]:
    """Steps, seconds and mean return of the reward, at no more than POINTS places of a training."""
    points = []
    for part in np.array_split(np.arange(len(history.steps)), min(POINTS, len(history.steps))):
        episodes = history.episodes[part]
        if episodes.any():
            mean = float(np.average(history.rewards[part], weights=episodes))
            points.append((float(history.steps[part[-1]]), float(history.seconds[part[-1]]), mean))
    return points


def outcome(run: Path) -> dict[str, Any]:
    """A training in four numbers: its objective, steps, seconds, and steps per second.

    Raises:
        UserError: the run has logged no update, or has no objective.
    """
    history = read_history(run)
    mean = objective(history)
    steps, seconds = int(history.steps[-1]), float(history.seconds[-1])
    return {
        "objective": mean,
        "steps": steps,
        "seconds": seconds,
        "steps_per_second": steps / seconds,
    }


def learning_curves(run: Path) -> History:
    """The updates of a run in which episodes ended.

    Raises:
        UserError: there is none.
    """
    history = read_history(run).where_episodes_ended()
    if not len(history.steps):
        raise UserError(f"{run}: no episode has ended in it yet; train for longer")
    return history
