"""What a policy is."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv

Policy = Callable[[np.ndarray, Any], tuple[np.ndarray, Any]]


PolicyFactory = Callable[
    [SandboxVectorEnv], Policy
]  # scripts read the environment, policies ignore it
