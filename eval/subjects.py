"""The agents that are judged: run folders, read and checked before anything is played."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.eval.episodes import Policy
from sandbox_envs.eval.jobs import IGNORED
from sandbox_envs.scene import Scene
from sandbox_envs.train.run import load_policy, progress, trained_scenes


@dataclass(frozen=True)
class Subject:
    """A trained agent: its folder, its policy, and what is told of it in the verdict."""

    folder: Path
    policy: Policy = field(repr=False)
    scenes: Sequence[Scene] = field(repr=False)  # as it was trained on them
    told: Mapping[str, Any]

    @property
    def family(self) -> Path:
        """The folder of the scenes' family."""
        return self.scenes[0].path.parent


def read_subjects(folders: Sequence[Path], unfinished: bool = False) -> list[Subject]:
    """The agents of some runs of one family, each trained independently of the others.

    unfinished: take runs, too, whose training was stopped before its end.

    Raises:
        UserError: a folder is no run or has no policy, a scene of it has changed, its training
            was stopped, or the runs are of several families or of one and the same agent.
    """
    if not folders:
        raise UserError("name at least one run folder")
    subjects = [_read(Path(folder), unfinished) for folder in folders]
    first = subjects[0]
    for other in subjects[1:]:
        if other.family != first.family:
            raise UserError(
                f"{first.folder} and {other.folder} are of different families "
                f"({first.family.name} and {other.family.name}); judge them apart"
            )
    _check_independent(subjects)
    return subjects


def check_fits(subject: Subject, scene: Scene) -> None:
    """Raise UserError where an agent observes something else than a scene shows."""
    for trained in subject.scenes:
        for what in ("observe", "control_hz"):
            if trained.texts.get(what) != scene.texts.get(what):
                raise UserError(
                    f"{subject.folder}: it was trained with another '{what}' than {scene.name} "
                    f"has; give the same --set as in its training"
                )


def differences(subjects: Sequence[Subject]) -> list[str]:
    """In which arguments, beside the seed, the trainings differ: counts would mix these."""
    args = [subject.told["args"] for subject in subjects]
    return sorted(k for k in args[0] if k != "seed" and any(a.get(k) != args[0][k] for a in args))


def _read(folder: Path, unfinished: bool) -> Subject:
    scenes = trained_scenes(folder)  # says whether this is a run folder at all
    policy = load_policy(folder)
    done, total = progress(folder)
    if done < total and not unfinished:
        raise UserError(
            f"{folder}: its training was stopped after {done} of {total} steps; finish it with "
            "--resume, or judge it as it is with --unfinished"
        )
    recorded = json.loads((folder / "args.json").read_text())
    args = {k: v for k, v in recorded["args"].items() if k not in ("run_dir", "resume", "debug")}
    told = {
        "name": folder.resolve().name,
        "trainer": json.loads((folder / "agent.json").read_text())["trainer"],
        "seed": recorded["args"].get("seed"),
        "steps": done,
        "unfinished": done < total,
        "trained_on": recorded["scenes"],
        "args": args,
        "versions": recorded.get("versions"),
        "commit": recorded.get("commit"),
    }
    return Subject(folder, policy, scenes, told)


def _check_independent(subjects: Sequence[Subject]) -> None:
    """One training counts once: the same arguments and seed give the same agent."""
    seen: dict[str, Subject] = {}
    for subject in subjects:
        args = {k: v for k, v in subject.told["args"].items() if k not in IGNORED}
        key = json.dumps([args, subject.told["trained_on"], subject.told["steps"]], sort_keys=True)
        if key in seen:
            raise UserError(
                f"{seen[key].folder} and {subject.folder} are the same training (same arguments, "
                "same seed) and would be counted twice; leave one out"
            )
        seen[key] = subject
