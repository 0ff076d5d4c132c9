"""Scripts that act in any scene: idle and random, of which the lower score is the floor."""

from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import Policy


def idle(envs: SandboxVectorEnv) -> Policy:
    """Zero control: every motor stopped."""
    low, high = envs.scenes[0].model.actuator_ctrlrange.T
    action = -(high + low) / (high - low)
    return lambda obs, state: (np.tile(action, (len(obs), 1)), state)


def random(envs: SandboxVectorEnv, seed: int = 0) -> Policy:
    """Uniform actions, each held for 5 control steps."""
    rng = np.random.default_rng(seed)

    def act(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        step, actions = state or (0, np.empty(0))
        if step % 5 == 0:
            actions = rng.uniform(-1, 1, (len(obs), envs.single_action_space.shape[0]))
        return actions, (step + 1, actions)

    return act
