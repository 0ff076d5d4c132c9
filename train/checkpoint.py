"""resume.pt: all that a training needs to go on exactly, written and checked.

It is loaded without executing anything from it (`weights_only`). Beside what the trainer puts in,
it says of which training it is, and has a checksum of its content: a file of another run, or one
that was changed after it was saved, is refused before anything is done with it.
"""

import hashlib
import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sandbox_envs.errors import UserError
from sandbox_envs.files import atomic_write
from sandbox_envs.train.run_files import Training, read_training

FILE = "resume.pt"
OWN = ("agent", "step", "episodes", "training", "total_timesteps", "checksum")


def save_checkpoint(folder: Path, content: Mapping[str, Any], training: Training) -> None:
    """Write a checkpoint, completely or not at all.

    content: of plain numbers, texts, lists and dicts, tensors and arrays; with "agent" (its
    `state_dict`), "step" (environment steps done) and "episodes" (infos of recent ones).
    """
    about = {"training": training.marks, "total_timesteps": training.total_steps}
    whole = _as_tensors({**content, **about})
    buffer = io.BytesIO()  # so that a failed write is an OSError, not an error of torch
    torch.save({**whole, "checksum": checksum(whole)}, buffer)
    with atomic_write(folder / FILE) as temporary:
        temporary.write_bytes(buffer.getvalue())


def read_checkpoint(folder: Path, device: str) -> dict[str, Any]:
    """A run's checkpoint: agent, step, and what the trainer added.

    Raises:
        UserError: there is none; it is damaged, changed, of another run or version; or the run's
            arguments were changed since.
    """
    path, training = folder / FILE, read_training(folder)
    if training.kept:
        raise UserError(
            f"{folder}: it is a checkpoint that {training.kept} kept, to be judged; resume that "
            "run, or begin a new one with --initial-weights in place of --resume"
        )
    if not path.is_file():
        raise UserError(f"{folder}: it has no {FILE}, so it ended before its first checkpoint")
    content = path.read_bytes()
    try:
        saved = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except Exception:  # damaged bytes fail in many ways
        raise UserError(f"{path}: it is damaged and cannot be read; start a new run") from None
    if not isinstance(saved, dict) or not saved.keys() >= set(OWN):
        raise UserError(f"{path}: {FILE} is of another version of the trainer; start a new run")
    if saved.pop("checksum") != checksum(saved):
        raise UserError(f"{path}: its content was changed after it was saved; start a new run")
    _check_training(path, saved, training)
    return saved


def _check_training(path: Path, saved: Mapping[str, Any], training: Training) -> None:
    """Raise UserError where a checkpoint is not of this run as args.json says it is."""
    totals = {training.total_steps, *(before for _, before in training.extended)}
    if not training.has_marked(saved["training"]) or saved["total_timesteps"] not in totals:
        raise UserError(
            f"{path}: it is not of the training that args.json tells of; put back the files of "
            "one run (--total-timesteps makes a run longer, other arguments take a new run)"
        )


@contextmanager
def fitting(folder: Path) -> Iterator[None]:
    """Turn an error in a block that restores a checkpoint into a UserError: it does not fit."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError):
        raise UserError(
            f"{folder / FILE}: {FILE} is of another version of the trainer; start a new run"
        ) from None


def _as_tensors(tree: Any) -> Any:
    """The same tree with tensors for arrays, which weights_only loading accepts.

    Equal texts are made one object: the bytes of the file tell them apart, and those of a resumed
    training shall equal those of one that was never stopped.
    """
    if isinstance(tree, Mapping):
        return {_as_tensors(key): _as_tensors(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_as_tensors(item) for item in tree)
    if isinstance(tree, str):
        return sys.intern(tree)
    if isinstance(tree, np.ndarray):
        return torch.from_numpy(tree.copy())
    return tree


def checksum(tree: Any) -> str:
    """A text that differs for trees that differ in any key, type, shape or number."""
    digest = hashlib.sha256()
    for part in _parts(tree):
        digest.update(part)
        digest.update(b"\0")
    return digest.hexdigest()


def _parts(tree: Any) -> Iterator[bytes]:
    if isinstance(tree, Mapping):
        yield f"{len(tree)} by name".encode()
        for key in tree:
            yield repr(key).encode()
            yield from _parts(tree[key])
    elif isinstance(tree, list | tuple):
        yield f"{len(tree)} in order".encode()
        for item in tree:
            yield from _parts(item)
    elif isinstance(tree, torch.Tensor):
        yield f"{tree.dtype} {tuple(tree.shape)}".encode()
        yield tree.detach().cpu().contiguous().numpy().tobytes()
    else:
        yield repr(tree).encode()
