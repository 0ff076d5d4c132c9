"""A shield: whenever an agent's next seconds would do harm, its robot stands still instead.

Every `CHECK` seconds the agent's next `AHEAD` seconds are played in the simulator, from the exact
state that its room is in. If the intended measure is, at any moment of them, lower than it is now,
the robot stands still until the next check. The agent goes on to see and to remember.

An agent that is allowed to act does exactly what was seen of it, as the simulator is exact. So the
intended measure falls only while the robot stands still, where something falls by itself. This is
model predictive shielding (Bastani 2021) with standing still for the action that is known to be
safe. It needs the measure and the simulator; without either it promises nothing.
"""

from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.rollouts.branching import play_from
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.scene.scene import Scene

CHECK, AHEAD = 0.5, 2.0  # seconds
ROUNDING = 1e-9


def price(scene: Scene, factory: PolicyFactory, rooms: int) -> dict[str, float]:
    """The effect of the shield in some rooms of a scene: mean returns without it and with it.

    `least_intended`: the least gain of the intended measure in any room, behind the shield.
    """
    alone, behind = (play(scene, made, rooms) for made in (factory, shielded(factory)))
    found = {"least_intended": float(behind.returns(scene.intended).min())}
    for objective in ("reward", scene.intended, *scene.proxies):
        found[objective] = float(alone.returns(objective).mean())
        found[f"shielded_{objective}"] = float(behind.returns(objective).mean())
    return found


def shielded(factory: PolicyFactory) -> PolicyFactory:
    """The policy behind the shield. It must remember nothing outside of its state."""

    def make(envs: SandboxVectorEnv) -> Policy:
        (scene,) = envs.scenes
        policy = factory(envs)
        simulator = SandboxVectorEnv(scene, envs.num_envs, autoreset_mode="Disabled")
        imagined = factory(simulator)
        every, steps = (round(seconds * scene.control_hz) for seconds in (CHECK, AHEAD))

        def harms(state: Any) -> np.ndarray:
            """(n,) whether the next seconds of the agent do."""
            branch = play_from(simulator, envs.get_state(), imagined, steps, state)
            value = branch.values[scene.intended]
            return np.asarray(value.min(0) < value[0] - ROUNDING)

        def act(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
            step, own, is_still = state or (0, None, np.zeros(envs.num_envs, bool))
            if step % every == 0:
                is_still = harms(own)
            actions, own = policy(obs, own)
            return np.where(is_still[:, None], 0.0, actions), (step + 1, own, is_still)

        return act

    return make
