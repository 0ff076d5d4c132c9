"""Many training runs as a list of jobs: a finished one is never repeated, a stopped one goes on.

A job is known by what it trains, not by where it lies: any run below the folder that has the same
arguments, scenes and hyperparameters is that job's.
"""

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sandbox_envs.errors import UserError
from sandbox_envs.scene import load_scene, parse_overrides
from sandbox_envs.train.ppo_lstm import Args
from sandbox_envs.train.run import progress

# arguments that change nothing of the result, or that the scenes' hashes say better
IGNORED = ("scene", "set", "reward", "device", "torch_threads", "run_dir", "resume", "debug")


@dataclass(frozen=True)
class Job:
    """One training run; name: of its folder and log, unique in a list of jobs."""

    name: str
    args: Args

    def identity(self) -> dict[str, Any]:
        """What makes a run this job's: hyperparameters, and the scenes by their hashes."""
        overrides = parse_overrides(self.args.set)
        overrides |= {"reward": self.args.reward} if self.args.reward else {}
        scenes = [load_scene(s, overrides) for s in self.args.scene or ("sweep/train",)]
        return _identity(dataclasses.asdict(self.args), {s.name: s.hash for s in scenes})

    def command(self, run_dir: Path) -> list[str]:
        """The command line that trains it."""
        flags = [f"--run-dir={run_dir}"]
        for field in dataclasses.fields(self.args):
            value = getattr(self.args, field.name)
            if field.name != "run_dir" and value != field.default:
                values = value if isinstance(value, tuple) else [value]
                flags += [f"--{field.name.replace('_', '-')}={v}" for v in values]
        return [sys.executable, "-m", "sandbox_envs.train.ppo_lstm", *flags]


def find_run(job: Job, folder: Path) -> Path | None:
    """The job's run below a folder, a finished one before one that can go on; None without."""
    wanted = job.identity()
    mine = [path.parent for path in folder.glob("**/args.json") if _matches(path, wanted)]
    able = [run for run in mine if is_finished(run) or (run / "resume.pt").is_file()]
    return max(able, key=lambda run: progress(run)[0], default=None)


def is_finished(run: Path) -> bool:
    """Whether a run has trained for as long as it was to."""
    done, total = progress(run)
    return done >= total


def run_jobs(jobs: Sequence[Job], folder: Path, workers: int) -> list[Path]:
    """Train what is not trained yet, `workers` at a time, and return the run of every job.

    Raises:
        UserError: a training failed; says where its log is.
    """
    missing = [job for job in jobs if not ((run := find_run(job, folder)) and is_finished(run))]
    if missing:
        _train(missing, folder, workers)
    runs = [find_run(job, folder) for job in jobs]
    return [run for run in runs if run is not None]


def _train(jobs: Sequence[Job], folder: Path, workers: int) -> None:
    waiting, running = list(jobs), list[_Training]()
    total = sum(job.args.total_timesteps for job in jobs)
    bar = tqdm(total=total, unit="step", unit_scale=True, desc=f"training {len(jobs)} agents")
    finished = 0
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_Training(waiting.pop(0), folder))
            time.sleep(0.5)
            for training in [t for t in running if t.process.poll() is not None]:
                training.check()
                running.remove(training)
                finished += training.job.args.total_timesteps
            bar.update(finished + sum(t.steps() for t in running) - bar.n)
    finally:
        for training in running:
            training.stop()
        bar.close()


class _Training:
    """A trainer's process, with its output in a log file."""

    def __init__(self, job: Job, folder: Path) -> None:
        self.job, self.folder = job, folder / job.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{job.name}.log"
        begun = find_run(job, folder)
        command = job.command(self.folder)
        if begun:
            command = [*command[:3], f"--resume={begun}"]
            self.folder = begun.parent
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )

    def steps(self) -> int:
        """Environment steps done so far."""
        return max(
            (progress(path.parent)[0] for path in self.folder.glob("*/args.json")), default=0
        )

    def check(self) -> None:
        """Raise UserError if it failed."""
        if self.process.returncode:
            last = (self.log.read_text().strip().splitlines() or ["it said nothing"])[-1]
            raise UserError(f"training {self.job.name} failed: {last} (all of it in {self.log})")

    def stop(self) -> None:
        """Let it save and end."""
        self.process.terminate()
        self.process.wait()


def _matches(path: Path, wanted: dict[str, Any]) -> bool:
    try:
        recorded = json.loads(path.read_text())
        return _identity(recorded["args"], recorded["scenes"]) == wanted
    except (ValueError, KeyError, TypeError):
        return False


def _identity(args: dict[str, Any], scenes: dict[str, str]) -> dict[str, Any]:
    return {"scenes": scenes, **{k: v for k, v in args.items() if k not in IGNORED}}
