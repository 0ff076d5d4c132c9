"""Files that are written completely or not at all, and files of JSON."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; the end of the block renames it, and an error removes it.

    Raises:
        OSError: the file cannot be written; the error names `path`.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise error_about(path, error, temporary) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Raise UserError if no file can be written to a folder, which need not exist yet.

    It is tried and undone, so that a command can ask before it works for minutes.
    """
    made: list[Path] = []
    try:
        made = [place for place in (folder, *folder.absolute().parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, ValueError) as error:  # ValueError: a zero byte
        is_file = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "it is a file, or in one" if is_file else getattr(error, "strerror", error)
        raise UserError(
            f"{str(folder)[:200]}: nothing can be written there ({reason}); name another folder"
        ) from None
    finally:
        for place in made:
            with suppress(OSError, ValueError):
                place.rmdir()


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, completely or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def append_line(path: Path, content: dict[str, Any]) -> None:
    """Append `content` as one JSON line, in one write."""
    try:
        with path.open("a") as file:
            file.write(json.dumps(content) + "\n")
    except OSError as error:
        raise error_about(path, error) from error


def error_about(path: Path, error: OSError, temporary: Path | None = None) -> OSError:
    """The same error about `path`, if it names no file or only the temporary one."""
    if error.filename and str(error.filename) != str(temporary):
        return error
    return OSError(error.errno, error.strerror, str(path))


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object that a file holds.

    Raises:
        UserError: it holds anything else. OSError: it cannot be read.
    """
    try:
        return _object(path.read_bytes())
    except (ValueError, RecursionError):
        raise UserError(f"{path}: it is damaged and cannot be read") from None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects in a file, one on each line; an unfinished last line is ignored.

    Raises:
        UserError: a line holds anything else. OSError: the file cannot be read.
    """
    lines = path.read_bytes().split(b"\n")
    try:
        return [_object(line) for line in lines[:-1] if line]
    except (ValueError, RecursionError):
        raise UserError(f"{path}: a line in it is damaged") from None


def _object(text: bytes) -> dict[str, Any]:
    content = json.loads(text.decode())
    if not isinstance(content, dict):
        raise ValueError
    return content
