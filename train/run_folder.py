"""A run's folder as a whole: made, held by one process, described in args.json, made longer."""

import dataclasses
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.files import read_json, write_json
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.provenance import provenance
from sandbox_envs.train.run_files import is_file, read_training

LOCK_SECONDS = 60.0  # to wait for another process that trains the same run, and is about to end


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run for this process during a block, in which it is read, and then gone on with.

    Whoever waits for another process finds in the block what that one has left.

    Raises:
        UserError: this is no run folder, or another process trains it.
    """
    read_training(folder)  # so that what is no run is not waited for
    descriptor = lock(folder)
    try:
        yield
    finally:
        os.close(descriptor)


def lock(folder: Path) -> int:
    """Hold a run for this process, until the descriptor that is returned is closed.

    Raises:
        UserError: another process trains it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise UserError(
                    f"{folder}: another process trains this run; wait for it, or end it"
                ) from None
            time.sleep(0.5)
        except OSError:  # a file system without locks
            return descriptor
        else:
            return descriptor


def new_folder(parent: Path, name: str) -> Path:
    """Make a folder of this name, or of one with a number where it exists.

    Raises:
        UserError: `parent` is a file.
    """
    for suffix in ("", *(f"-{i}" for i in range(2, 100))):
        folder = parent / f"{name}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not parent.is_dir():
                raise UserError(f"--run-dir {parent}: it is a file; name a folder") from None
        else:
            return folder
    raise UserError(f"{parent / name}: there are a hundred folders of this name; remove some")


def describe(folder: Path, args: Any, scenes: Sequence[Scene], update_steps: int) -> dict[str, Any]:
    """What args.json holds; `scene_files` says where scenes lie from the run's folder."""
    given = list(zip(args.scene, scenes, strict=False))  # none given means the default scene
    names = [str(scene.path) if is_file(name) else name for name, scene in given]
    home = folder.resolve()
    files = [os.path.relpath(s.path, home) if is_file(name) else None for name, s in given]
    return {
        "args": {**dataclasses.asdict(args), "scene": names},
        "scenes": {scene.name: scene.hash for scene in scenes},
        "scene_files": files,
        "update_steps": update_steps,
        **provenance(),
    }


def extend(folder: Path, total_steps: int, step: int) -> None:
    """Make a run longer, and keep from which step on it was."""
    described = read_json(folder / "args.json")
    before = described["args"]["total_timesteps"]
    described["args"]["total_timesteps"] = total_steps
    described["extended"] = [*described.get("extended", []), [step, before]]
    write_json(folder / "args.json", described)
