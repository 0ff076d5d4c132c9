"""Wrappers of the vector environment: another observation or another reward, saved exactly.

    envs = ObserveReward(SandboxVectorEnv("sweep/train", 128))

Gymnasium's own wrappers do not forward `get_state` and `set_state`; these do, with what they
remember themselves, so that a run whose environment is wrapped resumes to the last bit.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import VectorWrapper
from gymnasium.vector.utils import batch_space
from mujoco.batch import Batch

from sandbox_envs.arrays import fits
from sandbox_envs.errors import UserError
from sandbox_envs.menu import MenuVectorEnv
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.state_view import StateView
from sandbox_envs.training_envs import TrainingEnvs
from sandbox_envs.vector import OF_THE_END, SandboxVectorEnv

PLAIN = (SandboxVectorEnv, MenuVectorEnv)
Stepped = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class SandboxVectorWrapper(
    VectorWrapper[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
):
    """Base of wrappers of a `SandboxVectorEnv`, or of one that is wrapped already; changes nothing.

    A subclass that remembers anything between steps returns it from `memory`, and a subclass that
    changes observations does so in `reset`, `step` and `set_state`.

    Raises:
        UserError: the environment cannot be saved, as it is not one of these.
    """

    env: "SandboxVectorEnv | SandboxVectorWrapper"
    depth: int
    """how many of these wrappers there are, with this one"""

    def __init__(self, env: "SandboxVectorEnv | SandboxVectorWrapper") -> None:
        if not isinstance(env, SandboxVectorEnv | SandboxVectorWrapper):
            raise UserError(
                f"{type(self).__name__} cannot wrap {type(env).__name__}, which forwards no state; "
                "put the wrappers of sandbox_envs next to the environment, and others around them"
            )
        super().__init__(env)
        depth = 1 + env.depth if isinstance(env, SandboxVectorWrapper) else 1
        self.depth, self._prefix = depth, f"{type(self).__name__} {depth}/"

    @property
    def scenes(self) -> Sequence[Scene]:
        """The scenes that are simulated."""
        return self.env.scenes

    @property
    def batches(self) -> list[Batch]:
        """The batch of each scene's simulations."""
        return self.env.batches

    def state_view(self, scene: int = 0) -> StateView:
        """A live, read-only view of the state of one scene's simulations."""
        return self.env.state_view(scene)

    def __copy__(self) -> "SandboxVectorWrapper":
        """A copy with simulations of its own, as `copy.deepcopy` gives it."""
        return copy.deepcopy(self)

    def memory(self) -> dict[str, np.ndarray]:
        """The variables that the wrapper itself keeps between steps, by name.

        Each is an array with a row for every simulation, or a single number (an array of shape
        ()). `set_state` writes to them, so a subclass changes them in place.
        """
        return {}

    def get_state(self) -> dict[str, Any]:
        """Everything needed to go on exactly from here, as plain arrays."""
        mine = {self._prefix + name: array.copy() for name, array in self.memory().items()}
        return {**self.env.get_state(), **mine}

    def set_state(self, state: Mapping[str, Any]) -> np.ndarray:
        """Go back to a state from `get_state`; returns the observations.

        Raises:
            UserError: the state is of other environments or other wrappers; nothing has changed.
        """
        mine = {self._prefix + name: array for name, array in self.memory().items()}
        given = {name: np.asarray(state[name]) for name in mine if name in state}
        if given.keys() != mine.keys() or not all(fits(given[k], mine[k]) for k in mine):
            raise UserError(
                f"this state is of other wrappers: it lacks what {type(self).__name__} remembers"
            )
        observations = self.env.set_state({k: state[k] for k in state if k not in mine})
        for name, array in mine.items():
            array[...] = given[name]
        return observations


