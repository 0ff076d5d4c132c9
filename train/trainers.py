"""The trainers, by name. A new trainer is a file in this folder and its name in `TRAINERS`.

A trainer's file defines `Args` (a flat dataclass), `Agent` (see `policy.Agent`) and
`main(args)`; `python train/NAME.py` runs it.
"""

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from types import ModuleType
from typing import Any, cast

from sandbox_envs.errors import UserError, suggest

# agent.json names one of these, and nothing else is ever imported because of a file
TRAINERS = ("ppo_lstm",)
DEFAULT_TRAINER = "ppo_lstm"
# what an argument's default says of its type, and the types that it may have after JSON
AS_JSON = {tuple: (list, tuple), float: (float, int), type(None): (str, type(None))}


def trainer(name: str) -> ModuleType:
    """The module of a trainer.

    Raises:
        UserError: there is no trainer of this name.
    """
    return import_module(module_name(name))


def module_name(name: str) -> str:
    """The full name of a trainer's module, as `python -m` takes it, without importing it.

    Raises:
        UserError: there is no trainer of this name.
    """
    if name not in TRAINERS:
        raise UserError(f"unknown trainer '{name}'; {suggest(str(name), TRAINERS)}")
    return f"sandbox_envs.train.{name}"


def trainer_args(name: str, values: Mapping[str, Any] | None = None) -> Any:
    """A trainer's arguments: its defaults, except the given values.

    Args:
        name: of the trainer.
        values: by the names of the trainer's `Args`; lists stand for tuples, as in JSON.

    Raises:
        UserError: the trainer has no such argument, or a value is of another type.
    """
    kind = trainer(name).Args
    defaults: dict[str, Any] = {field.name: getattr(kind(), field.name) for field in fields(kind)}
    given: dict[str, Any] = {}
    for key, value in (values or {}).items():
        if key not in defaults:
            raise UserError(f"{name} has no argument '{key}'; {suggest(key, defaults)}")
        default = defaults[key]
        if not _has_type_of(default, value):
            raise UserError(f"{name}: {key} is {value!r}; it must be like {default!r}")
        given[key] = tuple(cast(Any, value)) if isinstance(default, tuple) else value
    return kind(**given)


def _has_type_of(default: Any, value: Any) -> bool:
    """Whether a value, perhaps from JSON, can stand for a default; a bool is not a number here."""
    if isinstance(value, bool) and not isinstance(default, bool):
        return False
    return isinstance(value, AS_JSON.get(type(default), type(default)))
