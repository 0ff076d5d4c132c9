"""SIGTERM ends a command as Ctrl-C does: what is unfinished is cleared away."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

GRACE = 10.0  # seconds in which SIGTERM must be noticed


class Terminated(KeyboardInterrupt):  # noqa: N818
    """SIGTERM, where a command handles it as it handles Ctrl-C."""


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM raise Terminated in the block, so that what is unfinished is cleared away.

    If that cannot happen in time, because the program is deep in one call to the physics, it ends
    at once, with the same status. Where the signal is ignored or the thread is not the main one,
    nothing is changed.
    """
    before = signal.getsignal(signal.SIGTERM)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if before in (signal.SIG_IGN, None) or not in_main_thread:
        yield
        return
    noticed = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        noticed.set()
        raise Terminated

    def enforce(reading: int) -> None:
        while number := os.read(reading, 1):
            if number[0] == signal.SIGTERM and not noticed.wait(GRACE):
                os.write(2, b"error: stopped at once, as one step does not end\n")
                os._exit(143)

    signal.signal(signal.SIGTERM, stop)
    try:
        with watched_signals(enforce):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def watched_signals(watch: Callable[[int], None]) -> Iterator[None]:
    """Let a thread learn of signals even while the main thread runs no line of Python.

    watch: runs in the thread, with a descriptor from which it reads the number of every signal
    that Python handles, a byte each, and nothing once the block has ended. For the main thread.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing)
    threading.Thread(target=_watching, args=(watch, reading), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)  # which ends the thread


def _watching(watch: Callable[[int], None], reading: int) -> None:
    watch(reading)
    os.close(reading)
