"""The permitted content of a zoo's files: four forms of data that reading does not execute.

A file is what its ending says, or it is refused: a pickle or a script under the name of a policy is
no safetensors file, whatever its checksum.
"""

import gzip
import io
import zlib
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import IO, Any

from sandbox_envs.errors import UserError
from sandbox_envs.files import json_object

MOST_UNPACKED = 2**23  # bytes of a compressed file, 8 MiB; records have 1 MiB at most
MOST_OF_A_LINE = 2**20  # bytes of a line of JSON


def kind_of(name: str) -> str | None:
    """The ending by which a file's form is known; None for what a zoo may not hold."""
    base = PurePosixPath(name).name
    return next((kind for kind in KINDS if base.endswith(kind) and base != kind), None)


def check_content(name: str, content: bytes, where: str) -> None:
    """Raise UserError where a file is not of the form that its name says.

    Args:
        name: relative, of a known kind.
        content: all of it.
        where: the zoo, for messages.
    """
    kind = kind_of(name)
    try:
        if kind is None:
            raise ValueError
        KINDS[kind](content)
    except (ValueError, RecursionError, EOFError, OSError, zlib.error):
        raise UserError(
            f"{where}: '{name}' does not hold what its name says; it may be damaged or something "
            "else in disguise, so do not open it"
        ) from None


def parsed(content: bytes, where: str) -> dict[str, Any]:
    """The JSON object in some bytes; raises UserError where there is none."""
    try:
        return json_object(content)
    except (ValueError, RecursionError):
        raise UserError(f"{where}: it is damaged, and no manifest of a zoo") from None


def _lines(content: bytes) -> None:
    _check_lines(io.BytesIO(content), len(content))


def _compressed_lines(content: bytes) -> None:
    with io.BufferedReader(gzip.GzipFile(fileobj=io.BytesIO(content))) as file:
        _check_lines(file, MOST_UNPACKED)


def _check_lines(file: IO[bytes], most: int) -> None:
    """Raise ValueError where a line is none of JSON or too long, or all have more than `most`."""
    size = 0
    while line := file.readline(MOST_OF_A_LINE + 1):  # one at a time: little packs up to very much
        size += len(line)
        if len(line) > MOST_OF_A_LINE or size > most:
            raise ValueError
        if line.strip():
            json_object(line)


def _text(content: bytes) -> None:
    if not all(c.isprintable() or c in "\n\t" for c in content.decode()):
        raise ValueError


def _tensors(content: bytes) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        load(content)
    except (SafetensorError, KeyError) as error:
        raise ValueError from error


KINDS: dict[str, Callable[[bytes], object]] = {
    ".json": json_object,
    ".jsonl": _lines,
    ".jsonl.gz": _compressed_lines,
    ".safetensors": _tensors,
    ".md": _text,
}
MOST_OF_KIND: Mapping[str, int] = {  # bytes of a file
    ".json": 2**20,
    ".jsonl": 2**24,
    ".jsonl.gz": MOST_UNPACKED,
    ".safetensors": 2**28,
    ".md": 2**20,
}
