"""Random numbers of agents: functions of the episode, so that an episode is the same anywhere."""

import numpy as np
from scipy.special import ndtri

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.spawn.counter_rng import uniform


def episode_numbers(envs: SandboxVectorEnv) -> np.ndarray:
    """The number (n,) of the episode that each simulation is in."""
    nothing = np.zeros(envs.num_envs, bool)
    _, info = envs.reset(options={"reset_mask": nothing})  # resets nothing, gives the info
    return np.asarray(info["episode_index"])


def normal(seed: int, episodes: np.ndarray, purpose: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers (len(episodes), *shape), a pure function of the arguments."""
    smallest = 2.0**-54  # a uniform number may be 0, whose quantile is not finite
    return np.asarray(ndtri(np.maximum(uniform(seed, episodes, purpose, shape), smallest)))
