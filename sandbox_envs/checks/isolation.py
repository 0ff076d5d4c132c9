"""Looking at a scene in a process of its own, so that whatever it does harms nothing else."""

import math
import multiprocessing
import os
import resource
import signal
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from sandbox_envs.checks import Finding, examine


def examine_apart(path: Path, starts: int, seconds: float, gigabytes: float) -> Iterator[Finding]:
    """The errors and warnings that `examine` gives, and an error where it crashes or hangs.

    seconds: of wall time, for everything. gigabytes: of memory beyond what an empty process has.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sandbox_envs.checks", "tyro"])  # once for all files
    mine, theirs = context.Pipe(duplex=False)
    arguments = theirs, path, starts, seconds, gigabytes
    process = context.Process(target=_work, args=arguments, daemon=True)
    process.start()
    theirs.close()
    try:
        yield from _listen(path, mine, process, seconds)
    finally:
        process.kill()
        process.join()


def _listen(
    path: Path, findings: Connection, process: multiprocessing.process.BaseProcess, seconds: float
) -> Iterator[Finding]:
    stage, begun = "started", time.monotonic()
    while True:
        if not findings.poll(max(0.0, begun + seconds - time.monotonic())):
            late = f"after {seconds:g} s it was still being {stage}; make it smaller or shorter"
            yield Finding("error", f"{path}: {late}")
            return
        try:
            finding = findings.recv()
        except EOFError:
            break
        if finding.kind == "end":
            return
        if finding.kind == "stage":
            stage = finding.text
        else:
            yield finding
    process.join()
    yield Finding("error", f"{path}: {_death(process.exitcode or 0, stage)}")


def _death(status: int, stage: str) -> str:
    if status < 0:
        name = signal.Signals(-status).name
        return f"MuJoCo crashed ({name}) as it was being {stage}; leave out what it cannot take"
    return f"MuJoCo gave up as it was being {stage}, perhaps for want of memory; make it smaller"


def _work(findings: Connection, path: Path, starts: int, seconds: float, gigabytes: float) -> None:
    """Look at the scene, in the process that may be harmed."""
    os.chdir(tempfile.gettempdir())  # where MuJoCo may leave its log
    _limit_memory(gigabytes)
    busy = math.ceil(seconds * (os.cpu_count() or 1))  # should nobody be left to end it
    resource.setrlimit(resource.RLIMIT_CPU, (busy, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    with Path(os.devnull).open("w") as nowhere:  # what libraries print is no finding
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        for finding in examine(path, starts):
            findings.send(finding)
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        findings.send(Finding("error", f"{path}: {what} (our fault: please report it)"))
    findings.send(Finding("end", ""))


def _limit_memory(gigabytes: float) -> None:
    """Let this process have that much more memory than it has now, where the system can tell."""
    status = Path("/proc/self/statm")
    if status.is_file():
        now = int(status.read_text().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = now + int(gigabytes * 2**30)
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))
