"""An evaluation that is killed or stopped, or finds neither ffmpeg nor space for films.

tests/long/kill_evaluation.py kills at random moments, and references as well.
"""

import errno
import os
import runpy
import shutil
import signal
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from commands import CONTEXT, run_command

from sandbox_envs.errors import UserError
from sandbox_envs.eval import break_proxies
from sandbox_envs.eval.judging.records import read_records
from sandbox_envs.eval.judging.verdict_file import read_verdict
from sandbox_envs.new import write_family
from sandbox_envs.scene.catalog import files_in, is_training
from sandbox_envs.train import ppo_lstm
from sandbox_envs.view.video import write_video

OPTIONS = ["--set=episode_seconds=0.3", "--no-references", "--episodes=2", "--video-dir=videos"]
Files = dict[str, bytes]


def files(folder: Path) -> Files:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def evaluate(folder: Path) -> str:
    done = run_command(break_proxies.__file__, "run", *OPTIONS, cwd=folder)
    return done.stdout


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
    run_command(ppo_lstm.__file__, *tiny, "--hidden-size=16", *arguments)
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


# --- killed and stopped ----------------------------------------------------------------------


def evaluate_and_end(folder: Path, number: int, name: str) -> None:
    """In another process: get a signal where a file of this name is to take its place."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    replace = os.replace

    def dying(source: Path, target: Path) -> None:
        if Path(target).name == name:
            signal.raise_signal(number)
        replace(source, target)

    os.replace = dying  # type: ignore[assignment]
    os.chdir(folder)
    sys.argv = ["break_proxies.py", "run", *OPTIONS]
    runpy.run_path(break_proxies.__file__, run_name="__main__")


def end(folder: Path, number: int, name: str) -> int | None:
    """The exit status of an evaluation that got a signal there."""
    process = CONTEXT.Process(target=evaluate_and_end, args=(folder, number, name))
    process.start()
    process.join(100)
    return process.exitcode


@pytest.mark.parametrize("name", ["verdict.json", "train.mp4"])
def test_evaluation_killed_before_a_file_is_in_its_place_ends_equal_at_the_next_start(
    trained: Path, undisturbed: Files, tmp_path: Path, name: str
) -> None:
    shutil.copytree(trained / "run", tmp_path / "run")
    assert end(tmp_path, signal.SIGKILL, name) == -signal.SIGKILL
    left = files(tmp_path)
    unfinished = {file for file in left if ".unfinished." in file}
    assert len(unfinished) == 1
    assert {file: left[file] for file in left.keys() - unfinished}.items() <= undisturbed.items()
    assert len(read_records(tmp_path / "run")) == 2
    evaluate(tmp_path)
    assert files(tmp_path) == undisturbed
    assert read_verdict(tmp_path / "run").evaluation.episodes == 2


def test_evaluation_that_is_terminated_while_it_films_ends_with_143_and_whole_files(
    trained: Path, undisturbed: Files, tmp_path: Path
) -> None:
    shutil.copytree(trained / "run", tmp_path / "run")
    assert end(tmp_path, signal.SIGTERM, "train.mp4") == 143
    left = files(tmp_path)
    assert left.items() <= undisturbed.items()
    assert "run/verdict.json" in left


# --- without films ---------------------------------------------------------------------------

NO_FILMS = "There are no films of this run"


def test_without_ffmpeg_agents_are_judged_and_reported_without_films(
    trained: Path, undisturbed: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained / "run", tmp_path / "run")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    first = evaluate(tmp_path).splitlines()[0]  # before anything is played
    assert first.startswith("note: no films are made: films take ffmpeg")
    assert "/nowhere/ffmpeg cannot be run" in first
    assert "set IMAGEIO_FFMPEG_EXE" in first
    found = files(tmp_path)
    assert found["run/verdict.json"] == undisturbed["run/verdict.json"]
    assert NO_FILMS in found["run/report.html"].decode()
    assert not (tmp_path / "videos").exists()


def test_films_that_cannot_be_written_leave_a_page_without_them(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "train.mp4")

    run = Path(shutil.copytree(trained / "run", tmp_path / "run"))
    monkeypatch.setattr(break_proxies, "film_agents", full)
    short = ("episode_seconds=0.3",)
    args = break_proxies.Args(
        (run,), episodes=2, set=short, no_references=True, video_dir=tmp_path / "videos"
    )
    with pytest.raises(SystemExit, match=r"No space left on device \(train.mp4\); free some space"):
        break_proxies.main(args)
    assert NO_FILMS in (run / "report.html").read_text()


@pytest.mark.parametrize(
    ("program", "reason"),
    [(None, "there is none"), ("/bin/true", "is not such a one"), ("/", "Permission denied")],
)
def test_film_is_not_begun_without_a_usable_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, reason: str
) -> None:
    def find() -> str:  # as the library does
        if program is None:
            raise RuntimeError("No ffmpeg exe could be found.")
        return program

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", find)
    frames = iter([np.zeros((16, 16, 3), np.uint8)])
    with pytest.raises(UserError, match=f"{reason}.*; install ffmpeg, or set IMAGEIO_FFMPEG_EXE"):
        write_video(tmp_path / "new" / "film.mp4", frames, 20)
    assert len(list(frames)) == 1  # none was drawn
    assert list(tmp_path.iterdir()) == []
