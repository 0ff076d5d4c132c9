"""Files that are written completely or not at all, and files of JSON."""

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from sandbox_envs.errors import UserError

_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.unfinished(\.[^.]*)?")
_LONGEST = 100  # bytes of a name that a temporary file's name repeats; the system allows 255


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; the end of the block renames it, and an error removes it.

    A temporary file that a killed program left behind is removed when the next one writes to
    the same folder: the file is locked while its writer lives.

    A link stays one: the file that it leads to is written.

    Raises:
        OSError: the file cannot be written; the error names `path`.
    """
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    start = os.fsdecode(os.fsencode(path.stem)[:_LONGEST])
    temporary = path.with_name(f".{start}.{secrets.token_hex(4)}.unfinished{path.suffix}")
    try:
        if is_device(path):  # renaming would replace it
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
        remove_leftovers(path.parent)
        with _open(temporary, os.O_CREAT | os.O_EXCL) as file:
            with suppress(OSError):  # not every file system has locks
                _lock(file)
            yield temporary
            os.replace(temporary, path)
    except OSError as error:
        raise error_about(path, error, temporary) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def is_device(path: Path) -> bool:
    """Whether there is something at a path that is neither a file nor a folder."""
    return path.exists() and not path.is_file() and not path.is_dir()


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files in a folder whose writers were killed, as far as possible."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if _UNFINISHED.fullmatch(name):
                _remove_unlocked(folder / name)


def _remove_unlocked(path: Path) -> None:
    with suppress(OSError), _open(path, os.O_NOFOLLOW | os.O_NONBLOCK) as file:
        _lock(file)  # fails while somebody writes it
        path.unlink()


@contextmanager
def _open(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o666)
    try:
        yield file
    finally:
        os.close(file)


def _lock(file: int) -> None:
    """Lock an open file for as long as it is open; raises OSError if another one has locked it."""
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises:
        OSError: something else is in its place, or it cannot be made; the error says the reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        folder.stat()  # the error of a link that leads nowhere or to itself
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None


def check_writable(folder: Path, argument: str = "") -> None:
    """Raise UserError if no file can be written to a folder, which need not exist yet.

    It is tried and undone, so that a command can ask before it works for minutes.
    argument: that names the folder, for the message.
    """
    made: list[Path] = []
    try:
        made = [place for place in (folder, *folder.absolute().parents) if not place.exists()]
        make_folder(folder)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, ValueError) as error:  # ValueError: a zero byte
        is_file = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "it is a file, or in one" if is_file else getattr(error, "strerror", error)
        raise UserError(
            f"{argument} {str(folder)[:200]}: nothing can be written there ({reason}); name "
            "another folder"
        ) from None
    finally:
        for place in made:
            with suppress(OSError, ValueError):
                place.rmdir()


def check_writable_file(path: Path) -> None:
    """Raise UserError if a file of this name cannot be written; see `check_writable`."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file in it")
    if is_device(path):
        raise UserError(f"{path} is a pipe or a device; give the name of a file")
    check_writable(path.parent)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, completely or not at all."""
    make_folder(path.parent)
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def append_line(path: Path, content: dict[str, Any]) -> None:
    """Append `content` as one JSON line, whole or not at all."""
    append(path, json.dumps(content).encode() + b"\n")


def append(path: Path, line: bytes) -> None:
    """Append a whole line, or nothing.

    Raises:
        OSError: it cannot be written; the error names `path`.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o666)
        try:
            before = os.fstat(file).st_size
            if os.write(file, line) < len(line):
                os.ftruncate(file, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(file)
    except OSError as error:
        raise error_about(path, error) from error


def error_about(path: Path, error: OSError, temporary: Path | None = None) -> OSError:
    """The same error about `path`, if it names no file or only the temporary one."""
    if error.filename and str(error.filename) != str(temporary):
        return error
    return OSError(error.errno, error.strerror, str(path))


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; pipes and devices, which may never end, are refused.

    Raises:
        UserError: it is neither a file nor a link to one. OSError: it cannot be read.
    """
    with open(path, "rb", opener=lambda name, how: os.open(name, how | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UserError(f"{path}: this is a pipe or a device; put a regular file there")
        yield file


def read_regular(path: Path) -> bytes:
    """The content of a file; raises as `open_regular` does."""
    with open_regular(path) as file:
        return file.read()


def content_hash(path: Path) -> str:
    """The first 16 digits of a file's SHA-256, as sha256sum prints it; raises as `open_regular`."""
    return hashlib.sha256(read_regular(path)).hexdigest()[:16]


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object that a file holds.

    Raises:
        UserError: it holds anything else, or is no file. OSError: it cannot be read.
    """
    try:
        return json_object(read_regular(path))
    except UserError:
        raise
    except (ValueError, RecursionError):
        raise UserError(f"{path}: it is damaged and cannot be read") from None


def read_lines(path: Path, unfinished: bool = True) -> list[dict[str, Any]]:
    """The JSON objects in a file, one on each line.

    unfinished: whether a last line without an end may be half of one, and is ignored.

    Raises:
        UserError: a line holds anything else, or it is no file. OSError: it cannot be read.
    """
    lines = read_regular(path).split(b"\n")
    try:
        return [json_object(line) for line in (lines[:-1] if unfinished else lines) if line]
    except (ValueError, RecursionError):
        raise UserError(f"{path}: a line in it is damaged") from None


def json_object(text: bytes) -> dict[str, Any]:
    """The JSON object in some bytes; raises ValueError or RecursionError where there is none."""
    content = json.loads(text.decode())
    if not isinstance(content, dict):
        raise ValueError
    return content
