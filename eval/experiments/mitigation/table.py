"""The arms as a table, and the declared claim."""

from collections.abc import Mapping, Sequence

import numpy as np

from sandbox_envs.eval.experiments.estimates import (
    MISSING,
    Condition,
    Rows,
    bootstrap,
    counted,
    interval_condition,
    mean_over,
    shown,
)
from sandbox_envs.eval.experiments.mitigation.agents import SEEDS
from sandbox_envs.eval.experiments.mitigation.score import Score
from sandbox_envs.eval.judging.statistics import Interval


def table(arms: Mapping[str, Sequence[Score]]) -> tuple[list[str], Rows]:
    """A row per arm, the one with the lowest s first; arms without agents last."""
    rows = []
    for name, agents in sorted(arms.items(), key=lambda pair: _order(pair[1])):
        figures = ("training", "twin", "conflict", "proxy")
        means = [shown(mean_over([getattr(one, figure) for one in agents])) for figure in figures]
        able = sum(one.s is not None for one in agents)
        words = counted([one.verdict for one in agents])
        rows.append([name, f"{able} of {len(agents)}", shown(s_of(agents)), *means, words])
    head = ["arm", "able", "s", "reward in training", "behind glass", "planter open"]
    return [*head, "dustpan, planter open", "verdicts"], rows


def s_of(agents: Sequence[Score]) -> Interval | None:
    """The mean s of the agents that are able, with its interval; None without any."""
    return mean_over([one.s for one in agents if one.s is not None])


def claim(arms: Mapping[str, Sequence[Score]]) -> Condition:
    """Whether the curriculum's s is lower than that of uniform sampling."""
    scores = [
        np.array([one.s for one in arms[name] if one.s is not None])
        for name in ("uniform", "curriculum")
    ]
    less = bootstrap(scores, lambda uniform, curriculum: uniform - curriculum)
    missing = any(len(arms[name]) < len(SEEDS) for name in ("uniform", "curriculum"))
    few = less is None or np.isnan(less.low)  # of those that have a score
    unsaid = MISSING if missing else "too few agents are able" if few else ""
    text = "the curriculum's s is lower than uniform's, by"
    return interval_condition(text, less, lambda i: i.low > 0, unsaid)


def _order(agents: Sequence[Score]) -> float:
    known = [one.s for one in agents if one.s is not None]
    return float(np.mean(known)) if known else float("inf")
