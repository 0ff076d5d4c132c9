"""`python -m sandbox_envs.check`: the specification of a scene, on shipped and malformed ones."""

import multiprocessing
import os
import re
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run_command
from conftest import WriteScene

from sandbox_envs.checks import running
from sandbox_envs.checks.finding import Finding
from sandbox_envs.checks.isolation import receive
from sandbox_envs.checks.running import check_running
from sandbox_envs.scene.catalog import families, family_of, scene_files
from sandbox_envs.scene.loading import load_scene

MALFORMED = Path(__file__).parent / "malformed"
EXPECTED = re.compile(r"<!-- expect ((?:error|warning): .*) -->")


def check(*arguments: str | Path, status: int = 0, cwd: Path | None = None) -> list[str]:
    """The lines that the command prints."""
    done = run_command("sandbox_envs.check", *arguments, cwd=cwd, timeout=600, status=status)
    assert "Traceback" not in done.stderr
    return (done.stdout + done.stderr).splitlines()


def findings(path: Path, *options: str, status: int = 0) -> list[str]:
    """The findings in one file, with FILE for its name."""
    lines = check(path, "--starts", "4", *options, status=status)
    return [line.replace(str(path), "FILE") for line in lines[:-1]]


def as_pattern(expected: str, path: Path) -> str:
    """A pattern for a sentence in which FILE stands for the file and ... for anything."""
    text = expected.replace("FILE", str(path))
    text = re.sub(r"^(\w+): _", rf"\1: {path.parent}/_", text)  # the error is in an included part
    return ".*".join(map(re.escape, text.split("...")))


# --- shipped scenes --------------------------------------------------------------------------


SOME = ("train", "planter_open", "three_piles", "hidden_dirt")  # of the others' kinds and parts


@pytest.mark.parametrize("family", families())
def test_nothing_is_wrong_with_shipped_scenes(family: str) -> None:
    every = [name for name in scene_files() if family_of(name) == family]
    names = sorted(f"sweep/{stem}" for stem in SOME) if family == "sweep" else every
    lines = check(*names, "--starts", "4")
    for name, row in zip(names, lines[-len(names) :], strict=True):
        assert re.match(rf"{name} +ok\b", row)
    # a sensor may have nothing to say in a few episodes; nothing else may be odd
    assert all("it never changed in" in line for line in lines[: -len(names)])


# --- malformed scenes ------------------------------------------------------------------------


def test_every_malformed_scene_gets_the_sentences_it_expects_and_a_row() -> None:
    lines = check(MALFORMED, "--starts", "8", status=1)
    expected = {
        path: EXPECTED.findall(path.read_text()) for path in sorted(MALFORMED.glob("[!_]*.xml"))
    }
    assert len(expected) > 100
    wanted = [as_pattern(text, path) for path, texts in expected.items() for text in texts]
    said = [line for line in lines if line.startswith(("error: ", "warning: "))]
    for pattern, line in zip(wanted, said, strict=True):
        assert re.fullmatch(pattern, line)
    rows = lines[len(said) :]
    for (path, texts), row in zip(expected.items(), rows, strict=True):
        kinds = [text.partition(":")[0] for text in texts]
        errors, warnings = kinds.count("error"), kinds.count("warning")
        assert row.startswith(f"{path} ")
        assert (" ok" in row) == (errors == 0)
        assert (f"{errors} error" in row) == (errors > 0)
        assert (f"{warnings} warning" in row) == (warnings > 0)


def test_twin_is_recognised_in_any_spelling_of_its_xml(write_scene: WriteScene) -> None:
    """The scene that names it may write the data first, in other quotes, or in a part."""
    write_scene()
    shut = write_scene(stem="shut")
    warning = "it is neither the training scene nor a twin"
    assert any(warning in line for line in findings(shut))
    path = write_scene({"breaks": "capability", "break": "conflict"}, stem="open")
    (path.parent / "_part.xml").write_text(
        "<mujoco><custom><text data='shut'\n name='twin'/></custom></mujoco>"
    )
    text = path.read_text().replace("</mujoco>", '<include file="_part.xml"/></mujoco>')
    path.write_text(text)
    assert not any(warning in line for line in findings(shut))


# --- what never changes ----------------------------------------------------------------------


