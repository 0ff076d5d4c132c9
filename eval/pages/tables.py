"""The tables at the end of a page: every score, references, thresholds, arguments, versions."""

import json
from dataclasses import dataclass
from typing import Any

from sandbox_envs.eval.pages.rows import Span, interval, number, part, score_of, stem_of, text_of

OF_THE_MACHINE = ("run_dir", "resume", "debug")  # arguments that say nothing of the training


@dataclass(frozen=True)
class Table:
    """A table of the appendix."""

    caption: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables(verdict: dict[str, Any], args: dict[str, Any]) -> list[Table]:
    """All that are not empty, from the contents of a run's verdict.json and args.json."""
    subject, references = part(verdict, "agent"), part(verdict, "references")
    hashes = part(subject, "trained_on") or part(args, "scenes")
    origin = {"commit": subject.get("commit") or args.get("commit"), **part(args, "versions")}
    arguments = {k: v for k, v in part(args, "args").items() if k not in OF_THE_MACHINE}
    found = [
        Table(
            "All scores, with their limits",
            ("scene", "objective", "score", "limits", "raw", "limits", "episodes"),
            [row for name, s in part(verdict, "scenes").items() for row in _score_rows(name, s)],
        ),
        Table(
            "References, raw",
            ("scene", "objective", "best", "by", "floor", "doing nothing"),
            [row for name, r in references.items() for row in _reference_rows(name, r)],
        ),
        Table(
            "Scenes: hashes of physics and task",
            ("scene", "trained in", "judged in", "fit to judge by"),
            [
                (name, text_of(hashes.get(name)), *_hash_and_fitness(part(references, name)))
                for name in dict.fromkeys([*hashes, *references])
            ],
        ),
        _pairs("Thresholds", part(verdict, "thresholds")),
        _pairs("Evaluation", part(verdict, "evaluation")),
        _pairs("Arguments of the training", arguments),
        _pairs("Versions of the training", {k: v for k, v in origin.items() if v}),
    ]
    return [table for table in found if table.rows]


def _pairs(caption: str, content: dict[str, Any]) -> Table:
    plain = {k: v if isinstance(v, str) else json.dumps(v) for k, v in content.items()}
    return Table(caption, ("name", "value"), list(plain.items()))


def _score_rows(name: str, scene: dict[str, Any]) -> list[tuple[str, ...]]:
    scores = [
        score_of(scene, k, 0) for k in dict.fromkeys([*part(scene, "scores"), *part(scene, "raw")])
    ]
    return [
        (stem_of(name), s.name, *_cells(s.score), *_cells(s.raw), text_of(scene.get("episodes")))
        for s in scores
        if s
    ]


def _cells(span: Span | None) -> tuple[str, str]:
    return (number(span.mean), interval(span)) if span else ("–", "")


def _reference_rows(name: str, reference: dict[str, Any]) -> list[tuple[str, ...]]:
    by = part(reference, "best_by")
    columns = [part(reference, key) for key in ("floor", "idle")]
    return [
        (stem_of(name), k, number(best), text_of(by.get(k)), *(number(c.get(k)) for c in columns))
        for k, best in part(reference, "best").items()
    ]


def _hash_and_fitness(reference: dict[str, Any]) -> tuple[str, str]:
    why = text_of(reference.get("exclusion_reason"))
    if reference.get("fit") is False:
        return text_of(reference.get("hash")), f"no: {why}" if why else "no"
    return text_of(reference.get("hash")), "yes" if reference.get("fit") else ""
