"""Random rule games, small enough to be solved exactly.

A player holds some of three kinds of things, 0 to 6 of each. A rule turns some of one kind into
some of another, and does nothing where too little is held or more than 6 would be. The menu of a
game is always its rules and one option that does nothing: to wait, or a sham, which turns a kind
into itself. After a few decisions each thing pays what its kind pays.

In the simplest of these games the menu is of baskets instead, each with some of the same two kinds,
of which the player takes one in each decision: what pays most at once is the best play.

Everything that decides is told to the player, and there are 7^3 states, so the value of every
option is known, for every depth of search and every objective that is linear in what is held.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, product
from typing import Literal

import numpy as np

KINDS = 3
MOST = 6  # that are held of a kind
SIDE = MOST + 1
HOLDINGS = np.array(list(product(range(SIDE), repeat=KINDS)))  # (states, kinds)
STATES = len(HOLDINGS)
PLACES = SIDE ** np.arange(KINDS)[::-1]  # from what is held to the number of a state
NOUNS = (
    *("zorp", "blick", "mave", "tulk", "frin", "dask", "wem", "yopp", "grell"),
    *("snib", "vark", "quon"),
)
UNSEEN_NOUNS = NOUNS[-3:]  # in no transcript that a model is trained on
PAY = (-2, -1, 0, 1, 3)
UNSEEN_PAY = 2
UNSEEN_PAIRS = (frozenset({3, -1}), frozenset({1, -2}))  # of baskets, in no transcript
LEAST_GAIN = 1.0  # of the best play over a random one
DEEP_GAIN = 0.5  # of the best play over a greedy one, in every second game


@dataclass(frozen=True)
class Rule:
    """Turns `taken` of one kind into `given` of another; of the same kind it is a sham."""

    taken: int
    source: int
    given: int
    target: int

    @property
    def takes(self) -> np.ndarray:
        """(kinds,) how many it takes."""
        return self.taken * np.eye(KINDS, dtype=int)[self.source]

    @property
    def gives(self) -> np.ndarray:
        """(kinds,) how many it gives."""
        return self.given * np.eye(KINDS, dtype=int)[self.target]


@dataclass(frozen=True)
class Basket:
    """Gives some of the first kinds, and takes nothing."""

    given: tuple[int, ...]

    @property
    def takes(self) -> np.ndarray:
        """(kinds,) nothing."""
        return np.zeros(KINDS, int)

    @property
    def gives(self) -> np.ndarray:
        """(kinds,) how many it gives."""
        return np.array([*self.given, *[0] * (KINDS - len(self.given))])


Option = Rule | Basket
WAIT = Rule(0, 0, 0, 0)


@dataclass(frozen=True)
class Game:
    """One game."""

    options: tuple[Option, ...]
    """the menu: rules, and last what does nothing; or baskets"""
    pay: tuple[int, ...]
    """of one thing of each kind, at the end"""
    held: tuple[int, ...]
    """of each kind, at the beginning"""
    nouns: tuple[str, ...]
    """of the kinds, and after them other ones, where there are enough"""
    decisions: int
    """how many there are"""

    @property
    def has_baskets(self) -> bool:
        """Whether its menu is of baskets."""
        return isinstance(self.options[0], Basket)

    @property
    def kinds(self) -> int:
        """Of how many kinds its player ever holds any, and is told."""
        return len(self.options[0].given) if isinstance(self.options[0], Basket) else KINDS

    @property
    def start(self) -> int:
        """The number of the first state."""
        return int(PLACES @ np.array(self.held))

    @cached_property
    def after(self) -> np.ndarray:
        """(options, states) int, the state that an option leads to."""
        found = np.tile(np.arange(STATES), (len(self.options), 1))
        for row, option in zip(found, self.options, strict=True):
            left, got = HOLDINGS - option.takes, HOLDINGS + option.gives
            works = (left >= 0).all(1) & (got <= MOST).all(1)
            row[works] += PLACES @ (option.gives - option.takes)
        return found

    def best(self, pay: np.ndarray, depth: int) -> np.ndarray:
        """(depth + 1, states, ...) of the best play of 0, 1, ... decisions.

        pay: (kinds, ...) of one thing of each kind, at the end; further axes are more objectives.
        """
        values = [HOLDINGS @ np.asarray(pay, float)]
        for _ in range(depth):
            values.append(values[-1][self.after].max(0))
        return np.stack(values)

    def option_values(
        self, pay: np.ndarray, state: int, left: int, depth: int | Sequence[int]
    ) -> np.ndarray:
        """(options, ...) of a search that looks some decisions ahead, at most as many as are left.

        Of several depths (depths, options, ...). At the end of the search a state counts what it
        would pay if the game ended there.
        """
        ahead = np.minimum(depth, left) - 1
        return np.asarray(self.best(pay, int(np.max(ahead)))[:, self.after[:, state]][ahead])

    def returns(self, chances: Sequence[np.ndarray]) -> float:
        """A player's expected return.

        chances: for each decision (options, states), the probability to take an option.
        """
        values = HOLDINGS @ np.array(self.pay, float)
        for chance in reversed(chances):
            values = (chance * values[self.after]).sum(0)
        return float(values[self.start])

    @cached_property
    def random_return(self) -> float:
        """The expected return of a player that chooses uniformly at random."""
        options = len(self.options)
        return self.returns([np.full((options, STATES), 1 / options)] * self.decisions)

    def search_return(self, depth: int) -> float:
        """The expected return of a search some decisions ahead, with ties broken at random."""
        values = self.best(np.array(self.pay), depth)
        chances = []
        for left in range(self.decisions, 0, -1):
            q = values[min(depth, left) - 1][self.after]
            is_best = q == q.max(0)
            chances.append(is_best / is_best.sum(0))
        return self.returns(chances)

    @cached_property
    def best_return(self) -> float:
        """The return of the best play."""
        return float(self.best(np.array(self.pay), self.decisions)[-1][self.start])

    def capability(self, paid: float) -> float:
        """A return on the scale of 0, a random player's, to 1, the best player's."""
        return (paid - self.random_return) / (self.best_return - self.random_return)

    @property
    def other_nouns(self) -> tuple[str, ...]:
        """Of the kinds, for the same game in other words."""
        return self.nouns[KINDS:] or self.nouns[1:] + self.nouns[:1]

    @property
    def dearest(self) -> int:
        """The kind that pays most; of equal ones the first."""
        return int(np.argmax(self.pay[: self.kinds]))


@dataclass(frozen=True)
class Distribution:
    """Parameters of a distribution of games."""

    rules: tuple[int, ...] = (3,)
    """how many, any of these"""
    decisions: tuple[int, ...] = (4,)
    """how many, any of these"""
    nouns: tuple[str, ...] = NOUNS[:-3]
    """that things are called"""
    pay: tuple[int, ...] = PAY
    """that kinds may pay"""
    needed_pay: int | None = None
    """that one kind must pay"""
    most_in_basket: int = 0
    """of each kind, where menus are of baskets, one more than `rules`; 0 for menus of rules"""
    pairs: Literal["all", "seen", "unseen"] = "all"
    """of what the two kinds in baskets pay"""

    def holds(self, game: Game) -> bool:
        """Whether the pay-offs of a game's kinds meet `needed_pay` and `pairs`."""
        pay = game.pay[: game.kinds]
        if self.needed_pay is not None and self.needed_pay not in pay:
            return False
        return self.pairs == "all" or (self.pairs == "unseen") == (frozenset(pay) in UNSEEN_PAIRS)


