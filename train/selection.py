"""Selection in a population: who is copied, and how much of a trait's change is due to it.

Price's equation (Price 1970, "Selection and Covariance", Nature 227) is exact for any finite
population and any trait, also for one that is only estimated, as copies take over the estimate.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


def truncation(fitness: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """The donor that each member is a copy of in the next generation, (members,) int.

    The worst are replaced by copies of the best, one each; all others stay who they are
    (truncation selection, as in Jaderberg et al. 2017, "Population Based Training").

    Args:
        fitness: (members,), larger is better; equal ones are ordered at random.
        share: of the members that are replaced, at most 1/2.
        rng: orders the equal ones, and pairs the replaced with the copied.
    """
    count = int(len(fitness) * share)
    donors = np.arange(len(fitness))
    order = rng.permutation(len(fitness))
    order = order[np.argsort(fitness[order], kind="stable")]
    donors[order[:count]] = rng.permutation(order[len(fitness) - count :])
    return donors


@dataclass(frozen=True)
class PriceSplit:
    """The change of a population's mean trait over one generation or several, in two parts."""

    selected: float
    """Cov(copies, trait at the start) / mean copies: the part of who is copied"""
    learned: float
    """mean over copies of the change from the start to the end: the part of what they learned"""

    @property
    def total(self) -> float:
        """The whole change, from the start of one generation to the start of the next."""
        return self.selected + self.learned


def price_split(start: np.ndarray, end: np.ndarray, copies: np.ndarray) -> PriceSplit:
    """Split one generation, in which members learn first and are copied then.

    Selection is of the trait as it was before the generation. An estimate from the episodes that
    decide who is copied would count luck in them as selection, and its end as learning.

    Args:
        start: (members,) the trait when the generation began, after the copying before.
        end: (members,) the trait when it ended, before the copying.
        copies: (members,) how many members of the next generation are copies of each.

    Raises:
        ValueError: nobody is copied, or the lengths differ.
    """
    start, end, copies = (np.asarray(values, float) for values in (start, end, copies))
    if not start.shape == end.shape == copies.shape or copies.sum() <= 0:
        raise ValueError("price_split: give three arrays of one length, and a copy of somebody")
    weight = copies / copies.mean() - 1
    learned = np.mean((weight + 1) * (end - start))
    return PriceSplit(float(np.mean(weight * start)), float(learned))


def summed(splits: Iterable[PriceSplit]) -> PriceSplit:
    """Sum the selected and the learned parts over generations."""
    parts = list(splits)
    return PriceSplit(sum(one.selected for one in parts), sum(one.learned for one in parts))
