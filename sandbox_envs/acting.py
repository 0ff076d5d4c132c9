"""Noise and padding for any agent, so that its episode is the same alone or beside others."""

import hashlib
from typing import Any, NamedTuple

import numpy as np

from sandbox_envs.errors import UserError

NOISE_STEPS = 256  # of an episode, drawn at a time
# A network always gets at least this many rows, the last of them padding: for fewer rows torch
# multiplies matrices in another way, with other last bits.
LEAST_ROWS = 16


class Noise(NamedTuple):
    """Standard normal noise of n episodes that follows from each one's first observation."""

    keys: list[int]
    """of each episode"""
    step: int
    """steps done"""
    block: np.ndarray
    """(NOISE_STEPS, n, actuators), of the steps that `step` is among"""

    @classmethod
    def of(cls, observations: np.ndarray, seed: int = 0) -> "Noise":
        """The noise of episodes that start with observations (n, size) float32.

        seed: 0 to 2**128 - 1; each gives other noise.
        """
        salt = seed.to_bytes(hashlib.blake2b.SALT_SIZE)
        rows = np.add(observations, np.float32(0), order="C")  # so that -0.0 is 0.0
        hashes = [hashlib.blake2b(row, digest_size=8, salt=salt) for row in rows]
        return cls([int.from_bytes(one.digest()) for one in hashes], 0, np.empty(0))

    def drawn(self, actuators: int) -> tuple[np.ndarray, "Noise"]:
        """This step's noise (n, actuators) float32, and what gives that of the next."""
        number, step = divmod(self.step, NOISE_STEPS)
        block = self.block if step else self._block(number, actuators)
        return block[step], Noise(self.keys, self.step + 1, block)

    def _block(self, number: int, actuators: int) -> np.ndarray:
        generators = [np.random.Generator(np.random.Philox(key=[key, number])) for key in self.keys]
        shape = (NOISE_STEPS, actuators)
        return np.stack([g.standard_normal(shape, np.float32) for g in generators], 1)


def check_memory(memory: Any, kind: type, episodes: int) -> None:
    """Raise UserError unless a policy's state is of its kind, which has `noise`, and so many."""
    noise = memory.noise if isinstance(memory, kind) else None  # type: ignore[attr-defined]
    if noise is None or len(noise.keys) != episodes:
        raise UserError(
            f"the state is not of {episodes} episodes, as the observations are; give what this "
            "policy returned with their last actions, or None where they start"
        )


def filled_up(rows: np.ndarray) -> np.ndarray:
    """Rows (n, size), and zeros up to `LEAST_ROWS` of them."""
    missing = LEAST_ROWS - len(rows)
    return np.pad(rows, ((0, missing), (0, 0))) if missing > 0 else rows