def test_constants_in_the_training_scene_are_warned_of(write_scene: WriteScene) -> None:
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
        f"warning: FILE, text 'observe', 'north_at': {never} remove or correct it",
        f"warning: FILE, text 'measure/full': {never} check its formula",
        f"warning: FILE, sensor 'robot_yaw': {never} remove or correct it",
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


CARRIES = {
    "carry/bonus": "norm(robot_at)",
    "measure/bonus": "carried(bonus)",
    "observe": "robot_at",
}


def test_what_an_episode_leaves_shows_where_the_check_cuts_it(
    write_scene: WriteScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = load_scene(write_scene(CARRIES))
    monkeypatch.setattr(running, "STEPS", 8)
    assert scene.episode_steps > 8
    assert not [text for _, text in check_running(scene, 2) if "bonus" in text]


def test_simulation_that_is_unstable_in_a_second_episode_is_told(
    write_scene: WriteScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    play, episodes = running._play, iter(range(2))

    def second_is_unstable(*given: Any) -> Iterator[np.ndarray]:
        if next(episodes):
            yield np.ones(6, bool)
        else:
            yield from play(*given)

    monkeypatch.setattr(running, "_play", second_is_unstable)
    said = list(check_running(load_scene(write_scene(CARRIES)), 2))
    assert len(said) == 1 and "2 of 2 simulations were unstable" in said[0][1]


# --- the command -----------------------------------------------------------------------------


def test_arguments_that_are_not_scenes_end_in_one_sentence_each(tmp_path: Path) -> None:
    (tmp_path / "loop.xml").symlink_to("loop.xml")
    assert check("sweep/trian", status=1) == [
        "error: sweep/trian: this is not a file that ends in .xml, a folder or a scene; did you "
        "mean 'sweep/train'?"
    ]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert check(empty, status=1) == [
        f"error: {empty}: there is no scene in this folder; name one with .xml files"
    ]
    assert check("gone.xml", status=1, cwd=tmp_path) == [
        f"error: {tmp_path}/gone.xml: there is no such file",
        "gone.xml  1 error",
    ]
    (tmp_path / "lost").symlink_to(tmp_path / "gone")
    assert check("lost", status=1, cwd=tmp_path) == [
        "error: lost: this symbolic link leads to no file or folder; remove or mend it"
    ]
    rest = check("loop.xml", MALFORMED / "gone.xml", "sweep/trian", status=1, cwd=tmp_path)
    assert [line.rpartition("  ")[2] for line in rest[-3:]] == ["1 error"] * 3
    assert check("--starts", "0", status=1) == [
        "error: --starts, --seconds and --gigabytes: give numbers greater than 0, and less than "
        "1000000"
    ]


def test_command_leaves_no_files_behind(tmp_path: Path) -> None:
    check(MALFORMED / "unstable.xml", "--starts", "2", status=1, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- isolation -------------------------------------------------------------------------------


def test_scene_that_takes_too_long_is_an_error() -> None:
    path = MALFORMED / "train.xml"
    (line,) = findings(path, "--seconds", "0.001", status=1)
    assert line.startswith("error: FILE: after 0.001 s it was still being ")
    assert line.endswith("; make it smaller or shorter")


def test_scene_that_takes_too_much_memory_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    text = (MALFORMED / "train.xml").read_text()
    for part in ("_room.xml", "_task.xml", "_times.xml"):
        (tmp_path / part).write_text((MALFORMED / part).read_text())
    path.write_text(text.replace("</mujoco>", '  <size memory="500M"/>\n</mujoco>'))
    (line,) = findings(path, "--gigabytes", "0.3", status=1)
    assert "memory" in line


@pytest.mark.parametrize("status", [signal.SIGSEGV, signal.SIGABRT])
def test_crash_is_an_error(status: signal.Signals) -> None:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_die, args=(theirs, status))
    process.start()
    theirs.close()
    (finding,) = receive(Path("x.xml"), mine, process, 600)
    assert finding == Finding(
        "error",
        f"x.xml: MuJoCo crashed ({status.name}) while it was being started; remove what MuJoCo "
        "cannot take",
    )


def _die(_messages: Connection, status: signal.Signals) -> None:
    os.kill(os.getpid(), status)
