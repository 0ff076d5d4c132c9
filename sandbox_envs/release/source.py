"""Sources of zoos: a folder, or an address that begins with file://, http:// or https://.

Nothing that is read decides where else is read: redirections stay within http and https, and names
of files are checked before they are put behind an address.
"""

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from sandbox_envs.errors import UserError
from sandbox_envs.files import open_regular
from sandbox_envs.release.manifest import FILE, MOST_BYTES, Manifest, read_manifest_from
from sandbox_envs.version import __version__

TIMEOUT = 30.0  # seconds without a byte
_PART = 2**20  # bytes that are read at a time
_HANDLERS = (  # of http and https, and none of files or ftp
    urllib.request.ProxyHandler,
    urllib.request.UnknownHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPRedirectHandler,
    urllib.request.HTTPErrorProcessor,
)


class Source(Protocol):
    """A place that zoos are read from."""

    where: str
    """it, for messages"""

    def read(self, name: str, most: int) -> bytes:
        """A file's content; raises UserError where it cannot be read or has more bytes."""


def source_of(given: str) -> Source:
    """The place that a path or an address names.

    Raises:
        UserError: it is an address of another kind.
    """
    scheme, has_scheme, _ = given.partition("://")
    if not has_scheme:
        return Folder(Path(given))
    if scheme == "file":
        parts, path = _split(given)
        if parts.netloc not in ("", "localhost"):
            raise UserError(f"{given}: a file:// address names no host; write file:///path/to/zoo")
        return Folder(Path(path))
    if scheme in ("http", "https"):
        return Address(given)
    raise UserError(
        f"{given}: give the path of a folder, or a file://, http:// or https:// address"
    )


def read_manifest(source: Source) -> tuple[Manifest, bytes]:
    """A zoo's manifest, and the bytes that it was read from.

    Raises:
        UserError: there is none, or it is damaged.
    """
    content = source.read(FILE, MOST_BYTES)
    return read_manifest_from(content, f"{source.where.rstrip('/')}/{FILE}"), content


class Folder:
    """A folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.where = folder, str(folder)

    def read(self, name: str, most: int) -> bytes:
        """A regular file's content; links are not followed, inside of the folder."""
        path = self.folder
        for part in name.split("/"):
            path = path / part
            if path.is_symlink():
                raise UserError(f"{path}: it is a link, and a zoo holds none; put the file there")
        try:
            with open_regular(path) as file:
                return _bounded(file, most, str(path))
        except (FileNotFoundError, NotADirectoryError):
            hint = "it is no zoo" if name == FILE else "fetch the zoo again"
            raise UserError(f"{self.folder}: there is no {name} in it; {hint}") from None


class Address:
    """A folder behind an http or https address."""

    def __init__(self, address: str) -> None:
        self.where = address
        parts, _ = _split(address)
        if not parts.hostname or parts.query or parts.fragment:
            raise UserError(f"{address}: give the address of a folder, as https://host/path/zoo")
        self._base = address.rstrip("/") + "/"
        self._opener = urllib.request.OpenerDirector()
        for handler in _HANDLERS:
            self._opener.add_handler(handler())

    def read(self, name: str, most: int) -> bytes:
        """A file's content, over the network."""
        address = self._base + urllib.parse.quote(name)
        request = urllib.request.Request(
            address, headers={"User-Agent": f"sandbox_envs/{__version__}"}
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                return _bounded(answer, most, address)
        except urllib.error.HTTPError as error:
            raise UserError(
                f"{address}: the server says {error.code} {error.reason}; check the address"
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, UserError):
                raise
            reason = getattr(error, "reason", None) or error
            raise UserError(f"{address}: it cannot be read ({reason}); try again later") from None


def _split(address: str) -> tuple[urllib.parse.SplitResult, str]:
    """An address's parts, and its path as a file system would have it."""
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError:
        raise UserError(f"{address}: this is no address; check how it is written") from None
    path = urllib.parse.unquote(parts.path)
    if "\0" in path:
        raise UserError(f"{address}: there is no such path; take out the %00")
    return parts, path


def _bounded(file: IO[bytes], most: int, where: str) -> bytes:
    """All of a file, unless it has more than `most` bytes."""
    return b"".join(_parts(file, most, where))


def _parts(file: IO[bytes], most: int, where: str) -> Iterator[bytes]:
    size = 0
    while part := file.read(_PART):
        size += len(part)
        if size > most:
            raise UserError(f"{where}: it has more than {most} bytes, which it should not have")
        yield part
