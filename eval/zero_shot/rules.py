"""Random rule games, small enough to be solved exactly.

A player holds some of three kinds of things, 0 to 6 of each. A rule turns some of one kind into
some of another, and does nothing where too little is held or more than 6 would be. The menu of a
game is always its rules and one option that does nothing: to wait, or a sham, which turns a kind
into itself. After a few decisions each thing pays what its kind pays.

Everything that decides is told to the player, and there are 7^3 states, so the value of every
option is known, for every depth of search and every objective that is linear in what is held.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product

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
    def is_sham(self) -> bool:
        """Whether it never changes anything."""
        return self.source == self.target


WAIT = Rule(0, 0, 0, 0)


@dataclass(frozen=True)
class Game:
    """One game."""

    options: tuple[Rule, ...]
    """the menu: rules, and last what does nothing"""
    pay: tuple[int, ...]
    """of one thing of each kind, at the end"""
    held: tuple[int, ...]
    """of each kind, at the beginning"""
    nouns: tuple[str, ...]
    """of the kinds, and after them other ones, where there are enough"""
    decisions: int
    """how many there are"""

    @property
    def start(self) -> int:
        """The number of the first state."""
        return int(PLACES @ np.array(self.held))

    @cached_property
    def after(self) -> np.ndarray:
        """(options, states) int, the state that an option leads to."""
        found = np.tile(np.arange(STATES), (len(self.options), 1))
        for row, rule in zip(found, self.options, strict=True):
            if rule.is_sham:
                continue
            left, got = HOLDINGS[:, rule.source] - rule.taken, HOLDINGS[:, rule.target] + rule.given
            works = (left >= 0) & (got <= MOST)
            shift = rule.given * PLACES[rule.target] - rule.taken * PLACES[rule.source]
            row[works] += shift
        return found

    def best(self, pay: np.ndarray, depth: int) -> np.ndarray:
        """(depth + 1, states, ...) of the best play of 0, 1, ... decisions.

        pay: (kinds, ...) of one thing of each kind, at the end; further axes are more objectives.
        """
        values = [HOLDINGS @ np.asarray(pay, float)]
        for _ in range(depth):
            values.append(values[-1][self.after].max(0))
        return np.stack(values)

    def option_values(self, pay: np.ndarray, state: int, left: int, depth: int) -> np.ndarray:
        """(options, ...) of a search that looks some decisions ahead, at most as many as are left.

        At the end of the search a state counts what it would pay if the game ended there.
        """
        ahead = min(depth, left) - 1
        return np.asarray(self.best(pay, ahead)[-1][self.after[:, state]])

    def returns(self, chances: Sequence[np.ndarray]) -> float:
        """What a player is paid on average.

        chances: for each decision (options, states), the probability to take an option.
        """
        values = HOLDINGS @ np.array(self.pay, float)
        for chance in reversed(chances):
            values = (chance * values[self.after]).sum(0)
        return float(values[self.start])

    @cached_property
    def random_return(self) -> float:
        """What a player is paid on average that takes any option."""
        options = len(self.options)
        return self.returns([np.full((options, STATES), 1 / options)] * self.decisions)

    def search_return(self, depth: int) -> float:
        """What a player is paid that looks some decisions ahead; of equal options it takes any."""
        values = self.best(np.array(self.pay), depth)
        chances = []
        for left in range(self.decisions, 0, -1):
            q = values[min(depth, left) - 1][self.after]
            is_best = q == q.max(0)
            chances.append(is_best / is_best.sum(0))
        return self.returns(chances)

    @cached_property
    def best_return(self) -> float:
        """What the best player is paid."""
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
        return int(np.argmax(self.pay))


@dataclass(frozen=True)
class Distribution:
    """Which games are drawn."""

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


STANDARD = Distribution()
# what a model that is trained on transcripts is tried in, beside standard games; each has something
# that is in no transcript
UNSEEN: dict[str, Distribution] = {
    "new nouns": Distribution(nouns=UNSEEN_NOUNS),
    "a new pay-off": Distribution(pay=(*PAY, UNSEEN_PAY), needed_pay=UNSEEN_PAY),
    "more rules": Distribution(rules=(5,)),
    "more decisions": Distribution(decisions=(6,)),
    "all of these": Distribution((5,), (6,), UNSEEN_NOUNS, (*PAY, UNSEEN_PAY), UNSEEN_PAY),
}


def games(n: int, seed: int, distribution: Distribution = STANDARD) -> list[Game]:
    """Some games, in the same order for every n, as `drawn_games` draws them."""
    return list(islice(drawn_games(seed, distribution), n))


def drawn_games(seed: int, distribution: Distribution = STANDARD) -> Iterator[Game]:
    """Games without end.

    Accepted are games in which the best play is paid at least 1 more than a random one. In every
    second pair of them it is paid at least 0.5 more than a greedy one as well, so that depth shows.
    """
    rng, accepted = np.random.default_rng(seed), 0
    while True:
        drawn = _drawn(rng, distribution)
        gain = DEEP_GAIN if accepted // 2 % 2 == 1 else 0.0
        if distribution.needed_pay is not None and distribution.needed_pay not in drawn.pay:
            continue
        if drawn.best_return - drawn.random_return < LEAST_GAIN:
            continue
        if drawn.best_return - drawn.search_return(1) < gain:
            continue
        accepted += 1
        yield drawn


def _drawn(rng: np.random.Generator, of: Distribution) -> Game:
    options = _options(rng, int(rng.choice(of.rules)))
    pay = tuple(int(x) for x in rng.choice(of.pay, KINDS))
    held = tuple(int(x) for x in rng.integers(0, 5, KINDS))
    nouns = tuple(str(x) for x in rng.permutation(of.nouns)[: 2 * KINDS])
    return Game(options, pay, held, nouns, int(rng.choice(of.decisions)))


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
