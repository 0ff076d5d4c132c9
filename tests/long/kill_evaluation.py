"""Kills evaluations, film writing and the computation of references at random moments.

    python tests/long/kill_evaluation.py                       20 kills of each
    python tests/long/kill_evaluation.py --kills 2 --only films

After each SIGKILL every file must be whole, no process may go on, and the next start must end with
the same files, byte for byte, as an undisturbed one. Half of the kills hit the command alone, as
for lack of memory; half hit all of its processes, as at a job's time limit. Ends with status 1 if
anything differs. Needs Linux.
"""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import imageio_ffmpeg
import tyro
from PIL import Image
from safetensors import safe_open

from sandbox_envs.eval import break_proxies, references
from sandbox_envs.new import write_family
from sandbox_envs.scene.catalog import files_in, is_training
from sandbox_envs.train import ppo_lstm

TINY = ["--num-envs=4", "--num-steps=16", "--num-minibatches=2", "--hidden-size=16"]
MARK = "SANDBOX_ENVS_KILLED"  # an environment variable by which a command's processes are known
PATIENCE = 120.0  # seconds in which processes that lost their command must end
TEMPORARY = ".unfinished."  # in the names of files that are being written

Part = Literal["evaluation", "films", "references"]
Files = dict[str, bytes]


@dataclass
class Args:
    """Kill commands at random moments and compare what the next start makes of it."""

    kills: int = 20
    """of each part"""
    seed: int = 0
    """of the moments"""
    only: tuple[Part, ...] = ("evaluation", "films", "references")
    """what is killed"""


@dataclass(frozen=True)
class Work:
    """A command that is killed."""

    command: Sequence[str]
    """its line, in a copy of the folder"""
    folder: Path
    """what it starts from"""
    results: Callable[[Path], Files]
    """the files that must come out equal"""
    begins: Callable[[Path], bool]
    """whether the part of its work has begun in which it is to be killed"""
    ends: Callable[[Path], bool] = lambda _: False
    """whether this part is over"""


@dataclass
class Outcome:
    """The counts over a number of kills."""

    kills: int = 0
    survived: int = 0
    """kills after which every file was whole, all processes ended and the results were equal"""
    early: int = 0
    """kills that came before any result was in its place"""
    partial: int = 0
    """kills that left a temporary file"""


def main(args: Args) -> None:
    """Kill, compare, and print a table; exits with status 1 at a difference."""
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        works = prepare(Path(name))
        outcomes = {part: _kill_often(works[part], args.kills, rng, part) for part in args.only}
    print(f"\n{'part':<12}{'kills':>7}{'survived':>10}{'early':>7}{'mid-file':>10}")
    for part, seen in outcomes.items():
        print(f"{part:<12}{seen.kills:>7}{seen.survived:>10}{seen.early:>7}{seen.partial:>10}")
    sys.exit(any(seen.survived < seen.kills for seen in outcomes.values()))


# --- what is killed --------------------------------------------------------------------------


def prepare(folder: Path) -> dict[Part, Work]:
    """A small family, two runs in it, and the three commands."""
    family = folder / "beach"
    write_family(family)
    alone = shutil.copytree(family, folder / "alone")
    for file in files_in(alone):
        if not is_training(f"alone/{file.stem}"):
            file.unlink()
    start, empty = folder / "start", folder / "empty"
    empty.mkdir()
    for seed in (1, 2):
        arguments = [f"--scene={family}/train.xml", f"--seed={seed}", f"--run-dir={start}/runs"]
        _check(_start([ppo_lstm.__file__, *TINY, "--total-timesteps=64", *arguments], folder))
    for run in sorted((start / "runs").iterdir()):
        run.rename(run.with_name(run.name.split("__")[2]))  # without the time
    judge = [break_proxies.__file__, "runs/s1", "runs/s2", "--no-references"]
    judge += ["--episodes=16", "--set=episode_seconds=2"]
    compute = [references.__file__, str(alone), "--run-dir=runs", "--out=references"]
    compute += ["--total-timesteps=64", "--workers=2"]
    return {
        "evaluation": Work(judge, start, _all_files, _always, _is_filming),
        "films": Work(judge, start, _all_files, _is_filming),
        "references": Work(compute, empty, _references, _always),
    }


def _always(_folder: Path) -> bool:
    return True


def _is_filming(folder: Path) -> bool:
    return any(folder.glob("videos/*/*.mp4")) or any(folder.glob(f"videos/*/.*{TEMPORARY}*"))


def _all_files(folder: Path) -> Files:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def _references(folder: Path) -> Files:
    """References, and the policies that were trained for them, by the names of their jobs."""
    found = _all_files(folder)
    named = {name: data for name, data in found.items() if name.startswith("references/")}
    for name, data in found.items():
        if name.endswith("policy.safetensors"):
            named[f"{Path(name).parts[1]}: policy"] = data
    return named | {name: b"" for name in found if TEMPORARY in name}


