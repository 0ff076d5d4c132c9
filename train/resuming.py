"""Arguments with --resume: which come from the command line, and which from the run.

A resumed run keeps its arguments. What may be given beside --resume: a larger --total-timesteps,
settings of the machine and of the call, and --scene for files that lie elsewhere now. Everything
else that differs from the run is refused, rather than ignored.
"""

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

import tyro

from sandbox_envs.errors import UserError
from sandbox_envs.train.arguments import OF_THE_MACHINE, check_ranges, flag
from sandbox_envs.train.run_files import command_of, read_args, read_training, whole_updates


def command_line(kind: Any) -> tuple[Any, Collection[str] | None]:
    """A trainer's `Args` from the command line, and the names of those that differ from the run's.

    The names are None without --resume, and where there is no such run.
    """
    args = tyro.cli(kind)
    if args.resume is None:
        return args, None
    try:
        own = read_args(Path(args.resume), kind)
        appended = ("scene", "set", "argument")
        lists = [name for name in appended if isinstance(getattr(own, name, None), tuple)]
        own = dataclasses.replace(own, **dict.fromkeys(lists, ()))  # what is given is appended
    except (UserError, OSError):
        return args, None
    return args, _differing(tyro.cli(kind, default=own), own)


def resumed_args(args: Any, command: str, given: Collection[str] | None) -> Any:
    """The arguments with which a run goes on.

    Args:
        args: those of the call; its `resume` is the run's folder.
        command: the name of the trainer that is called, or "population".
        given: names of the arguments in `args` that count; None takes those that differ from
            their defaults.

    Raises:
        UserError: one of them contradicts the run, or this is no run of this command.
    """
    folder = Path(args.resume)
    training = read_training(folder)
    if (its := command_of(training)) != command:
        raise UserError(f"{folder}: it is a run of {its}; resume it with that")
    own = read_args(folder, type(args))
    try:
        check_ranges(own)
    except UserError as error:
        raise UserError(f"{folder / 'args.json'}: {error}") from None
    names = _differing(args, type(args)()) if given is None else given
    changes: dict[str, Any] = {"resume": None}
    if hasattr(args, "debug"):
        changes["debug"] = args.debug
    for name in names:
        value = getattr(args, name)
        if name == "total_timesteps":
            _check_longer(folder, value, training.total_steps, training.update_steps)
        elif name in ("resume", "scene"):
            continue  # the folder, and where the scenes lie now
        elif name == "run_dir":
            _check_run_dir(folder, value)
            continue
        elif name not in OF_THE_MACHINE and value != getattr(own, name):
            raise UserError(
                f"{flag(name)} {_shown(value)}: {folder} was started with "
                f"{_shown(getattr(own, name))}, and a resumed run keeps its arguments; leave this "
                "one out, or start a new run (with these weights: --initial-weights in place of "
                "--resume)"
            )
        changes[name] = value
    return dataclasses.replace(own, **changes)


def _differing(args: Any, others: Any) -> list[str]:
    names = [f.name for f in dataclasses.fields(args)]
    return [name for name in names if getattr(args, name) != getattr(others, name)]


def _check_longer(folder: Path, total: int, before: int, update_steps: int | None) -> None:
    """Raise UserError unless `total` steps are a longer training than before, or the same."""
    steps = update_steps or 1
    if total == before:
        return
    if whole_updates(total, steps) <= whole_updates(before, steps):
        raise UserError(
            f"--total-timesteps {total}: {folder} is a training of {before} steps, and can only be "
            f"made longer, by whole updates of {steps} steps"
        )


def _check_run_dir(folder: Path, run_dir: str) -> None:
    if Path(run_dir).resolve() != folder.resolve().parent:
        raise UserError(
            f"--run-dir {run_dir}: a resumed run stays in its folder, {folder}; leave this one out"
        )


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(value) or "none"
    return "none" if value is None else str(value)
