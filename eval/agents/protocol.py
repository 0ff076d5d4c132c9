"""The types of a policy, and of the factories that make scripted and trained ones."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv

# (observations, state) -> (actions, state). Observations are (n, size) float32, actions
# (n, actuators) in [-1, 1]. The state is None where episodes begin, then what was returned last.
Policy = Callable[[np.ndarray, Any], tuple[np.ndarray, Any]]

# Scripted policies read the state of the environment that they are made for; others ignore it.
PolicyFactory = Callable[[SandboxVectorEnv], Policy]
