"""args.json names the commit of this repository, or none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox_envs.train import provenance as module
from sandbox_envs.train.provenance import provenance

TOP = Path(module.__file__).resolve().parents[1]


def git(folder: Path, *command: str) -> str:
    named = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *named, *command], capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of a user's own, with one commit."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    git(tmp_path, "init", "-q")
    (tmp_path / "mine.txt").touch()
    git(tmp_path, "add", "mine.txt")
    git(tmp_path, "commit", "-qm", "mine")
    return tmp_path


def lies_at(file: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Copy the module to a place, and return the provenance that is recorded there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(module.__file__, file)
    monkeypatch.setattr(module, "HERE", file)
    return provenance()


@pytest.mark.parametrize(
    "place", [".venv/lib/site-packages/sandbox_envs/train/provenance.py", "train/provenance.py"]
)
def test_commit_of_a_repository_that_does_not_hold_this_file_is_not_recorded(
    repository: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed inside a user's repository; or unpacked there, without being tracked."""
    found = lies_at(repository / place, monkeypatch)
    assert (found["commit"], found["dirty"]) == (None, None)
    assert found["versions"]["sandbox_envs"]


def test_own_commit_is_recorded_and_whether_files_differ_from_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lies_at(repository / "train" / "provenance.py", monkeypatch)
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "ours")
    monkeypatch.setenv("GIT_DIR", str(TOP / "nowhere"))  # as in a hook of another repository
    head = next((repository / ".git" / "refs" / "heads").iterdir()).read_text().strip()
    assert (provenance()["commit"], provenance()["dirty"]) == (head, False)
    (repository / "new.txt").touch()
    assert provenance()["dirty"] is False  # the commit says nothing of untracked files
    (repository / "mine.txt").write_text("changed")
    assert (provenance()["commit"], provenance()["dirty"]) == (head, True)


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent / "nowhere"))
    assert (provenance()["commit"], provenance()["dirty"]) == (None, None)
