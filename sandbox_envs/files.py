"""Files that are written completely or not at all, and files of JSON."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
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
        return _object(read_regular(path))
    except (ValueError, RecursionError):
        raise UserError(f"{path}: it is damaged and cannot be read") from None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects in a file, one on each line; an unfinished last line is ignored.

    Raises:
        UserError: a line holds anything else. OSError: the file cannot be read.
    """
    lines = read_regular(path).split(b"\n")
    try:
        return [_object(line) for line in lines[:-1] if line]
    except (ValueError, RecursionError):
        raise UserError(f"{path}: a line in it is damaged") from None


def read_regular(path: Path) -> bytes:
    """The content of a regular file: reading a pipe or a device may never end.

    Raises:
        UserError: it is none. OSError: it cannot be read.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError(f"{path}: this is a pipe or a device; put a regular file there")
    return path.read_bytes()


def _object(text: bytes) -> dict[str, Any]:
    content = json.loads(text.decode())
    if not isinstance(content, dict):
        raise ValueError
    return content
