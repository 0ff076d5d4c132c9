"""Killed at its dangerous places, an evaluation leaves whole files, and the next start ends equal.

tests/long/kill_evaluation.py kills at random moments, and references as well.
"""

import os
import runpy
import shutil
import signal
import sys
from pathlib import Path

import pytest
from commands import CONTEXT, run_command

from sandbox_envs.eval import break_proxies
from sandbox_envs.eval.judging.records import read_records
from sandbox_envs.eval.judging.verdict_file import read_verdict
from sandbox_envs.new import write_family
from sandbox_envs.scene.catalog import files_in, is_training
from sandbox_envs.train import ppo_lstm

OPTIONS = ["--set=episode_seconds=0.3", "--no-references", "--episodes=2", "--video-dir=videos"]
Files = dict[str, bytes]


def files(folder: Path) -> Files:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def evaluate(folder: Path) -> None:
    done = run_command(break_proxies.__file__, "run", *OPTIONS, cwd=folder)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run, of a family of a single scene."""
    folder = tmp_path_factory.mktemp("kills")
    write_family(folder / "beach")
    for scene in files_in(folder / "beach"):
        if not is_training(f"beach/{scene.stem}"):
            scene.unlink()
    tiny = ["--num-envs=4", "--num-steps=16", "--num-minibatches=2", "--total-timesteps=64"]
    arguments = [f"--scene={folder}/beach/train.xml", f"--run-dir={folder}/runs"]
    done = run_command(ppo_lstm.__file__, *tiny, "--hidden-size=16", *arguments)
    assert done.returncode == 0, done.stderr
    next((folder / "runs").iterdir()).rename(folder / "run")
    return folder


@pytest.fixture(scope="module")
def undisturbed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(trained / "run", folder / "run")
    evaluate(folder)
    found = files(folder)
    assert {"run/report.html", "videos/run/train.mp4", "videos/run/train.png"} <= found.keys()
    return found


def evaluate_and_die(folder: Path, name: str) -> None:
    """In another process: end as by SIGKILL where a file of this name is to take its place."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    replace = os.replace

    def dying(source: Path, target: Path) -> None:
        if Path(target).name == name:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = dying  # type: ignore[assignment]
    os.chdir(folder)
    sys.argv = ["break_proxies.py", "run", *OPTIONS]
    runpy.run_path(break_proxies.__file__, run_name="__main__")


@pytest.mark.parametrize("name", ["verdict.json", "train.mp4", "report.html"])
def test_evaluation_killed_before_a_file_is_in_its_place_ends_equal_at_the_next_start(
    trained: Path, undisturbed: Files, tmp_path: Path, name: str
) -> None:
    shutil.copytree(trained / "run", tmp_path / "run")
    process = CONTEXT.Process(target=evaluate_and_die, args=(tmp_path, name))
    process.start()
    process.join(100)
    assert process.exitcode == -signal.SIGKILL
    left = files(tmp_path)
    unfinished = {file for file in left if ".unfinished." in file}
    assert len(unfinished) == 1
    assert {file: left[file] for file in left.keys() - unfinished}.items() <= undisturbed.items()
    assert len(read_records(tmp_path / "run")) == 2
    evaluate(tmp_path)
    assert files(tmp_path) == undisturbed
    assert read_verdict(tmp_path / "run").evaluation.episodes == 2
