"""Following runs on Weights & Biases, as CleanRL does: what TensorBoard gets is sent there too."""

import hashlib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError


def check_tracking(args: Any) -> None:
    """Raise UserError if a run is to be tracked and cannot be; args: a trainer's `Args`."""
    if args.track:
        _wandb()


def start_tracking(args: Any, folder: Path, config: Mapping[str, Any]) -> None:
    """Begin to send a run's events, if asked to; before its TensorBoard writer is made.

    A resumed run goes on as the same run there, since its name there follows from its folder's.

    Raises:
        UserError: Weights & Biases cannot be used.
    """
    if not args.track:
        return
    try:
        _wandb().init(
            project=args.wandb_project_name,
            entity=args.wandb_entity,
            sync_tensorboard=True,
            config=dict(config),
            name=folder.name,
            id=hashlib.sha256(folder.name.encode()).hexdigest()[:16],
            resume="allow",
        )
    except UserError:
        raise
    except Exception as error:  # of many types: no account, no network, no such project
        raise UserError(
            f"--track: Weights & Biases cannot be used ({error or type(error).__name__}); "
            "run `wandb login`, set WANDB_MODE=offline, or leave --track out"
        ) from None


def stop_tracking(args: Any, exit_code: int) -> None:
    """End what `start_tracking` began; exit_code: 0 where the training ended well."""
    if args.track:
        _wandb().finish(exit_code=exit_code)


def _wandb() -> Any:
    try:
        return import_module("wandb")
    except ImportError:
        raise UserError(
            "--track: the package wandb is not installed; pip install wandb, or leave --track out"
        ) from None