class ObserveReward(SandboxVectorWrapper):
    """Appends the reward of the last step to the observation, 0 where an episode starts."""

    def __init__(self, env: SandboxVectorEnv | SandboxVectorWrapper) -> None:
        super().__init__(env)
        inner = env.single_observation_space
        assert isinstance(inner, Box)
        low, high = np.append(inner.low, -np.inf), np.append(inner.high, np.inf)
        self.single_observation_space = Box(low.astype(np.float32), high.astype(np.float32))
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self._last = np.zeros(env.num_envs)

    def memory(self) -> dict[str, np.ndarray]:
        """The rewards that are observed now, (n,)."""
        return {"last_reward": self._last}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start new episodes, whose last reward is 0."""
        observations, info = self.env.reset(seed=seed, options=options)
        self._last[(options or {}).get("reset_mask", slice(None))] = 0
        return self._with_reward(observations), info

    def step(self, actions: np.ndarray) -> Stepped:
        """Advance; where an episode ended, final_obs holds its last reward."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        self._last[:] = rewards
        if "final_obs" in info:
            info["final_obs"] = self._with_reward(info["final_obs"])
            self._last[info["_final_obs"]] = 0
        return self._with_reward(observations), rewards, terminated, truncated, info

    def set_state(self, state: Mapping[str, Any]) -> np.ndarray:
        """Go back to a state from `get_state`; returns the observations."""
        return self._with_reward(super().set_state(state))

    def _with_reward(self, observations: np.ndarray) -> np.ndarray:
        return np.column_stack([observations, self._last.astype(np.float32)])


@dataclass(frozen=True)
class Transition:
    """One step of n simulations; where an episode ended, observations and info are its last."""

    actions: np.ndarray
    """(n, actuators) as they were given, in [-1, 1]"""
    observations: np.ndarray
    """(n, size) float32; where an episode ended, its last one"""
    rewards: np.ndarray
    """(n,) the environment's own reward"""
    ended: np.ndarray
    """(n,) bool, where an episode ended with this step"""
    info: Mapping[str, np.ndarray]
    """every entry of `info`, (n,); where an episode ended, its last one"""


class ReplaceReward(SandboxVectorWrapper):
    """Replaces the scene's reward by a function of each step's `Transition`.

    The returns in `info` are still those of the scene's own reward. Where a simulation became
    unstable the reward is 0, as without the wrapper, and also in NEXT_STEP's steps that only reset.

    Args:
        env: what to wrap.
        function: of a `Transition`, gives the rewards, (n,) finite numbers. One that remembers
            anything between steps is a subclass of `SandboxVectorWrapper` instead.

    Raises:
        UserError: by `step`, where the function gives anything else.
    """

    def __init__(
        self,
        env: SandboxVectorEnv | SandboxVectorWrapper,
        function: Callable[[Transition], np.ndarray],
    ) -> None:
        super().__init__(env)
        self._function = function

    def step(self, actions: np.ndarray) -> Stepped:
        """Advance; returns the function's rewards."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        ended = terminated | truncated
        last_observations, last_info = _last_of(observations, info)
        transition = Transition(actions, last_observations, rewards, ended, last_info)
        rewards = np.asarray(self._function(transition), np.float64)
        only_reset = transition.info["length"] == 0
        if rewards.shape != ended.shape or not np.isfinite(rewards[~only_reset]).all():
            raise UserError(
                f"the function of ReplaceReward gave an array of {rewards.shape}; it must give "
                f"{ended.shape} finite numbers, one per simulation"
            )
        nothing = transition.info["unstable"] | only_reset
        return observations, np.where(nothing, 0.0, rewards), terminated, truncated, info


def wrappers_around(envs: TrainingEnvs) -> list[str]:
    """The class names of all that is around a `SandboxVectorEnv` or a menu, outermost first.

    A subclass of either counts as a wrapper, as it may change as much. A menu itself does not: what
    is chosen from is among its trainer's arguments.
    """
    stack: list[Any] = [envs]
    while hasattr(stack[-1], "env"):
        stack.append(stack[-1].env)
    return [type(part).__name__ for part in stack if type(part) not in PLAIN]


def _last_of(
    observations: np.ndarray, info: Mapping[str, Any]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Observations and info of a step, those of the end where an episode ended."""
    running = {name: value for name, value in info.items() if name not in OF_THE_END}
    if "final_obs" not in info:
        return observations, running
    ended, final = info["_final_obs"], info["final_info"]
    return (
        np.where(ended[:, None], info["final_obs"], observations),
        {name: np.where(ended, final[name], value) for name, value in running.items()},
    )
