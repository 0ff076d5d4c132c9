"""Kills a training at random moments, resumes it, and compares it with one that ran through.

    python tests/long/kill_training.py

Every kill is SIGKILL, which no process can handle. The training saves after every update, so that
many kills hit a file that is being written. It takes a minute or two.
"""

import json
import multiprocessing
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sandbox_envs.train import ppo_lstm, run

UPDATES = 40
TINY: dict[str, Any] = {
    "num_envs": 4, "num_steps": 16, "num_minibatches": 2, "hidden_size": 16,
    "total_timesteps": 64 * UPDATES, "set": ("episode_seconds=2",),
}  # fmt: skip
OF_TIME = ("seconds", "steps_per_second")  # what may differ in a log
CONTEXT = multiprocessing.get_context("forkserver")


@dataclass
class Args:
    """Kill, resume, and compare."""

    kills: int = 20
    """how often"""
    seed: int = 1
    """of the moments"""
    latest: float = 0.25
    """share of an undisturbed training's time, after its start, at which it is killed at latest"""


def train(folder: Path, resumed: Path | None) -> None:
    """In a process of its own: train, or go on with a run, saving after every update."""
    run.CHECKPOINT_SECONDS = 0.0
    resume = str(resumed) if resumed else None
    if resume:
        ppo_lstm.main(ppo_lstm.Args(resume=resume))
    else:
        ppo_lstm.main(ppo_lstm.Args(run_dir=str(folder), **TINY))


def start(folder: Path) -> Any:
    """The process that trains in a folder: a run that can be resumed, or a new one."""
    runs = [file.parent for file in folder.glob("*/resume.pt")]
    process = CONTEXT.Process(target=train, args=(folder, runs[0] if runs else None))
    process.start()
    return process


def train_with_kills(folder: Path, kills: int, longest: float, rng: random.Random) -> int:
    """Train to the end, with up to some kills on the way; returns how many there were."""
    done = 0
    while True:
        process = start(folder)
        process.join(rng.uniform(0, longest) if done < kills else None)
        if process.exitcode is not None:
            assert process.exitcode == 0, f"a resumed training failed: status {process.exitcode}"
            return done
        process.kill()
        process.join()
        done += 1


def content(folder: Path) -> dict[str, Any]:
    """All that the files of a run say, without times and the place where it lies."""
    names = Counter("events" if "tfevents" in f.name else f.name for f in folder.iterdir())
    described = json.loads((folder / "args.json").read_text())
    described["args"].pop("run_dir")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {
        "files": sorted(names),
        "args.json": described,
        "agent.json": (folder / "agent.json").read_bytes(),
        "policy.safetensors": (folder / "policy.safetensors").read_bytes(),
        "resume.pt": (folder / "resume.pt").read_bytes(),
        "metrics.jsonl": [{k: v for k, v in row.items() if k not in OF_TIME} for row in lines],
        "TensorBoard": events(folder),
    }


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Each curve that TensorBoard shows: steps and values."""
    shown = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    shown.Reload()
    names = [name for name in shown.Tags()["scalars"] if name not in OF_TIME]
    return {name: [(e.step, e.value) for e in shown.Scalars(name)] for name in names}


def finished(folder: Path) -> Path:
    """The run that has come to its end, among those that were killed before they could save."""
    (done,) = [file.parent for file in folder.glob("*/resume.pt")]
    return done


def main(args: Args) -> None:
    """Kill, compare, and print how many kills were survived."""
    CONTEXT.set_forkserver_preload(["sandbox_envs.train.ppo_lstm"])
    rng, began, kills, trainings = random.Random(args.seed), time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as place:
        train_with_kills(Path(place) / "whole", 0, 0, rng)
        expected = content(finished(Path(place) / "whole"))
        longest = args.latest * (time.monotonic() - began)
        while kills < args.kills:
            folder = Path(place) / f"killed-{trainings}"
            kills += train_with_kills(folder, args.kills - kills, longest, rng)
            trainings += 1
            found = content(finished(folder))
            for name in expected:
                assert found[name] == expected[name], f"{name} differs after kills"
    print(
        f"{kills} kills in {trainings} trainings of {UPDATES} updates survived: every file equals "
        f"that of a training without kills ({time.monotonic() - began:.0f} s)"
    )


if __name__ == "__main__":
    main(tyro.cli(Args))
