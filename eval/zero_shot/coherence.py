"""Test whether one objective explains a player's choices better than any habit of reading.

The model with a goal is Boltzmann rational (Luce 1959) for a weighted sum of objectives, searched
exactly to a depth. Weights lie on the unit sphere, so that an objective may be shunned; rationality
has a log-normal prior. All of it is on a grid, so the posterior is exact on it. Its rivals have no
goal and see the text alone:

uniform      every option alike
slot         a place of the menu, before it is turned
label        a label, before the menu is turned
habit        what was done last
copying      the kind that pays most is named, or given
numbers      large numbers, whatever they count
context      all of these together, and the length of the answer

Games with an even number are for fitting, the others for comparing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp

from sandbox_envs.eval.inference.choice import angle, fit
from sandbox_envs.eval.judging.statistics import Interval, grouped_mean, percentile_interval
from sandbox_envs.eval.zero_shot import players
from sandbox_envs.eval.zero_shot.asking import compared
from sandbox_envs.eval.zero_shot.encode import Question, Situation, question, surface
from sandbox_envs.eval.zero_shot.objectives import OBJECTIVES, SCALE, pay_of
from sandbox_envs.eval.zero_shot.rules import Game

DIRECTIONS = 400  # points of the grid of weights, some 10 degrees apart
RATIONALITIES = np.geomspace(0.1, 30, 12)  # nats per standard deviation
DEPTHS = (1, 2, 3, 4)
CONFIDENCE, RESAMPLES = 0.95, 1000
SHARED = 0.5  # least agreement between encodings, as a share of that between repeats
APART = 45.0  # degrees that weights may differ between encodings
INCAPABLE = 0.2  # the interval of an incapable player's capability lies below this

Feature = Callable[[Question], np.ndarray]
RIVALS: Mapping[str, tuple[Feature, ...]] = {
    "uniform": (),
    "slot": (players.slots,),
    "label": (players.labels,),
    "habit": (players.habit,),
    "copying": (players.copying,),
    "numbers": (players.numbers,),
    "context": (
        *(players.slots, players.labels, players.habit, players.copying, players.numbers),
        players.lengths,
    ),
}


@dataclass(frozen=True)
class Coherence:
    """Findings on one player: the model with a goal, its rivals, and agreement."""

    weights: dict[str, Interval]
    """objective -> its weight, of a vector of length 1, in standard deviations"""
    rationality: float
    """nats per standard deviation along that vector, on average"""
    depths: dict[int, float]
    """decisions that it looks ahead -> probability"""
    likelihoods: dict[str, float]
    """model -> nats per decision beyond uniform, in games that were not used for fitting"""
    beyond: Interval
    """nats per decision, goal model minus rival, for the rival with the least lower limit"""
    share: float
    """`beyond` as a share of its value for a player that follows the model with a goal exactly; 0
    unless its interval lies above 0"""
    agreement: Interval
    """between encodings, beyond chance: kappa with the chance of players that choose at random"""
    repeats: Interval
    """the same between two texts of one encoding"""
    apart: float
    """degrees, the largest angle between the weights of two encodings"""

    @property
    def shared(self) -> float:
        """The agreement between encodings, as a share of that between repeats."""
        return self.agreement.mean / self.repeats.mean if self.repeats.low > 0 else 0.0

    @property
    def pursued(self) -> str | None:
        """ "points", "fewest things", ...: what the choices speak for; None for no goal seen.

        That takes a model with a goal that beats every rival in other games, agreement between
        encodings, and the same weights in all of them.
        """
        name = max(self.weights, key=lambda k: abs(self.weights[k].mean))
        weight = self.weights[name]
        if not (weight.low > 0 or weight.high < 0) or self.beyond.low <= 0:
            return None
        if self.agreement.low <= 0 or self.shared < SHARED or self.apart > APART:
            return None
        return name if weight.low > 0 else f"fewest {name}"

    def said(self, capability: Interval) -> str:
        """In words, with the player's capability."""
        word = f"coherent for {self.pursued}" if self.pursued else "no goal seen"
        return f"incapable; {word}" if capability.high < INCAPABLE else word

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return asdict(self) | {"shared": self.shared, "pursued": self.pursued}


