"""What a scene file would make MuJoCo read and build, looked at before MuJoCo does.

MuJoCo trusts its files: it reads wherever an include or a texture points, waits for ever on a
pipe, and builds whatever size is asked for. A scene may come from anyone, so this module follows
its includes, models and asset files as text and refuses, in a sentence, what is no scene. It
reads only regular files in the scene's own folder and in that of the shipped scenes.
"""

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from sandbox_envs.errors import SceneError
from sandbox_envs.scene.limits import PIXELS, check_attributes, check_size, pixels, weight
from sandbox_envs.scene.xml_tree import Element, parse_file

XML_BYTES, ASSET_BYTES = 2_000_000, 32_000_000  # of one file, and of all together
FILES = 200
FILE_NAME = re.compile(r"[\w./+-]+")  # no blanks, which XML may change, drives, or backslashes
FOLDERS = ("meshdir", "texturedir", "assetdir")


def read_elements(path: Path, shared: Path) -> Element:
    """The elements of a scene file, with those of the files it includes, but without any assets.

    Args:
        path, shared: as for `check_source`.

    Raises:
        SceneError: a file is not XML, or an include leads to a place that may not be read.
            OSError: the scene file cannot be read.
    """
    return _Source(path, shared).tree(path, path.parent, set(), str(path))


def check_source(path: Path, shared: Path) -> None:
    """Look at a scene file and at all that it refers to, without MuJoCo.

    Args:
        path: the scene file, resolved.
        shared: a folder from which every scene may read, besides its own.

    Raises:
        SceneError: it reads elsewhere or without end, asks for more than a scene can need, or
            holds a number that is none.
    """
    _Source(path, shared).model(path, ())


class _Source:
    """One scene's files: which were read, and how much they add up to."""

    def __init__(self, path: Path, shared: Path) -> None:
        self.roots = [os.path.realpath(path.parent), os.path.realpath(shared)]
        self.seen: set[Path] = set()
        self.subfolders = {""}  # that <compiler> names
        self.bytes = self.pixels = 0

    def model(self, path: Path, parents: tuple[Path, ...]) -> float:
        """Check a model with all that it includes and attaches; returns its weight."""
        included: set[Path] = set()
        root = self.tree(path, path.parent, included, str(path))
        if root.tag != "mujoco":
            raise SceneError(f"{root.where}: a scene's outermost element is <mujoco>")
        elements = list(root.walk())
        self.subfolders |= {v for e in elements for k, v in e.attributes.items() if k in FOLDERS}
        attached = 0.0
        for element in elements:
            check_attributes(element)
            for file in self.references(element, path.parent):
                if element.tag != "model":
                    self.asset(element, file)
                elif file in (*parents, path):
                    raise SceneError(f"{element.where}: {file.name} would be attached to itself")
                else:
                    attached = max(attached, self.model(file, (*parents, path)))
            self.add_pixels(element, pixels(element))
        check_size(root, size := weight(root, attached))
        return size

    def tree(self, path: Path, folder: Path, included: set[Path], where: str) -> Element:
        """The elements of a file of the model in `folder`, with those of files it includes."""
        if path in included:
            raise SceneError(
                f"{where}: {path.name} is read already, and MuJoCo takes each file once; remove "
                "this line"
            )
        included.add(path)
        self.count(path, XML_BYTES, where)
        root = parse_file(path)
        self.splice(root, folder, included)
        return root

    def splice(self, element: Element, folder: Path, included: set[Path]) -> None:
        """Replace every include below an element by what it includes."""
        children: list[Element] = []
        for child in element.children:
            if child.tag != "include":
                self.splice(child, folder, included)
                children.append(child)
            elif files := self.references(child, folder):
                children += self.tree(files[0], folder, included, child.where).children
        element.children = children

    def references(self, element: Element, folder: Path) -> list[Path]:
        """The files that an element refers to; raises SceneError where one is out of bounds.

        MuJoCo looks in the model's folder, then in that of the including file, with and without
        the subfolders that <compiler> names, which may be all of a name's folders (strippath).
        All of these are checked.
        """
        bases = dict.fromkeys((folder, element.file.parent))
        files: list[Path] = []
        for key, name in element.attributes.items():
            if key in FOLDERS:
                self.locate(element, name, bases)
            elif key.startswith("file"):
                deeper = [base / sub for base in bases for sub in sorted(self.subfolders)]
                found = self.locate(element, name, deeper)
                found += self.locate(element, os.path.basename(name) or ".", deeper)
                if not found:
                    raise SceneError(f"{element.where}: there is no file '{name}' beside the scene")
                files += found
        return list(dict.fromkeys(files))

    def locate(self, element: Element, name: str, bases: Iterable[Path]) -> list[Path]:
        """Where a name may lead, as far as something is there."""
        if not FILE_NAME.fullmatch(name):
            raise SceneError(
                f"{element.where}: '{name[:80]}' is no plain file name; rename it to letters, "
                "digits and . _ - + with / between folders"
            )
        if name.startswith("/"):
            raise SceneError(
                f"{element.where}: '{name}' is an absolute path, which no other machine has; "
                "copy it into the scene's folder and write it relative to that"
            )
        found = []
        for base in bases:
            written = os.path.join(base, name)
            for path in (os.path.realpath(os.path.normpath(written)), os.path.realpath(written)):
                self.confine(element, name, path)
                if os.path.lexists(path):
                    found.append(Path(path))
        return found

    def confine(self, element: Element, name: str, path: str) -> None:
        if not any(path == root or path.startswith(root + os.sep) for root in self.roots):
            raise SceneError(
                f"{element.where}: '{name}' leads out of the scene's folder; copy what it needs "
                "into the folder (only parts of the shipped scenes may be read elsewhere)"
            )

    def asset(self, element: Element, path: Path) -> None:
        """Check a file that is not XML: what it is, its size, and that of a PNG's picture."""
        self.count(path, ASSET_BYTES, element.where)
        with path.open("rb") as file:
            head = file.read(24)
        if head.startswith(b"\x89PNG"):
            width, height = (int.from_bytes(head[i : i + 4], "big") for i in (16, 20))
            self.add_pixels(element, width * height)

    def count(self, path: Path, most: int, where: str) -> None:
        """Refuse a file that is none, and too many or too large ones."""
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SceneError(f"{where}: '{path.name}' is not a regular file; name one that is")
        if path not in self.seen:
            self.bytes += status.st_size
        self.seen.add(path)
        if status.st_size > most or self.bytes > ASSET_BYTES or len(self.seen) > FILES:
            raise SceneError(
                f"{where}: {path.name} has {status.st_size} bytes, of {self.bytes} in "
                f"{len(self.seen)} files; keep XML under {XML_BYTES}, and all under {ASSET_BYTES} "
                f"and {FILES} files"
            )

    def add_pixels(self, element: Element, more: int) -> None:
        self.pixels += more
        if self.pixels > PIXELS:
            raise SceneError(
                f"{element.where}: pictures and height fields of {self.pixels} pixels in all; "
                f"{PIXELS} are enough, so use smaller ones"
            )
