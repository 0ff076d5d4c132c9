"""A trained agent as a policy: how it acts outside of its training.

What any trainer's agent provides is `Agent`; a trainer's file defines a class of that name.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.distributions import Categorical, Normal

from sandbox_envs.acting import LEAST_ROWS, Noise, check_memory, filled_up
from sandbox_envs.errors import UserError
from sandbox_envs.train.arguments import check_ranges
from sandbox_envs.train.capacity import hollow_agent
from sandbox_envs.train.checkpoint import checksum
from sandbox_envs.train.run_files import read_agent

# An agent's memory of n episodes: tensors with the episodes on axis 1; () for a feedforward agent.
State = tuple[torch.Tensor, ...]


class Agent(Protocol):
    """The interface of an agent for training and evaluation, whatever its network.

    The agent normalises observations itself. `act` may write into the state that it is given: who
    needs it again keeps a copy.
    """

    observation_size: int
    """numbers in one observation"""

    def initial_state(self, n: int) -> State:
        """The state of n episodes before their first step."""

    def reset_state(self, state: State, episode_starts: torch.Tensor) -> State:
        """The state, with the initial one where an episode starts; episode_starts: (n,) bool."""

    def act(
        self, obs: torch.Tensor, state: State
    ) -> tuple[Normal | Categorical, torch.Tensor, State]:
        """One step: obs (n, size) -> distribution (n, actions), value (n,), next state."""

    def observe_statistics(self, obs: torch.Tensor) -> None:
        """Update the statistics that normalise observations, (..., size); in training only."""


def load_policy(folder: str | Path, device: str = "cpu") -> "Policy":
    """The policy of a run folder, which samples from its distribution as in training.

    It acts in any loop, in one episode or in many side by side, and `judge` takes it::

        policy, state = load_policy("runs/RUN"), None  # None: an episode starts
        action, state = policy(observation, state)

    Args:
        folder: of a training run.
        device: where its network computes.

    Raises:
        UserError: the folder is no run, has no policy yet, or its files are damaged.
    """
    folder = Path(folder)
    description = read_agent(folder)
    weights = folder / "policy.safetensors"
    if not weights.is_file():
        raise UserError(f"{folder}: it has no policy.safetensors; train for at least one update")
    try:
        check_ranges(SimpleNamespace(**description["agent"]))  # before anything is made so deep
        agent = hollow_agent(description["trainer"], description["agent"])
        _assign(agent, load_file(weights))
    except (KeyError, OverflowError, TypeError, ValueError, RuntimeError, SafetensorError):
        raise UserError(
            f"{folder}: agent.json and policy.safetensors are damaged, or not of one run"
        ) from None
    if not all(values.isfinite().all() for values in agent.state_dict().values()):
        raise UserError(f"{weights}: not all of its numbers are finite; train again")
    return Policy(agent.to(device).eval(), device, folder)


def _assign(agent: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Give an agent its weights; raises RuntimeError or ValueError where they are of another."""
    for name, needed in agent.state_dict().items():
        if name in weights and weights[name].dtype != needed.dtype:
            raise ValueError
    agent.load_state_dict(weights, assign=True)


def _weights(agent: Agent) -> str:
    """A checksum of an agent's weights; the same for all that is no torch module."""
    return checksum(agent.state_dict() if isinstance(agent, torch.nn.Module) else None)


class Memory(NamedTuple):
    """A policy's memory of n episodes."""

    agent: State
    """the agent's state, with a column for each episode and for each that is made up"""
    noise: Noise
    """of the steps to come"""


class Policy:
    """An agent as a plain function: (observations, state) -> (actions, state), numpy in and out.

    Observations are (n, size) numbers of n episodes, or (size,) of one; any array or list will do,
    and they are read as float32. Actions are (n, actuators), or (actuators,), in [-1, 1]. The state
    is None where episodes start, then what was returned with the last actions.

    Actions are samples of the agent's distribution: that is the policy that PPO has improved, and
    its mean alone can be a worse one. The noise of an episode follows from its first observation,
    so an episode that is played again is the same, alone or beside others, and different agents
    meet a room with the same noise.
    """

    run: Path | None
    """the folder that it was loaded from"""

    def __init__(self, agent: Agent, device: str, run: Path | None = None) -> None:
        self.agent, self.device, self.run = agent, device, run
        self._loaded = _weights(agent)
        self.observation_size = int(agent.observation_size)

    @property
    def is_altered(self) -> bool:
        """Whether the agent is another one than was loaded: by its weights, or by torch's hooks."""
        modules = self.agent.modules() if isinstance(self.agent, torch.nn.Module) else ()
        hooked = any(module._forward_hooks or module._forward_pre_hooks for module in modules)
        return hooked or _weights(self.agent) != self._loaded

    def __call__(
        self, observations: ArrayLike, state: Memory | None = None
    ) -> tuple[np.ndarray, Memory]:
        """Actions, and the state to give with the next observations.

        Raises:
            UserError: the observations are not of this size, or the state is of other episodes.
        """
        given = self._read(observations)
        rows = np.atleast_2d(given)
        memory = self._begin(rows) if state is None else state
        check_memory(memory, Memory, len(rows))
        with torch.inference_mode():
            obs = torch.as_tensor(filled_up(rows), device=self.device)
            before = tuple(part.clone() for part in memory.agent)  # `act` may write into it
            mean, std, agent = self._act(obs, before)
        mean, std = mean[: len(rows)], std[: len(rows)]
        noise, noise_to_come = memory.noise.drawn(mean.shape[-1])
        actions = np.clip(mean + std * noise, -1, 1)
        after = Memory(agent, noise_to_come)
        return actions[0] if given.ndim == 1 else actions, after

    def _read(self, observations: ArrayLike) -> np.ndarray:
        """Observations as (n, size) or (size,) float32."""
        try:
            read = np.require(observations, np.float32, ["C", "W"])  # torch wants these two
        except (TypeError, ValueError, RuntimeError):
            raise UserError(
                "the observations cannot be read as numbers; give an array or a list of numbers"
            ) from None
        if read.ndim not in (1, 2):
            raise UserError(
                f"the observations have shape {read.shape}; give (n, {self.observation_size}) for "
                f"n episodes, or ({self.observation_size},) for one"
            )
        if read.shape[-1] != self.observation_size:
            raise UserError(
                f"this policy observes {self.observation_size} numbers, the scene gives "
                f"{read.shape[-1]}; it was trained on another family or observation, or in wrappers"
            )
        return read

    def _act(self, obs: torch.Tensor, state: State) -> tuple[np.ndarray, np.ndarray, State]:
        """Mean and standard deviation of the actions, (n, actuators) each, and the next state."""
        try:
            distribution, _, state = self.agent.act(obs, state)
            if isinstance(distribution, Categorical):
                raise UserError(
                    f"{self.run or 'the policy'}: its actions choose skills of a menu, and are no "
                    "controls; give a run of another trainer"
                )
            mean, std = distribution.mean.cpu().numpy(), distribution.stddev.cpu().numpy()
            finite = bool(np.isfinite(mean).all() and np.isfinite(std).all())
        except UserError:
            raise
        except ValueError:  # torch's distributions refuse parameters that are no numbers
            finite = False
        if not finite:
            raise UserError(
                "the policy's actions are not finite numbers: its policy.safetensors is damaged or "
                "its training diverged, or it was given observations that are not finite; train "
                "again, or look at the scene"
            )
        return mean, std, state

    def _begin(self, observations: np.ndarray) -> Memory:
        state = self.agent.initial_state(max(len(observations), LEAST_ROWS))
        return Memory(state, Noise.of(observations))
