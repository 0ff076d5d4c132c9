"""Looking at a scene in a process of its own, so that whatever it does harms nothing else."""

import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from sandbox_envs.checks import Finding, examine

COMPILE_SECONDS = 30.0  # for reading and compiling; a shipped scene takes 0.1


def examine_apart(path: Path, starts: int, seconds: float, gigabytes: float) -> Iterator[Finding]:
    """The errors and warnings that `examine` gives, and an error where it crashes or hangs.

    seconds: of wall time, for everything. gigabytes: of memory beyond what an empty process has.
    """
    context = multiprocessing.get_context("forkserver")  # one import of mujoco serves all files
    context.set_forkserver_preload(["sandbox_envs.checks"])
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, path, starts, gigabytes), daemon=True)
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
    stage, begun = "starting", time.monotonic()
    while True:
        most = min(seconds, COMPILE_SECONDS) if "compiling" in stage else seconds
        if not findings.poll(max(0.0, begun + most - time.monotonic())):
            text = f"{path}: {stage} took more than {most:g} s; make it smaller or shorter"
            yield Finding("error", text)
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
    yield Finding("error", f"{path}: {_death(process.exitcode or 0)} while {stage}")


def _death(status: int) -> str:
    if status < 0:
        return f"MuJoCo crashed ({signal.Signals(-status).name}); leave out what it cannot take"
    return "MuJoCo gave up, perhaps for want of memory; make it smaller,"


def _work(findings: Connection, path: Path, starts: int, gigabytes: float) -> None:
    """Look at the scene, in the process that may be harmed."""
    os.chdir(tempfile.gettempdir())  # where MuJoCo may leave its log
    _limit_memory(gigabytes)
    sys.stdout.flush()
    with Path(os.devnull).open("w") as nowhere:  # what libraries print is no finding
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    for finding in examine(path, starts):
        findings.send(finding)
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
