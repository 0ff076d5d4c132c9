"""Load thousands of hostile scenes, and report every one that is neither refused nor sound.

python tests/long/fuzz.py --cases 5000 --seed 0     all kinds of cases, in numbered order
python tests/long/fuzz.py --seed 0 --only 17        one case again, here, with its traceback

Each case is made from the seed and its number alone. It runs in a process apart, with limits of
time and memory, so that a crash or a hang ends that process only; it is reported with the case's
number, and its files are kept. The exit status is 1 where there is a finding.
"""

import collections
import contextlib
import math
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import hostile

HARMLESS = ("refused", "loaded")
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["hostile"])
REPORT_EVERY = 500  # cases
WAITING = 600.0  # seconds of wall time, after which a case waits for something for ever


@dataclass
class Args:
    """Load hostile scenes and report those that are neither refused nor sound."""

    cases: int = 5000
    """how many cases"""
    seed: int = 0
    """of the random generator"""
    first: int = 0
    """number of the first case"""
    only: int | None = None
    """run this case alone, in this process"""
    plant: bool = False
    """let the first three cases be a crash, a hang and an error, which must be found"""
    workers: int = 1
    """processes at a time"""
    seconds: int = 60
    """processor time for a case, after which it counts as hanging"""
    gigabytes: float = 4.0
    """memory that a case may take beyond that of an empty process"""
    keep: Path = Path(tempfile.gettempdir(), "sandbox-envs-fuzz")
    """folder for the files of the case that runs, which stay if it is a finding"""


@dataclass(frozen=True)
class Result:
    """The outcome of a case."""

    number: int
    kind: str
    outcome: str
    """refused, loaded, or what happened in a line"""
    seconds: float


def main(args: Args) -> None:
    """Run the cases and print a table of how they ended."""
    args.keep = args.keep.absolute()
    args.keep.mkdir(parents=True, exist_ok=True)
    if args.only is not None:
        folder = args.keep / str(args.only)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        case = hostile.make_case(_generator(args.seed, args.only), folder)
        print(case)
        print(hostile.outcome(case))
        return
    began, results = time.monotonic(), []
    for result in run_cases(args):
        results.append(result)
        if result.outcome not in HARMLESS:
            print(f"case {result.number} ({result.kind}): {result.outcome}", flush=True)
        if len(results) % REPORT_EVERY == 0:
            print(f"{len(results)} cases", flush=True)
    print(table(results))
    found = [r for r in results if r.outcome not in HARMLESS]
    slowest = max(results, key=lambda r: r.seconds)
    print(
        f"{len(results)} cases in {time.monotonic() - began:.0f} s, the slowest {slowest.number} "
        f"in {slowest.seconds:.1f} s; {len(found)} findings"
    )
    sys.exit(1 if found else 0)


def table(results: list[Result]) -> str:
    """The numbers of cases of each kind that were refused, loaded, or found to be wrong."""
    kinds = sorted({r.kind for r in results})
    lines = ["kind        cases refused  loaded findings"]
    for kind in [*kinds, "all"]:
        mine = [r for r in results if kind in (r.kind, "all")]
        counts = collections.Counter(r.outcome for r in mine)
        bad = len(mine) - counts["refused"] - counts["loaded"]
        lines.append(
            f"{kind:<10} {len(mine):>6} {counts['refused']:>7} {counts['loaded']:>7} {bad:>8}"
        )
    return "\n".join(lines)


def _generator(seed: int, number: int) -> random.Random:
    return random.Random(f"{seed}/{number}")


# --- processes -------------------------------------------------------------------------------


def run_cases(args: Args) -> Iterator[Result]:
    """Run the cases, and yield each result, in the order in which they end."""
    numbers = iter(range(args.first, args.first + args.cases))
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_Worker(args, numbers)) for _ in range(args.workers)]
        while workers:
            for worker in list(workers):
                result = worker.poll(0.2 / len(workers))
                if result is not None:
                    yield result
                elif worker.number is None:
                    workers.remove(worker)


class _Worker:
    """A process that runs cases, and is replaced when it dies or hangs."""

    def __init__(self, args: Args, numbers: Iterator[int]) -> None:
        self.args, self.numbers = args, numbers
        self.number: int | None = None
        self.process: BaseProcess | None = None

    def __enter__(self) -> "_Worker":
        self._next()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def poll(self, seconds: float) -> Result | None:
        """Wait up to `seconds` for the present case; return its result, or None if it goes on."""
        if self.number is None:
            return None
        if self.pipe.poll(seconds):
            with contextlib.suppress(EOFError):
                result = self.pipe.recv()
                self._next()
                return result
            assert self.process is not None
            self.process.join()
            return self._lost(_death(self.process.exitcode))
        if time.monotonic() - self.began > WAITING:
            return self._lost("it waited for ever")
        return None

    def _lost(self, what: str) -> Result:
        assert self.number is not None
        result = Result(self.number, "crash or hang", what, time.monotonic() - self.began)
        self._stop()
        self._next()
        return result

    def _next(self) -> None:
        self.number = next(self.numbers, None)
        self.began = time.monotonic()
        if self.number is None:
            self._stop()
            return
        if self.process is None:
            self.pipe, theirs = CONTEXT.Pipe()
            self.process = CONTEXT.Process(target=_work, args=(theirs, self.args), daemon=True)
            self.process.start()
            theirs.close()
        self.pipe.send(self.number)

    def _stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


def _death(status: int | None) -> str:
    if status == -signal.SIGXCPU:
        return "it hung: its processor time came to an end"
    return f"the process died: {signal.Signals(-status).name if status and status < 0 else status}"


def _work(pipe: Connection, args: Args) -> None:
    """Run the cases whose numbers arrive; runs in a process of its own."""
    with tempfile.TemporaryDirectory() as home:
        os.chdir(home)  # where MuJoCo may leave its log
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + int(args.gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        while True:
            try:
                number = pipe.recv()
            except EOFError:
                return
            used = math.ceil(time.process_time())
            most = used + (1 if args.plant and number == 1 else args.seconds)
            resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
            pipe.send(_run(args, number, args.keep / str(number)))


def _run(args: Args, number: int, folder: Path) -> Result:
    """Run a case; its files stay in the folder unless it ends well."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    began, kind = time.monotonic(), "unmade"
    try:
        if args.plant and number < 3:
            _planted(number)
        case = hostile.make_case(_generator(args.seed, number), folder)
        kind = case.kind
        ended = hostile.outcome(case)
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        ended = f"{words} ({Path(last.filename).name}, line {last.lineno})"
    if ended in HARMLESS:
        shutil.rmtree(folder, ignore_errors=True)
    return Result(number, kind, ended, time.monotonic() - began)


def _planted(number: int) -> None:
    """A crash, a hang or an error."""
    if number == 0:
        os.abort()
    while number == 1:
        hash(number)
    raise RuntimeError("planted")


if __name__ == "__main__":
    main(tyro.cli(Args))
