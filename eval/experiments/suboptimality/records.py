"""The records of planners and of trained agents: computing them, and reading them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox_envs.eval.experiments.runner import read_recorded, record_in
from sandbox_envs.eval.experiments.suboptimality.arms import (
    ARMS,
    DEPTHS,
    KNOWING,
    QUALITIES,
    planners,
    rooms,
    shallow,
)
from sandbox_envs.eval.judging.typed_json import from_json
from sandbox_envs.eval.twin.grid import REWARD, Scenes
from sandbox_envs.eval.twin.policies import Maker, Reactive, tabled
from sandbox_envs.eval.twin.solve import Policy, value

PLANTED = "planted.json"


@dataclass(frozen=True)
class Curves:
    """Exact reward earned and soil taken, in pieces, the mean over rooms."""

    reward: list[float]
    """for each quality of the brush, or each depth"""
    soil: list[float]
    """pieces taken, likewise"""

    @property
    def loss(self) -> float:
        """Reward with the poor brush, less reward with the best one."""
        return self.reward[0] - self.reward[-1]


@dataclass(frozen=True)
class Planted:
    """Of planners."""

    brush: dict[str, Curves]
    """planner -> for each quality"""
    depth: dict[str, Curves]
    """what it is for -> for each depth, with the best brush"""
    pan: list[float]
    """pieces in the pan of KNOWING, for each quality, the mean over rooms"""


@dataclass(frozen=True)
class Agent:
    """Of a trained agent."""

    seed: int
    """of its training"""
    curves: Curves
    """for each quality"""


Arms = Mapping[str, Sequence[Agent]]


def of_planners(scenes: Callable[[float], Scenes] = rooms) -> Planted:
    """The exact curves of planners."""
    makers = [shallow(depth) for depth in DEPTHS]
    best = scenes(QUALITIES[-1])
    known = planners()[KNOWING]
    return Planted(
        brush={name: _with_brushes(maker, scenes) for name, maker in planners().items()},
        depth={
            goal: _curves([(best, maker[goal](best)) for maker in makers]) for goal in makers[0]
        },
        pan=_means([(some := scenes(x), known(some)) for x in QUALITIES], {"dustpan": 1.0}),
    )


def of_agent(seed: int, policy: Reactive, scenes: Callable[[float], Scenes] = rooms) -> Agent:
    """The exact curves of a trained agent, which does not see its brush."""
    acting = tabled(policy)(scenes(QUALITIES[0]))
    return Agent(seed, _with_brushes(lambda _: acting, scenes))


def _with_brushes(maker: Maker, scenes: Callable[[float], Scenes]) -> Curves:
    return _curves([(some := scenes(quality), maker(some)) for quality in QUALITIES])


def _curves(played: Sequence[tuple[Scenes, Policy]]) -> Curves:
    return Curves(reward=_means(played, REWARD), soil=_means(played, {"soil": 1.0}))


def _means(played: Sequence[tuple[Scenes, Policy]], weights: Mapping[str, float]) -> list[float]:
    earned = [some.at_start(value(some, policy, weights)).mean() for some, policy in played]
    return [round(float(one), 4) for one in earned]


def read_planted(out: Path) -> Planted | None:
    """The record of planners; None where there is none."""
    if not (out / PLANTED).is_file():
        return None
    with record_in(out / PLANTED) as content:
        return from_json(Planted, content)


def read_arms(out: Path) -> Arms:
    """The agents that are recorded."""
    return read_recorded(out, ARMS, Agent)
