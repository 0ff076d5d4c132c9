"""Files are complete or absent, and errors that a user can cause are one sentence."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import CONTEXT

from sandbox_envs import stopping
from sandbox_envs.errors import UserError, cli_errors, suggest
from sandbox_envs.files import (
    append_line,
    atomic_write,
    check_writable,
    check_writable_file,
    read_json,
    read_lines,
    write_json,
)

LEFT = ".film.0123abcd.unfinished.mp4"  # as a killed writer leaves it


def test_failed_write_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"n": 1})
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n  "n": 1\n}\n'
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_next_write_removes_what_a_killed_writer_left_and_nothing_that_is_being_written(
    tmp_path: Path,
) -> None:
    (tmp_path / LEFT).touch()
    (tmp_path / ".film.mp4").touch()  # somebody's own
    with atomic_write(tmp_path / "a.json") as a, atomic_write(tmp_path / "b.json"):
        assert not (tmp_path / LEFT).exists()
        assert a.exists()
    assert {file.name for file in tmp_path.iterdir()} == {"a.json", "b.json", ".film.mp4"}


def test_link_to_itself_is_told_as_the_reason_why_nothing_can_be_written(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(UserError, match=r"loop: .*\(Too many levels of symbolic links\)"):
        check_writable(loop)


def test_longest_name_that_a_file_can_have_is_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'ä' * 125}.json"
    write_json(path, {"n": 1})
    assert read_json(path) == {"n": 1}


@pytest.mark.parametrize("read", [read_json, read_lines])
def test_pipes_and_devices_are_not_read(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "link.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "link.json"):
        with pytest.raises(UserError, match=f"{name}: this is a pipe or a device"):
            read(tmp_path / name)


def test_pipes_and_devices_are_not_replaced_and_links_are_followed(tmp_path: Path) -> None:
    pipe, target, link = tmp_path / "pipe.json", tmp_path / "to.json", tmp_path / "link.json"
    os.mkfifo(pipe)
    link.symlink_to(target)
    with pytest.raises(OSError, match=r"it is a pipe or a device, not a file: .*pipe\.json"):
        write_json(pipe, {"n": 1})
    with pytest.raises(UserError, match=r"pipe\.json is a pipe or a device; give the name of a"):
        check_writable_file(pipe)
    assert pipe.is_fifo()
    write_json(link, {"n": 1})
    assert link.is_symlink()
    assert read_json(target) == {"n": 1}
    assert {file.name for file in tmp_path.iterdir()} == {"pipe.json", "to.json", "link.json"}


def test_unfinished_last_line_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append_line(path, {"step": 1})
    append_line(path, {"step": 2})
    path.write_text(path.read_text() + '{"step": 3')
    assert read_lines(path) == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize(
    "content", [b"[]", b"1", b"null", b'{"step": 1', b'{"step": "\xff"}', b"\0" * 8, b"[" * 100_000]
)
def test_file_that_is_not_a_json_object_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UserError, match="file: it is damaged and cannot be read"):
        read_json(path)
    path.write_bytes(b'{"step": 1}\n' + content + b'\n{"step": 3}\n')
    with pytest.raises(UserError, match="file: a line in it is damaged"):
        read_lines(path)


def test_hint_is_the_nearest_name_or_all_names() -> None:
    assert suggest("dustpn", ["sweeps", "dustpan"]) == "did you mean 'dustpan'?"
    assert suggest("x", ["sweeps", "dustpan"]) == "valid: dustpan, sweeps"
    assert suggest("x", []) == "there is none to choose from"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (UserError("this is wrong;\n  do that"), "error: this is wrong; do that"),
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/x"),
            "error: No space left on device (runs/x); free some space or choose another folder",
        ),
        (
            OSError(errno.EACCES, "Permission denied", "runs/x"),
            "error: Permission denied (runs/x); check its permissions or choose another place",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "runs/x"),
            "error: Read-only file system (runs/x); this place is read-only; choose another one",
        ),
        (
            OSError(errno.EISDIR, "Is a directory", "runs"),
            "error: Is a directory (runs); this is a folder; give the name of a file",
        ),
        (
            OSError(errno.ELOOP, "Too many levels of symbolic links", "runs/x"),
            "error: Too many levels of symbolic links (runs/x); a symbolic link in this path leads",
        ),
        (OSError(errno.EIO, "bad frame", "film.mp4"), "error: bad frame (film.mp4)"),
    ],
)
def test_expected_error_ends_a_command_in_one_sentence(error: BaseException, sentence: str) -> None:
    @cli_errors
    def main(args: object) -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        main(SimpleNamespace(debug=False))
    assert str(end.value.code).startswith(sentence)
    assert "\n" not in str(end.value.code) and ("free" in sentence) == ("free" in end.value.code)


def test_debug_and_bugs_keep_their_traceback() -> None:
    @cli_errors
    def main(args: SimpleNamespace) -> None:
        raise args.error

    with pytest.raises(UserError):
        main(SimpleNamespace(debug=True, error=UserError("wrong")))
    with pytest.raises(ZeroDivisionError):
        main(SimpleNamespace(debug=False, error=ZeroDivisionError()))


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own handler of it: a shell starts background jobs with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_command_that_is_stopped_clears_up_and_ends_as_shells_expect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int, status: int
) -> None:
    @cli_errors
    def main(_: object) -> None:
        with atomic_write(tmp_path / "result.json"):
            signal.raise_signal(number)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        main(SimpleNamespace(debug=False))
    assert end.value.code == status
    assert capsys.readouterr().err == "stopped\n"
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


def be_terminated_in_a_long_call() -> None:
    stopping.GRACE = 0.2
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    cli_errors(lambda _: hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9))(None)


def test_command_that_is_terminated_in_a_call_that_does_not_end_ends_all_the_same() -> None:
    process = CONTEXT.Process(target=be_terminated_in_a_long_call)
    process.start()
    process.join(30)
    assert process.exitcode == 143


def test_command_that_is_to_ignore_sigterm_does_so() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        cli_errors(lambda _: signal.raise_signal(signal.SIGTERM))(None)
    finally:
        signal.signal(signal.SIGTERM, before)


PERMISSIONS = ("; check its permissions or choose another place", "; this place is read-only; ")


@pytest.mark.parametrize(
    ("folder", "output", "reason", "advice"),
    [
        ("/proc/mine", None, "No such file or directory (/proc/mine)", ("; check the path",)),
        ("/sys/mine", None, "(/sys/mine)", PERMISSIONS),
        ("mine", "/dev/full", "No space left on device", ("; free some space or ",)),
    ],
)
def test_command_advises_what_fits_an_error_of_the_system(
    tmp_path: Path, folder: str, output: str | None, reason: str, advice: tuple[str, ...]
) -> None:
    with Path(output or tmp_path / "out").open("w") as out:
        done = subprocess.run(
            [sys.executable, "-m", "sandbox_envs.new", folder],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ") and reason in line
    assert any(words in line for words in advice)


def test_command_whose_reader_has_gone_ends_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "sandbox_envs.scenes", "lamps"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")
