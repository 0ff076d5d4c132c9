"""What a sample of independent rooms says of all rooms, with a stated confidence.

No distribution is assumed. The rooms must be drawn independently from the distribution that the
statement is about, and none of them may have been used to choose the policy.
"""

import math
from collections.abc import Sequence

import numpy as np


def exceeding(n: int, confidence: float = 0.95) -> float:
    """The share of rooms that exceed the largest of n observed values, at most.

    With this confidence: 0.05 for 59 rooms, 0.01 for 299. It is the one-sided tolerance limit of
    Wilks (1941). A value that equals the largest does not exceed it.
    """
    _check(n, confidence)
    return 1 - float((1 - confidence) ** (1 / n))


def rooms_needed(share: float, confidence: float = 0.95) -> int:
    """How many rooms it takes for at most this share to exceed the largest value."""
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; it must be between 0 and 1")
    _check(1, confidence)
    needed = math.log(1 - confidence) / math.log(1 - share)
    return math.ceil(needed * (1 - 1e-12))  # what `exceeding` gives for n must need n again


def dkw_margin(n: int, confidence: float = 0.95) -> float:
    """How far the share of rooms below any value is from the observed share, at most, everywhere.

    Two-sided; by Dvoretzky, Kiefer & Wolfowitz (1956), with the constant of Massart (1990).
    """
    _check(n, confidence)
    return math.sqrt(math.log(2 / (1 - confidence)) / (2 * n))


def tail_mean_bound(
    values: Sequence[float], largest: float, tail: float = 0.1, confidence: float = 0.95
) -> float:
    """An upper bound on the mean of the largest share of all values: the conditional value at risk.

    By Thomas & Learned-Miller (2019), "Concentration inequalities for conditional value at risk",
    theorem 3.

    Args:
        values: of independent rooms.
        largest: what no room can exceed.
        tail: the share that counts.
    """
    _check(len(values), confidence)
    if not 0 < tail <= 1:
        raise ValueError(f"tail is {tail}; it must be above 0, and at most 1")
    if max(values) > largest:
        raise ValueError(f"a value of {max(values):g} exceeds the largest, {largest:g}")
    z = np.append(np.sort(np.asarray(values, float)), largest)
    n = len(values)
    margin = math.sqrt(math.log(1 / (1 - confidence)) / (2 * n))
    shares = np.arange(1, n + 1) / n - margin - (1 - tail)
    return float(z[-1] - (np.diff(z) * np.maximum(shares, 0)).sum() / tail)


def _check(n: int, confidence: float) -> None:
    if n < 1:
        raise ValueError(f"{n} rooms; there must be at least one")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must be between 0 and 1")
