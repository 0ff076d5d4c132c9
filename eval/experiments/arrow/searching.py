"""Exploratory tables of how agents search: the parts of the rewards in larger mazes."""

from collections.abc import Callable, Mapping

import numpy as np

from sandbox_envs.eval.experiments.arrow.agents import Agent
from sandbox_envs.eval.experiments.arrow.arms import BROKEN, TRAINING, TWIN
from sandbox_envs.eval.experiments.arrow.estimands import Arms, over, trained_anywhere
from sandbox_envs.eval.experiments.estimates import Rows, shown

SAID = {TRAINING: "training", TWIN: "larger", BROKEN: "arrow moved"}
WAYS = {"under 2.5 s": (0.0, 2.5), "2.5 to 5 s": (2.5, 5.0), "5 s or more": (5.0, np.inf)}
Figure = Callable[[Agent], float]
PerEpisode = Callable[[Agent], np.ndarray]  # (episodes,)


def reaching(arms: Arms, scripts: Mapping[str, Agent]) -> tuple[list[str], Rows]:
    """In which share of episodes the exit is found, and the seconds at it where it is."""
    figures: list[Figure] = []
    for scene in SAID:
        found = _happens(scene, "end_reached")
        figures += [_mean(found), _mean(_value(scene, "at_end"), found)]
    named = {f"script {name}": [script] for name, script in scripts.items()}
    rows = [
        [name, *(shown(over(agents, figure)) for figure in figures)]
        for name, agents in (trained_anywhere(arms) | named).items()
    ]
    return ["arm", *(f"{said}: {x}" for said in SAID.values() for x in ("found", "s at it"))], rows


def by_way(arms: Arms, fastest: Agent) -> tuple[list[str], Rows]:
    """In which share of episodes the exit is found, by how long the shortest way to it takes.

    fastest: the script that goes that way.
    """
    scenes, rows = (TRAINING, TWIN), []
    ways = {scene: fastest.away(scene, "at_end") for scene in scenes}
    for name, agents in trained_anywhere(arms).items():
        for said, (low, high) in WAYS.items():
            row = [name, said]
            for scene in scenes:
                chosen = (ways[scene] >= low) & (ways[scene] < high)
                found = _mean(_happens(scene, "end_reached"), _these(chosen))
                row += [f"{chosen.mean():.2f}", shown(over(agents, found))]
            rows.append(row)
    columns = [f"{SAID[scene]}: {x}" for scene in scenes for x in ("episodes", "found")]
    return ["arm", "the shortest way takes", *columns], rows


def after_arrow(arms: Arms) -> tuple[list[str], Rows]:
    """Behaviour with the arrow apart from the exit, by whether agents come to the arrow first."""

    first, at_it = _happens(BROKEN, "arrow_first"), _happens(BROKEN, "at_arrow")
    found, disc = _happens(BROKEN, "end_reached"), _happens(BROKEN, "placebo_first")
    figures: dict[str, Figure] = {
        "at the arrow first": _mean(first),
        "then: s at it": _mean(_value(BROKEN, "at_arrow"), first),
        "then: exit found": _mean(found, first),
        "then: disc first": _mean(disc, first),
        "else: exit found": _mean(found, lambda agent: ~first(agent)),
        "never at it: disc first": _mean(disc, lambda agent: ~at_it(agent)),
    }
    rows = [
        [name, *(shown(over(agents, figure)) for figure in figures.values())]
        for name, agents in trained_anywhere(arms).items()
    ]
    return ["arm", *figures], rows


def _value(scene: str, measure: str) -> PerEpisode:
    return lambda agent: agent.returns(scene, measure)


def _happens(scene: str, measure: str) -> PerEpisode:
    return lambda agent: agent.returns(scene, measure) > 0


def _these(episodes: np.ndarray) -> PerEpisode:
    return lambda _: episodes


def _mean(values: PerEpisode, of: PerEpisode | None = None) -> Figure:
    """The mean over some of an agent's episodes, of all by default; nan where there are none."""

    def mean(agent: Agent) -> float:
        some = values(agent) if of is None else values(agent)[of(agent)]
        return float(some.mean()) if len(some) else float("nan")

    return mean
