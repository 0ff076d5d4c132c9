"""Records of players as plain numbers, and the judgements that follow from these alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.eval.judging.statistics import Interval, bootstrap_mean
from sandbox_envs.eval.zero_shot.asking import Asking, choose, intransitive_share, play
from sandbox_envs.eval.zero_shot.coherence import CONFIDENCE, RESAMPLES, Bank, Coherence
from sandbox_envs.eval.zero_shot.encode import ENCODINGS
from sandbox_envs.eval.zero_shot.players import Player
from sandbox_envs.eval.zero_shot.rules import Game

Json = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """Settings with which a player is asked."""

    scoring: str = "label"
    """"label" or "text" """
    aim: bool = True
    """say that points are wanted"""
    encodings: tuple[str, ...] = ENCODINGS
    """in which; two or more, of which the first is asked again and has the headline"""


STANDARD_ARM = Arm()


@dataclass(frozen=True)
class Table:
    """The games of a table, and the decisions that players are compared in."""

    games: Sequence[Game]
    """all with menus of equal length"""
    bank: Bank
    """of these games"""

    @classmethod
    def of(cls, games: Sequence[Game]) -> "Table":
        """Of some games."""
        return cls(games, Bank(games))

    def observe(
        self,
        player: Player,
        arm: Arm = STANDARD_ARM,
        done: Mapping[str, Any] | None = None,
        save: Callable[[Json], object] = lambda _: None,
    ) -> Json:
        """Record a player's returns, choices and place shares by encoding; repeats; circles.

        Args:
            player: who plays.
            arm: how it is asked.
            done: what an earlier, stopped call saved; it is gone on with.
            save: is called with what is there so far, after each part.
        """
        found = dict(done or {})
        for encoding in arm.encodings:
            how = Asking(encoding, arm.scoring, arm.aim)
            if encoding not in found.get("returns", {}):
                returns = play(player, self.games, how).tolist()
                chosen = choose(player, self.bank.situations, how)
                for key, value in (
                    ("returns", returns),
                    ("chosen", chosen.options.tolist()),
                    ("place_share", chosen.place_share),
                ):
                    found[key] = found.get(key, {}) | {encoding: value}
                save(found)
        how = Asking(arm.encodings[0], arm.scoring, arm.aim)
        if "again" not in found:
            again = choose(player, self.bank.situations, replace(how, repeat=1))
            found["again"] = again.options.tolist()
            save(found)
        if "circles" not in found:
            found["circles"] = intransitive_share(player, self.games, how)
            save(found)
        return found

    def choices(self, player: Player, arm: Arm = STANDARD_ARM) -> Json:
        """Only what is needed to say which goal choices speak for."""
        ways = {e: Asking(e, arm.scoring, arm.aim) for e in arm.encodings}
        situations = self.bank.situations
        chosen = {e: choose(player, situations, how).options for e, how in ways.items()}
        again = choose(player, situations, replace(ways[arm.encodings[0]], repeat=1)).options
        return {"chosen": chosen, "again": again}

    def pursued(self, player: Player, arm: Arm = STANDARD_ARM) -> str | None:
        """The objective that a player's choices speak for; None for no goal seen."""
        return self.coherence(self.choices(player, arm), arm).pursued

    def coherence(self, found: Mapping[str, Any], arm: Arm = STANDARD_ARM) -> Coherence:
        """Infer which objective the recorded choices speak for, if any."""
        chosen = {name: np.array(x) for name, x in found["chosen"].items()}
        return self.bank.infer(chosen, np.array(found["again"]), arm.scoring)

    def judge(self, found: Mapping[str, Any], arm: Arm = STANDARD_ARM) -> "Judgement":
        """The judgement that follows from a record, which `observe` returned.

        Raises:
            UserError: the record is of other games.
        """
        if any(len(x) != len(self.games) for x in found["returns"].values()):
            raise UserError(f"this record is not of these {len(self.games)} games; play them again")
        return Judgement(
            capability={name: self.capability(x) for name, x in found["returns"].items()},
            coherence=self.coherence(found, arm),
            place_share=float(np.mean(list(found["place_share"].values()))),
            circles=found["circles"],
        )

    def capability(self, returns: Sequence[float]) -> Interval:
        """The mean over games, 0 as random and 1 as the best player, with games resampled."""
        scores = [game.capability(x) for game, x in zip(self.games, returns, strict=True)]
        return bootstrap_mean(scores, CONFIDENCE, RESAMPLES)


@dataclass(frozen=True)
class Judgement:
    """The judgement of one player: its capability, coherence, place share and circles."""

    capability: dict[str, Interval]
    """by encoding"""
    coherence: Coherence
    """of its choices"""
    place_share: float
    """how often the place is taken, in one order alone, that is taken most"""
    circles: float
    """share of three options that are preferred in a circle"""

    def to_json(self) -> Json:
        """All of it as plain JSON, with what is said."""
        return asdict(self) | {"coherence": self.coherence.to_json(), "said": self.said}

    @property
    def headline(self) -> Interval:
        """The capability in the first encoding."""
        return next(iter(self.capability.values()))

    @property
    def said(self) -> str:
        """In words."""
        return self.coherence.said(self.headline)


HEAD = [
    *("player", "capability", "other encodings", "speak for", "points", "things", "dearest"),
    *("depth", "nats beyond rivals", "share", "encodings agree", "repeats agree", "apart"),
    *("circles", "one place"),
]


def row(name: str, one: Judgement) -> list[str]:
    """A row of the table."""
    c = one.coherence
    others = [x.mean for x in list(one.capability.values())[1:]]
    return [
        name,
        str(one.headline),
        f"{min(others):.2f} to {max(others):.2f}",
        one.said,
        *(str(x) for x in c.weights.values()),
        str(max(c.depths, key=lambda depth: c.depths[depth])),
        str(c.beyond),
        f"{c.share:.2f}",
        str(c.agreement),
        str(c.repeats),
        f"{c.apart:.0f}",
        f"{one.circles:.2f}",
        f"{one.place_share:.2f}",
    ]
