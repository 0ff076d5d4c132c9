"""The study's tables, from its records: agents, reward models, and the declared difference."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs.eval.experiments.estimates import (
    MISSING,
    Condition,
    Rows,
    count_condition,
    counted,
    interval_condition,
    mean_over,
    shown,
    shown_mean,
)
from sandbox_envs.eval.experiments.reward_learning.agents import MODEL
from sandbox_envs.eval.experiments.reward_learning.arms import (
    ARMS,
    BROKEN,
    EQUAL,
    FIRST,
    HEADLINE,
    IMAGINATION,
    JUDGED,
    KINDS,
    TRAINING,
    TRUE,
)
from sandbox_envs.eval.experiments.runner import folder_of
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.judging.verdict_file import FILE, AgentVerdict, read_verdict
from sandbox_envs.files import read_json
from sandbox_envs.scene.catalog import stem_in

PROXY = "dustpan"
ADVERSARIAL = "A1_adversarial"
Figure = Callable[[Mapping[str, Any]], Any]  # of the notes on a reward model
Notes = Mapping[str, Sequence[Mapping[str, Any]]]  # by arm
ELSEWHERE = ("A2_adversarial", "A1_realised")  # as many labels, found otherwise
SHARE_COMPETENT = 0.8  # of agents, for adversarial labels to be said to do anything


@dataclass(frozen=True)
class Group:
    """The agents of one arm and kind, by seed."""

    verdicts: dict[int, AgentVerdict]

    def scores(self, scene: str, objective: str) -> np.ndarray:
        """Normalised scores in a scene, of the agents where it is defined."""
        found = (
            one.scenes[scene].scores[objective]
            for one in self.verdicts.values()
            if scene in one.scenes
        )
        return np.array([score for score in found if score is not None])


Groups = Mapping[str, Mapping[str, Group]]  # by the way in which agents are made, and by arm


def read_groups(out: Path, seeds: Sequence[int]) -> Groups:
    """The agents that have been judged so far."""
    return {
        kind: {arm: _read_group(out, arm, kind, seeds) for arm in how.arms}
        for kind, how in KINDS.items()
    }


def _read_group(out: Path, arm: str, kind: str, seeds: Sequence[int]) -> Group:
    folders = {seed: folder_of(out, arm.replace(" ", "_"), seed) / kind for seed in seeds}
    return Group({s: read_verdict(own) for s, own in folders.items() if (own / FILE).is_file()})


def able_in(group: Group) -> Group:
    """The agents that imagine of which something is said: those that are able in training."""
    return Group({seed: one for seed, one in group.verdicts.items() if _is_able(one)})


def _is_able(verdict: AgentVerdict) -> bool:
    """Whether an agent that imagines earns in training what is asked of it."""
    return (verdict.scenes[TRAINING].scores[REWARD] or 0.0) >= THRESHOLDS.competent


def read_notes(out: Path, seeds: Sequence[int]) -> Notes:
    """The notes on the reward models that are there."""
    files = {arm: [folder_of(out, arm, seed) / MODEL for seed in seeds] for arm in ARMS}
    return {
        arm: [read_json(file) for file in some if file.is_file()] for arm, some in files.items()
    }


def agents(groups: Groups) -> tuple[list[str], Rows]:
    """Scores and verdicts of all agents, by the way they are made and by arm.

    Of agents that imagine verdicts are given to the able ones alone, in rows of their own.
    """
    rows: Rows = []
    for kind, arms in groups.items():
        for arm, group in arms.items():
            rows += _rows(kind, arm, group, are_said=kind != IMAGINATION)
            if kind == IMAGINATION:
                rows += _rows(f"{kind}, able", arm, able_in(group), are_said=True)
    return ["agent", "labels", "scene", "n", "reward", PROXY, "verdicts"], rows


def _rows(kind: str, arm: str, group: Group, are_said: bool) -> Rows:
    """A row per scene; are_said: whether verdicts are given."""
    rows = []
    for scene in dict.fromkeys(name for one in group.verdicts.values() for name in one.scenes):
        scores = [shown_mean(group.scores(scene, k)) for k in (REWARD, PROXY)]
        said = counted(one.scenes[scene].verdict for one in group.verdicts.values())
        count = str(len(group.verdicts))
        rows.append([kind, arm, scene, count, *scores, said if are_said else ""])
    return rows


def models(notes: Notes) -> tuple[list[str], Rows]:
    """Distances of the reward models to the true reward, in training and in the broken scene."""
    figures: dict[str, Figure] = {
        "labels added": lambda one: one["labels"]["added"],
        "R squared": lambda one: one.get("r2"),
        "starts rejected": lambda one: one["labels"].get("rejected"),
        "rho": _realised("realisability", "rho"),
        "rho below 1": _realised("realisability", "below_1"),
        "rho, training": _realised("realisability, training", "rho"),
        "rho below 1, training": _realised("realisability, training", "below_1"),
        "spread of labels": _in_rounds("spread"),
        "their error": _in_rounds("error"),
        **{f"tau, {stem_in(name)}": _of("tau", name) for name in JUDGED},
        "STARC": lambda one: one["starc"]["distance"],
        "its error": lambda one: one["starc"]["error"],
        "spread, training": _of("spread", TRAINING),
        "spread, broken": _of("spread", BROKEN),
        **{f"calibration, {stem_in(name)}": _of("calibration", name) for name in JUDGED},
    }
    rows = []
    for arm, ours in notes.items():
        if ours:
            cells = [
                shown_mean(np.array([v for v in map(figure, ours) if v is not None], float))
                for figure in figures.values()
            ]
            rows.append([arm, str(len(ours)), *cells])
    return ["labels", "n", *figures], rows


def _of(figure: str, scene: str) -> Figure:
    """A function that reads a figure of a scene from notes."""
    return lambda one: one[figure].get(scene)


def _in_rounds(figure: str) -> Figure:
    """A function that reads the mean over rounds of labelling, None without such labels."""

    def of(one: Mapping[str, Any]) -> float | None:
        found = [part[figure] for part in one["labels"]["rounds"] if figure in part]
        return float(np.mean(found)) if found else None

    return of


def _realised(where: str, figure: str) -> Figure:
    """A function that reads a realisability figure from notes, None without pseudo-inputs."""
    return lambda one: one["labels"].get(where, {}).get(figure)


def difference(groups: Groups) -> tuple[list[str], Rows]:
    """The reward's score in the broken scene after some labels, minus that after others."""
    trained, rows = groups["trained"], []
    pairs = [(ADVERSARIAL, arm) for arm in (FIRST, *EQUAL, *ELSEWHERE, TRUE)]
    for ours, theirs in (*pairs, *(("A2_adversarial", arm) for arm in (FIRST, "A2_random"))):
        shifts = paired(trained[ours], trained[theirs])
        rows.append([f"{ours} - {theirs}", str(len(shifts)), shown_mean(shifts)])
    return ["difference of the reward's score in planter_open", "seeds", "mean"], rows


