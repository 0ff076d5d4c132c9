"""The trainers, by name. A new trainer is a file in this folder and its name in `TRAINERS`.

A trainer's file defines `Args` (a flat dataclass), `Agent` (see `policy.Agent`) and
`main(args)`; `python train/NAME.py` runs it. docs/training.md says which fields `Args` needs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from sandbox_envs.errors import UserError, suggest

# agent.json names one of these, and nothing else is ever imported because of a file
TRAINERS = ("ppo_lstm", "ppo_mlp", "ppo_transformer", "ppo_planner")
ON_MENUS = ("ppo_menu",)  # those whose actions choose between skills: nothing judges their agents
MINDS = {name.rpartition("_")[2]: name for name in TRAINERS}  # by what comes last
DEFAULT_TRAINER = "ppo_lstm"
# what is trained on where no scene is asked for
DEFAULT_SCENES = {**dict.fromkeys(TRAINERS, "sweep/train"), "ppo_menu": "lamps/train"}
# what a trainer's `Args` must have: a run's name tells the seed, and progress needs the total
COMPULSORY = ("seed", "total_timesteps")
# an argument's type, and those that its values may have after JSON
AS_JSON = {tuple: (list, tuple), float: (float, int)}


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
    known = (*TRAINERS, *ON_MENUS)
    if name not in known:
        raise UserError(f"unknown trainer '{name}'; {suggest(str(name), known)}")
    return f"sandbox_envs.train.{name}"


def check_contract(name: str, args: Any, agent: Mapping[str, Any]) -> None:
    """Raise UserError where a trainer's run could not be written, or not be read again.

    args: its `Args`; agent: the arguments of its Agent. docs/training.md has the contract.
    """
    if name not in (*TRAINERS, *ON_MENUS):
        raise UserError(
            f"the trainer '{name}' is not among TRAINERS in train/trainers.py, so nothing could "
            "read its runs; add it there"
        )
    if not is_dataclass(args):
        raise UserError(f"{name}: its arguments are {type(args).__name__}, and no dataclass")
    values = {field.name: getattr(args, field.name) for field in fields(args)}
    for needed in COMPULSORY:
        if needed not in values:
            raise UserError(f"{name}: its Args has no field '{needed}', which every run needs")
    for key, value in values.items():
        parts = value if isinstance(value, tuple | list) else [value]
        if not all(isinstance(part, str | int | float | None) for part in parts):
            raise UserError(
                f"{name}: {key} is {value!r}, which args.json cannot keep; take a text, a number, "
                "a bool, None, or a tuple of texts"
            )
    for key in COMPULSORY:
        if not isinstance(values[key], int) or values[key] < (key == "total_timesteps"):
            raise UserError(f"{name}: {key} is {values[key]!r}; it must be a whole number")
    try:
        json.dumps(dict(agent))
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{name}: agent.json cannot keep the arguments of its Agent ({error}); take plain "
            "numbers and texts"
        ) from None


def trainer_args(name: str, values: Mapping[str, Any] | None = None) -> Any:
    """A trainer's arguments: its defaults, except the given values.

    Args:
        name: of the trainer.
        values: by the names of the trainer's `Args`; lists stand for tuples, as in JSON.

    Raises:
        UserError: the trainer has no such argument, or a value is of another type.
    """
    return plain_args(trainer(name).Args(), values or {}, f"{name}: ")


def plain_args(args: Any, values: Mapping[str, Any] | None = None, where: str = "") -> Any:
    """A trainer's arguments in the types of their defaults, as a command line gives them.

    Args:
        args: the trainer's `Args`, in which a path may stand for a text, a text for a list of one,
            and a number of NumPy for a number.
        values: replace some of them, by name.
        where: begins the message of an error.

    Raises:
        UserError: there is no such argument, or a value is of another type.
    """
    defaults: dict[str, Any] = {f.name: getattr(type(args)(), f.name) for f in fields(args)}
    given: dict[str, Any] = {f.name: getattr(args, f.name) for f in fields(args)}
    kinds = {name: _kinds(args, name, default) for name, default in defaults.items()}
    for key in values or {}:
        if key not in defaults:
            raise UserError(f"{where[:-2]} has no argument '{key}'; {suggest(key, defaults)}")
    for key, value in {**given, **(values or {})}.items():
        plain, default = _plain(value, defaults[key]), defaults[key]
        if not _is_of(kinds[key], plain):
            raise UserError(f"{where}{key} is {value!r}; it must be {_like(default, kinds[key])}")
        given[key] = plain
    return type(args)(**given)


def typed(option: str, value: str, args: Any, key: str) -> Any:
    """A value that was given as a text, in the type of an argument.

    Args:
        option: begins the message of an error.
        value: the text.
        args: a trainer's `Args` with its defaults.
        key: the argument's name.

    Raises:
        UserError: it is of another type.
    """
    default = getattr(args, key)
    kinds = _kinds(args, key, default)
    for kind in kinds:
        if kind is tuple:
            return (value,)
        if kind is str:
            return value
        if kind is bool and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                pass
    raise UserError(f"{option}: {value} must be {_like(default, kinds)}")


def _plain(value: Any, default: Any) -> Any:
    """A value in the type of an argument's default, where it can stand for it."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(default, tuple) and isinstance(value, list | tuple | str):
        parts = [value] if isinstance(value, str) else value
        return tuple(str(part) if isinstance(part, Path) else part for part in parts)
    return value


def _kinds(args: Any, key: str, default: Any) -> tuple[type, ...]:
    """The types of an argument: its default's, and where this is None, those of its annotation."""
    if default is not None:
        return (type(default),)
    parts = [get_origin(part) or part for part in get_args(get_type_hints(type(args))[key])]
    texts = [part if isinstance(part, type) and part is not Path else str for part in parts]
    return tuple(texts) or (str, type(None))  # a literal and a path are texts here


def _is_of(kinds: Sequence[type], value: Any) -> bool:
    """Whether a value, perhaps from JSON, is of one of some types; a bool is no number here."""
    if isinstance(value, bool) and bool not in kinds:
        return False
    if isinstance(value, tuple | list) and not all(isinstance(part, str) for part in value):
        return False
    return any(isinstance(value, AS_JSON.get(kind, kind)) for kind in kinds)


def _like(default: Any, kinds: Sequence[type]) -> str:
    """What an argument takes, in words: "like 0.98", or "a number or None"."""
    if default is not None:
        return f"like {default!r}"
    words = {str: "a text", int: "a whole number", float: "a number", tuple: "texts"}
    return " or ".join(
        "None" if kind is type(None) else words.get(kind, "True or False") for kind in kinds
    )
