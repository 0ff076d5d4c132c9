"""Bounds on all rooms from a sample of independent rooms, with a stated confidence.

No distribution is assumed. The rooms must be drawn independently from the distribution that the
statement is about, and none of them may have been used to choose the policy.
"""

import math


def exceeding(n: int, confidence: float = 0.95) -> float:
    """The share of rooms that exceed the largest of n observed values, at most.

    With this confidence: 0.05 for 59 rooms, 0.01 for 299. It is the one-sided tolerance limit of
    Wilks (1941). A value that equals the largest does not exceed it.
    """
    _check(n, confidence)
    return 1 - float((1 - confidence) ** (1 / n))


def rooms_needed(share: float, confidence: float = 0.95) -> int:
    """The number of rooms for at most this share to exceed the largest value, at `confidence`."""
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; it must be between 0 and 1")
    _check(1, confidence)
    needed = math.log(1 - confidence) / math.log(1 - share)
    return math.ceil(needed * (1 - 1e-12))  # what `exceeding` gives for n must need n again


def _check(n: int, confidence: float) -> None:
    if n < 1:
        raise ValueError(f"{n} rooms; there must be at least one")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must be between 0 and 1")
