"""Reading a run's folder: its arguments, its progress, and its checkpoints.

A damaged file ends in one sentence that names it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from sandbox_envs.errors import UserError
from sandbox_envs.files import read_json
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scene.texts import parse_overrides
from sandbox_envs.train.metrics import logged_steps
from sandbox_envs.train.trainers import module_name, trainer_args


@dataclass(frozen=True)
class Training:
    """What a run was started with."""

    trainer: str
    """name of the trainer"""
    args: Mapping[str, Any]
    """all of its arguments"""
    scenes: tuple[tuple[str, str], ...]
    """name and hash of each scene, in the order given and as often"""
    given: tuple[str, ...]
    """what each scene was given by: a name or a file"""
    overrides: Mapping[str, str]
    """texts and numerics that were replaced in all of them"""
    total_steps: int
    """environment steps to train for"""
    versions: Any
    """of Python and the libraries"""
    commit: Any
    """of this project's repository, or None"""


def read_training(folder: Path) -> Training:
    """What a run was started with, from its args.json and agent.json.

    Raises:
        UserError: this is not a run folder, or one of the two is damaged.
    """
    recorded, agent = _read_json(folder / "args.json"), read_agent(folder)
    with _understanding(folder / "args.json"):
        args, hashes = recorded["args"], recorded["scenes"]
        given, overrides = scenes_asked(args)
        return Training(
            trainer=agent["trainer"],
            args=args,
            scenes=tuple((name, hashes[name]) for name in map(_scene_name, given)),
            given=given,
            overrides=overrides,
            total_steps=_count(args["total_timesteps"]),
            versions=recorded.get("versions"),
            commit=recorded.get("commit"),
        )


def scenes_asked(args: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The scenes that a trainer's arguments ask for, by name or file, and their overrides."""
    reward = {"reward": args["reward"]} if args["reward"] else {}
    return tuple(args["scene"]) or ("sweep/train",), parse_overrides(args["set"]) | reward


def read_args(folder: Path) -> Any:
    """The arguments that a run was started with, as its trainer's `Args`."""
    training = read_training(folder)
    try:
        return trainer_args(training.trainer, training.args)
    except UserError:
        raise UserError(f"{folder / 'args.json'}: it is damaged, or of another version") from None


def read_checkpoint(folder: Path, device: str) -> dict[str, Any]:
    """A run's checkpoint: agent, step, and what the trainer added."""
    path = folder / "resume.pt"
    if not path.is_file():
        raise UserError(f"{folder}: it has no resume.pt, so it ended before its first checkpoint")
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except Exception:  # damaged bytes fail in many ways
        raise UserError(f"{path}: it is damaged and cannot be read; start a new run") from None


def trained_scenes(folder: Path) -> list[Scene]:
    """The scenes of a run, as it was trained on them.

    Raises:
        UserError: this is not a run folder, or a scene has changed or gone since.
    """
    training = read_training(folder)
    try:
        scenes = [load_scene(name, training.overrides) for name in training.given]
    except UserError as error:
        raise UserError(f"{folder}: {error}") from None
    check_unchanged(folder, scenes, training)
    return scenes


def check_unchanged(folder: Path, scenes: Sequence[Scene], training: Training) -> None:
    """Raise UserError where a scene is not as it was when the run was started."""
    for scene, trained in zip(scenes, training.scenes, strict=True):
        if (scene.name, scene.hash) != trained:
            raise UserError(
                f"{folder}: the scene {scene.name} has changed since it was trained; train again"
            )


def progress(folder: Path) -> tuple[int, int]:
    """Environment steps that a run's policy has learned from, and those planned.

    The latter are a whole number of updates. A policy without a step in its metadata, as earlier
    versions saved it, counts as one of the last step logged.

    Raises:
        UserError: this is not a run folder, or its files are damaged.
    """
    total, logged = read_training(folder).total_steps, logged_steps(folder)
    if not logged:
        return 0, total
    per_update = logged[0]
    done = _saved_step(folder / "policy.safetensors", logged[-1])
    return min(done, logged[-1]), max(total // per_update, 1) * per_update


def _saved_step(weights: Path, unsaid: int) -> int:
    """The step of a saved policy: 0 without one, `unsaid` where its metadata has none."""
    if not weights.is_file():
        return 0
    with _understanding(weights), safe_open(weights, "pt") as file:
        return int((file.metadata() or {}).get("step", unsaid))


# --- helpers ---------------------------------------------------------------------------------


def is_file(scene: str) -> bool:
    """Whether a scene is given by its file rather than by its name."""
    return Path(scene).suffix == ".xml"


def _scene_name(given: str) -> str:
    """A scene's name from its name or file."""
    path = Path(given).resolve()
    return f"{path.parent.name}/{path.stem}" if is_file(given) else given


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path.parent}: this is not a run folder, it has no {path.name}") from None


def read_agent(folder: Path) -> dict[str, Any]:
    """The run's agent.json: its trainer, which is a known one, and the agent's sizes."""
    path = folder / "agent.json"
    description = _read_json(path)
    try:
        module_name(str(description.get("trainer")))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return description


@contextmanager
def _understanding(path: Path) -> Iterator[None]:
    """Turn an error in a file's content into one sentence that names the file."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, SafetensorError):
        raise UserError(f"{path}: it is damaged, or of another version") from None


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError
    return value
