"""Tables of the minds' agents: scores, verdicts, and differences to the first mind."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs.eval.calibration.weights import LARGEST_ERROR
from sandbox_envs.eval.experiments.estimates import Rows, counted, mean_over, shown
from sandbox_envs.eval.experiments.minds.agents import (
    CONFLICTS,
    COURSE,
    JUDGED,
    MINDS,
    SEEDS,
    STAGES,
    WEIGHTS,
)
from sandbox_envs.eval.experiments.runner import folder_of
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.statistics import detectable_difference
from sandbox_envs.eval.judging.verdict_file import FILE, AgentVerdict, read_verdict
from sandbox_envs.eval.pages.verdict_table import over_agents
from sandbox_envs.files import read_json

PROXY = "dustpan"
UNVARYING = ("stain", "leaf")  # in names of sums that no episode of training changes
CONFIDENCE = 0.95
COMPARISONS = len(CONFLICTS) * (len(MINDS) - 1)


@dataclass(frozen=True)
class Group:
    """The agents of one arm."""

    mind: str
    """its trainer's name, or that of a variant"""
    courses: list[dict[str, Any]]
    """of each agent's training"""
    judged: Mapping[str, list[AgentVerdict]]
    """stage -> verdicts"""
    weights: list[dict[str, Any]] = field(default_factory=list)
    """of planners, what `eval/weights.py` finds of each"""

    def scores(self, stage: str, scene: str, objective: str) -> list[float]:
        """Normalised scores of the agents in a scene."""
        found = (one.scenes[scene].scores[objective] for one in self.judged[stage])
        return [score for score in found if score is not None]


def read_groups(
    out: Path, arms: Iterable[str] = MINDS, seeds: Sequence[int] = SEEDS
) -> list[Group]:
    """The agents that have been judged so far."""
    groups = []
    for mind in arms:
        folders = [folder_of(out, mind, seed) for seed in seeds]
        folders = [folder for folder in folders if (folder / COURSE).is_file()]
        judged = {
            stage: [
                read_verdict(folder / stage)
                for folder in folders
                if (folder / stage / FILE).is_file()
            ]
            for stage in STAGES
        }
        courses = [read_json(folder / COURSE) for folder in folders]
        tried = [folder / WEIGHTS for folder in folders if (folder / WEIGHTS).is_file()]
        groups.append(Group(mind, courses, judged, [read_json(file) for file in tried]))
    return groups


def trainings(groups: Sequence[Group]) -> tuple[list[str], Rows]:
    """Each mind's parameters, returns at the end of training, and steps to equal competence."""
    rows = []
    for group in groups:
        after = [c["competent_after"] for c in group.courses if c["competent_after"] is not None]
        rows.append(
            [
                group.mind,
                str(len(group.courses)),
                " or ".join(sorted({f"{c['parameters']:,}" for c in group.courses})),
                _mean(last := [c["returns"][-1][1] for c in group.courses]),
                f"{min(last):.2f}" if last else "",
                f"{len(after)} of {len(group.courses)}",
                f"{np.median(after) / 1000:.0f}" if after else "",
            ]
        )
    head = ["trainer", "agents", "parameters", "return at the end of training", "least"]
    return [*head, "reached equal competence", "after thousand steps (median)"], rows


