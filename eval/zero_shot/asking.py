"""A player's choices, by mean log-probability over all cyclic orders of the menu, never one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import TypeVar

import numpy as np
from scipy.special import log_softmax

from sandbox_envs.eval.zero_shot.encode import Question, Situation, Text, question, surface
from sandbox_envs.eval.zero_shot.players import Player
from sandbox_envs.eval.zero_shot.rules import HOLDINGS, Game

TIES = 30_000  # seed of what is taken of equal options
LATER = 40_000  # seed of the options before a later decision
AT_A_TIME = 500  # situations that a player is asked about together


@dataclass(frozen=True)
class Asking:
    """Settings of the questions about situations."""

    encoding: str = "prose"
    """a name among `encode.EVERY`"""
    scoring: str = "label"
    """"label", or "text": of an answer's text, minus what it has without the rules"""
    aim: bool = True
    """say that points are wanted"""
    repeat: int = 0
    """other numbers draw the menu's order and the labels anew"""

    def questions(self, situation: Situation, among: Sequence[int] = ()) -> list[Question]:
        """All cyclic orders of a menu; among: only these options are on it, none for all."""
        shown = surface(situation, self.encoding, self.repeat, among)
        turned = [shown.turned(by) for by in range(len(shown.order))]
        return [
            question(situation, self.encoding, self.scoring, one, self.aim, self.repeat)
            for one in turned
        ]


@dataclass(frozen=True)
class Choices:
    """Options chosen in some situations, and places preferred in each order of the menu."""

    options: np.ndarray
    """(situations,) int, by the mean over orders"""
    places: np.ndarray
    """(situations, orders) int, the place that has the largest score in each order alone"""

    @property
    def place_share(self) -> float:
        """Share of choices on the most chosen menu position; 1 / orders without any preference."""
        counts = np.bincount(self.places.ravel(), minlength=self.places.shape[1])
        return float(counts.max() / counts.sum())


def choose(
    player: Player,
    situations: Sequence[Situation],
    how: Asking,
    among: Sequence[Sequence[int]] | None = None,
) -> Choices:
    """A player's choices; ties between options are broken at random, by a separate generator.

    among: of each situation, the options that are on its menu, as many for all; None for all.
    """
    menus = among or [()] * len(situations)
    chosen, places = [], []
    for begin in range(0, len(situations), AT_A_TIME):
        some = slice(begin, begin + AT_A_TIME)
        asked = [how.questions(*one) for one in zip(situations[some], menus[some], strict=True)]
        found = choose_each(player, asked, [(x[0].situation.number, *x[0].key) for x in asked])
        chosen.append(found.options)
        places.append(found.places)
    return Choices(np.concatenate(chosen), np.concatenate(places))


T = TypeVar("T", bound=Text)


def choose_each(
    player: Callable[[Sequence[T]], list[np.ndarray]],
    asked: Sequence[Sequence[T]],
    keys: Sequence[tuple[int, ...]],
) -> Choices:
    """A player's choices from some menus, each in all cyclic orders.

    keys: of each menu, by which it is drawn what is taken of equal options.
    """
    given = iter(player([question for every in asked for question in every]))
    chosen, places = [], []
    for every, key in zip(asked, keys, strict=True):
        scores = list(islice(given, len(every)))
        chosen.append(_chosen(every, scores, key))
        places.append([int(np.argmax(score)) for score in scores])
    return Choices(np.array(chosen), np.array(places))


def _chosen(asked: Sequence[Text], scores: Sequence[np.ndarray], key: tuple[int, ...]) -> int:
    """The option with the largest mean over orders."""
    options = np.array([one.options for one in asked])
    by_option = np.take_along_axis(log_softmax(np.stack(scores), axis=1), options.argsort(1), 1)
    mean, names = by_option.mean(0), sorted(asked[0].options)
    equal = [name for name, value in zip(names, mean, strict=True) if mean.max() - value < 1e-6]
    if len(equal) == 1:
        return equal[0]
    return int(np.random.default_rng((TIES, *key, *names)).choice(equal))


def play(player: Player, games: Sequence[Game], how: Asking) -> np.ndarray:
    """(games,) what a player is paid."""
    at = [start(game, number) for number, game in enumerate(games)]
    while on := [i for i, one in enumerate(at) if one.left > 0]:
        taken = choose(player, [at[i] for i in on], how).options
        for i, option in zip(on, taken, strict=True):
            at[i] = at[i].after(int(option), at[i].number + 1)
    return np.array([HOLDINGS[one.state] @ np.array(one.game.pay) for one in at], float)


def intransitive_share(player: Player, games: Sequence[Game], how: Asking) -> float:
    """The share of triples of options with intransitive pairwise preferences; chance: 1/4.

    Every two options of the first menu of each game are asked as a menu of their own.
    """
    situations = [start(game, number) for number, game in enumerate(games)]
    pairs = [(one, pair) for one in situations for pair in combinations(_different(one), 2)]
    taken = choose(player, [one for one, _ in pairs], how, [pair for _, pair in pairs]).options
    better = {(one.number, pair): int(i) for (one, pair), i in zip(pairs, taken, strict=True)}
    circles = [
        len({better[one.number, pair] for pair in combinations(three, 2)}) == len(three)
        for one in situations
        for three in combinations(_different(one), 3)
    ]
    return float(np.mean(circles))


def _different(one: Situation) -> tuple[int, ...]:
    """Options that lead to different states, the first of those that lead to the same."""
    after = one.game.after[:, one.state].tolist()
    return tuple(i for i, state in enumerate(after) if after.index(state) == i)


def start(game: Game, number: int) -> Situation:
    """The first decision of a game, which has a number among the games that are played."""
    return Situation(game, game.start, game.decisions, None, 100 * number)


def later(game: Game, number: int) -> Situation:
    """A later decision of it, after some options that are drawn at random."""
    rng = np.random.default_rng((LATER, number))
    one = start(game, number)
    for _ in range(int(rng.integers(1, game.decisions))):
        one = one.after(int(rng.integers(len(game.options))), 100 * number + 99)
    return one


def compared(games: Sequence[Game]) -> list[Situation]:
    """Two decisions of each game, one after the other, in which players are compared."""
    return [one for i, game in enumerate(games) for one in (start(game, i), later(game, i))]
