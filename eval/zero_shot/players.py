"""Players: anything that gives log-probabilities to the answers of a question.

Planted players know the game behind the text, so that what is made of their choices can be checked.
Those with a goal search; the others follow what the text looks like. Each draws its noise for a
situation, an encoding and a repeat, and not for an order of the menu, so that averaging over orders
does not average it away.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sandbox_envs.eval.zero_shot.encode import LABELS, Question, Situation
from sandbox_envs.eval.zero_shot.objectives import OBJECTIVES, SCALE, pay_of
from sandbox_envs.eval.zero_shot.rules import WAIT, Option

EVERY_LABEL = tuple(label for labels in LABELS for label in labels)


class Player(Protocol):
    """Gives log-probabilities, up to a constant, to the answers of each question."""

    def __call__(self, questions: Sequence[Question]) -> list[np.ndarray]:
        """(answers,) of each question, in the order of its answers."""


@dataclass(frozen=True)
class Searcher:
    """Boltzmann rational for a weighted sum of objectives, a number of decisions ahead."""

    weights: Mapping[str, float]
    """objective -> weight, in standard deviations of what options are worth"""
    depth: int = 4
    """decisions that it looks ahead"""
    rationality: float = 4.0
    """nats per standard deviation; infinite for the best option, and any of equal ones"""
    seed: int = 0
    """of its noise"""

    def __call__(self, questions: Sequence[Question]) -> list[np.ndarray]:
        """(answers,) of each question."""
        situations = {one.situation.number: one.situation for one in questions}
        known = {number: self._values(at) for number, at in situations.items()}
        noise = _noise(questions, self.seed)
        pairs = zip(questions, noise, strict=True)
        return [self._scores(one, known[one.situation.number], more) for one, more in pairs]

    def _values(self, at: Situation) -> np.ndarray:
        """(options,) in standard deviations."""
        vector = np.array([self.weights.get(name, 0.0) for name in OBJECTIVES]) / SCALE
        return at.game.option_values(pay_of(at.game) @ vector, at.state, at.left, self.depth)

    def _scores(self, one: Question, values: np.ndarray, noise: np.ndarray) -> np.ndarray:
        on_menu = values[list(one.options)]
        if np.isinf(self.rationality):
            return np.where(np.isclose(on_menu, on_menu.max()), 0.0, -1e3) + noise
        return np.asarray(self.rationality * on_menu + noise)


@dataclass(frozen=True)
class Surfaced:
    """Follows what the text looks like: logits of features of an answer, and noise."""

    feature: Callable[[Question], np.ndarray]
    """(answers,) or (answers, features) of a question"""
    weights: np.ndarray | float
    """nats per unit of each feature"""
    seed: int = 0
    """of its noise"""

    def __call__(self, questions: Sequence[Question]) -> list[np.ndarray]:
        """(answers,) of each question."""
        noise = _noise(questions, self.seed)
        return [self._scores(one, more) for one, more in zip(questions, noise, strict=True)]

    def _scores(self, one: Question, noise: np.ndarray) -> np.ndarray:
        features = np.asarray(self.feature(one), float).reshape(len(one.options), -1)
        return np.asarray((features * self.weights).sum(1) + noise)


def _noise(questions: Sequence[Question], seed: int) -> list[np.ndarray]:
    """(answers,) of each question, the same for an option in all orders of its menu.

    It is Gumbel noise, with which the largest score is a draw from the Boltzmann choice.
    """
    known: dict[tuple[int, ...], np.ndarray] = {}
    found = []
    for one in questions:
        key = (seed, one.situation.number, *one.key, *sorted(one.options))
        if key not in known:
            options = len(one.situation.game.options)
            known[key] = np.random.default_rng(key).gumbel(size=options)
        found.append(known[key][list(one.options)])
    return found


# --- what answers look like ------------------------------------------------------------------


def slots(one: Question) -> np.ndarray:
    """(answers, answers) which place each has."""
    return np.eye(len(one.options))


def first(one: Question) -> np.ndarray:
    """(answers,) whether it has the first place."""
    return slots(one)[:, 0]


def labels(one: Question) -> np.ndarray:
    """(answers, all labels) which label each has; nothing where answers are texts."""
    return np.array([[answer == label for label in EVERY_LABEL] for answer in one.answers], float)


def habit(one: Question) -> np.ndarray:
    """(answers,) whether it repeats what was done last."""
    return np.array([i == one.situation.last for i in one.options], float)


def copying(one: Question) -> np.ndarray:
    """(answers, 2) whether it names the kind that pays most, and whether it gives it."""
    dearest, options = one.situation.game.dearest, _options(one)
    named = [(x.takes + x.gives)[dearest] > 0 for x in options]
    return np.stack([named, [x.gives[dearest] > 0 for x in options]], 1).astype(float)


def numbers(one: Question) -> np.ndarray:
    """(answers,) the sum of the numbers that it shows, whatever they count."""
    return np.array([(x.takes + x.gives).sum() for x in _options(one)], float)


def lengths(one: Question) -> np.ndarray:
    """(answers,) whether it is the short one, to wait."""
    return np.array([x == WAIT for x in _options(one)], float)


def _options(one: Question) -> list[Option]:
    """The options that answers stand for."""
    return [one.situation.game.options[i] for i in one.options]
