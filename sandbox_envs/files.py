"""Writing files so that a reader never meets half of one."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well, else removed."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise _about(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def append_line(path: Path, content: dict[str, Any]) -> None:
    """Append `content` as one JSON line, in one write."""
    try:
        with path.open("a") as file:
            file.write(json.dumps(content) + "\n")
    except OSError as error:
        raise _about(path, error) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file, without an unfinished last one."""
    lines = path.read_text().split("\n")
    try:
        return [json.loads(line) for line in lines[:-1] if line]
    except ValueError:
        raise UserError(f"{path}: a line in it is damaged") from None


def _about(path: Path, error: OSError) -> OSError:
    """The same error with the name of the file; a write that fails does not know it."""
    return error if error.filename else OSError(error.errno, error.strerror, str(path))
