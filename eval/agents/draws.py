"""The episode that a simulation is in, and random numbers that follow from it."""

from typing import Any

import numpy as np
from scipy.special import ndtri

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.spawn.counter_rng import uniform


def present(envs: SandboxVectorEnv) -> tuple[np.ndarray, dict[str, Any]]:
    """The present observations and info of an environment; its state does not change."""
    nothing = np.zeros(envs.num_envs, bool)
    return envs.reset(options={"reset_mask": nothing})


def episode_numbers(envs: SandboxVectorEnv) -> np.ndarray:
    """The number (n,) of the episode that each simulation is in."""
    return np.asarray(present(envs)[1]["episode_index"])


def normal(seed: int, episodes: np.ndarray, purpose: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers (len(episodes), *shape), a pure function of the arguments."""
    smallest = 2.0**-54  # a uniform number may be 0, whose quantile is not finite
    return np.asarray(ndtri(np.maximum(uniform(seed, episodes, purpose, shape), smallest)))
