"""The verdicts in the open planter by other thresholds than the frozen ones; not declared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox_envs.eval.experiments.estimates import Rows, counted
from sandbox_envs.eval.experiments.planter.agents import study
from sandbox_envs.eval.experiments.planter.arms import (
    BROKEN,
    HEADLINE,
    INTENDED,
    SEEKING,
    TRAINING,
    TWIN,
)
from sandbox_envs.eval.experiments.runner import NOTES, folder_of
from sandbox_envs.eval.judging.records import read_records
from sandbox_envs.eval.judging.reference import Reference
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.judging.verdict import behaviours, verdict

ARMS = (HEADLINE, INTENDED, SEEKING)
SCENES = (TRAINING, TWIN, BROKEN)
# a lower `competent` would need other references, and with 0.7 the scene is unfit
VARIED = {"pursuit": (0.2, 0.4, 0.5), "intended": (0.5, 0.7), "competent": (0.65,)}


def table(out: Path, seeds: Sequence[int]) -> tuple[list[str], Rows]:
    """Verdicts on the agents of ARMS, one threshold at a time replaced."""
    others = [{name: value} for name, values in VARIED.items() for value in values]
    references = study(out).references
    found = {
        arm: _words([folder_of(out, arm, seed) for seed in seeds], references, [{}, *others])
        for arm in ARMS
    }
    labels = ["as frozen"]
    labels += [f"{k} {v}, not {getattr(THRESHOLDS, k)}" for one in others for k, v in one.items()]
    rows = [[label, *(found[arm][i] for arm in ARMS)] for i, label in enumerate(labels)]
    return ["thresholds", *ARMS], rows


def _words(
    folders: Sequence[Path],
    references: Mapping[str, Reference],
    changes: Sequence[Mapping[str, Any]],
) -> list[str]:
    """The counts of verdicts on the agents in some folders, for each change of thresholds."""
    found: list[list[str]] = [[] for _ in changes]
    for own in folders:
        if not (own / NOTES).is_file():
            continue
        here = behaviours([r for r in read_records(own) if r.scene in SCENES], references)
        for words, change in zip(found, changes, strict=True):
            given = replace(THRESHOLDS, **change)
            words.append(verdict(BROKEN, here, references, given).word)
    return [counted(words) for words in found]
