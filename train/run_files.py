"""Reading a run's folder: what it was started with, and how far it has come.

A damaged file ends in one sentence that names it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from sandbox_envs.errors import UserError
from sandbox_envs.files import content_hash, read_json
from sandbox_envs.scene.texts import parse_overrides
from sandbox_envs.train.arguments import (
    LATER,
    OF_THE_MACHINE,
    OF_THE_SCENES,
    fingerprint,
    fingerprints,
)
from sandbox_envs.train.metrics import logged_steps
from sandbox_envs.train.trainers import (
    DEFAULT_SCENES,
    DEFAULT_TRAINER,
    module_name,
    plain_args,
    trainer,
)


@dataclass(frozen=True)
class InitialWeights:
    """Weights that a training began with."""

    run: str
    """the folder of the run that they were taken from"""
    step: int
    """environment steps that they had learned from there"""
    hash: str
    """of that run's policy.safetensors, by `weights_hash`"""


@dataclass(frozen=True)
class RewardModel:
    """A reward model that a training was rewarded with."""

    run: str
    """the folder of its run"""
    hash: str
    """of its weights, by `reward_ensemble.ensemble_hash`"""


@dataclass(frozen=True)
class Training:
    """The settings and provenance that a run was started with."""

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
    overrides: tuple[Mapping[str, str], ...]
    """texts and numerics that were replaced in each"""
    files: tuple[str | None, ...]
    """where each file lay, from the run's folder; None for a scene given by name"""
    wrappers: tuple[str, ...]
    """names of the wrappers around its environment, outermost first"""
    total_steps: int
    """environment steps to train for"""
    update_steps: int | None
    """environment steps of an update; None in runs of earlier versions"""
    extended: tuple[tuple[int, int], ...]
    """(step, total before) of each time that the run was made longer"""
    initial_weights: InitialWeights | None
    """taken from another run, or None"""
    reward_model: RewardModel | None
    """whose estimate it was rewarded with, or None"""
    kept: str | None
    """the name of the run of which this is a kept checkpoint; None for the run itself"""
    versions: Any
    """of Python, this package and the libraries"""
    commit: Any
    """of this project's repository, or None; it ends in -dirty where files differed from it"""
    processor: Any
    """of the machine, or None in runs of earlier versions"""

    @property
    def planned_steps(self) -> int:
        """Environment steps that it takes: those to train for, as a whole number of updates."""
        update = self.update_steps or 1
        return whole_updates(self.total_steps, update) * update

    @property
    def marks(self) -> dict[str, Any]:
        """The values by which a checkpoint is recognised as one of this training."""
        # a scene's hash says what was changed in it
        arguments = fingerprint(self.trainer, self.args, *OF_THE_SCENES)
        scenes = [list(scene) for scene in self.scenes]
        marks = {"arguments": arguments, "agent": self.agent, "scenes": scenes}
        if self.initial_weights:
            marks["initial_weights"] = self.initial_weights.hash
        if self.reward_model:
            marks["reward_model"] = self.reward_model.hash
        return marks | ({"wrappers": list(self.wrappers)} if self.wrappers else {})

    def has_marked(self, marks: Any) -> bool:
        """Whether a checkpoint with these marks is one of this training."""
        ours, known = self.marks, fingerprints(self.trainer, self.args, *OF_THE_SCENES)
        return any(marks == {**ours, "arguments": arguments} for arguments in known)


def read_training(folder: Path) -> Training:
    """Read the settings and provenance of a run from its args.json and agent.json.

    Raises:
        UserError: this is not a run folder, one of the two is damaged, or args.json was changed.
    """
    file, agent = folder / "args.json", read_agent(folder)
    recorded = _read_json(file)
    with _understanding(file):
        training = _training(recorded, agent["trainer"], agent.get("agent"))
        known = [
            mark
            for free in ((), OF_THE_SCENES)  # which earlier versions left out
            for mark in fingerprints(training.trainer, training.args, *free)
        ]
    if agent.get("arguments", known[0]) not in known:
        raise UserError(
            f"{file}: an argument was changed after the training began; undo that, or train again"
        )
    return training


def _training(recorded: Mapping[str, Any], trainer: str, agent: Any) -> Training:
    """args.json as a Training; errors of many types where it is damaged."""
    args, scenes, wrappers = recorded["args"], _scenes(recorded), recorded.get("wrappers", [])
    update_steps = recorded.get("update_steps")
    commit = recorded.get("commit")
    if not (isinstance(wrappers, list) and all(isinstance(name, str) for name in wrappers)):
        raise ValueError
    return Training(
        trainer=trainer,
        agent=agent,
        args=args,
        scenes=tuple((scene["name"], scene["hash"]) for scene in scenes),
        given=tuple(scene["given"] for scene in scenes),
        overrides=tuple(scene["overrides"] for scene in scenes),
        files=tuple(scene["file"] for scene in scenes),
        wrappers=tuple(wrappers),
        total_steps=_count(args["total_timesteps"]),
        update_steps=None if update_steps is None else _count(update_steps),
        extended=tuple((_count(a), _count(b)) for a, b in recorded.get("extended", ())),
        initial_weights=_initial_weights(recorded),
        reward_model=_reward_model(recorded),
        kept=_kept(recorded),
        versions=recorded.get("versions"),
        commit=f"{commit}-dirty" if commit and recorded.get("dirty") else commit,
        processor=recorded.get("processor"),
    )


