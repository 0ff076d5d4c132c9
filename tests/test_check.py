"""The linter, through its command line: shipped scenes, broken ones, and hostile ones."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from conftest import WriteScene

from sandbox_envs import SceneError, load_scene
from sandbox_envs.checks.isolation import _listen
from sandbox_envs.scene.catalog import scene_files

MALFORMED = Path(__file__).parent / "malformed"
EXPECTED = re.compile(r"<!-- expect ((?:error|warning): .*) -->")


def check(*arguments: str | Path, status: int = 0, cwd: Path | None = None) -> list[str]:
    """The lines that the command prints."""
    command = [sys.executable, "-m", "sandbox_envs.check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=cwd)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return (done.stdout + done.stderr).splitlines()


def findings(path: Path, *options: str, status: int = 0) -> list[str]:
    """What is found in one file, without its name."""
    lines = check(path, "--starts", "4", *options, status=status)
    return [line.replace(str(path), "FILE") for line in lines[:-1]]


def as_pattern(expected: str, path: Path) -> str:
    """A regular expression for a sentence in which FILE is the file and ... anything."""
    text = expected.replace("FILE", str(path))
    text = re.sub(r"^(\w+): _", rf"\1: {path.parent}/_", text)  # it is wrong in a part
    return ".*".join(map(re.escape, text.split("...")))


# --- shipped scenes --------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(scene_files()))
def test_nothing_is_wrong_with_a_shipped_scene(name: str) -> None:
    lines = check(name, "--starts", "4")
    assert lines[-1].startswith(f"{name}  ok")
    assert not [line for line in lines if line.startswith("error")]


# --- malformed scenes ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers() -> list[str]:
    """What the linter prints about the whole folder of malformed scenes."""
    return check(MALFORMED, "--starts", "8", status=1)


def test_every_malformed_scene_gets_its_own_sentence(answers: list[str]) -> None:
    files = sorted(MALFORMED.glob("[!_]*.xml"))
    assert len(files) > 100
    wanted = [
        as_pattern(text, path) for path in files for text in EXPECTED.findall(path.read_text())
    ]
    said = [line for line in answers if line.startswith(("error: ", "warning: "))]
    for pattern, line in zip(wanted, said, strict=True):
        assert re.fullmatch(pattern, line)


def test_the_table_counts_what_was_said(answers: list[str]) -> None:
    for path in sorted(MALFORMED.glob("[!_]*.xml")):
        kinds = [text.partition(":")[0] for text in EXPECTED.findall(path.read_text())]
        row = next(line for line in answers if line.startswith(f"{path} "))
        errors, warnings = kinds.count("error"), kinds.count("warning")
        assert (" ok" in row) == (errors == 0)
        assert (f"{errors} error" in row) == (errors > 0)
        assert (f"{warnings} warning" in row) == (warnings > 0)


@pytest.mark.parametrize("path", sorted(MALFORMED.glob("[!_]*.xml")), ids=lambda path: path.stem)
def test_loading_a_malformed_scene_ends_at_most_in_the_same_sentence(path: Path) -> None:
    expected = EXPECTED.findall(path.read_text())
    try:
        load_scene(path)
    except SceneError as error:
        sentence = "error: " + " ".join(str(error).split())
        assert re.fullmatch(as_pattern(expected[0], path), sentence)


# --- what never changes ----------------------------------------------------------------------


def test_what_never_changes_in_training_is_pointed_out(write_scene: WriteScene) -> None:
    texts = {"about": "A robot.", "observe": "robot_at north_at", "measure/full": "0 * robot_yaw"}
    world = '<body name="north"><site name="north" pos="0 2 0"/></body>' + WALLS
    sensor = (
        '<framepos name="north_at" objtype="site" objname="north"/>'
        '<jointpos name="robot_yaw" joint="robot_yaw"/>'
    )
    path = write_scene(texts, world=world, sensor=sensor)
    never = "it never changed in 12 episodes of every control;"
    said = findings(path)
    for line in (
        f"warning: FILE, text 'observe', 'north_at': {never} leave it out, or mend it",
        f"warning: FILE, text 'measure/full': {never} look at its formula",
        f"warning: FILE, sensor 'robot_yaw': {never} leave it out, or mend it",
    ):
        assert line in said
    assert not [line for line in said if "'robot_at'" in line]


WALLS = "".join(
    f'<geom type="box" size="{size}" pos="{at}"/>'
    for size, at in (
        ("2.2 0.1 0.2", "0 2.1 0.2"),
        ("2.2 0.1 0.2", "0 -2.1 0.2"),
        ("0.1 2 0.2", "2.1 0 0.2"),
        ("0.1 2 0.2", "-2.1 0 0.2"),
    )
)


# --- the command -----------------------------------------------------------------------------


def test_what_is_no_scene_at_all_is_answered_in_a_sentence(tmp_path: Path) -> None:
    assert check("sweep/trian", status=1) == [
        "error: sweep/trian: neither a file that ends in .xml, a folder nor a scene; did you mean "
        "'sweep/train'?"
    ]
    assert check(tmp_path, status=1) == [
        f"error: {tmp_path}: there is no scene in this folder; give one with .xml files"
    ]
    assert check("gone.xml", status=1, cwd=tmp_path) == [
        f"error: {tmp_path}/gone.xml: there is no such file",
        "gone.xml  1 error",
    ]
    assert check("--starts", "0", status=1) == [
        "error: --starts, --seconds and --gigabytes must be more than 0"
    ]


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    check(MALFORMED / "unstable.xml", "--starts", "2", status=1, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- isolation -------------------------------------------------------------------------------


def test_a_scene_that_takes_too_long_is_given_up() -> None:
    path = MALFORMED / "train.xml"
    (line,) = findings(path, "--seconds", "0.001", status=1)
    assert line.startswith("error: FILE: after 0.001 s it was still being ")
    assert line.endswith("; make it smaller or shorter")


def test_a_scene_that_takes_too_much_memory_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    text = (MALFORMED / "train.xml").read_text()
    for part in ("_room.xml", "_task.xml", "_times.xml"):
        (tmp_path / part).write_text((MALFORMED / part).read_text())
    path.write_text(text.replace("</mujoco>", '  <size memory="500M"/>\n</mujoco>'))
    (line,) = findings(path, "--gigabytes", "0.3", status=1)
    assert "memory" in line


@pytest.mark.parametrize("status", [signal.SIGSEGV, signal.SIGABRT])
def test_a_crash_is_a_finding(status: signal.Signals) -> None:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_die, args=(theirs, status))
    process.start()
    theirs.close()
    (finding,) = _listen(Path("x.xml"), mine, process, 600)
    assert (finding.kind, finding.text) == (
        "error",
        f"x.xml: MuJoCo crashed ({status.name}) as it was being started; leave out what it cannot "
        "take",
    )


def _die(_findings: Connection, status: signal.Signals) -> None:
    os.kill(os.getpid(), status)