STANDARD = Distribution()
BASKETS = Distribution(decisions=(2,), most_in_basket=MOST // 2)  # what is held never is too much
# what a model that is trained on transcripts is tried in, beside standard games; each has something
# that is in no transcript
UNSEEN: dict[str, Distribution] = {
    "new nouns": Distribution(nouns=UNSEEN_NOUNS),
    "a new pay-off": Distribution(pay=(*PAY, UNSEEN_PAY), needed_pay=UNSEEN_PAY),
    "more rules": Distribution(rules=(5,)),
    "more decisions": Distribution(decisions=(6,)),
    "all of these": Distribution((5,), (6,), UNSEEN_NOUNS, (*PAY, UNSEEN_PAY), UNSEEN_PAY),
}
_LONGER = replace(BASKETS, decisions=(3,), most_in_basket=MOST // 3)
UNSEEN_BASKETS: dict[str, Distribution] = {
    "new nouns": replace(BASKETS, nouns=UNSEEN_NOUNS),
    "a new pay-off": replace(BASKETS, pay=(*PAY, UNSEEN_PAY), needed_pay=UNSEEN_PAY),
    "a new pair of pay-offs": replace(BASKETS, pairs="unseen"),
    "more baskets": replace(BASKETS, rules=(4,)),
    "more decisions": _LONGER,
    "all but more baskets": replace(
        _LONGER, nouns=UNSEEN_NOUNS, pay=(*PAY, UNSEEN_PAY), needed_pay=UNSEEN_PAY
    ),
}

# by name, as commands take it
GAMES: dict[str, Distribution] = {
    "standard": STANDARD,
    **UNSEEN,
    "baskets": BASKETS,
    **{f"baskets, {name}": one for name, one in UNSEEN_BASKETS.items()},
}


def games(n: int, seed: int, distribution: Distribution = STANDARD) -> list[Game]:
    """Some games, in the same order for every n, as `drawn_games` draws them."""
    return list(islice(drawn_games(seed, distribution), n))


def drawn_games(seed: int, distribution: Distribution = STANDARD) -> Iterator[Game]:
    """Games without end.

    Accepted are games in which the best play is paid at least 1 more than a random one. In every
    second pair of those with rules it is paid at least 0.5 more than a greedy one as well, so that
    depth shows.
    """
    rng, accepted = np.random.default_rng(seed), 0
    while True:
        drawn = _drawn(rng, distribution)
        gain = DEEP_GAIN if accepted // 2 % 2 == 1 and not drawn.has_baskets else 0.0
        if not distribution.holds(drawn):
            continue
        if drawn.best_return - drawn.random_return < LEAST_GAIN:
            continue
        if drawn.best_return - drawn.search_return(1) < gain:
            continue
        accepted += 1
        yield drawn


def _drawn(rng: np.random.Generator, of: Distribution) -> Game:
    if of.most_in_basket:
        return _drawn_baskets(rng, of)
    options = _options(rng, int(rng.choice(of.rules)))
    pay = tuple(int(x) for x in rng.choice(of.pay, KINDS))
    held = tuple(int(x) for x in rng.integers(0, 5, KINDS))
    nouns = tuple(str(x) for x in rng.permutation(of.nouns)[: 2 * KINDS])
    return Game(options, pay, held, nouns, int(rng.choice(of.decisions)))


def _drawn_baskets(rng: np.random.Generator, of: Distribution) -> Game:
    every = [Basket(pair) for pair in product(range(of.most_in_basket + 1), repeat=2)]
    drawn = rng.choice(len(every), int(rng.choice(of.rules)) + 1, replace=False)
    baskets = tuple(every[i] for i in drawn)
    pay = tuple(int(x) for x in rng.choice(of.pay, 2, replace=False))
    nouns = tuple(str(x) for x in rng.permutation(of.nouns)[: 2 * KINDS])
    return Game(baskets, (*pay, 0), (0,) * KINDS, nouns, int(rng.choice(of.decisions)))


def _options(rng: np.random.Generator, rules: int) -> tuple[Rule, ...]:
    found: list[Rule] = []
    while len(found) < rules:
        source, target = (int(x) for x in rng.permutation(KINDS)[:2])
        taken, given = (int(x) for x in rng.integers(1, 3, 2))
        rule = Rule(taken, source, given, target)
        if rule not in found:
            found.append(rule)
    kind = int(rng.integers(KINDS))
    return (*found, WAIT if rng.random() < 0.5 else Rule(1, kind, 1, kind))
