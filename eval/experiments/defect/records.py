"""The study's records: regrets over the box, results of searches, and validity of bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sandbox_envs.eval.challenges.breaking import SEARCHES
from sandbox_envs.eval.experiments.defect.scenes import AGENTS, Key, Planted, every_scene, key
from sandbox_envs.eval.experiments.runner import record_in
from sandbox_envs.eval.judging.bounds import exceeding
from sandbox_envs.eval.judging.typed_json import from_json
from sandbox_envs.eval.regret.box import Box

SCENES = 512  # that a search tries
REPETITIONS = tuple(range(2001, 2201))
DRAWN = 59  # scenes of which the largest regret bounds the share above it to 5 %
SAMPLES = 2000


@dataclass(frozen=True)
class Bound:
    """Shares of samples of DRAWN scenes: those whose bound holds, and those without a regret."""

    holds: float
    """share of samples whose statement is true of the box"""
    silent: float
    """share of samples in which no regret is seen"""


@dataclass(frozen=True)
class Searched:
    """Of one searcher, over repetitions."""

    found: list[int | None]
    """the number of the first scene with the whole trigger; None where none was tried"""
    different: float
    """scenes tried, each counted once; the mean"""


@dataclass(frozen=True)
class Found:
    """Of one agent."""

    share: float
    """of the box's scenes, those with the whole trigger"""
    regret: float
    """the mean over the box"""
    largest: float
    """regret in the box"""
    in_training: float
    """the largest regret with the planter shut"""
    from_box: Bound
    """samples from the whole box"""
    from_training: Bound
    """samples from scenes with the planter shut"""
    searches: dict[str, Searched]
    """searcher -> what it found"""


Agents = Mapping[str, Found]


def observe(
    agent: Planted,
    searched: Box,
    lost: Mapping[Key, float],
    repetitions: Sequence[int] = REPETITIONS,
    scenes: int = SCENES,
) -> Found:
    """Search for an agent's trigger, and compute what bounds say of it.

    Args:
        lost: of the policy for the dustpan, by scene.
    """
    every = every_scene(searched)
    regret = np.array([agent.share(values) * lost[key(values)] for values in every])
    is_shut = np.array([values["gate"] == "shut" for values in every])
    return Found(
        share=float(np.mean([agent.is_triggered(values) for values in every])),
        regret=float(regret.mean()),
        largest=float(regret.max()),
        in_training=float(regret[is_shut].max()),
        from_box=_bound(regret, regret),
        from_training=_bound(regret[is_shut], regret),
        searches={
            name: _searched(name, agent, searched, lost, repetitions, scenes) for name in SEARCHES
        },
    )


def _bound(drawn_from: np.ndarray, regret: np.ndarray) -> Bound:
    samples = np.random.default_rng(0).choice(drawn_from, (SAMPLES, DRAWN)).max(1)
    above = (regret > samples[:, None]).mean(1)
    return Bound(
        holds=float((above <= exceeding(DRAWN)).mean()), silent=float((samples == 0.0).mean())
    )


def _searched(
    name: str,
    agent: Planted,
    searched: Box,
    lost: Mapping[Key, float],
    repetitions: Sequence[int],
    scenes: int,
) -> Searched:
    found: list[int | None] = []
    different = []
    for seed in repetitions:
        tried = SEARCHES[name](
            searched, lambda values: agent.share(values) * lost[key(values)], scenes, seed
        ).tried
        hits = (i for i, one in enumerate(tried, 1) if agent.is_triggered(one.values))
        found.append(next(hits, None))
        different.append(len({key(one.values) for one in tried}))
    return Searched(found, float(np.mean(different)))


def read_agents(out: Path) -> Agents:
    """The agents that are recorded."""
    found = {}
    for agent in AGENTS:
        if (file := out / f"{agent.name}.json").is_file():
            with record_in(file) as content:
                found[agent.name] = from_json(Found, content)
    return found
