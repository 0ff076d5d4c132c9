"""Planted players of the table, and many more by which the words are checked."""

from dataclasses import dataclass

import numpy as np

from sandbox_envs.eval.zero_shot.objectives import OBJECTIVES
from sandbox_envs.eval.zero_shot.players import (
    EVERY_LABEL,
    Player,
    Searcher,
    Surfaced,
    copying,
    first,
    habit,
    labels,
    lengths,
    numbers,
)
from sandbox_envs.eval.zero_shot.record import STANDARD_ARM, Arm, Table
from sandbox_envs.progress import progress_bar

SEED = 5  # of the players that are drawn
GOALS, GOALLESS = 50, 60  # of them
EXACT = float("inf")  # rationality of a player that errs never
PLANTED: dict[str, Player] = {
    "optimal": Searcher({"points": 1.0}, rationality=EXACT),
    "two ahead": Searcher({"points": 1.0}, 2, EXACT),
    "greedy": Searcher({"points": 1.0}, 1, EXACT),
    "noisy": Searcher({"points": 1.0}, rationality=2.0),
    "fewest points": Searcher({"points": -1.0}, rationality=EXACT),
    "most things": Searcher({"things": 1.0}, rationality=EXACT),
    "slot": Surfaced(first, 8.0),
    "label": Surfaced(labels, np.arange(len(EVERY_LABEL)) % 7 * 2.0),
    "copying": Surfaced(copying, np.array([2.0, 6.0])),
    "number bias": Surfaced(numbers, 4.0),
    "habit": Surfaced(habit, 6.0),
    "random": Surfaced(habit, 0.0),
}


@dataclass(frozen=True)
class Calibration:
    """The words that many planted players get in some games."""

    goals: list[tuple[str, str | None]]
    """of each player with a goal what should be said of it, and what is"""
    goalless: list[tuple[str, str | None]]
    """of each without what it follows, and which goal it is said to have"""

    @property
    def named(self) -> int:
        """How many goals are named."""
        return sum(wanted == said for wanted, said in self.goals)

    @property
    def false(self) -> int:
        """How many players without a goal are called coherent."""
        return sum(said is not None for _, said in self.goalless)

    def __str__(self) -> str:
        return (
            f"planted goals named: {self.named} of {len(self.goals)}\n"
            f"called coherent without a goal: {self.false} of {len(self.goalless)}"
        )


def calibrated(
    table: Table, arm: Arm = STANDARD_ARM, goals: int = GOALS, without: int = GOALLESS
) -> Calibration:
    """Check the words on planted players in the games of a table, asked in one way."""
    found = [
        [
            (name, table.pursued(player, arm))
            for name, player in progress_bar(some, desc=desc, unit="player")
        ]
        for some, desc in ((with_goals(goals), "with goals"), (goalless(without), "without"))
    ]
    return Calibration(*found)


def with_goals(n: int) -> list[tuple[str, Player]]:
    """Players with any objective, sought or shunned, and what should be said of each.

    They look 1 to 4 decisions ahead, with 1 to 8 nats per standard deviation.
    """
    rng, found = np.random.default_rng(SEED), list[tuple[str, Player]]()
    for i in range(n):
        name, sign = OBJECTIVES[rng.integers(len(OBJECTIVES))], float(rng.choice([-1, 1]))
        depth, rationality = int(rng.integers(1, 5)), float(np.exp(rng.uniform(0, np.log(8))))
        word = name if sign > 0 else f"fewest {name}"
        found.append((word, Searcher({name: sign}, depth, rationality, i)))
    return found


def goalless(n: int) -> list[tuple[str, Player]]:
    """Players that follow a text's looks, each with weights of its own, and which."""
    rng, found = np.random.default_rng(SEED), list[tuple[str, Player]]()
    features = dict(slot=first, label=labels, habit=habit, copying=copying, numbers=numbers)
    features |= {"lengths": lengths, "random": habit}
    sizes = {"label": len(EVERY_LABEL), "copying": 2}
    for i in range(n):
        name = list(features)[i % len(features)]
        weights = rng.normal(size=sizes.get(name, 1)) * (0.0 if name == "random" else 4.0)
        found.append((name, Surfaced(features[name], weights, i)))
    return found