# --- killing ---------------------------------------------------------------------------------


def _kill_often(work: Work, kills: int, rng: random.Random, part: Part) -> Outcome:
    with tempfile.TemporaryDirectory() as name:
        undisturbed, seconds = _undisturbed(work, Path(name) / "undisturbed")
        print(f"{part}: undisturbed, {seconds:.0f} s and {len(undisturbed)} files", flush=True)
        seen = Outcome()
        for number in range(kills):
            folder = Path(shutil.copytree(work.folder, Path(name) / str(number)))
            wrong = list(_kill_once(work, folder, rng, seconds, undisturbed, seen))
            seen.kills += 1
            seen.survived += not wrong
            print(f"{part} {number + 1}: {'; '.join(wrong) or 'equal'}", flush=True)
            shutil.rmtree(folder)
    return seen


def _undisturbed(work: Work, folder: Path) -> tuple[Files, float]:
    """The results without a kill, and how long the part takes in which it will be killed."""
    shutil.copytree(work.folder, folder)
    process = _start(work.command, folder)
    began = _wait(process, lambda: work.begins(folder))
    ended = _wait(process, lambda: work.ends(folder))
    _check(process)
    return work.results(folder), ended - began


def _kill_once(
    work: Work, folder: Path, rng: random.Random, seconds: float, undisturbed: Files, seen: Outcome
) -> Iterator[str]:
    """Kill the command at a random moment and start it again; what is wrong after each."""
    process = _start(work.command, folder)
    moment = _wait(process, lambda: work.begins(folder)) + rng.uniform(0, seconds)
    _wait(process, lambda: time.monotonic() >= moment)
    if rng.random() < 0.5:
        process.kill()
    else:
        _kill_all(folder)
    process.wait()
    yield from (f"{name} goes on" for name in _still_running(folder))
    left = _all_files(folder)
    seen.early += not undisturbed.keys() & left.keys() - _all_files(work.folder).keys()
    seen.partial += any(TEMPORARY in name for name in left)
    yield from (f"{name} is damaged" for name in left if not _is_whole(folder / name))
    again = _start(work.command, folder)
    _, said = again.communicate()
    if again.returncode:
        yield f"the next start ended with {again.returncode}: {said.strip().splitlines()[-1:]}"
    found = work.results(folder)
    yield from (
        f"{name} differs" if name in found and name in undisturbed else f"{name} is there once only"
        for name in sorted(found.keys() | undisturbed.keys())
        if found.get(name) != undisturbed.get(name)
    )


def _start(command: Sequence[str], folder: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, MARK: str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _check(process: "subprocess.Popen[str]") -> None:
    _, said = process.communicate()
    if process.returncode:
        sys.exit(f"an undisturbed command failed: {said}")


def _wait(process: "subprocess.Popen[str]", over: Callable[[], bool]) -> float:
    """Wait until something is so or the process has ended; returns the time."""
    while process.poll() is None and not over():
        time.sleep(0.01)
    return time.monotonic()


def _marked(folder: Path) -> dict[int, str]:
    """The processes that a command in this folder has started, and itself: id -> command line."""
    wanted, found = f"{MARK}={folder}".encode(), {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(process.name)] = line.decode(errors="replace")
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


def _kill_all(folder: Path) -> None:
    for process in _marked(folder):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _still_running(folder: Path) -> list[str]:
    """Command lines of the processes that do not end by themselves."""
    deadline = time.monotonic() + PATIENCE
    while (running := _marked(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    _kill_all(folder)
    return list(running.values())


# --- whole files -----------------------------------------------------------------------------


def _is_whole(file: Path) -> bool:
    """Whether a file can be read from its beginning to its end; logs and temporary ones may end."""
    if TEMPORARY in file.name:
        return True
    try:
        _READERS.get(file.suffix, Path.read_bytes)(file)
    except Exception as error:  # damaged bytes fail in many ways
        print(f"{file}: {type(error).__name__}: {error}")
        return False
    return True


def _read_page(file: Path) -> None:
    if not file.read_text().rstrip().endswith("</html>"):
        raise ValueError("it has no end")


def _read_picture(file: Path) -> None:
    with Image.open(file) as image:
        image.load()


def _read_weights(file: Path) -> None:
    with safe_open(file, "np") as weights:
        for name in weights.keys():  # noqa: SIM118
            weights.get_tensor(name)


_READERS: dict[str, Callable[[Path], object]] = {
    ".json": lambda file: json.loads(file.read_text()),
    ".gz": lambda file: gzip.decompress(file.read_bytes()),
    ".mp4": lambda file: imageio_ffmpeg.count_frames_and_secs(str(file)),
    ".html": _read_page,
    ".png": _read_picture,
    ".safetensors": _read_weights,
}


if __name__ == "__main__":
    main(tyro.cli(Args))
