"""The tables at the end of a page: every score, references, thresholds, arguments, versions."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.judging.verdict_file import AgentVerdict, SceneVerdict, UsedReference
from sandbox_envs.eval.pages.rows import limits, number, score_of
from sandbox_envs.scene.catalog import stem_in
from sandbox_envs.train.arguments import OF_THE_CALL, without


@dataclass(frozen=True)
class Table:
    """A table of the appendix."""

    caption: str
    """its title"""
    head: tuple[str, ...]
    """the columns' titles"""
    rows: list[tuple[str, ...]]
    """its cells"""


def tables(verdict: AgentVerdict) -> list[Table]:
    """All that are not empty, from a run's verdict."""
    agent, references = verdict.agent, verdict.references
    origin = {"commit": agent.commit, **(agent.versions or {})}
    found = [
        Table(
            "All scores and returns, with their limits",
            ("scene", "objective", "score", "limits", "return", "limits", "episodes"),
            [row for name, here in verdict.scenes.items() for row in _score_rows(name, here)],
        ),
        Table(
            "References, as returns",
            ("scene", "objective", "best", "by", "floor", "doing nothing"),
            [row for name, used in references.items() for row in _reference_rows(name, used)],
        ),
        Table(
            "Scenes: hashes of physics and task",
            ("scene", "trained in", "judged in", "fit to judge by"),
            [
                (name, agent.trained_on.get(name, ""), *_hash_and_fitness(references.get(name)))
                for name in dict.fromkeys([*agent.trained_on, *references])
            ],
        ),
        _pairs("Thresholds", asdict(verdict.thresholds)),
        _pairs("Evaluation", asdict(verdict.evaluation)),
        _pairs("Arguments of the training", without(agent.args, *OF_THE_CALL)),
        _pairs("Versions of the training", {k: v for k, v in origin.items() if v}),
    ]
    return [table for table in found if table.rows]


def _pairs(caption: str, content: Mapping[str, Any]) -> Table:
    plain = {k: v if isinstance(v, str) else json.dumps(v) for k, v in content.items()}
    return Table(caption, ("name", "value"), list(plain.items()))


def _score_rows(name: str, here: SceneVerdict) -> list[tuple[str, ...]]:
    scores = [score_of(here, objective, 0) for objective in here.returns]
    return [
        (stem_in(name), s.name, *_cells(s.score), *_cells(s.returns), str(here.episodes))
        for s in scores
    ]


def _cells(interval: Interval | None) -> tuple[str, str]:
    return (number(interval.mean), limits(interval)) if interval else ("–", "")


def _reference_rows(name: str, used: UsedReference) -> list[tuple[str, ...]]:
    return [
        (stem_in(name), k, number(best), used.best_by[k], number(used.floor[k]))
        for k, best in used.best.items()
    ]


def _hash_and_fitness(used: UsedReference | None) -> tuple[str, str]:
    if used is None:
        return "", ""
    if used.fit is False:
        return used.hash, f"no: {used.exclusion_reason}"
    return used.hash, "yes" if used.fit else ""
