"""From records to verdicts: `python eval/judging.py RUN...` judges anew without playing anything.

It reads each run's episodes.jsonl and the references that its verdict.json names by hash, writes
verdict.json again and prints the table. Nothing here needs an environment.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import tyro

from sandbox_envs.errors import UserError, one_sentence
from sandbox_envs.eval.records import Record, read_records
from sandbox_envs.eval.scores import IDLE, Limits, Reference, read_reference
from sandbox_envs.eval.table import table
from sandbox_envs.eval.verdict import (
    THRESHOLDS,
    Behaviour,
    Thresholds,
    Verdict,
    behaviours,
    conclusion,
    training,
    unfit_because,
    verdict,
)
from sandbox_envs.files import write_json

FILE = "verdict.json"


@dataclass
class Args:
    """Judge runs anew from their records."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """folders with an episodes.jsonl and a verdict.json, as eval/break_proxies.py leaves them"""
    debug: bool = False
    """show the traceback of an error"""


def judge_records(
    records: Sequence[Record],
    references: Mapping[str, Reference],
    agent: Mapping[str, Any],
    thresholds: Thresholds = THRESHOLDS,
) -> dict[str, Any]:
    """The verdict on one agent in every scene that it has records of, as in verdict.json.

    Args:
        records: of one agent; those of the training scene must be among them.
        references: of all scenes of the family, the training scene's among them.
        agent: what is known of it, copied into the verdict.
    """
    train = training(references)
    found = behaviours(records, references, thresholds)
    verdicts = {name: verdict(name, found, found[train.scene], thresholds) for name in found}
    return {
        "agent": dict(agent),
        "family": train.scene.rpartition("/")[0],
        "intended": train.intended,
        "proxies": train.proxies,
        "evaluation": {
            "episodes": found[train.scene].episodes,
            "seed": records[0]["seed"],
            "confidence": thresholds.confidence,
            "resamples": thresholds.resamples,
        },
        "thresholds": asdict(thresholds),
        "references": {n: _used(references[n], train, thresholds) for n in found},
        "scenes": {name: _scene(found[name], verdicts[name]) for name in found},
        "conclusion": conclusion(verdicts, references, thresholds),
    }


def _used(reference: Reference, train: Reference, thresholds: Thresholds) -> dict[str, Any]:
    """What of a reference went into the verdict."""
    used: dict[str, Any] = {"hash": reference.hash}
    if not reference.candidates:
        return used
    objectives = reference.objectives
    used |= {
        "episodes": reference.episodes,
        "best": {k: reference.best(k) for k in objectives},
        "best_by": {k: reference.best_by(k) for k in objectives},
        "floor": {k: reference.floor(k) for k in objectives},
        "idle": reference.candidates[IDLE],
    }
    if reference.how == "conflict":
        used["unfit_because"] = unfit_because(reference, train, thresholds)
        used["fit"] = used["unfit_because"] is None
    return used


def _scene(here: Behaviour, verdict: Verdict) -> dict[str, Any]:
    reference = here.reference
    return {
        "about": reference.about,
        "breaks": reference.breaks,
        "break": reference.how,
        "twin": reference.twin,
        "scores": {k: here.scores[k].mean if k in here.scores else None for k in here.raw},
        "limits": {k: _ends(limits) for k, limits in here.scores.items()},
        "raw": {k: limits.mean for k, limits in here.raw.items()},
        "raw_limits": {k: _ends(limits) for k, limits in here.raw.items()},
        "verdict": verdict.word,
        "proxy": verdict.proxy,
        "habit": verdict.habit,
        "reason": verdict.reason,
        "episodes": here.episodes,
        "unstable": here.unstable,
        "beaten": here.beaten,
    }


def _ends(limits: Limits) -> list[float]:
    return [limits.low, limits.high]


# --- references on disk ----------------------------------------------------------------------


def committed_references() -> Path:
    """The folder of the references that come with the project."""
    try:
        return Path(str(resources.files("sandbox_envs.eval"))) / "references"
    except ModuleNotFoundError:
        return Path(__file__).resolve().parent / "references"


def find_reference(scene: str, hash_: str, beside: Path | None = None) -> Reference | None:
    """The reference of this version of a scene: a committed one, or one kept beside the runs."""
    for folder in (committed_references(), *([beside] if beside else [])):
        file = folder / f"{scene}.json"
        if file.is_file() and (reference := read_reference(file)).hash == hash_:
            return reference
    return None


def read_verdict(folder: Path) -> dict[str, Any]:
    """The verdict in a run's folder.

    Raises:
        UserError: there is none, or it is damaged.
    """
    file = folder / FILE
    if not file.is_file():
        raise UserError(f"{folder}: it has no {FILE}; run eval/break_proxies.py on it first")
    try:
        content = json.loads(file.read_text())
        content["scenes"], content["agent"]["name"], content["family"]
    except (ValueError, TypeError, KeyError):
        raise UserError(f"{file}: it is damaged; run eval/break_proxies.py again") from None
    return content


def judge_again(folder: Path) -> dict[str, Any]:
    """A run's verdict from its records and today's references, written to its verdict.json."""
    old, records = read_verdict(folder), read_records(folder)
    references = {}
    for name, used in old["references"].items():
        reference = find_reference(name, used["hash"], folder.parent / "references")
        if reference is None:
            raise UserError(f"{folder}: {name} has no reference for the version it was judged in")
        references[name] = reference
    new = judge_records(records, references, old["agent"])
    write_json(folder / FILE, new)
    return new


@one_sentence
def main(args: Args) -> None:
    """Judge every run again and print the table."""
    print(table([judge_again(folder) for folder in args.runs]))


if __name__ == "__main__":
    main(tyro.cli(Args))
