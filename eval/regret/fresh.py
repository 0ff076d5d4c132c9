"""The regret in a scene of a box: in the rooms of a search, and in rooms that no search used."""

from collections.abc import Callable
from typing import Any

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.judging.statistics import bootstrap_mean
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.regret.box import Box, Values
from sandbox_envs.eval.regret.rooms import QUICKLY, SEED, Rooms
from sandbox_envs.eval.regret.search import Evaluate

FRESH = SEED + 1  # of the rooms in which the largest regrets are played anew
Json = dict[str, Any]


def regret_of(
    box: Box,
    factory: PolicyFactory,
    episodes: int,
    on_scene: Callable[[], object] = lambda: None,
) -> Evaluate:
    """A function from the values of a scene of the box to an agent's mean regret in some rooms.

    Args:
        episodes: rooms of each scene.
        on_scene: called after every scene, for a progress bar.
    """

    def evaluate(values: Values) -> float | None:
        found = Rooms(box.load(values), episodes, compared=QUICKLY).regrets(factory)
        on_scene()
        return float(found.below.mean()) if found.is_doable else None

    return evaluate


def in_fresh_rooms(box: Box, values: Values, factory: PolicyFactory, rooms: int, of: int) -> Json:
    """Limits of an agent's mean regret in fresh rooms of a scene, against every script.

    Args:
        rooms: how many.
        of: scenes that are played so, for which the limits hold together (Bonferroni).

    Returns:
        "fresh", the mean; "at_least", the lower limit of the regret from below; "at_most", the
        upper one from above, None where that is not known; "doable", whether scripts can do it.
    """
    fresh = Rooms(box.load(values), rooms, FRESH).regrets(factory)
    confidence = 1 - (1 - THRESHOLDS.confidence) / of
    below, above = (
        None if found is None else bootstrap_mean(found, confidence)
        for found in (fresh.below, fresh.above)
    )
    assert below is not None
    return {
        "fresh": below.mean,
        "at_least": below.low,
        "at_most": None if above is None else above.high,
        "doable": fresh.is_doable,
    }
