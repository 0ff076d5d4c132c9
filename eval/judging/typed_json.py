"""Frozen dataclasses as JSON and back, checked on the way.

A field that is None by default is left out while it is None. Every other field is written and must
be there when it is read: a default may change, and a file must go on saying what it said. A field's
key is its name, or the `key` in its metadata. Types that are understood: str, int, float,
bool, None and unions with it, Any, list[T], dict[str, T], tuple[T, T], and dataclasses of these.
"""

import dataclasses
import json
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from itertools import count, repeat
from typing import Any, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


class MismatchError(ValueError):
    """Some JSON has not the form of a dataclass; the message says where and what was expected."""


def to_json(value: Any) -> Any:
    """A dataclass, and all that it holds, as plain JSON."""
    if dataclasses.is_dataclass(value):
        items = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
        return {_key(f): to_json(x) for f, x in items if x is not None or _is_required(f)}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[T], content: Any, where: str = "") -> T:
    """A dataclass from plain JSON.

    Args:
        kind: the dataclass.
        content: what `to_json` made of one.
        where: the place of the content in its file, for messages.

    Raises:
        MismatchError: a field is missing, unknown, or of another type.
    """
    try:
        return cast(T, _reader(kind)(content))  # type: ignore[arg-type]  # a type is hashable
    except _WrongError as wrong:
        raise MismatchError(wrong.sentence(where)) from None


def as_text(content: Any, indent: str = "") -> str:
    """JSON as text, indented, with an object or list that holds neither on one line."""
    items = content.values() if isinstance(content, dict) else content
    if not isinstance(content, dict | list) or not any(isinstance(x, dict | list) for x in items):
        return json.dumps(content)
    inner = f"{indent}  "
    if isinstance(content, list):
        lines = [as_text(item, inner) for item in content]
        return "[" + ",".join(f"\n{inner}{line}" for line in lines) + f"\n{indent}]"
    lines = [f"{json.dumps(key)}: {as_text(item, inner)}" for key, item in content.items()]
    return "{" + ",".join(f"\n{inner}{line}" for line in lines) + f"\n{indent}}}"


# --- reading ---------------------------------------------------------------------------------

# A type is looked at once, and what reads it is kept, as records have thousands of lines.
_Read = Callable[[Any], Any]


class _WrongError(Exception):
    """Something is wrong at a place, to which each level adds its own as the error passes."""

    def __init__(self, what: str, *places: str | int) -> None:
        super().__init__(what)
        self.what, self.places = what, list(places)

    def sentence(self, where: str) -> str:
        is_whole = not (where or self.places)
        for place in self.places:
            inside = f"[{place}]" if isinstance(place, int) else f".{place}" if where else place
            where += inside
        return f"the content {self.what}" if is_whole else f"the field {where} {self.what}"


@cache
def _reader(kind: Any) -> _Read:
    """What makes a value of a type from plain JSON, or raises _WrongError."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda content: content
    if origin in (types.UnionType, Union):
        (one,) = (_reader(each) for each in inner if each is not type(None))
        return lambda content: None if content is None else one(content)
    if origin is list:
        return partial(_read_list, _reader(inner[0]))
    if origin is dict:
        return partial(_read_dict, _reader(inner[1]))
    if origin is tuple:
        return partial(_read_tuple, [_reader(each) for each in inner])
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return partial(_read_dataclass, kind)
    if kind is float:
        return _read_float
    if kind in _NAMES:
        return partial(_read_plain, kind)
    raise TypeError(f"{kind} is not understood")


def _read_list(read: _Read, content: Any) -> list[Any]:
    if not isinstance(content, list):
        raise _WrongError("is not a list")
    return _read_all(count(), repeat(read), content)


def _read_dict(read: _Read, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise _WrongError("is not an object")
    return dict(zip(content, _read_all(content, repeat(read), content.values()), strict=True))


def _read_tuple(reads: list[_Read], content: Any) -> tuple[Any, ...]:
    if not isinstance(content, list) or len(content) != len(reads):
        raise _WrongError("is not a list")
    return tuple(_read_all(count(), reads, content))


def _read_dataclass(kind: type, content: Any) -> Any:
    if not isinstance(content, dict):
        raise _WrongError("is not an object")
    fields, values = _fields(kind), {}
    for key in content:
        if key not in fields:
            raise _WrongError("is unknown", key)
    for key, item in content.items():
        name, read, _ = fields[key]
        try:
            values[name] = read(item)
        except _WrongError as wrong:
            wrong.places.insert(0, key)
            raise
    for key, field in fields.items():
        if field.is_required and key not in content:
            raise _WrongError("is missing", key)
    return kind(**values)


def _read_all(
    places: Iterable[str | int], reads: Iterable[_Read], items: Iterable[Any]
) -> list[Any]:
    found = []
    for place, read, item in zip(places, reads, items, strict=False):
        try:
            found.append(read(item))
        except _WrongError as wrong:
            wrong.places.insert(0, place)
            raise
    return found


def _read_float(content: Any) -> float:
    if type(content) in (float, int) and abs(content) <= sys.float_info.max:
        return content
    raise _WrongError("is not a finite number")


def _read_plain(kind: type, content: Any) -> Any:
    if type(content) is kind:
        return content
    raise _WrongError(f"is not {_NAMES[kind]}")


class _Field(NamedTuple):
    """A field of a dataclass."""

    name: str
    read: _Read
    is_required: bool


@cache
def _fields(kind: type) -> dict[str, _Field]:
    """The fields of a dataclass by their keys."""
    hints = get_type_hints(kind)
    return {
        _key(field): _Field(field.name, _reader(hints[field.name]), _is_required(field))
        for field in dataclasses.fields(kind)
    }


_NAMES = {str: "text", int: "a whole number", bool: "true or false"}


def _key(field: dataclasses.Field[Any]) -> str:
    return field.metadata.get("key", field.name)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is not None