def _initial_weights(recorded: Mapping[str, Any]) -> InitialWeights | None:
    if not recorded["args"].get("initial_weights"):
        return None
    found = InitialWeights(**recorded["initial_weights"])
    if not (isinstance(found.run, str) and isinstance(found.hash, str)):
        raise ValueError
    if not isinstance(found.step, int):
        raise ValueError
    return found


def _reward_model(recorded: Mapping[str, Any]) -> RewardModel | None:
    if not recorded["args"].get("reward_model"):
        return None
    found = RewardModel(**recorded["reward_model"])
    if not (isinstance(found.run, str) and isinstance(found.hash, str)):
        raise ValueError
    return found


def _kept(recorded: Mapping[str, Any]) -> str | None:
    run = recorded.get("kept_of")
    if not isinstance(run, str | None):
        raise ValueError
    return run


def _scenes(recorded: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries for scenes in args.json, checked; those of earlier versions are put together."""
    scenes = recorded["scenes"]
    if isinstance(scenes, dict):
        given, overrides = scenes_asked(recorded["args"])
        files = recorded.get("scene_files") or [None] * len(given)
        scenes = [
            {"name": n, "hash": scenes[n], "given": g, "file": f, "overrides": overrides}
            for n, g, f in zip(map(_scene_name, given), given, files, strict=True)
        ]
    for scene in scenes:
        texts = [scene[key] for key in ("name", "hash", "given")]
        texts += [scene["file"] or "", *scene["overrides"].values()]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError
    if not scenes:
        raise ValueError
    return list(scenes)


def scenes_asked(args: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The scenes that a trainer's arguments ask for, by name or file, and their overrides.

    A trainer need not have any of the arguments `scene`, `set` and `reward`.

    Raises:
        UserError: both `set` and `reward` give a reward, or a setting has another form.
    """
    names, reward = args.get("scene") or DEFAULT_SCENES[DEFAULT_TRAINER], args.get("reward")
    overrides = parse_overrides(tuple(args.get("set") or ()))
    names = (names,) if isinstance(names, str) else tuple(names)
    if reward and "reward" in overrides:
        raise UserError(
            f"--reward {reward}: --set reward={overrides['reward']} replaces the reward, too; give "
            "one of the two"
        )
    return names, overrides | ({"reward": reward} if reward else {})


def command_of(training: Training) -> str:
    """The command that a training is of: its trainer's name, or "population"."""
    return "population" if "argument" in training.args else training.trainer


def read_args(folder: Path, kind: Any = None) -> Any:
    """The arguments that a run was started with, as its trainer's `Args`.

    kind: the `Args` of another command that trains, if it was that one.
    """
    training = read_training(folder)
    args = trainer(training.trainer).Args() if kind is None else kind()
    names = {f.name for f in fields(args)}
    lacking = names - training.args.keys() - {*OF_THE_MACHINE}
    unknown = sorted(lacking - LATER.keys())
    if unknown and training.args.keys() <= names:  # others are of another command
        raise UserError(
            f"{folder / 'args.json'}: it has no '{unknown[0]}', an argument that was added since; "
            "say at the end of LATER in train/arguments.py which value changes nothing, or train "
            "again"
        )
    try:
        neutral = {name: value for name, value in LATER.items() if name in lacking}
        return plain_args(args, neutral | dict(training.args))
    except UserError:
        raise UserError(
            f"{folder / 'args.json'}: it is damaged, or of another version or another command, as "
            "its arguments are not those of this one"
        ) from None


def whole_updates(steps: int, update: int) -> int:
    """The number of whole updates of `update` steps in a training of `steps`: at least one."""
    return max(steps // update, 1)


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
    return min(done, logged[-1]), whole_updates(total, per_update) * per_update


def weights_hash(folder: Path) -> str:
    """The first 16 digits of the SHA-256 of a run's policy.safetensors, as sha256sum prints it.

    Raises:
        UserError: this is not a run folder, or it has no policy yet.
    """
    read_agent(folder)
    weights = folder / "policy.safetensors"
    if not weights.is_file():
        raise UserError(f"{folder}: it has no {weights.name}; train for at least one update")
    return content_hash(weights)


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
    path = Path(os.path.realpath(given))  # which ends where links lead in a circle
    return f"{path.parent.name}/{path.stem}" if is_file(given) else given


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        folder = path.parent
        advice = f"; it holds runs: name one, or {folder}/* for all" if _holds_runs(folder) else ""
        raise UserError(
            f"{folder}: this is not a run folder, it has no {path.name}{advice}"
        ) from None


def _holds_runs(folder: Path) -> bool:
    try:
        return any((inside / "args.json").is_file() for inside in folder.iterdir())
    except OSError:
        return False


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
