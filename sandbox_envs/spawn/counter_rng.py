"""Counter-based random numbers: a pure function of (seed, episode, purpose)."""

import zlib

import numpy as np


def uniform(seed: int, episodes: np.ndarray, purpose: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in [0, 1), a pure function of the arguments, (len(episodes), *shape).

    So an episode is the same whichever others are drawn, and in whatever order.

    The mixing function is SplitMix64's (Steele, Lea and Flood 2014, "Fast splittable
    pseudorandom number generators"), used here as a counter-based generator.
    """
    counter = np.arange(int(np.prod(shape)), dtype=np.uint64)
    return draw(keys(seed, episodes, purpose)[:, None], counter).reshape(len(episodes), *shape)


def keys(seed: int, episodes: np.ndarray, purpose: str) -> np.ndarray:
    """The key from which `draw` makes each episode's numbers, (len(episodes),) uint64."""
    key = mix(np.array([seed % 2**64], np.uint64)) ^ np.uint64(zlib.crc32(purpose.encode()))
    return mix(mix(key) + episodes.astype(np.uint64))


def draw(key: np.ndarray, counter: np.ndarray) -> np.ndarray:
    """The numbers in [0, 1) that `uniform` has at these places, counted from 0."""
    return (mix(key + counter) >> np.uint64(11)) * 2.0**-53


def mix(x: np.ndarray) -> np.ndarray:
    """Scatter 64-bit numbers: a bijection in which every bit depends on every bit."""
    x = (x + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
