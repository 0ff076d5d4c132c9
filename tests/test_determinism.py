"""The same commands on the same machine leave the same files, except for what tells the time."""

import json
from pathlib import Path
from typing import Any

import pytest
from commands import run_command

from sandbox_envs.eval import break_proxies
from sandbox_envs.train import ppo_lstm

TRAIN = ("--scene=patrol/train", "--set=episode_seconds=0.5", "--num-envs=4", "--num-steps=16",
         "--num-minibatches=2", "--hidden-size=16", "--total-timesteps=128",
         "--run-dir=runs")  # fmt: skip
JUDGE = ("runs/run", "--set=episode_seconds=0.5", "--no-references", "--episodes=3", "--videos=1")
# All that may differ: these of the log, and TensorBoard's events, which are named after the time.
TIMES = {"seconds", "steps_per_second"}
EVENTS = "events.out.tfevents."


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders in which an agent was trained, judged and filmed."""
    folders = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    for folder in folders:
        run_command(ppo_lstm.__file__, *TRAIN, cwd=folder)
        (run,) = (folder / "runs").iterdir()
        run.rename(folder / "runs" / "run")  # its name holds the time
        run_command(break_proxies.__file__, *JUDGE, cwd=folder)
    return folders


def files(folder: Path) -> set[str]:
    found = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return {name for name in found if EVENTS not in name}


def content(file: Path) -> Any:
    """The content of a file, without its times."""
    if file.name == "metrics.jsonl":
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        assert all(row.keys() > TIMES for row in rows)
        return [{k: v for k, v in row.items() if k not in TIMES} for row in rows]
    return file.read_bytes()


def test_same_commands_leave_the_same_files(twice: tuple[Path, Path]) -> None:
    """Training, evaluation, report and films."""
    one, other = twice
    assert files(one) == files(other)
    names = {name.rpartition("/")[2] for name in files(one)}
    assert {"args.json", "agent.json", "policy.safetensors", "episodes.jsonl.gz", "verdict.json",
            "report.html", "metrics.jsonl", "resume.pt"} <= names  # fmt: skip
    assert any(name.endswith(".mp4") for name in names)
    differing = [name for name in files(one) if content(one / name) != content(other / name)]
    assert differing == []
