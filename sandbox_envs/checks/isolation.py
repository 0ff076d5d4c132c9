"""Checks in a separate process, which a broken scene can crash without harm."""

import math
import multiprocessing
import os
import resource
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from sandbox_envs.checks.examination import examine
from sandbox_envs.checks.finding import Finding
from sandbox_envs.processor import available_cores


@dataclass(frozen=True)
class Stage:
    """A message of the separate process: what it does to the scene next."""

    words: str
    """a participle, as in "the scene was being read" """


@dataclass(frozen=True)
class End:
    """The last message of the separate process."""


def examine_apart(path: Path, starts: int, seconds: float, gigabytes: float) -> Iterator[Finding]:
    """Yield the findings of `examine`, run in its own process; an error if it crashes or hangs.

    Args:
        path: the scene file.
        starts: episodes to run under each kind of control.
        seconds: wall time for everything.
        gigabytes: memory beyond what an empty process has.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["sandbox_envs.checks.examination", "tyro"]
    )  # once for all files
    mine, theirs = context.Pipe(duplex=False)
    arguments = theirs, path, starts, seconds, gigabytes
    process = context.Process(target=_work, args=arguments, daemon=True)
    process.start()
    theirs.close()
    try:
        yield from receive(path, mine, process, seconds)
    finally:
        process.kill()
        process.join()


def receive(
    path: Path, messages: Connection, process: BaseProcess, seconds: float
) -> Iterator[Finding]:
    """The findings that a process sends, and an error where it dies or takes too long.

    Args:
        path: the scene file that the process examines.
        messages: its Findings and Stages, and an End when it is done.
        process: is not ended here where it takes too long.
        seconds: wall time for all messages.
    """
    stage, began = "started", time.monotonic()
    while True:
        if not messages.poll(max(0.0, began + seconds - time.monotonic())):
            late = f"after {seconds:g} s it was still being {stage}; make it smaller or shorter"
            yield Finding("error", f"{path}: {late}")
            return
        try:
            message = messages.recv()
        except EOFError:
            break
        match message:
            case Finding():
                yield message
            case Stage():
                stage = message.words
            case End():
                return
    process.join()
    yield Finding("error", f"{path}: {_death(process.exitcode or 0, stage)}")


def _death(status: int, stage: str) -> str:
    if status < 0:
        name = signal.Signals(-status).name
        return f"MuJoCo crashed ({name}) while it was being {stage}; remove what MuJoCo cannot take"
    return f"MuJoCo gave up while it was being {stage}, perhaps out of memory; make it smaller"


def _work(messages: Connection, path: Path, starts: int, seconds: float, gigabytes: float) -> None:
    """Examine the scene; runs in the separate process."""
    os.chdir(tempfile.gettempdir())  # where MuJoCo may leave its log
    _limit_memory(gigabytes)
    busy = math.ceil(seconds * available_cores())  # ends this process if its parent is gone
    resource.setrlimit(resource.RLIMIT_CPU, (busy, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    with Path(os.devnull).open("w") as nowhere:  # what libraries print is not a finding
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        for finding in examine(path, starts, lambda words: messages.send(Stage(words))):
            messages.send(finding)
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        bug = f"{path}: {what} (this is a bug in sandbox_envs; please report it)"
        messages.send(Finding("error", bug))
    messages.send(End())


def _limit_memory(gigabytes: float) -> None:
    """Let this process take that much more memory than it has now, where Linux says how much."""
    status = Path("/proc/self/statm")
    if status.is_file():
        now = int(status.read_text().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = now + int(gigabytes * 2**30)
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))
