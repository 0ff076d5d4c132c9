"""zoo.json, the manifest of a zoo: its files with their checksums, its agents, its blind subjects.

    {"schema": 1, "name": "...", "package": "0.1.0",
     "files": {"agents/planter/none_3/RUN/policy.safetensors": {"sha256": "...", "bytes": 707676}},
     "agents": [{"path": "agents/planter/none_3/RUN", "study": "planter", "arm": "none_3", ...}],
     "blind": {"key_sha256": "...", "subjects": ["blind/subject_01"], ...}}

The manifest may come from anybody. So names of files are relative and plain, their kinds are those
that hold data alone, and sizes have limits; all of this is checked before anything else is read.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.files import write_json
from sandbox_envs.release.content import KINDS, MOST_OF_KIND, kind_of, parsed

FILE = "zoo.json"
SCHEMA = 1
MOST_BYTES = 2**24  # of the manifest, 16 MiB
MOST_FILES = 20_000
MOST_AGENTS = 10_000  # and blind subjects
MOST_IN_ALL = 2**33  # bytes, 8 GiB
LONGEST_NAME = 240
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
Json = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """The checksum and size of a file, known before it is read."""

    sha256: str
    """its checksum, in 64 hexadecimal digits"""
    bytes: int
    """its size"""


@dataclass(frozen=True)
class Manifest:
    """The content of zoo.json."""

    name: str
    """of the zoo"""
    package: str
    """the version of this package that it was built with"""
    files: Mapping[str, Entry]
    """relative name -> checksum and size"""
    agents: tuple[Json, ...]
    """what is known of each agent; "path" is its folder"""
    blind: Json | None = None
    """about the subjects whose goals are held out; None without any"""

    @property
    def total_bytes(self) -> int:
        """Of all files."""
        return sum(entry.bytes for entry in self.files.values())

    def to_json(self) -> Json:
        """It as plain JSON."""
        files = {name: vars(entry) for name, entry in sorted(self.files.items())}
        content = {"schema": SCHEMA, "name": self.name, "package": self.package}
        more = {} if self.blind is None else {"blind": self.blind}
        return {**content, "files": files, "agents": list(self.agents), **more}


def sha256(content: bytes) -> str:
    """A checksum as sha256sum prints it."""
    return hashlib.sha256(content).hexdigest()


def entries_below(folder: Path) -> dict[str, Entry]:
    """Checksum and size of every file below a folder but the manifest, by relative name.

    Raises:
        UserError: a file's name or kind cannot be in a zoo.
    """
    found = {}
    for file in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        name = file.relative_to(folder).as_posix()
        if name != FILE:
            _check_name(name, str(folder))
            content = file.read_bytes()
            found[name] = Entry(sha256(content), len(content))
    return found


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Write a zoo's manifest, whole or not at all; returns its checksum.

    Raises:
        UserError: it could not be read again.
    """
    read_manifest_from(_text(manifest), str(folder / FILE))
    write_json(folder / FILE, manifest.to_json())
    return sha256((folder / FILE).read_bytes())


def read_manifest_from(content: bytes, where: str) -> Manifest:
    """The manifest in some bytes.

    Args:
        content: what the file holds.
        where: the file or address, for messages.

    Raises:
        UserError: it is no manifest, or names a file that cannot be in a zoo.
    """
    if len(content) > MOST_BYTES:
        raise UserError(f"{where}: it is larger than {MOST_BYTES} bytes, and no manifest of a zoo")
    read = parsed(content, where)
    if read.get("schema") != SCHEMA:
        raise UserError(
            f"{where}: it has the form of schema {str(read.get('schema')):.20}, and this version "
            f"of sandbox_envs reads {SCHEMA}; fetch a zoo of this version"
        )
    try:
        files = {name: _entry(entry) for name, entry in read["files"].items()}
        agents, blind = tuple(map(_agent, read["agents"])), read.get("blind")
        manifest = Manifest(_line(read["name"]), _line(read["package"]), files, agents, blind)
        subjects = (blind or {}).get("subjects", ())
        paths = [str(agent["path"]) for agent in agents] + list(map(str, subjects))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{where}: it is damaged, and no manifest of a zoo") from None
    _check_files(manifest, where)
    if len(paths) > MOST_AGENTS:
        raise UserError(f"{where}: it names {len(paths)} agents; {MOST_AGENTS} are allowed")
    wanted = set(paths)
    there = {folder for name in files for folder in _above(name) if folder in wanted}
    if missing := [path for path in paths if path not in there]:
        raise UserError(f"{where}: it has no file of '{missing[0]}', which it names")
    return manifest


def _text(manifest: Manifest) -> bytes:
    return json.dumps(manifest.to_json()).encode()


def _entry(content: Any) -> Entry:
    entry = Entry(content["sha256"], content["bytes"])
    if not _SHA256.fullmatch(entry.sha256) or type(entry.bytes) is not int or entry.bytes < 0:
        raise ValueError
    return entry


def _agent(content: Any) -> Json:
    agent = dict(content)
    if not isinstance(agent.get("verdicts", {}), dict):
        raise ValueError
    return agent


def _line(text: Any) -> str:
    if not isinstance(text, str) or not text.isprintable() or len(text) > LONGEST_NAME:
        raise ValueError
    return text


def _check_files(manifest: Manifest, where: str) -> None:
    if len(manifest.files) > MOST_FILES:
        raise UserError(f"{where}: it names {len(manifest.files)} files; {MOST_FILES} are allowed")
    for name, entry in manifest.files.items():
        _check_name(name, where)
        most = MOST_OF_KIND[str(kind_of(name))]
        if entry.bytes > most:
            raise UserError(f"{where}: '{name}' has {entry.bytes} bytes; {most} are allowed")
    if manifest.total_bytes > MOST_IN_ALL:
        raise UserError(
            f"{where}: its files have {manifest.total_bytes} bytes; {MOST_IN_ALL} are allowed"
        )
    folded = [name.casefold() for name in (FILE, *manifest.files)]
    places = set(folded)
    is_below_a_file = any(above in places for name in folded for above in _above(name))
    if len(places) < len(folded) or is_below_a_file:
        raise UserError(f"{where}: two of its files would be in the same place")


def _check_name(name: str, where: str) -> None:
    """Raise UserError where a file's name leads out of the zoo, or its kind is none of a zoo's."""
    parts = name.split("/")
    is_plain = all(_PART.fullmatch(part) for part in parts) and len(name) <= LONGEST_NAME
    if not is_plain or name == FILE:
        raise UserError(
            f"{where}: '{name[:LONGEST_NAME]}' is not the name of a file inside of a zoo; this is "
            "no zoo to trust"
        )
    if kind_of(name) is None:
        raise UserError(
            f"{where}: '{name}' is of a kind that a zoo may not hold; it holds data alone "
            f"({', '.join(KINDS)})"
        )


def _above(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]
