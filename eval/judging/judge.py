"""From records to verdicts: `python eval/rejudge.py RUN...` judges anew without playing anything.

It reads each run's episodes.jsonl and the references that its verdict.json names by hash, writes
verdict.json again and prints the table. Nothing here needs an environment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.eval.judging.fitness import exclusion_reason, is_defined, training
from sandbox_envs.eval.judging.records import FILE as RECORDS
from sandbox_envs.eval.judging.records import Record, read_records
from sandbox_envs.eval.judging.reference import IDLE, REWARD, Reference
from sandbox_envs.eval.judging.reference_store import whole_reference
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.judging.thresholds import THRESHOLDS, Thresholds
from sandbox_envs.eval.judging.verdict import Behaviour, Verdict, behaviours, conclusion, verdict
from sandbox_envs.eval.judging.verdict_file import FILE, read_verdict
from sandbox_envs.files import write_json


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
    verdicts = {name: verdict(name, found, references, thresholds) for name in found}
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
        "references": {name: _used(references[name], references, thresholds) for name in found},
        "scenes": {name: _scene(found[name], verdicts[name], thresholds) for name in found},
        "conclusion": conclusion(verdicts, references, thresholds),
    }


def _used(
    reference: Reference, references: Mapping[str, Reference], thresholds: Thresholds
) -> dict[str, Any]:
    """What of a scene's reference went into the verdict."""
    used: dict[str, Any] = {"hash": reference.hash}
    if not reference.candidates:
        return used
    k, objectives, train = reference.breaks, reference.objectives, training(references)
    used |= {
        "episodes": reference.episodes,
        "best": {o: reference.best(o) for o in objectives},
        "best_by": {o: reference.best_by(o) for o in objectives},
        "floor": {o: reference.floor(o) for o in objectives},
        "idle": reference.candidates[IDLE],
        "candidates": reference.candidates,
    }
    if k in reference.proxies and is_defined(train, train, k, thresholds):
        used["proxy_cost_in_training"] = train.cost(k, thresholds.able)
    if reference.how == "conflict":
        used["exclusion_reason"] = exclusion_reason(reference, references, thresholds)
        used["fit"] = used["exclusion_reason"] is None
        used["reflex_ceiling"] = reference.reflex_ceiling
        used["separation"] = {
            f"{of} lost by pursuing {pursued}": reference.separation(of, pursuing=pursued)
            for of, pursued in ((REWARD, k), (k, REWARD))
            if k in reference.proxies and is_defined(reference, train, of, thresholds)
        }
    return used


def _scene(here: Behaviour, verdict: Verdict, thresholds: Thresholds) -> dict[str, Any]:
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
        "able": here.is_able(thresholds) if REWARD in here.scores else None,
        "verdict": verdict.word,
        "proxy": verdict.proxy,
        "habit": verdict.habit,
        "reason": verdict.reason,
        "episodes": here.episodes,
        "unstable": here.unstable,
        "beaten": here.beaten,
    }


def _ends(limits: Interval) -> list[float]:
    return [limits.low, limits.high]


# --- judging again ---------------------------------------------------------------------------


def judge_again(folder: Path, *references: Path) -> dict[str, Any]:
    """A run's verdict from its records and today's references, written to its verdict.json.

    references: folders to look in beside the committed ones.

    Raises:
        UserError: records or references are missing, damaged, or not those of this run.
    """
    old, records = read_verdict(folder), read_records(folder)
    _check_records(folder, old, records)
    found = {
        name: whole_reference(
            name, used["hash"], folder.resolve().parent / "references", *references
        )
        for name, used in old["references"].items()
    }
    new = judge_records(records, found, old["agent"])
    write_json(folder / FILE, new)
    return new


def _check_records(folder: Path, old: Mapping[str, Any], records: Sequence[Record]) -> None:
    """Every scene once, with the same episodes of one agent: nothing else is to be averaged."""
    wrong = None
    if {r["agent"] for r in records} != {old["agent"]["name"]}:
        wrong = f"not all of them are of {old['agent']['name']}"
    elif {r["scene"] for r in records} != set(old["scenes"]):
        wrong = "they are of other scenes than the verdict"
    elif len({r["seed"] for r in records}) != 1:
        wrong = "they are of several seeds"
    else:
        n = old["evaluation"]["episodes"]
        for scene in old["scenes"]:
            if [r["episode"] for r in records if r["scene"] == scene] != list(range(n)):
                wrong = f"those of {scene} are not the episodes 0 to {n - 1}, once each"
    if wrong:
        raise UserError(f"{folder / RECORDS}: {wrong}; run eval/break_proxies.py again")


def check_together(verdicts: Sequence[Mapping[str, Any]]) -> None:
    """Raise UserError unless these verdicts can be counted together, each agent once."""
    first = verdicts[0]
    names = [one["agent"]["name"] for one in verdicts]
    if len(set(names)) < len(names):
        raise UserError(f"{max(names, key=names.count)} is given twice and would be counted twice")
    for one in verdicts[1:]:
        for what, of in (
            ("family", lambda v: v["family"]),
            ("versions of scenes", lambda v: {k: u["hash"] for k, u in v["references"].items()}),
            ("evaluation", lambda v: v["evaluation"]),
        ):
            if of(one) != of(first):
                raise UserError(
                    f"{first['agent']['name']} and {one['agent']['name']} were not judged alike "
                    f"(another {what}); judge them together, or count them apart"
                )
