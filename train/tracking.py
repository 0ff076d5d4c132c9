"""Following runs on Weights & Biases, as CleanRL does: what TensorBoard gets is sent there too.

All arguments of trainers that are read here are optional: a trainer without `track` is not tracked.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError


def check_tracking(args: Any) -> None:
    """Raise UserError if a run is to be tracked and cannot be; args: a trainer's `Args`."""
    if getattr(args, "track", False):
        _wandb()


@dataclass(frozen=True)
class Tracker:
    """A run as it is followed there; without any module it is not followed."""

    wandb: Any = None
    """the module"""
    callers: Any = None
    """a W&B run that the caller had already opened, as in sweeps; it is updated, and left open"""

    def log(self, row: Mapping[str, float | None], step: int) -> None:
        """Log an update to the caller's run; a run of our own gets it through TensorBoard."""
        if self.callers is not None:
            known = {name: value for name, value in row.items() if value is not None}
            self.callers.log({**known, "global_step": step})

    def stop(self, exit_code: int) -> None:
        """End what was begun; exit_code: 0 where the training ended well."""
        if self.wandb is not None and self.callers is None:
            self.wandb.finish(exit_code=exit_code)


def start_tracking(args: Any, folder: Path, config: Mapping[str, Any]) -> Tracker:
    """Begin to send a run's events, if asked to; before its TensorBoard writer is made.

    A resumed run goes on as the same run there, since its name there follows from its folder's.
    Where the caller has a run open, as a function of a sweep has, that one gets everything.

    Raises:
        UserError: Weights & Biases cannot be used.
    """
    if not getattr(args, "track", False):
        return Tracker()
    wandb = _wandb()
    callers = getattr(wandb, "run", None)
    try:
        if callers is not None:
            callers.config.update(dict(config), allow_val_change=True)
        else:
            wandb.init(
                project=getattr(args, "wandb_project_name", None),
                entity=getattr(args, "wandb_entity", None),
                sync_tensorboard=True,
                config=dict(config),
                name=folder.name,
                id=hashlib.sha256(folder.name.encode()).hexdigest()[:16],
                resume="allow",
            )
    except Exception as error:  # of many types: no account, no network, no such project
        raise UserError(
            f"--track: Weights & Biases cannot be used ({error or type(error).__name__}); "
            "run `wandb login`, set WANDB_MODE=offline, or leave --track out"
        ) from None
    return Tracker(wandb, callers)


def _wandb() -> Any:
    try:
        return import_module("wandb")
    except ImportError as error:
        known = not isinstance(error, ModuleNotFoundError) or error.name != "wandb"
        why = f"cannot be imported ({error})" if known else "is not installed"
        raise UserError(
            f"--track: the package wandb {why}; pip install wandb, or leave --track out"
        ) from None
