"""`make demo`, with a stand-in for Python that notes what it is asked to run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAND_IN = """#!/bin/sh
echo "$@" >> calls
[ "$1" != "$FAILING" ] || exit 3
[ "$2" != --run-dir ] || { mkdir -p "$3/run-1" && touch "$3/run-1/resume.pt"; }
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone as make sees it, in which everything is installed already."""
    for name in ("Makefile", "setup.cfg", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)  # with its old date
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN)
    python.chmod(0o755)
    (tmp_path / ".venv" / ".installed").write_text(f"{tmp_path}\n")
    for name in ("setup.cfg", "pyproject.toml", "constraints.txt"):
        os.utime(tmp_path / name, (0, 0))
    return tmp_path


def make_demo(clone: Path, failing: str = "") -> subprocess.CompletedProcess[str]:
    outer = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command, env = ["make", "demo"], {**outer, "FAILING": failing}
    return subprocess.run(command, cwd=clone, env=env, capture_output=True, text=True, timeout=60)


def calls(clone: Path) -> list[str]:
    return (clone / "calls").read_text().splitlines()


def test_demo_trains_judges_and_says_where_to_look(clone: Path) -> None:
    done = make_demo(clone)
    assert done.returncode == 0, done.stderr
    trained, judged = calls(clone)
    assert trained == "train/ppo_lstm.py --run-dir runs/demo"
    assert judged.startswith("eval/break_proxies.py runs/demo/run-1 ")
    assert f"{clone}/runs/demo/run-1/report.html" in done.stdout
    assert f"{clone}/videos/run-1\n" in done.stdout


def test_second_demo_resumes_the_newest_run(clone: Path) -> None:
    """A run that ended before its first checkpoint is passed over."""
    make_demo(clone)
    for name, file in (("run-2", "resume.pt"), ("run-3", "args.json")):
        (clone / "runs" / "demo" / name).mkdir()
        (clone / "runs" / "demo" / name / file).touch()
    assert make_demo(clone).returncode == 0
    trained, judged = calls(clone)[2:]
    assert trained == "train/ppo_lstm.py --resume runs/demo/run-2"
    assert judged.startswith("eval/break_proxies.py runs/demo/run-2 ")


@pytest.mark.parametrize(
    ("failing", "last"), [("train/ppo_lstm.py", 1), ("eval/break_proxies.py", 2)]
)
def test_demo_stops_at_the_first_step_that_fails(clone: Path, failing: str, last: int) -> None:
    done = make_demo(clone, failing)
    assert done.returncode != 0
    assert len(calls(clone)) == last
    assert "To read" not in done.stdout
