"""A scene file's XML as a tree of elements that know their file and line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from sandbox_envs.errors import SceneError

DEPTH = 100  # greatest depth of nested elements


@dataclass
class Element:
    """An XML element, with its place in a file."""

    tag: str
    """its name"""
    attributes: dict[str, str]
    """name -> value, in the order of the file"""
    file: Path
    """the file that it was read from"""
    line: int
    """the line where it starts, from 1"""
    children: list["Element"] = field(default_factory=list)
    """elements directly inside it"""

    @property
    def where(self) -> str:
        """File, line and tag: the start of an error message about it."""
        return f"{self.file}, line {self.line}, <{self.tag}>"

    def walk(self) -> Iterator["Element"]:
        """This element and all below it, in document order."""
        yield self
        for child in self.children:
            yield from child.walk()


def parse_file(path: Path) -> Element:
    """The root element of one file, read as MuJoCo reads it: UTF-8, no entities, no namespaces.

    Raises:
        SceneError: the file is not such XML. OSError: it cannot be read.
    """
    top = Element("", {}, path, 0)
    open_: list[Element] = [top]
    parser = expat.ParserCreate("utf-8")

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, path, parser.CurrentLineNumber)
        if len(open_) > DEPTH:
            raise SceneError(
                f"{element.where}: elements are nested more than {DEPTH} deep; nest them less"
            )
        open_[-1].children.append(element)
        open_.append(element)

    def doctype(*_: object) -> None:
        raise SceneError(
            f"{path}, line {parser.CurrentLineNumber}: <!DOCTYPE> is not allowed; remove it"
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: open_.pop()
    parser.StartDoctypeDeclHandler = doctype
    try:
        text = path.read_bytes().decode()
        if "\0" in text:  # the parser would guess another encoding from it
            raise SceneError(f"{path}: a zero byte shows that this is not text; save it as UTF-8")
        parser.Parse(text, True)
    except UnicodeDecodeError as error:
        raise SceneError(f"{path}: byte {error.start} is not UTF-8; save it as UTF-8") from None
    except expat.ExpatError as error:
        raise SceneError(
            f"{path}, line {error.lineno}: not well-formed XML: {expat.ErrorString(error.code)}; "
            f"{_advice(text.encode()[: parser.ErrorByteIndex + 1])}"
        ) from None
    return top.children[0]


def _advice(read: bytes) -> str:
    """Advice on how to correct text that is no XML from the end of `read` on.

    Most often it is a formula that compares.
    """
    tag = read[:-1].rpartition(b"<")[2].decode(errors="replace")
    quoted = re.sub(r"\"[^\"]*\"|'[^']*'", "", tag)  # an odd quote is left
    if '"' in quoted or "'" in quoted:
        if read.endswith(b"<"):
            return "write &lt; for < inside quotes"
        if quoted.endswith("&"):
            return "write &amp; for & inside quotes"
    return "check that line and the one before"
