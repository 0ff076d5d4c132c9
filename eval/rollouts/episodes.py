"""Playing a policy in a scene, and keeping what it takes to score its episodes and to film them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.judging.records import Record
from sandbox_envs.scene.scene import Scene

SEED = 10_000  # of all evaluation episodes: every policy meets the same rooms
MAX_PARALLEL = 128  # simulations at most
PLACES = ("qpos", "mocap_pos", "mocap_quat")  # where everything is, of an mjData


@dataclass(frozen=True)
class Trajectory:
    """One recorded episode of T control steps, enough to film it.

    times: (T + 1,) seconds. levels: measure -> (T + 1,). returns: (T + 1,), the reward so far.
    places: name in mjData -> (T + 1, ...) float32.
    """

    scene: Scene
    episode: int
    times: np.ndarray
    returns: np.ndarray
    levels: dict[str, np.ndarray]
    places: dict[str, np.ndarray]

    def show(self, data: mujoco.MjData, step: int) -> None:
        """Put everything in `data` where it was after `step` control steps; nothing is derived."""
        for name, values in self.places.items():
            getattr(data, name)[:] = values[step]


@dataclass(frozen=True)
class Episodes:
    """Episodes of one policy in one scene: n of them, T control steps each.

    index: (n,) the number of each, which with the seed says all that is random about it.
    rewards: (T, n). levels: measure -> (T + 1, n), before the first step and after each.
    lengths: (n,) steps until it was over; unstable: (n,) bool, whether that was because the
    physics broke down (rewards are 0 from there, and levels stay).
    places: name in mjData -> (T + 1, n, ...), empty where nothing was to be filmed.
    """

    scene: Scene
    seed: int
    index: np.ndarray
    rewards: np.ndarray
    levels: dict[str, np.ndarray]
    lengths: np.ndarray
    unstable: np.ndarray
    places: dict[str, np.ndarray]

    def returns(self, objective: str) -> np.ndarray:
        """(n,): the sum of the reward for "reward", for a measure its end minus its start."""
        if objective == "reward":
            return self.rewards.sum(0)
        return self.levels[objective][-1] - self.levels[objective][0]

    def trajectory(self, i: int) -> Trajectory:
        """The i-th episode, to be filmed; it must have been recorded."""
        if not self.places:
            raise ValueError("these episodes were played without recording them")
        end = int(self.lengths[i]) + 1
        returns = np.concatenate([[0.0], self.rewards[:, i].cumsum()])
        return Trajectory(
            self.scene,
            int(self.index[i]),
            np.arange(end) / self.scene.control_hz,
            returns[:end],
            {name: level[:end, i].copy() for name, level in self.levels.items()},
            {name: place[:end, i].copy() for name, place in self.places.items()},
        )

    def records(self, agent: str) -> list[Record]:
        """What is judged of each episode."""
        objectives = ("reward", *self.levels)
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
    make: PolicyFactory,
    episodes: int,
    seed: int = SEED,
    first: int = 0,
    record: bool = False,
    on_step: Callable[[], object] = lambda: None,
) -> Episodes:
    """Play episodes of a seed, numbered from `first`, the same number in every simulation.

    Args:
        make: called with the environment, gives the policy; the policy's state is None whenever
            episodes begin.
        record: keep where everything was at every step, for films.
        on_step: called after every control step, for a progress bar.

    Raises:
        UserError: the policy's actions are not (n, actuators) finite numbers.
    """
    rounds = -(-episodes // MAX_PARALLEL)
    n = -(-episodes // rounds)
    envs = SandboxVectorEnv(scene, n, autoreset_mode=AutoresetMode.DISABLED)
    policy = make(envs)
    begin = [first + i * n for i in range(rounds)]
    parts = [_play_round(envs, policy, seed, k, record, on_step) for k in begin]
    return _first(_joined(parts), episodes)


def _play_round(
    envs: SandboxVectorEnv,
    policy: Policy,
    seed: int,
    first: int,
    record: bool,
    on_step: Callable[[], object],
) -> Episodes:
    """One episode in every simulation, numbered from `first`."""
    scene, n = envs.scenes[0], envs.num_envs
    steps, names = scene.episode_steps, list(scene.measures)
    batch = envs.batches[0]
    fields = {name: batch.bind(name) for name in PLACES} if record else {}
    places = {k: np.empty((steps + 1, *v.shape), np.float32) for k, v in fields.items()}
    rewards, levels = np.zeros((steps, n)), np.empty((steps + 1, n, len(names)))
    lengths, unstable = np.full(n, steps), np.zeros(n, bool)
    running, state = np.ones(n, bool), None
    obs, info = envs.reset(seed=seed, options={"episode": first})
    levels[0] = np.stack([info[name] for name in names], -1)
    for name, place in places.items():
        place[0] = fields[name]
    for t in range(steps):
        actions, state = policy(obs, state)
        obs, reward, _, over, info = envs.step(_checked(actions, (n, scene.model.nu)))
        now = np.stack([info[name] for name in names], -1)
        rewards[t] = np.where(running, reward, 0.0)
        levels[t + 1] = np.where(running[:, None], now, levels[t])
        for name, place in places.items():
            place[t + 1] = fields[name]
        lengths[running & over], unstable[running & over] = t + 1, info["unstable"][running & over]
        running &= ~over
        on_step()
    by_name = {name: levels[..., i] for i, name in enumerate(names)}
    index = first + np.arange(n)
    return Episodes(scene, seed, index, rewards, by_name, lengths, unstable, places)


def _checked(actions: Any, shape: tuple[int, int]) -> np.ndarray:
    actions = np.asarray(actions)
    if actions.shape != shape:
        raise UserError(
            f"the policy acts with an array of {actions.shape}, and the scene needs {shape}: one "
            "row per simulation, one number per actuator"
        )
    return actions


def _joined(parts: list[Episodes]) -> Episodes:
    def along(axis: int, name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        if isinstance(values[0], dict):
            return {k: np.concatenate([v[k] for v in values], axis) for k in values[0]}
        return np.concatenate(values, axis)

    first = {name: along(0, name) for name in ("index", "lengths", "unstable")}
    second = {name: along(1, name) for name in ("rewards", "levels", "places")}
    return replace(parts[0], **first, **second)


def _first(played: Episodes, n: int) -> Episodes:
    """Only the first n; the last round may have played a few more than asked for."""
    first = {name: getattr(played, name)[:n] for name in ("index", "lengths", "unstable")}
    levels = {name: level[:, :n] for name, level in played.levels.items()}
    places = {name: place[:, :n] for name, place in played.places.items()}
    return replace(played, **first, rewards=played.rewards[:, :n], levels=levels, places=places)
