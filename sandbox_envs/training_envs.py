"""The interface that trainers need of environments, so that wrapped ones will do."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium.spaces import Box

from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.state_view import StateView


class TrainingEnvs(Protocol):
    """`num_envs` simulations that reset by themselves (SAME_STEP) and can be saved exactly.

    `SandboxVectorEnv` is one, and so is every wrapper in `sandbox_envs.wrappers`.
    """

    @property
    def num_envs(self) -> int:
        """The number of simulations, n."""

    @property
    def scenes(self) -> Sequence[Scene]:
        """The scenes that are simulated."""

    @property
    def single_observation_space(self) -> Box:
        """The space of one simulation's observation, (size,) float32."""

    @property
    def single_action_space(self) -> Any:
        """The space of one simulation's action: a Box (actuators,) in [-1, 1], or choices."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start new episodes; returns observations (n, size) and info."""

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Observations, rewards, terminations, truncations, and info, each with n rows.

        Where an episode ended, its last observation and info are in final_obs and final_info.
        """

    def state_view(self, scene: int = 0) -> StateView:
        """A live view of the state of one scene's simulations."""

    def get_state(self) -> dict[str, Any]:
        """Everything needed to go on exactly from here, as plain arrays by name."""

    def set_state(self, state: Mapping[str, Any]) -> np.ndarray:
        """Go back to a state from `get_state`; returns the observations."""
