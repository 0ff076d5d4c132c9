"""Choices among continuations, explained by what these gain: conditional logit models.

An agent that is Boltzmann rational (Luce 1959; Ramachandran & Amir 2007, "Bayesian Inverse
Reinforcement Learning") chooses item i of a menu with

    P(i) proportional to exp(sum over k of  w_k * x_ik)

where x_ik is what the item gains of objective k, in standard deviations over all menus. That is the
conditional logit of McFadden (1974). The weights have a normal prior, and their posterior is taken
as normal around its mode (Laplace). A model without a goal is the same with other features: which
item it is, where it leads, what it comes near to. Models are compared by how likely they make
choices that they were not fitted to.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp

PRIOR_SD = 2.0  # of a weight, in nats per standard deviation of its feature
DIRECTIONS = 2000  # drawn from a posterior
FLAT = 1e-9  # a feature with a smaller deviation tells nothing


@dataclass(frozen=True)
class Fit:
    """The posterior of one model's weights."""

    mode: np.ndarray
    """(features,) weights, in nats per standard deviation"""
    covariance: np.ndarray
    """(features, features) of the weights around the mode"""
    log_evidence: float
    """of the choices, by Laplace's method"""
    scale: np.ndarray
    """(features,) the standard deviations"""

    def log_likelihood(self, features: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """(decisions,) of choices, in nats; features as in `fit`."""
        utilities = (features / self.scale) @ self.mode
        return np.asarray(log_softmax(utilities, axis=1)[np.arange(len(chosen)), chosen])

    def directions(self) -> np.ndarray:
        """(DIRECTIONS, features) weights drawn from the posterior, each of length 1."""
        rng = np.random.default_rng(0)
        drawn = rng.multivariate_normal(self.mode, self.covariance, size=DIRECTIONS)
        return np.asarray(drawn / np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-12))


def fit(features: np.ndarray, chosen: np.ndarray) -> Fit:
    """The posterior of weights after some choices.

    Args:
        features: (decisions, items, features) what each item has of each, in any unit.
        chosen: (decisions,) int, the items that were chosen.
    """
    centred = features - features.mean(1, keepdims=True)  # a menu's common part decides nothing
    scale = np.maximum(centred.std((0, 1)), FLAT)
    x = centred / scale
    own = x[np.arange(len(chosen)), chosen]
    precision = np.eye(x.shape[2]) / PRIOR_SD**2
    found = minimize(
        _surprise,
        np.zeros(x.shape[2]),
        (x, own, precision),
        "trust-exact",
        jac=_slope,
        hess=_curvature,
    )
    w = found.x
    covariance = np.linalg.inv(_curvature(w, x, own, precision))
    determinants = np.linalg.slogdet(precision)[1] + np.linalg.slogdet(covariance)[1]
    evidence = -found.fun + 0.5 * determinants
    return Fit(w, covariance, float(evidence), scale)


def _surprise(w: np.ndarray, x: np.ndarray, own: np.ndarray, precision: np.ndarray) -> float:
    """The negative log posterior of weights, in nats, but for a constant; least at the mode."""
    return float(0.5 * w @ precision @ w - ((own @ w) - logsumexp(x @ w, axis=1)).sum())


def _slope(w: np.ndarray, x: np.ndarray, own: np.ndarray, precision: np.ndarray) -> np.ndarray:
    p = np.exp(log_softmax(x @ w, axis=1))
    return np.asarray(precision @ w - (own - np.einsum("di,dik->dk", p, x)).sum(0))


def _curvature(w: np.ndarray, x: np.ndarray, own: np.ndarray, precision: np.ndarray) -> np.ndarray:
    p = np.exp(log_softmax(x @ w, axis=1))
    mean = np.einsum("di,dik->dk", p, x)
    return np.asarray(precision + np.einsum("di,dij,dik->jk", p, x, x) - mean.T @ mean)


def probabilities(evidences: Mapping[float, float]) -> dict[float, float]:
    """Of models that are equally probable beforehand, by their log evidence."""
    total = logsumexp(list(evidences.values()))
    return {name: float(np.exp(value - total)) for name, value in evidences.items()}


def angle(one: np.ndarray, other: np.ndarray) -> float:
    """Between two weight vectors, in degrees."""
    cosine = one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
