"""Checks on all files that a scene makes MuJoCo read, made before MuJoCo reads them.

MuJoCo trusts its files: it reads wherever an include or a texture points, waits for ever on a
pipe, and builds whatever size a file asks for. A scene may come from a stranger. So this module
follows its includes, models and asset files as text, and refuses what a scene may not contain. It
reads only regular files in the scene's own folder, in the folder `shared` beside it, in which an
author's families keep what they have in common, and in the folder of the shipped scenes.
"""

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from sandbox_envs.errors import SceneError
from sandbox_envs.scene.limits import (
    PIXELS,
    check_attributes,
    check_sensors,
    check_size,
    pixels,
)
from sandbox_envs.scene.pictures import decoded_pixels, is_png
from sandbox_envs.scene.xml_tree import Element, parse_file

XML_BYTES = 2_000_000  # of one XML file
ASSET_BYTES = 32_000_000  # of one asset file, and of all files together
SDF_BYTES = 250_000  # of a mesh file, where some geom is a signed distance field: it takes seconds
FILES = 200  # that one scene may read
FILE_NAME = re.compile(r"[\w./+-]+")  # no blanks (XML may change them), drives, or backslashes
SHARED = "shared"  # name of the folder for all families of an author
FOLDERS = ("meshdir", "texturedir", "assetdir")  # attributes that name a folder


def checked_files(path: Path, shared: Path) -> list[Path]:
    """Check a scene file and all files that it refers to, without MuJoCo; returns them, sorted.

    Args:
        path: the scene file, resolved.
        shared: a folder that every scene may read from, besides its own.

    Raises:
        SceneError: a file lies elsewhere or never ends, a size is too large, or a number is not
            finite.
    """
    source = _Source(path, shared)
    source.model(path, ())
    source.check_distance_fields()
    check_sensors(source.models)
    return sorted(source.seen)


def read_elements(path: Path, shared: Path) -> Element:
    """The elements of a scene file and of the files it includes; asset files are not read.

    Args:
        path, shared: as for `checked_files`.

    Raises:
        SceneError: a file is not XML, or an include leads to a place that may not be read.
        OSError: the scene file cannot be read.
    """
    return _Source(path, shared).tree(path, path.parent, set(), str(path))


class _Source:
    """One scene's files: which were read, and how much they add up to."""

    def __init__(self, path: Path, shared: Path) -> None:
        own = os.path.realpath(path.parent)
        siblings = os.path.join(os.path.dirname(own), SHARED)  # itself no link to elsewhere
        self.roots = [own, siblings, os.path.realpath(shared)]
        self.seen: set[Path] = set()
        self.subfolders = {""}  # that <compiler> names
        self.bytes = self.pixels = 0
        self.models: list[Element] = []
        self.meshes: list[tuple[Element, Path]] = []

    def model(self, path: Path, parents: tuple[Path, ...]) -> float:
        """Check a model with all that it includes and attaches; returns its weight."""
        included: set[Path] = set()
        root = self.tree(path, path.parent, included, str(path))
        if root.tag != "mujoco":
            raise SceneError(f"{root.where}: the outermost element of a scene must be <mujoco>")
        self.models.append(root)
        elements = list(root.walk())
        self.subfolders |= {v for e in elements for k, v in e.attributes.items() if k in FOLDERS}
        attached = 0.0
        for element in elements:
            check_attributes(element)
            if element.tag == "model" and "file" not in element.attributes:
                raise SceneError(  # MuJoCo would hang when it reads the next scene
                    f"{element.where}: it names no file; add the attribute 'file' or remove it"
                )
            for file in self.references(element, path.parent):
                if element.tag != "model":
                    self.asset(element, file)
                elif file in (*parents, path):
                    raise SceneError(
                        f"{element.where}: {file.name} would be attached to itself; remove this "
                        "line"
                    )
                else:
                    attached = max(attached, self.model(file, (*parents, path)))
            self.add_pixels(element, pixels(element))
        return check_size(root, attached)

    def tree(self, path: Path, folder: Path, included: set[Path], where: str) -> Element:
        """The elements of a file of the model in `folder`, with those of files it includes."""
        if path in included:
            raise SceneError(
                f"{where}: {path.name} is included already, and MuJoCo reads each file only once; "
                "remove this line"
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
        the subfolders that <compiler> names. It may also drop the folders in a name (strippath).
        This checks all of these places.
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
                    raise SceneError(
                        f"{element.where}: there is no file '{name}' in the scene's folder; check "
                        "the name"
                    )
                files += found
        return list(dict.fromkeys(files))

    def locate(self, element: Element, name: str, bases: Iterable[Path]) -> list[Path]:
        """The files or folders that exist among the places a name may lead to."""
        if not FILE_NAME.fullmatch(name):
            raise SceneError(
                f"{element.where}: '{name[:80]}' is not a plain file name; rename it to letters, "
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
        """Raise SceneError where a path leaves the folders that the scene may read."""
        if not any(path == root or path.startswith(root + os.sep) for root in self.roots):
            raise SceneError(
                f"{element.where}: '{name}' leads out of the scene's folder; copy the file into "
                f"the folder, or into a folder '{SHARED}' beside it for all your families"
            )

    def asset(self, element: Element, path: Path) -> None:
        """Check a file that is not XML: its kind, its size, and a PNG's number of pixels."""
        self.count(path, ASSET_BYTES, element.where)
        if element.tag == "mesh":
            self.meshes.append((element, path))
        with path.open("rb") as file:
            head = file.read(8)
        if is_png(head):
            try:
                more = decoded_pixels(path, PIXELS)
            except ValueError:
                raise SceneError(
                    f"{element.where}: {path.name} packs more pixels than its size says; save the "
                    "picture again"
                ) from None
            self.add_pixels(element, more, ", without texts and colour profiles in them")

    def check_distance_fields(self) -> None:
        """Raise SceneError where a mesh is too large for a geom of type "sdf"."""
        elements = (element for model in self.models for element in model.walk())
        if any(element.attributes.get("type") == "sdf" for element in elements):
            for element, path in self.meshes:
                if path.stat().st_size > SDF_BYTES:
                    raise SceneError(
                        f"{element.where}: {path.name} has more than {SDF_BYTES} bytes, and some "
                        'geom has type="sdf", which takes long for large meshes; use another type'
                    )

    def count(self, path: Path, most: int, where: str) -> None:
        """Raise SceneError where a file is not regular, or files are too many or too large."""
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

    def add_pixels(self, element: Element, more: int, hint: str = "") -> None:
        """Count pixels; raises SceneError where the scene has too many."""
        self.pixels += more
        if self.pixels > PIXELS:
            raise SceneError(
                f"{element.where}: pictures and height fields have {self.pixels} pixels in all, "
                f"and the limit is {PIXELS}; use smaller ones{hint}"
            )