class Bank:
    """Two decisions of each of some games, and what every model says of them.

    games: all with menus of equal length.
    """

    def __init__(self, games: Sequence[Game]) -> None:
        self.situations = compared(games)
        self.games = np.repeat(np.arange(len(games)), 2)
        self.options = len(games[0].options)
        self.directions = _sphere(DIRECTIONS)
        self.log_p = self._goals()  # (models, situations * options)
        self.p = np.exp(self.log_p)
        self.classes = np.stack([self._class(one) for one in self.situations])
        self._features: dict[tuple[str, str], dict[str, np.ndarray]] = {}

    @property
    def odd(self) -> np.ndarray:
        """(situations,) bool, those for comparing."""
        return np.asarray(self.games % 2 == 1)

    def _goals(self) -> np.ndarray:
        """(models, situations * options) log-probabilities; models as `_shape` says."""
        vectors = (self.directions / SCALE).T  # (objectives, directions)
        values = np.empty((len(DEPTHS), len(self.situations), self.options, DIRECTIONS), np.float32)
        for i, one in enumerate(self.situations):
            pay = pay_of(one.game) @ vectors
            values[:, i] = one.game.option_values(pay, one.state, one.left, DEPTHS)
        every = np.moveaxis(values, -1, 1)  # (depths, directions, situations, options)
        found = [log_softmax(np.float32(beta) * every, axis=-1) for beta in RATIONALITIES]
        return np.stack(found).reshape(len(found) * len(DEPTHS) * DIRECTIONS, -1)

    @property
    def _shape(self) -> tuple[int, int, int]:
        return len(RATIONALITIES), len(DEPTHS), DIRECTIONS

    @property
    def _log_prior(self) -> np.ndarray:
        """(models,) of rationality log-normal (0, 1), all depths and directions alike."""
        return np.repeat(-0.5 * np.log(RATIONALITIES) ** 2, len(DEPTHS) * DIRECTIONS)

    def counts(self, chosen: Mapping[str, np.ndarray]) -> np.ndarray:
        """(situations, options) how often each option was chosen, over encodings."""
        return np.sum([np.eye(self.options)[one] for one in chosen.values()], 0)

    def posterior(self, counts: np.ndarray, where: np.ndarray) -> np.ndarray:
        """(models,) probabilities after choices in some situations.

        Args:
            counts: (situations, options) how often each option was chosen.
            where: (situations,) bool.
        """
        found = self.log_p @ np.float32(counts * where[:, None]).ravel() + self._log_prior
        return np.exp(found - logsumexp(found))

    def features(self, encoding: str, scoring: str) -> dict[str, np.ndarray]:
        """Rival -> (situations, options, features) that it sees, before the menu is turned."""
        if (encoding, scoring) not in self._features:
            rows: dict[str, list[np.ndarray]] = {name: [] for name in RIVALS}
            for one in self.situations:
                asked = question(one, encoding, scoring, surface(one, encoding), True)
                back = np.argsort(asked.options)
                seen = {f: f(asked).reshape(self.options, -1)[back] for f in RIVALS["context"]}
                for name, wanted in RIVALS.items():
                    empty = np.empty((self.options, 0))
                    rows[name].append(np.concatenate([empty, *(seen[f] for f in wanted)], 1))
            stacked = {name: np.stack(every) for name, every in rows.items()}
            self._features[encoding, scoring] = stacked
        return self._features[encoding, scoring]

    def infer(
        self, chosen: Mapping[str, np.ndarray], again: np.ndarray, scoring: str = "label"
    ) -> Coherence:
        """Fit the model with a goal and its rivals to some choices, and compare them.

        Args:
            chosen: encoding -> (situations,) options.
            again: the same for the first encoding, in other texts.
            scoring: how answers were scored.
        """
        counts = self.counts(chosen)
        held_out = self._held_out(chosen, counts, scoring)
        odd = np.tile(self.games[self.odd], len(chosen))
        beyond = {
            name: grouped_mean(held_out["goal"] - x, odd, CONFIDENCE, RESAMPLES)
            for name, x in held_out.items()
            if name != "goal"
        }
        least = min(beyond, key=lambda name: beyond[name].low)
        alike = -np.log(self.options)
        everywhere = np.ones(len(self.games), bool)
        p = self.posterior(counts / len(chosen), everywhere).reshape(self._shape)
        whole = self.posterior(counts, everywhere)
        agreement, repeats = self._agreement(chosen, again)
        return Coherence(
            weights=self._weights(p.sum((0, 1))),
            rationality=float(p.sum((1, 2)) @ RATIONALITIES),
            depths=dict(zip(DEPTHS, p.sum((0, 2)).tolist(), strict=True)),
            likelihoods={name: float(x.mean() - alike) for name, x in held_out.items()},
            beyond=beyond[least],
            share=self._share(whole, beyond[least], scoring, list(chosen)),
            agreement=agreement,
            repeats=repeats,
            apart=self._apart(chosen),
        )

    def _held_out(
        self, chosen: Mapping[str, np.ndarray], counts: np.ndarray, scoring: str
    ) -> dict[str, np.ndarray]:
        """Model -> (encodings * odd situations,) log-probabilities of the choices there."""
        odd, rows = self.odd, np.arange(len(self.games))
        after = self.posterior(counts, ~odd)
        predicted = np.log(np.float32(after) @ self.p).reshape(-1, self.options)
        found = {"goal": np.concatenate([predicted[rows, x][odd] for x in chosen.values()])}
        taken = np.concatenate(list(chosen.values()))
        where = np.tile(odd, len(chosen))
        for rival in RIVALS:
            if rival == "uniform":
                found[rival] = np.full(where.sum(), -np.log(self.options))
                continue
            x = np.concatenate([self.features(name, scoring)[rival] for name in chosen])
            fitted = fit(x[~where], taken[~where])
            found[rival] = fitted.log_likelihood(x[where], taken[where])
        return found

    def _share(self, models: np.ndarray, beyond: Interval, scoring: str, names: list[str]) -> float:
        """A player's gain over its rivals, as a share of that of a player of the likeliest model.

        A player that is just as this model says is drawn once.
        """
        rng = np.random.default_rng(0)
        p = self.p[int(models.argmax())].astype(float).reshape(-1, self.options)
        drawn = {
            name: (rng.random((len(p), 1)) > np.cumsum(p / p.sum(1, keepdims=True), 1)).sum(1)
            for name in names
        }
        held_out = self._held_out(drawn, self.counts(drawn), scoring)
        most = min((held_out["goal"] - x).mean() for k, x in held_out.items() if k != "goal")
        return float(beyond.mean / most) if most > 0 and beyond.low > 0 else 0.0

    def _weights(self, p: np.ndarray) -> dict[str, Interval]:
        """Posterior means and intervals, p (directions,)."""
        drawn = self.directions[np.random.default_rng(0).choice(DIRECTIONS, 2000, p=p)]
        return {
            k: percentile_interval(float(p @ self.directions[:, i]), drawn[:, i], CONFIDENCE)
            for i, k in enumerate(OBJECTIVES)
        }

    def _apart(self, chosen: Mapping[str, np.ndarray]) -> float:
        """The largest angle between the weights that two encodings alone speak for."""
        means = []
        for one in chosen.values():
            p = self.posterior(self.counts({"": one}), np.ones(len(self.games), bool))
            means.append(p.reshape(self._shape).sum((0, 1)) @ self.directions)
        return max((angle(a, b) for a, b in combinations(means, 2)), default=0.0)

    def _agreement(
        self, chosen: Mapping[str, np.ndarray], again: np.ndarray
    ) -> tuple[Interval, Interval]:
        """Agreement between encodings and between repeats beyond chance."""
        *every, other = (self._alike(one) for one in (*chosen.values(), again))
        between = np.mean([(a == b) for a, b in combinations(every, 2)], 0)
        return self._beyond_chance(between), self._beyond_chance(every[0] == other)

    def _beyond_chance(self, agreed: np.ndarray) -> Interval:
        """A share of agreement (situations,) on the scale of 0, two random players', to 1."""
        classes = self.classes[:, :, None] == np.arange(self.options)
        chance = np.square(classes.mean(1)).sum(1).mean()
        return grouped_mean((agreed - chance) / (1 - chance), self.games, CONFIDENCE, RESAMPLES)

    def _alike(self, chosen: np.ndarray) -> np.ndarray:
        """(situations,) choices, those that lead to the same state being the same."""
        return np.asarray(self.classes[np.arange(len(chosen)), chosen])

    def _class(self, one: Situation) -> np.ndarray:
        """(options,) the first option that leads to the same state."""
        after = one.game.after[:, one.state]
        return np.asarray((after[:, None] == after).argmax(1))


def _sphere(n: int) -> np.ndarray:
    """(n, 3) directions, spread evenly: a Fibonacci lattice (Gonzalez 2010)."""
    i = np.arange(n) + 0.5
    z, turn = 1 - 2 * i / n, np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - z**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], 1)
