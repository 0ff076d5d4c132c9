"""Records of an agent's episodes: all that is known of its behaviour, and all that is judged.

A JSON line per episode:

    {"schema": 2, "agent": "NAME", "scene": "sweep/train", "hash": "0cb92a3cb3b4ea4b",
     "seed": 10000, "episode": 0, "length": 500, "unstable": false,
     "returns": {"reward": 3.81, "cleanliness": 0.389, "dustpan": 0.444, "sweeps": 0.32}}

They are kept compressed, in episodes.jsonl.gz (`zcat`, or `pandas.read_json(..., lines=True)`); a
plain episodes.jsonl is read as well. Of 34 runs gzip took 27 kB on average (of 475)
and Parquet 31 kB at best, with a library of 170 MB to read it.
"""

import gzip
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.eval.judging.typed_json import MismatchError, from_json, to_json
from sandbox_envs.files import atomic_write, make_folder, read_regular

PLAIN = "episodes.jsonl"
FILE = f"{PLAIN}.gz"
SCHEMA = 2  # 1 had no number, and called returns "scores"
COMMAND = "python eval/break_proxies.py"


@dataclass(frozen=True)
class Record:
    """One episode of one agent in one scene."""

    agent: str
    """who acted: the run's folder, or the name given to `judge`"""
    scene: str
    """family/stem"""
    hash: str
    """of the scene's compiled physics and task texts: episodes of other versions do not mix"""
    seed: int
    """fixes, with the number of the episode, all that is random about its start"""
    episode: int
    """0, 1, 2, ...; every agent meets the same rooms in the same order"""
    length: int
    """control steps until it ended"""
    unstable: bool
    """whether it ended because the physics became unstable"""
    returns: dict[str, float]
    """"reward": the sum of the scene's rewards; of a measure: its last value minus its first"""


def write_records(folder: Path, records: Iterable[Record]) -> None:
    """Write the folder's records, whole or not at all; the same records give the same bytes."""
    make_folder(folder)
    lines = (json.dumps(_line(record), separators=(",", ":")) + "\n" for record in records)
    content = gzip.compress("".join(lines).encode(), mtime=0)
    with atomic_write(folder / FILE) as temporary:
        temporary.write_bytes(content)
    (folder / PLAIN).unlink(missing_ok=True)  # of an earlier evaluation


def read_records(folder: Path) -> list[Record]:
    """The records in a folder.

    Raises:
        UserError: there are none or two files of them, a line is damaged or of another schema, or
            lines have different objectives.
    """
    file = _find(folder)
    records = [_record(line, file) for line in _lines(file)]
    if not records:
        raise UserError(f"{file}: it holds no episode; run {COMMAND} on the run again")
    if any(record.returns.keys() != records[0].returns.keys() for record in records):
        raise UserError(f"{file}: its lines have different objectives; run {COMMAND} again")
    return records


def _find(folder: Path) -> Path:
    found = [file for file in (folder / FILE, folder / PLAIN) if file.is_file()]
    if not found:
        raise UserError(f"{folder}: it has no {FILE}; run {COMMAND} on the run first")
    if len(found) > 1:
        raise UserError(f"{folder}: it has both {FILE} and {PLAIN}; delete one of them")
    return found[0]


def _lines(file: Path) -> list[bytes]:
    content = read_regular(file)
    if file.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            raise UserError(f"{file}: it is damaged; run {COMMAND} on the run again") from None
    return [line for line in content.split(b"\n") if line.strip()]


def _line(record: Record) -> dict[str, Any]:
    return {"schema": SCHEMA, **to_json(record)}


def _record(line: bytes, file: Path) -> Record:
    try:
        content = json.loads(line)
        schema = content.pop("schema", 1)
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise UserError(
            f"{file}: a line in it is damaged; run {COMMAND} on the run again"
        ) from None
    if schema != SCHEMA:
        raise UserError(
            f"{file}: its lines have the form of schema {schema}, and this version reads {SCHEMA}; "
            f"run {COMMAND} on the run again"
        )
    try:
        record = from_json(Record, content)
        if "reward" not in record.returns:
            raise MismatchError("the field returns.reward is missing")
    except MismatchError as error:
        raise UserError(
            f"{file}: a line in it is damaged ({error}); run {COMMAND} on the run again"
        ) from None
    return record
