"""The same decision in several texts: six encodings, and every cyclic order of the menu.

What a text looks like is drawn independently of the game: the order of the menu, the labels of its
options, their kind and their order. A player that prefers a place or a label prefers nothing on
average over the cyclic orders, as each option then has had each place and each label once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sandbox_envs.errors import UserError, suggest
from sandbox_envs.eval.zero_shot.rules import HOLDINGS, MOST, Basket, Game, Option

ENCODINGS = ("prose", "table", "terse", "story", "renamed")
CODES = ("terse", "renamed codes")  # short texts, and the same with other nouns
EVERY = (*ENCODINGS, CODES[1])
LABELS = (tuple("ABCDEFG"), tuple("1234567"), ("ka", "lo", "mi", "nu", "pe", "ra", "su"))
SURFACE = 20_000  # seed of what texts look like
SCORINGS = ("label", "text")


@dataclass(frozen=True)
class Situation:
    """A decision in a game."""

    game: Game
    """the game"""
    state: int
    """the number of its state"""
    left: int
    """decisions, with this one"""
    last: int | None
    """the option that was taken before; None for the first decision"""
    number: int
    """different for different situations; what texts look like is drawn from it"""

    @property
    def held(self) -> tuple[int, ...]:
        """The number of things held of each kind."""
        return tuple(int(x) for x in HOLDINGS[self.state])

    def after(self, option: int, number: int) -> "Situation":
        """The next decision, if an option is taken."""
        state = int(self.game.after[option, self.state])
        return Situation(self.game, state, self.left - 1, option, number)


@dataclass(frozen=True)
class Surface:
    """The menu's order and labels in one text of a situation."""

    order: tuple[int, ...]
    """options, as the menu lists them"""
    labels: tuple[str, ...]
    """of the places of the menu"""

    def turned(self, by: int) -> "Surface":
        """The options moved on by some places; the labels stay where they are."""
        return Surface(self.order[by:] + self.order[:by], self.labels)


@dataclass(frozen=True)
class Text:
    """A text, and the answers that it may be given."""

    rules: str
    """what comes before the menu"""
    menu: str
    """the menu, and the beginning of the answer"""
    answers: tuple[str, ...]
    """one for each option, in the menu's order"""
    options: tuple[int, ...]
    """which option each answer stands for"""
    by_label: bool
    """whether answers are labels, and not texts"""

    @property
    def prompt(self) -> str:
        """The whole text before the answer."""
        return self.rules + self.menu

    @cached_property
    def neutral(self) -> str:
        """The same without the rules of the game."""
        return f"This is a game.\n{self.menu}"


@dataclass(frozen=True)
class Question(Text):
    """A text of a rule game."""

    situation: Situation
    """what is asked about; players of texts do not look at it"""
    key: tuple[int, int]
    """(encoding, repeat), which seeds a player's noise; the same for all orders of the menu"""


def surface(
    situation: Situation, encoding: str, repeat: int = 0, among: Sequence[int] = ()
) -> Surface:
    """Draw the order and labels of a menu, before it is turned; other repeats draw others.

    Baskets are in any order, too, but labelled A, B, C, ... from the first to the last.

    among: only these options are on the menu; none for all.
    """
    rng = np.random.default_rng((SURFACE, situation.number, EVERY.index(encoding), repeat))
    every = range(len(situation.game.options))
    labels = LABELS[rng.integers(len(LABELS))][: len(every)]
    order = tuple(int(x) for x in rng.permutation(every) if not among or x in among)
    if situation.game.has_baskets:
        return Surface(order, LABELS[0][: len(order)])
    return Surface(order, tuple(str(x) for x in rng.permutation(labels[: len(order)])))


def question(
    situation: Situation, encoding: str, scoring: str, shown: Surface, aim: bool, repeat: int = 0
) -> Question:
    """One text of a situation."""
    game = situation.game
    nouns = game.other_nouns if encoding.startswith("renamed") else game.nouns
    tell = TELLERS[encoding]
    texts = [tell.option(game.options[i], nouns) for i in shown.order]
    by_label = scoring == "label"
    last = None
    if situation.last is not None:
        last = tell.option(game.options[situation.last], nouns)
    return Question(
        rules=tell.rules(situation, nouns, last, aim),
        menu=tell.menu(shown, texts, by_label),
        answers=tuple(shown.labels if by_label else texts),
        options=shown.order,
        by_label=by_label,
        situation=situation,
        key=(EVERY.index(encoding), repeat),
    )