def planners(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """The findings of `eval/weights.py` on each agent that plans."""
    return [found for group in groups for found in group.weights]


def outcomes(groups: Sequence[Group]) -> tuple[list[str], Rows]:
    """Scores in every scene and verdicts in the conflicts, at equal competence and at the end."""
    rows = []
    for scene, group, stage in product(JUDGED, groups, reversed(STAGES)):
        if not group.judged[stage]:
            continue
        words = counted(one.scenes[scene].verdict for one in group.judged[stage])
        rows.append(
            [
                scene,
                group.mind,
                stage,
                _mean(group.scores(stage, scene, REWARD)),
                _mean(group.scores(stage, scene, PROXY)),
                words if scene in CONFLICTS else "",
            ]
        )
    return ["scene", "trainer", "judged at", "reward", PROXY, "verdicts"], rows


def differences(groups: Sequence[Group]) -> tuple[list[str], Rows]:
    """Differences of each mind to the first at equal competence, by Welch's t test."""
    first, *others = groups
    rows = [
        [
            scene,
            objective,
            f"{group.mind} - {first.mind}",
            *_difference(first, group, scene, objective),
        ]
        for scene, objective, group in product(CONFLICTS, (PROXY, REWARD), others)
    ]
    interval = f"difference [{100 * (1 - (1 - CONFIDENCE) / COMPARISONS):.1f} %]"
    return ["scene", "score", "minds", interval, "smallest difference shown with power 0.8"], rows


def weights(
    planners: Sequence[Mapping[str, Any]], scenes: Sequence[str] = CONFLICTS
) -> tuple[list[str], Rows]:
    """Whether planners' weights may be quoted: what was tried of each, and where they may.

    Args:
        planners: what `eval/weights.py` finds of each.
        scenes: those for which the model's error is shown.
    """
    rows = []
    for found in planners:
        reached = ", ".join(f"{score:.2f} of {name}" for name, score in found["reached"].items())
        error = found["error"]
        quoted = [name for name in error if found["plans"] and error[name] < LARGEST_ERROR]
        seed = found["run"].split("__")[2]
        errors = [f"{error[scene]:.2f}" for scene in scenes]
        said = ", ".join(f"{w:+.2f} {name}" for w, name in _largest(found)) if quoted else ""
        quoted_in = ", ".join(quoted) or "nowhere"
        rows.append([seed, reached, *errors, f"{unvarying(found):.2f}", quoted_in, said])
    head = ["agent", "with the weights of one objective"]
    heads = [f"model's error in {scene}" for scene in scenes]
    last = ["share of weights on what never varies", "weights quoted in", "largest weights"]
    return [*head, *heads, *last], rows


def unvarying(found: Mapping[str, Any]) -> float:
    """The share of a planner's weights, by size, on outcomes that never vary in training."""
    sizes = np.abs(found["weights"])
    return float(sizes[_never_vary(found)].sum() / (sizes.sum() or 1.0))


def _never_vary(found: Mapping[str, Any]) -> list[bool]:
    """Of each outcome of a planner, whether it never varies in training."""
    return [any(word in name for word in UNVARYING) for name in found["outcomes"]]


def unvarying_shares(planners: Sequence[Mapping[str, Any]]) -> tuple[list[str], Rows]:
    """The mean share over planners, beside the share of such outcomes among all."""
    shares = [unvarying(found) for found in planners]
    never = _never_vary(planners[0])
    row = [str(len(shares)), f"{sum(never)} of {len(never)}", shown(mean_over(np.array(shares)))]
    head = ["planners", "outcomes that never vary in training", "share of weights on them"]
    return head, [row]


def model_errors(planners: Sequence[Mapping[str, Any]], scene: str) -> tuple[list[str], Rows]:
    """The errors of planners' models in a scene, for each outcome that varies in training.

    In standard deviations in training: 1 is as much as the outcome itself varied there.
    """
    errors = np.array([found["errors"][scene] for found in planners])
    never = _never_vary(planners[0])
    rows = [
        [name, f"{np.median(of):.2f}", f"{of.min():.2f} to {of.max():.2f}"]
        for name, is_constant, of in zip(planners[0]["outcomes"], never, errors.T, strict=True)
        if not is_constant
    ]
    return ["outcome", f"model's error in {scene}, median", "least to largest"], rows


def _largest(found: Mapping[str, Any], n: int = 4) -> list[tuple[float, str]]:
    """A planner's weights of outcomes that are largest in size, of a vector of length 1."""
    known = np.array(found["weights"]) / (np.linalg.norm(found["weights"]) or 1.0)
    return [(known[i], found["outcomes"][i]) for i in np.argsort(-np.abs(known))[:n]]


def _difference(first: Group, other: Group, scene: str, objective: str) -> Iterator[str]:
    from scipy.stats import ttest_ind

    ours, theirs = (np.array(g.scores("equal", scene, objective)) for g in (first, other))
    if min(len(ours), len(theirs)) < 2:
        yield from ("", "")
        return
    shift = theirs.mean() - ours.mean()
    found = ttest_ind(theirs, ours, equal_var=False)
    corrected = 1 - (1 - CONFIDENCE) / COMPARISONS
    low, high = found.confidence_interval(corrected)
    yield f"{shift:+.2f} [{low:+.2f}, {high:+.2f}]"
    spread = float(np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / 2))
    least = detectable_difference(spread, len(ours), len(theirs), confidence=corrected)
    yield f"{least:.2f}"


def _mean(values: Sequence[float]) -> str:
    return over_agents(values) if values else ""
