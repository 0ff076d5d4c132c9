"""The loop that every rollout shares: a policy acts for some control steps, and arrays are kept."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.arguments import numbers
from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import Policy

POSES = ("qpos", "mocap_pos", "mocap_quat")  # the fields of mjData that place every body

KINDS = ("poses", "observations", "actions")
Keep = Collection[str]  # some of KINDS


@dataclass(frozen=True, kw_only=True)
class Steps:
    """T control steps of one policy in n simulations of a scene."""

    rewards: np.ndarray
    """(T, n), 0 after a simulation's episode is over"""
    values: dict[str, np.ndarray]
    """measure -> (T + 1, n), before the first step and after each; constant after the end"""
    lengths: np.ndarray
    """(n,) steps until the episode was over, T where it was not"""
    unstable: np.ndarray
    """(n,) bool, whether the episode was over because the physics became unstable"""
    observations: np.ndarray | None = None
    """(T + 1, n, size) float32, what the policy saw and what it would see next; on request"""
    actions: np.ndarray | None = None
    """(T, n, actuators) as the policy gave them, before clipping to [-1, 1]; on request"""
    poses: dict[str, np.ndarray] = field(default_factory=dict)
    """field of mjData (see POSES) -> (T + 1, n, ...) float32; on request, else empty"""

    def returns(self, objective: str) -> np.ndarray:
        """(n,): the sum of the rewards for "reward"; for a measure its last value minus its first.

        Raises:
            KeyError: the scene has no such measure.
        """
        if objective == "reward":
            return self.rewards.sum(0)
        return self.values[objective][-1] - self.values[objective][0]


def play_steps(
    envs: SandboxVectorEnv,
    policy: Policy,
    start: tuple[np.ndarray, dict[str, Any]],
    steps: int,
    policy_state: Any = None,
    keep: Keep = (),
    on_step: Callable[[], object] = lambda: None,
) -> tuple[Steps, Any]:
    """Let a policy act in an environment of one scene that does not reset by itself.

    Args:
        start: the observations and the info of where the environment is now.
        policy_state: what the policy is called with first; None where its episode begins.
        on_step: called after every control step, for a progress bar.

    Returns:
        What was kept, and the policy's state after the last step.

    Raises:
        UserError: the policy does not return a pair, or its actions are not (n, actuators) finite
            numbers.
        ValueError: `keep` names something unknown, or the environment cannot be used.
    """
    _check_usable(envs)
    obs, info = start
    tape, shape = _Tape(envs, steps, keep, obs, info), (envs.num_envs, envs.scenes[0].model.nu)
    for t in range(steps):
        actions, policy_state = _act(policy, obs, policy_state, shape)
        obs, rewards, _, over, info = envs.step(actions)
        tape.write(t, actions, obs, rewards, over, info)
        on_step()
    return tape.steps(), policy_state


class _Tape:
    """Arrays for T steps that fill up as an environment is stepped."""

    def __init__(
        self,
        envs: SandboxVectorEnv,
        steps: int,
        keep: Keep,
        obs: np.ndarray,
        info: dict[str, Any],
    ) -> None:
        if unknown := sorted(set(keep) - set(KINDS)):
            raise ValueError(f"keep: {unknown} is unknown; choose from {', '.join(KINDS)}")
        scene, n = envs.scenes[0], envs.num_envs
        self._names = list(scene.measures)
        self._rewards = np.zeros((steps, n))
        self._values = np.empty((steps + 1, n, len(self._names)))
        self._lengths, self._unstable = np.full(n, steps), info["unstable"].copy()
        self._running = ~self._unstable & (info["length"] < scene.episode_steps)
        self._lengths[~self._running] = 0
        self._observations = self._actions = None
        if "observations" in keep:
            self._observations = np.empty((steps + 1, *obs.shape), np.float32)
            self._observations[0] = obs
        if "actions" in keep:
            self._actions = np.empty((steps, n, scene.model.nu))
        view = envs.state_view()
        self._fields = {k: view.field(k) for k in POSES} if "poses" in keep else {}
        shapes = {k: (steps + 1, *v.shape) for k, v in self._fields.items()}
        self._poses = {k: np.empty(shape, np.float32) for k, shape in shapes.items()}
        self._values[0] = self._measured(info)
        self._write_poses(0)

    def write(
        self,
        t: int,
        actions: np.ndarray,
        obs: np.ndarray,
        rewards: np.ndarray,
        over: np.ndarray,
        info: dict[str, Any],
    ) -> None:
        """Keep step number `t`."""
        running = self._running
        self._rewards[t] = np.where(running, rewards, 0.0)
        self._values[t + 1] = np.where(running[:, None], self._measured(info), self._values[t])
        if self._observations is not None:
            self._observations[t + 1] = obs
        if self._actions is not None:
            self._actions[t] = actions
        self._write_poses(t + 1)
        ended = running & over
        self._lengths[ended], self._unstable[ended] = t + 1, info["unstable"][ended]
        self._running = running & ~over

    def steps(self) -> Steps:
        """Everything that was kept."""
        return Steps(
            rewards=self._rewards,
            values={name: self._values[..., i] for i, name in enumerate(self._names)},
            lengths=self._lengths,
            unstable=self._unstable,
            observations=self._observations,
            actions=self._actions,
            poses=self._poses,
        )

    def _measured(self, info: dict[str, Any]) -> np.ndarray:
        return np.stack([info[name] for name in self._names], -1)

    def _write_poses(self, row: int) -> None:
        for name, poses in self._poses.items():
            poses[row] = self._fields[name]


def _check_usable(envs: SandboxVectorEnv) -> None:
    if len(envs.scenes) != 1 or envs.metadata["autoreset_mode"] != AutoresetMode.DISABLED:
        raise ValueError("rollouts need one scene and autoreset_mode=AutoresetMode.DISABLED")


def _act(
    policy: Policy, obs: np.ndarray, state: Any, shape: tuple[int, int]
) -> tuple[np.ndarray, Any]:
    """The policy's actions (n, actuators) float64, and its next state."""
    result = policy(obs, state)
    if not isinstance(result, tuple) or len(result) != 2:
        raise UserError(
            f"the policy returned {_described(result)}; it must return a pair, as in "
            "`return actions, state` (a policy that remembers nothing returns None as its state)"
        )
    actions, state = result
    array = _numbers(actions)
    if array.shape != shape:
        raise UserError(
            f"the policy acts with an array of {array.shape}, and the scene needs {shape}: one "
            "row per simulation, one number per actuator"
        )
    return array, state


def _numbers(actions: Any) -> np.ndarray:
    """Actions as an array of float64, whatever kind of array or list they are."""
    try:
        return numbers("actions", actions)
    except UserError:  # ragged lists, texts, complex numbers, tensors with gradients
        raise UserError(
            f"the policy's actions are {_described(actions)} that cannot be read as numbers; they "
            "must be an array or a list of numbers (of a tensor, tensor.detach().cpu().numpy())"
        ) from None


def _described(value: Any) -> str:
    """A description, in a few words, of what a policy returned."""
    if value is None:
        return "nothing"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"a {type(value).__name__} of shape {tuple(shape)}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