def check_encodings(names: Sequence[str], least: int) -> None:
    """Raise UserError unless these are encodings, each once and at least so many."""
    for name in names:
        if name not in EVERY:
            raise UserError(f"--encodings {name}: {suggest(name, EVERY)}")
    if len(set(names)) < max(least, len(names)):
        raise UserError(f"--encodings {' '.join(names)}: name {least} or more, each once")


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _sides(option: Option, nouns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Texts of what an option takes and what it gives; baskets include kinds with a count of 0."""
    if isinstance(option, Basket):
        return [], _counted(option.given, nouns)
    if not option.taken:
        return [], []
    return [f"{option.taken} {nouns[option.source]}"], [f"{option.given} {nouns[option.target]}"]


def _counted(numbers: Sequence[int], nouns: Sequence[str]) -> list[str]:
    """Each number with its noun, as in "2 zorp"."""
    return [f"{n} {noun}" for n, noun in zip(numbers, nouns, strict=False)]


class Prose:
    """Plain sentences."""

    ask, bullet = "Choose one:", "-"
    end = ("I choose to", "Answer:")  # before a text, before a label

    def option(self, option: Option, nouns: Sequence[str]) -> str:
        """Describe what an option does."""
        taken, given = _sides(option, nouns)
        if taken:
            return f"exchange {_listed(taken)} for {_listed(given)}"
        return f"take {_listed(given)}" if given else "wait"

    def line(self, mark: str, text: str) -> str:
        """A line of the menu."""
        return f"{mark} {text}" if mark == self.bullet else f"{mark}: {text}"

    def menu(self, shown: Surface, texts: Sequence[str], by_label: bool) -> str:
        """The menu of options with these texts, in its order, and the beginning of the answer."""
        marks = shown.labels if by_label else [self.bullet] * len(texts)
        lines = [self.line(mark, text) for mark, text in zip(marks, texts, strict=True)]
        return "\n".join([self.ask, *lines, self.end[by_label]])

    def rules(self, at: Situation, nouns: Sequence[str], last: str | None, aim: bool) -> str:
        """The text before the menu: things held, pay-offs, choices left, last choice and aim."""
        held = _listed(_counted(at.held[: at.game.kinds], nouns))
        pays = _listed([f"one {noun} {p}" for p, noun in _paid(at.game, nouns)])
        before = "" if last is None else f" Last you chose to {last}."
        wanted = " Get as many points as you can." if aim else ""
        most = f" You can hold at most {MOST} of each."
        nothing = " An exchange that you hold too little for, or too much, does nothing."
        most, nothing = ("", "") if at.game.has_baskets else (most, nothing)
        return (
            f"You hold {held}.{most} In the end you get points: {pays}. "
            f"You choose {at.left} more times.{nothing}{before}{wanted}\n"
        )


class Table(Prose):
    """Rows and columns."""

    ask, bullet = "choice | give | get", "-"
    end = ("choice |", "Answer:")

    def option(self, option: Option, nouns: Sequence[str]) -> str:
        """Describe what an option does."""
        return " | ".join(" ".join(side) or "nothing" for side in _sides(option, nouns))

    def line(self, mark: str, text: str) -> str:
        """A line of the menu."""
        return f"{mark} | {text}"

    def rules(self, at: Situation, nouns: Sequence[str], last: str | None, aim: bool) -> str:
        """The text before the menu: things held, pay-offs, choices left, last choice and aim."""
        rows = [
            f"{noun} | {n} | {p}"
            for n, (p, noun) in zip(at.held, _paid(at.game, nouns), strict=False)
        ]
        more = [f"most of each | {MOST}", "too little or too much | nothing happens"]
        more = [*([] if at.game.has_baskets else more), f"choices left | {at.left}"]
        more += [] if last is None else [f"last choice | {last}"]
        more += ["aim | most points"] if aim else []
        return "\n".join(["thing | held | points at the end", *rows, "", *more, "", ""])


class Terse(Prose):
    """Codes."""

    ask, bullet = "do", "-"
    end = ("=", "=")

    def option(self, option: Option, nouns: Sequence[str]) -> str:
        """Describe what an option does."""
        return " > ".join(" ".join(side) or "0" for side in _sides(option, nouns))

    def line(self, mark: str, text: str) -> str:
        """A line of the menu."""
        return f"{mark} {text}"

    def rules(self, at: Situation, nouns: Sequence[str], last: str | None, aim: bool) -> str:
        """The text before the menu: things held, pay-offs, choices left, last choice and aim."""
        held = " ".join(_counted(at.held[: at.game.kinds], nouns))
        pays = " ".join(f"{p} {noun}" for p, noun in _paid(at.game, nouns))
        most = "" if at.game.has_baskets else f"cap {MOST} else nil\n"
        before = "" if last is None else f"last {last}\n"
        wanted = "max pay\n" if aim else ""
        return f"have {held}\n{most}pay {pays}\nleft {at.left}\n{before}{wanted}"


class Story(Prose):
    """In the first person."""

    ask, bullet = "Today I meet these traders:", "Trader -"
    end = ("I go to the one who", "I go to trader")

    def option(self, option: Option, nouns: Sequence[str]) -> str:
        """Describe what an option does."""
        taken, given = _sides(option, nouns)
        if taken:
            return f"takes {_listed(taken)} and gives me {_listed(given)}"
        return f"gives me {_listed(given)}" if given else "only greets me"

    def line(self, mark: str, text: str) -> str:
        """A line of the menu."""
        return f"{mark} {text}." if mark == self.bullet else f"Trader {mark} {text}."

    def rules(self, at: Situation, nouns: Sequence[str], last: str | None, aim: bool) -> str:
        """The text before the menu: things held, pay-offs, choices left, last choice and aim."""
        held = _listed(_counted(at.held[: at.game.kinds], nouns))
        pays = _listed([f"{p} for a {noun}" for p, noun in _paid(at.game, nouns)])
        before = "" if last is None else f" Yesterday I met one who {last}."
        wanted = " I try to earn as many points as possible." if aim else ""
        room = f" in a cart that has room for {MOST} of each"
        nothing = " A trader whose price I cannot pay, or whose goods do not fit, gives me nothing."
        room, nothing = (" in a cart", "") if at.game.has_baskets else (room, nothing)
        return (
            f"I travel with {held}{room}. My journey takes {at.left} more days, and at its end I "
            f"am paid points: {pays}.{nothing}{before}{wanted}\n"
        )


def _paid(game: Game, nouns: Sequence[str]) -> list[tuple[int, str]]:
    """The pay-off and noun of each kind that the player is told of."""
    return list(zip(game.pay[: game.kinds], nouns, strict=False))


TELLERS: dict[str, Prose] = {
    "prose": Prose(),
    "table": Table(),
    "terse": Terse(),
    "story": Story(),
    "renamed": Prose(),
    "renamed codes": Terse(),
}
