"""The implementation of `sandbox_envs.sb3`; imports Stable-Baselines3, and with it torch."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import VectorEnv
from stable_baselines3.common.distributions import (
    DiagGaussianDistribution,
    StateDependentNoiseDistribution,
)
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sandbox_envs.acting import Noise, check_memory, filled_up
from sandbox_envs.errors import UserError
from sandbox_envs.vector import OF_THE_END

Info = dict[str, Any]  # of one simulation


class SandboxVecEnv(VecEnv):
    """A `SandboxVectorEnv`, wrapped or not, as a `VecEnv`; see `sandbox_envs.sb3.vec_env`.

    Args:
        envs: it resets in the same step.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        self.envs = envs  # first: the next line reads it
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)
        self._actions = np.zeros(0)
        self._returns, self._lengths = np.zeros(self.num_envs), np.zeros(self.num_envs, int)
        self._began = time.monotonic()

    def reset(self) -> np.ndarray:
        """Start new episodes; returns the observations (n, size)."""
        options = self._shared_options()
        self._reset_options()  # wrong ones count once, too
        observations, info = self.envs.reset(seed=self._seeds[0], options=options)
        self.reset_infos = _rows(info)
        self._reset_seeds()
        started = options.get("reset_mask", slice(None))
        self._returns[started], self._lengths[started] = 0, 0
        return observations

    def _shared_options(self) -> dict[str, Any]:
        """The options of all simulations, which may hold arrays."""
        first, *others = self._options
        for other in others:
            if other.keys() != first.keys() or not all(
                np.array_equal(other[name], first[name]) for name in first
            ):
                self._reset_options()
                raise UserError(
                    "set_options: give one dict for all simulations; they share a batch"
                )
        return first

    def step_async(self, actions: np.ndarray) -> None:
        """Remember the actions (n, actuators) in [-1, 1]."""
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Info]]:
        """Step: observations (n, size), rewards (n,), whether episodes ended (n,), and infos.

        Where an episode ended the observation is the first of the next one.
        """
        observations, rewards, terminated, truncated, info = self.envs.step(self._actions)
        self._returns += rewards
        self._lengths += 1
        infos, ended = _rows(info), np.flatnonzero(terminated | truncated).tolist()
        for row in infos:
            row["TimeLimit.truncated"] = False
        last = _rows(info["final_info"]) if ended else []
        for i in ended:
            self.reset_infos[i] = infos[i]
            infos[i] = last[i] | self._end(i, bool(truncated[i] and not terminated[i]))
            infos[i]["terminal_observation"] = info["final_obs"][i].copy()
        return observations, rewards, terminated | truncated, infos

    def _end(self, i: int, truncated: bool) -> Info:
        """Return the info of an ended episode, "episode" as a Monitor gives it; resets the sums."""
        seconds = round(time.monotonic() - self._began, 6)
        episode = {"r": float(self._returns[i]), "l": int(self._lengths[i]), "t": seconds}
        self._returns[i], self._lengths[i] = 0, 0
        return {"TimeLimit.truncated": truncated, "episode": episode}

    def close(self) -> None:
        """Close all simulations."""
        self.envs.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Frames (height, width, 3) uint8 of the simulations that are rendered."""
        frames: Any = self.envs.render()
        return [] if frames is None else list(frames)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of the environment, once for each simulation.

        Raises:
            AttributeError: it has no such attribute.
        """
        return [getattr(self.envs, attr_name)] * len(self._numbers(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Raise UserError: simulations are not objects of their own."""
        raise UserError(f"set_attr('{attr_name}'): simulations share one environment, .envs")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Raise UserError: simulations are not objects of their own."""
        raise UserError(f"env_method('{method_name}'): simulations share one environment, .envs")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """For a `Monitor` it is true, since infos say what one would say."""
        return [wrapper_class is Monitor] * len(self._numbers(indices))

    def _numbers(self, indices: Any) -> list[int]:
        return list(self._get_indices(indices))


def _rows(info: Mapping[str, Any]) -> list[Info]:
    """The info of each simulation, from arrays of all."""
    columns = {k: v.tolist() for k, v in info.items() if k not in OF_THE_END}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class Memory(NamedTuple):
    """The state that a model keeps between the steps of n episodes."""

    model: Any
    """the model's own state, of these episodes and of each that is made up"""
    noise: Noise
    """of the steps to come"""


class ModelPolicy:
    """A model as a policy; see `sandbox_envs.sb3.policy`."""

    def __init__(self, model: Any, deterministic: bool, normalizer: Any, seed: int) -> None:
        _check_spaces(model)
        self.model, self.deterministic, self.seed = model, deterministic, seed
        self.distribution = None if deterministic else _distribution(model)
        found = getattr(model, "get_vec_normalize_env", lambda: None)()
        self.normalizer = found if normalizer is None else normalizer
        if not isinstance(self.normalizer, VecNormalize | None):
            raise UserError(
                f"normalizer is a {type(normalizer).__name__}; give the VecNormalize that the "
                "model was trained in, as in VecNormalize.load(FILE, envs)"
            )
        (self.observation_size,) = model.observation_space.shape
        (self.actuators,) = model.action_space.shape

    def __call__(self, observations: Any, state: Memory | None = None) -> tuple[np.ndarray, Memory]:
        """Actions for observations (n, size) or (size,), and the state to give next.

        Raises:
            UserError: the observations are not of the model's size, or the state is of others.
        """
        given = np.asarray(observations, np.float32)
        size = given.shape[-1] if given.ndim else 0
        if size != self.observation_size:
            raise UserError(
                f"this model observes {self.observation_size} numbers, the scene gives {size}; it "
                "was trained on another family or observation, or with stacked observations"
            )
        rows = np.atleast_2d(given)
        memory = Memory(None, Noise.of(rows, self.seed)) if state is None else state
        check_memory(memory, Memory, len(rows))
        if self.normalizer is not None:
            rows = self.normalizer.normalize_obs(rows)
        noise, to_come = memory.noise.drawn(self.actuators)
        with _sampling_by(noise, self.distribution):
            actions, after = self.model.predict(
                filled_up(rows), state=memory.model, deterministic=self.deterministic
            )
        actions = actions[: len(rows)]
        return actions[0] if given.ndim == 1 else actions, Memory(after, to_come)


@contextmanager
def _sampling_by(noise: np.ndarray, distribution: Any) -> Iterator[None]:
    """Within the block a model's Gaussian samples are made of this noise (n, actuators).

    Only its samples differ from what the library does: what it does before and after, such as to
    remember and to squash, differs between algorithms.
    """
    if distribution is None:
        yield
        return

    def sample() -> torch.Tensor:
        normal = distribution.distribution
        given = torch.as_tensor(filled_up(noise)).to(normal.mean)
        normal.rsample = lambda: normal.mean + normal.stddev * given
        return type(distribution).sample(distribution)

    distribution.sample = sample
    try:
        yield
    finally:
        del distribution.sample


def _distribution(model: Any) -> Any:
    """The Gaussian that a model samples from; None if it always acts the same, as TD3 does.

    Raises:
        UserError: it samples from another one, whose samples would not follow from a seed.
    """
    policy = getattr(model, "policy", model)
    found = getattr(getattr(policy, "actor", policy), "action_dist", None)
    if found is None or isinstance(found, DiagGaussianDistribution):
        return found
    is_sde = isinstance(found, StateDependentNoiseDistribution)
    reason = "it was trained with use_sde=True" if is_sde else f"a {type(found).__name__}"
    raise UserError(
        f"the samples of this model do not follow from a seed ({reason}); give deterministic=True, "
        "so that it acts by the mean"
    )


def _check_spaces(model: Any) -> None:
    """Raise UserError if a model does not observe and act as agents do in scenes."""
    observed, acted = model.observation_space, model.action_space
    if not isinstance(observed, Box) or len(observed.shape) != 1:
        raise UserError(f"this model observes {observed}; in scenes it must be numbers in a row")
    if not isinstance(acted, Box) or (acted.low != -1).any() or (acted.high != 1).any():
        raise UserError(f"this model acts in {acted}; in scenes actions are numbers in [-1, 1]")
