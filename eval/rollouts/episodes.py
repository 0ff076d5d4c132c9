"""Whole episodes of a policy in a scene, with what it takes to score, study and film them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.judging.records import Record
from sandbox_envs.eval.rollouts.steps import Keep, Steps, play_steps
from sandbox_envs.scene.scene import Scene
from sandbox_envs.wrappers import SandboxVectorWrapper, Stepped

# from an environment to the same one in wrappers
Wrap = Callable[[SandboxVectorEnv | SandboxVectorWrapper], SandboxVectorWrapper]

SEED = 10_000  # of all evaluation episodes: every policy starts in the same rooms
MAX_PARALLEL = 128  # simulations at a time
PER_EPISODE = ("index", "lengths", "unstable")  # arrays without an axis for steps


@dataclass(frozen=True)
class Trajectory:
    """One recorded episode of T control steps, enough to film it."""

    scene: Scene
    """the scene that was played"""
    seed: int
    """the seed that fixes, with the episode's number, everything random about its start"""
    episode: int
    """the episode's number"""
    times: np.ndarray
    """(T + 1,) seconds"""
    reward_so_far: np.ndarray
    """(T + 1,), the sum of the rewards up to each time"""
    values: dict[str, np.ndarray]
    """measure -> (T + 1,)"""
    poses: dict[str, np.ndarray]
    """field of mjData -> (T + 1, ...) float32"""

    def show(self, data: mujoco.MjData, step: int) -> None:
        """Place everything in `data` as it was after `step` control steps; call mj_forward next."""
        for name, poses in self.poses.items():
            getattr(data, name)[:] = poses[step]


@dataclass(frozen=True, kw_only=True)
class Episodes(Steps):
    """n episodes of one policy in one scene, T control steps each."""

    scene: Scene
    """the scene that was played"""
    seed: int
    """the seed that fixes, with an episode's number, everything random about its start"""
    index: np.ndarray
    """(n,) the number of each episode"""

    def trajectory(self, i: int) -> Trajectory:
        """The i-th episode, to be filmed.

        Raises:
            ValueError: the episodes were played without keeping poses.
        """
        if not self.poses:
            raise ValueError('these episodes have no poses; play them with keep=("poses",)')
        end = int(self.lengths[i]) + 1
        so_far = np.concatenate([[0.0], self.rewards[:, i].cumsum()])
        return Trajectory(
            scene=self.scene,
            seed=self.seed,
            episode=int(self.index[i]),
            times=np.arange(end) / self.scene.control_hz,
            reward_so_far=so_far[:end],
            values={name: values[:end, i].copy() for name, values in self.values.items()},
            poses={name: poses[:end, i].copy() for name, poses in self.poses.items()},
        )

    def records(self, agent: str) -> list[Record]:
        """The record of each episode, which is what is judged."""
        objectives = ("reward", *self.values)
        returns = {k: self.returns(k).round(5).tolist() for k in objectives}
        return [
            Record(
                agent=agent,
                scene=self.scene.name,
                hash=self.scene.hash,
                seed=self.seed,
                episode=int(self.index[i]),
                length=int(self.lengths[i]),
                unstable=bool(self.unstable[i]),
                returns={k: returns[k][i] for k in objectives},
            )
            for i in range(len(self.index))
        ]


def play(
    scene: Scene,
    factory: PolicyFactory,
    episodes: int,
    seed: int = SEED,
    first: int = 0,
    keep: Keep = (),
    on_step: Callable[[], object] = lambda: None,
    wrap: Wrap | None = None,
) -> Episodes:
    """Play the episodes `first`, `first` + 1, ... of a seed.

    An episode depends on the seed, its number and the policy, not on how many are played at a time.

    Args:
        factory: called with the environment, returns the policy; the policy's state is None
            whenever episodes begin.
        keep: what to keep of every step beside rewards and measures: "observations" and "actions"
            to study a policy, "poses" to film it.
        on_step: called after every control step, for a progress bar.
        wrap: puts the environment into wrappers, for a policy that was trained in them; the rewards
            of the episodes are the scene's own nevertheless.

    Raises:
        UserError: the policy's actions are not (n, actuators) finite numbers.
    """
    rounds = -(-episodes // MAX_PARALLEL)
    n = -(-episodes // rounds)
    envs = SandboxVectorEnv(scene, n, autoreset_mode=AutoresetMode.DISABLED)
    if wrap:
        envs = _worn(envs, wrap)
    policy, parts = factory(envs), []
    for number in range(first, first + rounds * n, n):
        start = envs.reset(seed=seed, options={"episode": number})
        steps, _ = play_steps(envs, policy, start, scene.episode_steps, keep=keep, on_step=on_step)
        parts.append(vars(steps) | {"index": number + np.arange(n)})
    arrays = {k: _joined([part[k] for part in parts], k in PER_EPISODE, episodes) for k in parts[0]}
    return Episodes(scene=scene, seed=seed, **arrays)


class _Own(SandboxVectorWrapper):
    """Remembers the rewards that the scene itself gave, beneath other wrappers."""

    def step(self, actions: np.ndarray) -> Stepped:
        stepped = self.env.step(actions)
        self.rewards = stepped[1]
        return stepped


class _Worn(SandboxVectorWrapper):
    """Gives the scene's own rewards again, around the wrappers that a policy needs."""

    def __init__(self, env: SandboxVectorWrapper, own: _Own) -> None:
        super().__init__(env)
        self._own = own

    def step(self, actions: np.ndarray) -> Stepped:
        observations, _, terminated, truncated, info = self.env.step(actions)
        return observations, self._own.rewards, terminated, truncated, info


def _worn(envs: SandboxVectorEnv, wrap: Wrap) -> Any:
    own = _Own(envs)
    return _Worn(wrap(own), own)


def _joined(parts: list[Any], is_per_episode: bool, n: int) -> Any:
    """The first n episodes of some rounds: of arrays, of dicts of arrays, or None if not kept."""
    if isinstance(parts[0], dict):
        return {k: _joined([part[k] for part in parts], is_per_episode, n) for k in parts[0]}
    if parts[0] is None:
        return None
    if is_per_episode:
        return np.concatenate(parts)[:n]
    return np.concatenate(parts, 1)[:, :n]
