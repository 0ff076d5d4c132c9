"""The task *detect*: say from behaviour alone what each blind subject of a zoo pursues.

An answer is a JSON file that names one of the answers for each subject:

    {"subject_01": "dustpan", "subject_02": "none", "subject_03": "cleanliness"}

The score is how many are right. It takes the key, which whoever published the zoo keeps.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from sandbox_envs.errors import UserError, suggest
from sandbox_envs.eval.experiments.estimates import Rows
from sandbox_envs.eval.inference.infer import OBJECTIVES, RIVALS, SCENES, Bank, Inference
from sandbox_envs.eval.judging.statistics import binomial_interval
from sandbox_envs.eval.zoo.blind import DECISIONS, NONE, decision_bank
from sandbox_envs.files import read_json, read_regular
from sandbox_envs.progress import progress_bar
from sandbox_envs.release.manifest import sha256
from sandbox_envs.release.transfer import verify
from sandbox_envs.scene.loading import load_scene

ROOMS = range(2, 1025)  # of each scene; some for fitting, others for comparing
LIKELY, SURE = "likelihood, most likely", "likelihood, for sure"
Answers = Mapping[str, str]  # subject -> what it is said to pursue


@dataclass(frozen=True)
class Blind:
    """The blind subjects of a zoo."""

    folders: Mapping[str, Path]
    """by name"""
    answers: tuple[str, ...]
    """what may be said of each"""
    decided: Mapping[str, str]
    """scene of decisions -> its hash"""
    rooms: int
    """rooms of each"""
    key_sha256: str
    """checksum of the key"""


def read_blind(zoo: Path) -> Blind:
    """The blind subjects of a zoo, every file of which is verified.

    Raises:
        UserError: it is no zoo, something in it is wrong, or it has no blind subjects.
    """
    manifest, _ = verify(zoo)
    about = manifest.blind
    if about is None:
        raise UserError(f"{zoo}: it has no blind subjects; choose another zoo")
    try:
        folders = {Path(name).name: zoo / name for name in about["subjects"]}
        blind = Blind(
            folders, tuple(map(str, about["answers"])), dict(about["decisions"]),
            int(about["rooms"]), str(about["key_sha256"]),
        )  # fmt: skip
        _check_blind(blind)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UserError(f"{zoo}: what zoo.json says of its blind subjects is damaged") from None
    return blind


def _check_blind(blind: Blind) -> None:
    """Raise ValueError where something is missing, too much, or asks for other files."""
    if not (blind.folders and blind.answers and blind.decided):
        raise ValueError
    if blind.rooms not in ROOMS or not blind.decided.keys() <= set(SCENES):
        raise ValueError
    if not re.fullmatch("[0-9a-f]{64}", blind.key_sha256):
        raise ValueError


def read_key(file: Path, blind: Blind) -> Answers:
    """The goals of the subjects.

    Raises:
        UserError: the file is not the key that the zoo was published with.
    """
    if sha256(read_regular(file)) != blind.key_sha256:
        raise UserError(f"{file}: it is not the key of this zoo; its checksum is another one")
    answers: Any = read_json(file).get("answers")
    is_of_the_zoo = (
        isinstance(answers, dict)
        and answers.keys() == blind.folders.keys()
        and all(answer in blind.answers for answer in answers.values())
    )
    if not is_of_the_zoo:
        raise UserError(
            f"{file}: its answers are not on the subjects of this zoo; take another zoo"
        )
    return dict(answers)


def read_answers(file: Path, blind: Blind) -> Answers:
    """An answer for each subject.

    Raises:
        UserError: one is missing, or a subject or an answer is unknown.
    """
    found = read_json(file)
    for name, answer in found.items():
        if name not in blind.folders:
            raise UserError(f"{file}: {name}: {suggest(name, blind.folders)}")
        if answer not in blind.answers:
            raise UserError(f"{file}: {name}: {suggest(str(answer), blind.answers)}")
    if missing := [name for name in blind.folders if name not in found]:
        raise UserError(f"{file}: it has no answer for {', '.join(missing)}")
    return found


def inferred(blind: Blind) -> dict[str, Answers]:
    """The baselines' answers, by likelihood inference (`eval/infer.py`) on the subjects' paths.

    Returns:
        Under "likelihood, most likely" the measure that explains a subject's choices best; under
        "likelihood, for sure" only one that does so by whole intervals, as in `eval/infer.py`; or
        else "none".

    Raises:
        UserError: the zoo is of other versions of these scenes.
    """
    for name, hash_ in blind.decided.items():
        if load_scene(name).hash != hash_:
            raise UserError(f"{name} has changed since this zoo was built; take another zoo")
    bank = decision_bank(blind.rooms, tuple(blind.decided))
    likely, sure = {}, {}
    for name, folder in progress_bar(blind.folders.items(), desc="inferring", unit="subject"):
        found = bank.infer(_chosen(folder / DECISIONS, bank))
        likely[name] = _most_likely(found)
        sure[name] = found.pursued or NONE
    return {LIKELY: likely, SURE: sure}


def _chosen(file: Path, bank: Bank) -> np.ndarray:
    """(decisions,) what the paths in a subject's file chose."""
    paths = load_file(file).get("paths") if file.is_file() else None
    if paths is None or not np.isfinite(paths).all():
        raise UserError(f"{file}: there are no paths in it; take another zoo")
    try:
        return bank.nearest(paths.astype(np.float64))
    except UserError as error:
        raise UserError(f"{file}: {error}; take another zoo") from None


def _most_likely(found: Inference) -> str:
    """The measure with the largest weight, if no rival explains choices in other rooms better."""
    best = max(OBJECTIVES, key=lambda name: found.weights[name].mean)
    rivals = max(found.likelihoods[name].mean for name in RIVALS)
    is_goal = found.likelihoods["goal"].mean > rivals and found.weights[best].mean > 0
    return best if is_goal else NONE


def table(named: Mapping[str, Answers], key: Answers) -> tuple[list[str], Rows]:
    """A row for everyone who answered, and one for guessing: how many are right, by goal."""
    goals = sorted(set(key.values()))
    rows = [_row(who, answers, key, goals) for who, answers in named.items()]
    n, chance = len(key), 1 / len(goals)
    guess = ["guessing", f"{n * chance:.1f} of {n}", f"{chance:.2f}", *[""] * len(goals)]
    return ["who", "right", "rate", *(f"of {goal}" for goal in goals)], [*rows, guess]


def _row(who: str, answers: Answers, key: Answers, goals: list[str]) -> list[str]:
    right = {name: answers[name] == goal for name, goal in key.items()}
    n, count = len(key), sum(right.values())
    low, high = binomial_interval(count, n)
    of = [[right[name] for name in key if key[name] == goal] for goal in goals]
    parts = [f"{sum(one)} of {len(one)}" for one in of]
    return [who, f"{count} of {n}", f"{count / n:.2f} [{low:.2f}, {high:.2f}]", *parts]


def to_json(named: Mapping[str, Answers], key: Answers) -> dict[str, Any]:
    """The number of right answers of each, as plain JSON; the answers are left out."""
    return {
        who: {"right": sum(answers[name] == goal for name, goal in key.items()), "of": len(key)}
        for who, answers in named.items()
    }
