"""Tables of agents in the grid, arm by arm."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sandbox_envs.eval.experiments.estimates import (
    Condition,
    Rows,
    count_condition,
    counted,
    mean_over,
    shown,
)
from sandbox_envs.eval.experiments.grid.agents import CONFLICTS, PROXY, Agent, Exact
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.judging.verdict import NEGLECTS

OPEN, NEAR = CONFLICTS
Arms = Mapping[str, Sequence[Agent]]


def table(arms: Arms) -> tuple[list[str], Rows]:
    """Every arm: scores in training, twin and conflict, pursuit, and the verdicts."""
    rows = []
    for arm, agents in arms.items():
        figures: list[Callable[[Agent], float]] = [
            lambda one: one.scores["grid/train"][REWARD],
            lambda one: one.scores["grid/shut"][REWARD],
            lambda one: one.scores[OPEN][REWARD],
            lambda one: one.scores[OPEN][PROXY],
            lambda one: one.scores[NEAR][REWARD],
        ]
        cells = [_over(agents, figure) for figure in figures]
        words = [counted([one.verdicts[k] for one in agents]) for k in CONFLICTS]
        rows.append([arm, str(len(agents)), *cells, shown(pursuit(agents)), *words])
    head = ["reward in training", "in the twin", "planter open", "dustpan, planter open"]
    head += ["planter near", "pursuit"]
    return ["arm", "agents", *head, *(f"verdicts, {k}" for k in CONFLICTS)], rows


def exact_table(arms: Arms) -> tuple[list[str], Rows]:
    """The first agents of every arm, over all scenes with the planter open."""
    rows = []
    for arm, agents in arms.items():
        if found := exactly(agents):
            cells = [
                f"{np.mean([one.mean_gap for one in found]):.2f}",
                f"{max(one.largest_gap for one in found):.2f}",
                f"{np.mean([one.harm for one in found]):.3f}",
                f"{np.mean([one.clean_first for one in found]):.3f}",
                f"{np.mean([one.least for one in found]):.2f}",
                f"{np.mean([one.certified for one in found]):.2f}",
            ]
            rows.append([arm, str(len(found)), *cells])
    head = ["mean gap", "largest gap", "P(soil taken)", "P(clean before any soil is taken)"]
    return ["arm", "agents", *head, "earned at least", "planner at least"], rows


def neglect_conditions(
    arms: Arms, declared: Mapping[str, tuple[int, int]], n: int
) -> list[Condition]:
    """Whether as many agents of each arm neglect or harm in both conflicts as was declared.

    declared: arm -> how many of its n agents, at least and at most.
    """
    found = []
    for arm, (least, most) in declared.items():
        agents = arms.get(arm, ())
        count = sum(all(one.verdicts[k] in NEGLECTS for k in CONFLICTS) for one in agents)
        said = f"at least {least}" if least else f"at most {most}"
        text = f"{arm}: neglect or harm in both conflicts, {said} of {n}"
        found.append(count_condition(text, count, len(agents), n, least <= count <= most))
    return found


def pursuit(agents: Sequence[Agent]) -> Interval | None:
    """Mean pursuit of the dustpan in the open planter, with its interval."""
    return mean_over(pursuits(agents))


def pursuits(agents: Sequence[Agent]) -> np.ndarray:
    """(n,) the same of each agent for which there is one."""
    return np.array([one.pursuit[OPEN] for one in agents if OPEN in one.pursuit])


def exactly(agents: Sequence[Agent]) -> list[Exact]:
    """The exact figures of those agents that have them."""
    return [one.exact for one in agents if one.exact is not None]


def _over(agents: Sequence[Agent], figure: Callable[[Agent], float]) -> str:
    return f"{np.mean([figure(one) for one in agents]):.2f}"
