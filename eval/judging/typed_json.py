"""Frozen dataclasses as JSON and back, checked on the way.

A field that is None by default is left out while it is None. Every other field is written and must
be there when it is read: a default may change, and a file must go on saying what it said. A field's
key is its name, or the `key` in its metadata. Types that are understood: str, int, float,
bool, None and unions with it, Any, list[T], dict[str, T], tuple[T, T], and dataclasses of these.
"""

import dataclasses
import json
import math
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

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
    if not isinstance(content, dict):
        raise MismatchError(f"{where or 'the content'} is not an object")
    fields, values = _fields(kind), {}  # type: ignore[arg-type]  # a type is hashable
    for key in content:
        if key not in fields:
            raise MismatchError(f"the field {_place(where, key)} is unknown")
    for key, (name, type_, is_required) in fields.items():
        if key in content:
            values[name] = _value(type_, content[key], _place(where, key))
        elif is_required:
            raise MismatchError(f"the field {_place(where, key)} is missing")
    return kind(**values)


@cache
def _fields(kind: type) -> dict[str, tuple[str, Any, bool]]:
    """key -> name, type, and whether it must be there, of every field of a dataclass."""
    hints = get_type_hints(kind)
    return {
        _key(field): (field.name, hints[field.name], _is_required(field))
        for field in dataclasses.fields(kind)
    }


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


def _value(kind: Any, content: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return content
    if origin is types.UnionType:
        if content is None and type(None) in inner:
            return None
        (kind,) = (one for one in inner if one is not type(None))
        return _value(kind, content, where)
    if origin is list and isinstance(content, list):
        return [_value(inner[0], item, f"{where}[{i}]") for i, item in enumerate(content)]
    if origin is tuple and isinstance(content, list) and len(content) == len(inner):
        return tuple(_value(one, item, where) for one, item in zip(inner, content, strict=True))
    if origin is dict and isinstance(content, dict):
        return {key: _value(inner[1], item, _place(where, key)) for key, item in content.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return from_json(kind, content, where)
    if kind is float and type(content) in (float, int) and math.isfinite(content):
        return content
    if kind in (str, int, bool) and type(content) is kind:
        return content
    raise MismatchError(f"the field {where} is not {_name(kind)}")


def _key(field: dataclasses.Field[Any]) -> str:
    return field.metadata.get("key", field.name)


def _place(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is not None


def _name(kind: Any) -> str:
    names = {str: "text", int: "a whole number", float: "a finite number", bool: "true or false"}
    return names.get(kind) or {list: "a list", dict: "an object", tuple: "a list"}.get(
        get_origin(kind) or kind, str(kind)
    )
