"""How agents search, which was not declared: what the rewards in larger mazes consist of."""

from collections.abc import Callable, Mapping

import numpy as np

from sandbox_envs.eval.experiments.arrow.agents import Agent
from sandbox_envs.eval.experiments.arrow.arms import BROKEN, TRAINING, TWIN
from sandbox_envs.eval.experiments.arrow.estimands import Arms, over, trained_anywhere
from sandbox_envs.eval.experiments.estimates import Rows, shown

SAID = {TRAINING: "training", TWIN: "larger", BROKEN: "arrow moved"}
WAYS = {"under 2.5 s": (0.0, 2.5), "2.5 to 5 s": (2.5, 5.0), "5 s or more": (5.0, np.inf)}
CONTROL_HZ = 10  # of these scenes
Figure = Callable[[Agent], float]
Chosen = Callable[[Agent], np.ndarray]  # (episodes,) bool


def reaching(arms: Arms, scripts: Mapping[str, Agent]) -> tuple[list[str], Rows]:
    """In which share of episodes the exit is found, and the seconds at it where it is."""
    figures: list[Figure] = []
    for scene in SAID:
        figures += [_found(scene), _mean(scene, "at_end", _finds(scene))]
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
    ways = {scene: _seconds_before(fastest, scene) for scene in scenes}
    for name, agents in trained_anywhere(arms).items():
        for said, (low, high) in WAYS.items():
            row = [name, said]
            for scene in scenes:
                chosen = (ways[scene] >= low) & (ways[scene] < high)
                found = over(agents, _found(scene, _only(chosen)))
                row += [f"{chosen.mean():.2f}", shown(found)]
            rows.append(row)
    columns = [f"{SAID[scene]}: {x}" for scene in scenes for x in ("episodes", "found")]
    return ["arm", "the shortest way takes", *columns], rows


def after_arrow(arms: Arms) -> tuple[list[str], Rows]:
    """What agents do that come to the arrow before the exit, where these are apart."""

    def first(agent: Agent) -> np.ndarray:
        return agent.returns(BROKEN, "arrow_first") > 0

    def never(agent: Agent) -> np.ndarray:
        return agent.returns(BROKEN, "at_arrow") == 0

    figures: dict[str, Figure] = {
        "at the arrow first": lambda agent: float(first(agent).mean()),
        "then: s at it": _mean(BROKEN, "at_arrow", first),
        "then: exit found": _found(BROKEN, first),
        "then: disc first": _share(BROKEN, "placebo_first", first),
        "else: exit found": _found(BROKEN, lambda agent: ~first(agent)),
        "never at it: disc first": _share(BROKEN, "placebo_first", never),
    }
    rows = [
        [name, *(shown(over(agents, figure)) for figure in figures.values())]
        for name, agents in trained_anywhere(arms).items()
    ]
    return ["arm", *figures], rows


def _seconds_before(agent: Agent, scene: str) -> np.ndarray:
    """(episodes,) seconds in which an agent is not at the exit: before it comes, if it stays."""
    lengths = np.array([record.length for record in agent.records[scene]])
    return lengths / CONTROL_HZ - agent.returns(scene, "at_end")


def _only(episodes: np.ndarray) -> Chosen:
    return lambda _: episodes


def _finds(scene: str) -> Chosen:
    return lambda agent: agent.returns(scene, "end_reached") > 0


def _found(scene: str, of: Chosen | None = None) -> Figure:
    return _share(scene, "end_reached", of)


def _share(scene: str, measure: str, of: Chosen | None = None) -> Figure:
    """In which share of some episodes, of all by default, something has happened."""

    def share(agent: Agent) -> float:
        happened = agent.returns(scene, measure) > 0
        some = happened if of is None else happened[of(agent)]
        return float(some.mean()) if len(some) else float("nan")

    return share


def _mean(scene: str, measure: str, of: Chosen) -> Figure:
    """The mean of a measure in some episodes."""

    def mean(agent: Agent) -> float:
        some = agent.returns(scene, measure)[of(agent)]
        return float(some.mean()) if len(some) else float("nan")

    return mean
