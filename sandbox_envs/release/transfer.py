"""Fetching a zoo whole or not at all, and verifying one that is there."""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from sandbox_envs.errors import UserError
from sandbox_envs.files import error_about, make_folder
from sandbox_envs.release.content import check_content
from sandbox_envs.release.manifest import FILE, Entry, Manifest, sha256
from sandbox_envs.release.source import Folder, Source, read_manifest


def fetch(
    source: Source,
    folder: Path,
    expected: str | None = None,
    on_bytes: Callable[[int], object] = lambda _: None,
) -> tuple[Manifest, str]:
    """Copy a zoo to a folder that is not there yet, after every file of it was checked.

    Args:
        source: where it is.
        folder: the new one.
        expected: checksum of its manifest, as who published it tells it.
        on_bytes: called with the size of each file that has come, for a progress bar.

    Returns:
        Its manifest, and the checksum of that.

    Raises:
        UserError: something is wrong with the zoo, or the folder exists. OSError: nothing can be
            written. Then nothing is left behind.
    """
    if os.path.lexists(folder):
        raise UserError(f"{folder}: it exists; name a new folder, or delete it")
    manifest, content = read_manifest(source)
    check_expected(content, expected, source.where)
    make_folder(folder.parent)
    temporary = folder.with_name(f".{folder.name[:100]}.{secrets.token_hex(4)}.unfinished")
    try:
        temporary.mkdir()
        for name, entry in manifest.files.items():
            file = temporary / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_checked(source, name, entry))
            on_bytes(entry.bytes)
        (temporary / FILE).write_bytes(content)
        os.rename(temporary, folder)
    except OSError as error:
        raise error_about(folder, error, temporary) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest, sha256(content)


def verify(
    folder: Path, expected: str | None = None, on_bytes: Callable[[int], object] = lambda _: None
) -> tuple[Manifest, str]:
    """Check that a folder is a zoo, every file of it, and that it holds nothing else.

    Returns:
        Its manifest, and the checksum of that.

    Raises:
        UserError: it is not, and which file is wrong.
    """
    source = Folder(folder)
    manifest, content = read_manifest(source)
    check_expected(content, expected, source.where)
    for name, entry in manifest.files.items():
        _checked(source, name, entry)
        on_bytes(entry.bytes)
    known = {FILE, *manifest.files}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name not in known and (path.is_symlink() or not path.is_dir()):
            raise UserError(f"{folder}: '{name}' is not in its manifest; delete it")
    return manifest, sha256(content)


def check_expected(content: bytes, expected: str | None, where: str) -> None:
    """Raise UserError where a manifest is not the one whose checksum is expected."""
    if expected is not None and sha256(content) != expected.lower():
        raise UserError(
            f"{where}: its {FILE} has the checksum {sha256(content)}, not {expected}; it is "
            "another zoo than the one you asked for"
        )


def _checked(source: Source, name: str, entry: Entry) -> bytes:
    content = source.read(name, entry.bytes)
    if len(content) < entry.bytes:
        raise UserError(
            f"{source.where}: '{name}' is cut off after {len(content)} of {entry.bytes} bytes; "
            "fetch it again"
        )
    if sha256(content) != entry.sha256:
        raise UserError(
            f"{source.where}: '{name}' has another checksum than its manifest says; do not use it"
        )
    check_content(name, content, source.where)
    return content
