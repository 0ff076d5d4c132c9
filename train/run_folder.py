"""A run's folder as a whole: made, held by one process, described in args.json, made longer."""

import dataclasses
import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError, sentence_of
from sandbox_envs.files import read_json, write_json
from sandbox_envs.scene.catalog import scene_files
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.provenance import provenance
from sandbox_envs.train.reward_ensemble import ensemble_hash
from sandbox_envs.train.run_files import InitialWeights, RewardModel, is_file, read_training
from sandbox_envs.training_envs import TrainingEnvs
from sandbox_envs.wrappers import wrappers_around

CHECKPOINTS = "checkpoints"  # the folder of those that are kept
MEMBERS = "members"  # the folder of the policies of a population
LOCK_SECONDS = 60.0  # to wait for another process that trains the same run, and is about to end


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Lock a run for this process during a block, in which the run is read and then resumed.

    If this has to wait for another process, the block sees the files that process left.

    Raises:
        UserError: this is no run folder, or another process trains it.
    """
    read_training(folder)  # so that what is no run is not waited for
    with locked(folder):
        yield


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process during a block.

    Raises:
        UserError: another process holds it.
    """
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


def new_run(parent: Path, scenes: Sequence[Scene], called: str, seed: int) -> Path:
    """Make the folder of a run: its name has the scenes, what is trained, the seed and the time.

    Raises:
        UserError: nothing can be made in `parent`.
    """
    stems = "+".join(scene.stem for scene in scenes)
    moment = time.strftime("%Y%m%d-%H%M%S")
    return new_folder(parent, f"{scenes[0].family}-{stems}__{called}__s{seed}__{moment}")


def new_folder(parent: Path, name: str) -> Path:
    """Make a folder of this name, or of one with a number where it exists.

    Raises:
        UserError: nothing can be made in `parent`.
    """
    for suffix in ("", *(f"-{i}" for i in range(2, 100))):
        folder = parent / f"{name}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not parent.is_dir():
                raise UserError(f"--run-dir {parent}: it is a file; name a folder") from None
        except OSError as error:
            raise UserError(f"--run-dir {parent}: {sentence_of(error)}") from None
        else:
            return folder
    raise UserError(f"{parent / name}: there are a hundred folders of this name; remove some")


@contextmanager
def removed_if_failed(folder: Path) -> Iterator[None]:
    """Remove a run's folder if the block fails or is interrupted."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def describe(
    folder: Path,
    args: Any,
    envs: TrainingEnvs,
    update_steps: int,
    initial_weights: InitialWeights | None,
) -> dict[str, Any]:
    """The content of args.json."""
    recorded = dataclasses.asdict(args)
    if isinstance(recorded.get("scene"), tuple):  # files by their whole path
        given = zip(recorded["scene"], envs.scenes, strict=False)
        recorded["scene"] = [str(s.path) if is_file(name) else name for name, s in given]
    about = {}
    if initial_weights:
        recorded["initial_weights"] = initial_weights.run
        about["initial_weights"] = dataclasses.asdict(initial_weights)
    if given_model := recorded.get("reward_model"):
        model = Path(given_model).resolve()
        recorded["reward_model"] = str(model)
        about["reward_model"] = dataclasses.asdict(RewardModel(str(model), ensemble_hash(model)))
    return {
        "args": recorded,
        "scenes": [_scene(folder, scene) for scene in envs.scenes],
        "wrappers": wrappers_around(envs),
        "update_steps": update_steps,
        **about,
        **provenance(),
    }


def _scene(folder: Path, scene: Scene) -> dict[str, Any]:
    """A scene's entry in args.json, with its file's path, also relative to the run's folder."""
    is_shipped = scene_files().get(scene.name) == scene.path
    return {
        "name": scene.name,
        "hash": scene.hash,
        "given": scene.name if is_shipped else str(scene.path),
        "file": None if is_shipped else os.path.relpath(scene.path, folder.resolve()),
        "overrides": dict(scene.overrides),
    }


def keep_checkpoint(folder: Path, step: int, policy: bytes, inside: str = CHECKPOINTS) -> None:
    """Keep a policy for good, as a run folder of its own: checkpoints/STEP, whole or not at all.

    It can be judged as the run can, and is not resumed. It replaces one of an earlier try.

    Args:
        folder: of the run, whose log has been written up to this step.
        step: environment steps done; in `MEMBERS` the number of the member.
        policy: content of policy.safetensors.
        inside: the folder in the run.

    Raises:
        OSError: it cannot be written.
    """
    kept = folder / inside / str(step)
    weights = kept / "policy.safetensors"
    if weights.is_file() and weights.read_bytes() == policy:
        return  # so that what was judged meanwhile stays
    described = read_json(folder / "args.json")
    described["kept_of"] = folder.resolve().name
    scenes = described["scenes"]
    for scene in scenes if isinstance(scenes, list) else ():  # earlier versions had a dict
        if scene["file"]:  # as seen from there
            scene["file"] = os.path.join("..", "..", scene["file"])
    temporary = kept.with_name(f".{step}.unfinished")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        for name in ("agent.json", "metrics.jsonl"):
            shutil.copyfile(folder / name, temporary / name)
        (temporary / weights.name).write_bytes(policy)
        write_json(temporary / "args.json", described)
        shutil.rmtree(kept, ignore_errors=True)
        os.replace(temporary, kept)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def kept_checkpoints(folder: Path) -> dict[int, Path]:
    """The policies that a run has kept: step -> folder, the earliest first."""
    inside = (folder / CHECKPOINTS).glob("*")
    found = {int(place.name): place for place in inside if place.name.isdecimal()}
    return dict(sorted(found.items()))


def remove_later_checkpoints(folder: Path, step: int) -> None:
    """Remove the kept checkpoints after a step: a training goes on from there in another way."""
    for kept, place in kept_checkpoints(folder).items():
        if kept > step:
            shutil.rmtree(place)


def extend(folder: Path, total_steps: int, step: int) -> None:
    """Make a run longer, and keep from which step on it was."""
    described = read_json(folder / "args.json")
    before = described["args"]["total_timesteps"]
    described["args"]["total_timesteps"] = total_steps
    described["extended"] = [*described.get("extended", []), [step, before]]
    write_json(folder / "args.json", described)
