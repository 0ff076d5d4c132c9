"""What trainers need of environments; the vector environment and every wrapper of it provide it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import gymnasium
import numpy as np

from sandbox_envs.scene.scene import Scene


class TrainingEnvs(Protocol):
    """A vector environment in SAME_STEP mode that can be put back to where it was.

    An own reward or observation is a wrapper with these members (see `wrappers.py`): trainers see
    nothing else, and a wrapper that keeps a memory adds it to the state, so `--resume` is exact.
    """

    num_envs: int
    """simulations that are stepped together"""
    single_observation_space: gymnasium.spaces.Box
    """(size,), of one simulation"""
    single_action_space: gymnasium.spaces.Box
    """(actuators,), of one simulation"""

    @property
    def scenes(self) -> Sequence[Scene]:
        """Whose simulations these are."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start episodes: observations (num_envs, size) and info."""

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Observations, rewards, terminations, truncations (num_envs, ...) and info.

        Where episodes end, info holds `final_obs` (num_envs, size) and `final_info`.
        """

    def get_state(self) -> dict[str, Any]:
        """Everything needed to continue exactly from here, as plain arrays."""

    def set_state(self, state: Mapping[str, Any]) -> np.ndarray:
        """Continue from a state of `get_state`; returns the observations (num_envs, size)."""
