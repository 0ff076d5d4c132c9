"""The log of a training in progress: metrics.jsonl, and TensorBoard events.

A disk that is full, or a folder that cannot be written for a while, does not end a training: lines
are kept and written when it is possible again.
"""

import json
import math
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from sandbox_envs.files import append, read_regular
from sandbox_envs.train.metrics import FILE

Row = Mapping[str, float | None]


class Log:
    """The log of one training; `done`: steps that a resumed one begins with, None for a new one."""

    def __init__(self, folder: Path, done: int | None) -> None:
        self.file = folder / FILE
        self._waiting: list[bytes] = []
        self._hook, threading.excepthook = threading.excepthook, _quiet_about_files
        self._events: SummaryWriter | None = _writer(folder, done)

    def add(self, row: Row, step: int) -> None:
        """Take a line, and write it unless that is impossible just now.

        Raises:
            OSError: it could not be written; it will be with the next one, or by `write`.
        """
        plain = {k: v if v is None or math.isfinite(v) else None for k, v in row.items()}
        self._waiting.append(json.dumps(plain).encode() + b"\n")
        try:
            self._add_events(plain, step)
        finally:
            self.write()

    def write(self) -> None:
        """Write the lines that wait; OSError where it is impossible."""
        while self._waiting:
            append(self.file, self._waiting[0])
            del self._waiting[0]

    def save(self) -> None:
        """Make all that was logged outlive this process; OSError where it is impossible."""
        self.write()
        try:
            if self._events:
                self._events.flush()
        except OSError:
            self._close_events()

    def _add_events(self, row: Row, step: int) -> None:
        if self._events is None:
            return
        try:
            for name, value in row.items():
                if value is not None:
                    self._events.add_scalar(name, value, step)
        except OSError:  # its thread has ended, and what it held is lost
            self._close_events()
            raise

    def _close_events(self) -> None:
        try:
            if self._events:
                self._events.close()
        except OSError:
            pass
        self._events = None

    def close(self) -> None:
        """End the events, and write what still waits; OSError where it is impossible."""
        self._close_events()
        threading.excepthook = self._hook
        self.write()


def _writer(folder: Path, done: int | None) -> SummaryWriter:
    """TensorBoard's writer; events of a killed process after the steps done are not shown."""
    return SummaryWriter(str(folder), purge_step=None if done is None else done + 1)


def cut(file: Path, step: int, last: int) -> None:
    """Cut a log back to its whole lines up to a step, and print a note if lines are lost.

    file: a JSON object with "step" on each line, in the order of steps; none is an empty log.
    last: the step of the last line that it must have.

    Raises:
        UserError: it is no regular file. OSError: it cannot be read or written.
    """
    kept = _cut(file, step) if file.exists() else 0
    if kept < last:
        tqdm.write(
            f"note: {file.name} has lost its lines after step {kept}; it goes on after step {step}"
        )


def _cut(file: Path, step: int) -> int:
    """Cut it; returns the step of the last line that is left."""
    content = read_regular(file)
    kept = last = 0
    for line in content.split(b"\n")[:-1]:
        logged = _step(line)
        if logged is None or not last < logged <= step:
            break
        kept, last = kept + len(line) + 1, logged
    if kept < len(content):
        os.truncate(file, kept)
    return last


def _step(line: bytes) -> int | None:
    """The step that a line of a log is of; None where it is damaged."""
    try:
        step = json.loads(line)["step"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return step if isinstance(step, int) else None


def _quiet_about_files(failure: threading.ExceptHookArgs) -> None:
    """TensorBoard writes in a thread; where its write fails, the next `add` raises the same."""
    if not isinstance(failure.exc_value, OSError):
        threading.__excepthook__(failure)