def paired(ours: Group, theirs: Group) -> np.ndarray:
    """(seeds,) differences of the reward's score in the broken scene, of seeds that both have."""
    pairs = [
        (one.scenes[BROKEN].scores[REWARD], theirs.verdicts[seed].scenes[BROKEN].scores[REWARD])
        for seed, one in ours.verdicts.items()
        if seed in theirs.verdicts
    ]
    return np.array([a - b for a, b in pairs if a is not None and b is not None])


def conditions(groups: Groups, n: int) -> list[Condition]:
    """The declared claims, and whether agents that imagine are able; n: declared seeds."""
    found = claims(groups["trained"], groups["trained_shut"], n)
    return [*found, *able(groups[IMAGINATION], n)]


def able(imagining: Mapping[str, Group], n: int) -> list[Condition]:
    """Whether all agents of each arm of `imagination` earn in training what is asked of them."""
    found = []
    for arm, group in imagining.items():
        count, there = len(able_in(group).verdicts), len(group.verdicts)
        text = f"{IMAGINATION}, {arm}: all earn {THRESHOLDS.competent} or more in training"
        found.append(count_condition(text, count, there, n, count == n))
    return found


def claims(groups: Mapping[str, Group], shut: Mapping[str, Group], n: int) -> list[Condition]:
    """The declared claims.

    Args:
        groups: arm -> `trained` agents.
        shut: the same of `trained_shut`.
        n: seeds that are declared.
    """
    ours, first = groups[ADVERSARIAL], groups[FIRST]
    possible = _possible(groups[TRUE], n)
    controls = {arm: groups[arm].scores(BROKEN, REWARD) for arm in EQUAL}
    known = [arm for arm, scores in controls.items() if len(scores)]
    best = max(known, key=lambda arm: controls[arm].mean(), default=EQUAL[0])
    competent = sum(bool(one.scenes[TRAINING].competent) for one in ours.verdicts.values())
    is_enough = competent >= SHARE_COMPETENT * n
    are_there = all(len(groups[arm].verdicts) == n for arm in EQUAL)
    more = _differs(f"adversarial labels do more than the best of equal ones ({best})",
                    [(ours, groups[best], True)], n, are_there)  # fmt: skip
    found = [
        replace(more, holds=more.holds and is_enough),
        count_condition("their agents are competent in training, 8 of 10", competent,
                        len(ours.verdicts), n, is_enough),
        _differs("labels outside of training are needed: A1 - none above 0, A2 - none holds 0",
                 [(ours, first, True), (groups["A2_adversarial"], first, False)], n),
        _differs("pseudo-inputs inside the ball: differences to none hold 0",
                 [(groups[arm], first, False) for arm in ("pseudo_penalised", "A2_realised")], n),
        _differs("trained with the planter shut: differences between arms hold 0",
                 [(shut[a], shut[b], False) for a, b in combinations(HEADLINE, 2)], n),
    ]  # fmt: skip
    if not possible.holds:  # then nothing that labels could do would be seen
        why = MISSING if possible.holds is None else "nor does the true reward"
        found = [replace(one, holds=None, unsaid=why) for one in found]
    return [possible, *found]


def _possible(true: Group, n: int) -> Condition:
    """The positive control: agents that are trained on the true reward earn it where it counts."""
    return interval_condition(
        f"trained on the true reward: {THRESHOLDS.competent} or more in {stem_in(BROKEN)}",
        mean_over(true.scores(BROKEN, REWARD)),
        lambda found: found.low >= THRESHOLDS.competent,
        MISSING if len(true.verdicts) < n else "",
    )


def _differs(
    text: str, pairs: Sequence[tuple[Group, Group, bool]], n: int, are_there: bool = True
) -> Condition:
    """Whether each difference lies above 0 (pairs with True) or its interval contains 0 (False)."""
    shifts = [paired(a, b) for a, b, _ in pairs]
    found = [mean_over(one) for one in shifts]
    if not are_there or any(len(one) < n for one in shifts):
        return Condition(text, "; ".join(filter(None, map(shown, found))), None)
    holds = [
        one is not None and (one.low > 0 if above else one.low <= 0 <= one.high)
        for one, (*_, above) in zip(found, pairs, strict=True)
    ]
    return Condition(text, "; ".join(map(shown, found)), all(holds))
