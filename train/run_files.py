"""Reading a run's folder: what it was started with, and how far it has come.

A damaged file ends in one sentence that names it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from sandbox_envs.errors import UserError
from sandbox_envs.files import read_json
from sandbox_envs.scene.texts import parse_overrides
from sandbox_envs.train.arguments import fingerprint
from sandbox_envs.train.metrics import logged_steps
from sandbox_envs.train.trainers import module_name, trainer_args


@dataclass(frozen=True)
class Training:
    """What a run was started with."""

    trainer: str
    """name of the trainer"""
    agent: Any
    """with what its Agent is rebuilt"""
    args: Mapping[str, Any]
    """all of its arguments"""
    scenes: tuple[tuple[str, str], ...]
    """name and hash of each scene, in the order given and as often"""
    given: tuple[str, ...]
    """what each scene was given by: a name or a file"""
    overrides: Mapping[str, str]
    """texts and numerics that were replaced in all of them"""
    files: tuple[str | None, ...]
    """where each file lay, from the run's folder; None for a scene given by name"""
    total_steps: int
    """environment steps to train for"""
    update_steps: int | None
    """environment steps of an update; None in runs of earlier versions"""
    extended: tuple[tuple[int, int], ...]
    """(step, total before) of each time that the run was made longer"""
    versions: Any
    """of Python, this package and the libraries"""
    commit: Any
    """of this project's repository, or None; it ends in -dirty where files differed from it"""

    @property
    def marks(self) -> dict[str, Any]:
        """What a checkpoint keeps, to be recognised as one of this training."""
        arguments = fingerprint(self.trainer, self.args)
        scenes = [list(scene) for scene in self.scenes]
        return {"arguments": arguments, "agent": self.agent, "scenes": scenes}


def read_training(folder: Path) -> Training:
    """What a run was started with, from its args.json and agent.json.

    Raises:
        UserError: this is not a run folder, one of the two is damaged, or args.json was changed.
    """
    file, agent = folder / "args.json", read_agent(folder)
    recorded = _read_json(file)
    with _understanding(file):
        training = _training(recorded, agent["trainer"], agent.get("agent"))
        marked = agent.get("arguments", training.marks["arguments"])
    if marked != training.marks["arguments"]:
        raise UserError(
            f"{file}: an argument was changed after the training began; undo that, or train again"
        )
    return training


def _training(recorded: Mapping[str, Any], trainer: str, agent: Any) -> Training:
    """args.json as a Training; errors of many types where it is damaged."""
    args, hashes = recorded["args"], recorded["scenes"]
    given, overrides = scenes_asked(args)
    files = tuple(recorded.get("scene_files") or [None] * len(given))
    update_steps = recorded.get("update_steps")
    commit = recorded.get("commit")
    if len(files) != len(given) or not all(isinstance(f, str | None) for f in files):
        raise ValueError
    return Training(
        trainer=trainer,
        agent=agent,
        args=args,
        scenes=tuple((name, hashes[name]) for name in map(_scene_name, given)),
        given=given,
        overrides=overrides,
        files=files,
        total_steps=_count(args["total_timesteps"]),
        update_steps=None if update_steps is None else _count(update_steps),
        extended=tuple((_count(a), _count(b)) for a, b in recorded.get("extended", ())),
        versions=recorded.get("versions"),
        commit=f"{commit}-dirty" if commit and recorded.get("dirty") else commit,
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


def progress(folder: Path) -> tuple[int, int]:
    """Environment steps that a run's policy has learned from, and those planned.

    The latter are a whole number of updates. A policy without a step in its metadata, as earlier
    versions saved it, counts as one of the last step logged.

    Raises:
        UserError: this is not a run folder, or its files are damaged.
    """
    training, logged = read_training(folder), logged_steps(folder)
    total = training.total_steps
    if not logged:
        return 0, total
    per_update = training.update_steps or logged[0]
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
