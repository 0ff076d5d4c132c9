"""Ctrl-C, SIGTERM, and the end of the parent: how a training is asked to stop."""

import ctypes
import os
import select
import signal
import sys
import threading
from contextlib import ExitStack
from typing import Any

from tqdm import tqdm

from sandbox_envs.stopping import watched_signals

PARENT = "SANDBOX_ENVS_PARENT"  # the process that started a trainer and must not outlive it
GRACE = 60.0  # seconds in which a training must notice a signal
PR_SET_PDEATHSIG = 1  # of Linux's prctl: the signal to get when the parent ends


class StopRequests:
    """Notes Ctrl-C and SIGTERM while its block runs, so that a training can save before it ends.

    The first one is noted in `number`; a second one acts as it would without this, except in a job.
    If the process does not come to note the first one in time, because it is deep in one call to
    the physics, it ends without saving. Outside of the main thread, where Python cannot handle
    signals, nothing is noted.
    """

    def __init__(self) -> None:
        self.number = 0
        self._handlers: dict[int, Any] = {}
        self._is_job = False
        self._watch = ExitStack()

    def __enter__(self) -> "StopRequests":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._note)
            self._watch.enter_context(watched_signals(self._enforce))
            self._is_job = PARENT in os.environ
            _end_with_parent()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: object) -> None:
        if not self._is_job:  # a job gets several where its parent dies thread by thread
            signal.signal(number, self._handlers[number])
        if not self.number:
            tqdm.write("finishing this update, then saving; press Ctrl-C again to stop at once")
        self.number = number

    def _enforce(self, reading: int) -> None:
        """End the process when a signal is not noted in time, or a second one comes meanwhile.

        A job gets several at once where its parent dies, so that only the time counts there.
        """
        waiting = 0
        while True:
            ready, _, _ = select.select([reading], [], [], GRACE if waiting else None)
            byte = os.read(reading, 1) if ready else None
            if byte == b"":  # the block has ended
                break
            if self.number:
                waiting = 0
            elif byte is None or (waiting and not self._is_job):
                sys.stderr.write("error: stopped without saving, as one step does not end\n")
                os._exit(128 + waiting)
            elif byte[0] in self._handlers:
                waiting = byte[0]


def _end_with_parent() -> None:
    """Let a process that was started as a job get SIGTERM when its parent ends (Linux)."""
    parent = int(os.environ.pop(PARENT, 0))
    if parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
