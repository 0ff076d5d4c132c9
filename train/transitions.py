"""Transitions to learn a reward from: sums of sensors, actions and true rewards, step by step.

A file of transitions is one of NumPy (.npz) with the arrays of `Transitions`.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.errors import UserError
from sandbox_envs.files import atomic_write, make_folder
from sandbox_envs.scene.scene import Scene
from sandbox_envs.sensor_sums import sensor_sums

HELD = 5  # control steps that a random action is held for


@dataclass(frozen=True)
class Transitions:
    """T control steps of n simulations, from a start of theirs."""

    names: tuple[str, ...]
    """of the sums, as `sandbox_envs.sensor_sums` has them"""
    sums: np.ndarray
    """(T + 1, n, sums) float32, before the first step and after each"""
    actions: np.ndarray
    """(T, n, actuators) float32 in [-1, 1]"""
    rewards: np.ndarray
    """(T, n) true rewards, the labels"""
    observations: np.ndarray | None = None
    """(T + 1, n, size) float32, for what learns from what is seen; a reward model needs none"""

    def __post_init__(self) -> None:
        steps, n = self.rewards.shape
        fits = self.sums.shape == (steps + 1, n, len(self.names))
        if self.observations is not None:
            fits &= self.observations.shape[:2] == (steps + 1, n)
        fits &= self.actions.shape[:2] == (steps, n) and self.actions.ndim == 3
        if not (fits and all(np.isfinite(part).all() for part in self.arrays.values())):
            raise UserError("transitions: the arrays do not fit each other, or are not finite")

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All but the names."""
        arrays = {"sums": self.sums, "actions": self.actions, "rewards": self.rewards}
        return arrays if self.observations is None else arrays | {"observations": self.observations}

    @property
    def labels(self) -> int:
        """The number of rewards."""
        return self.rewards.size

    def taken(self, rows: np.ndarray) -> "Transitions":
        """Those of some simulations."""
        arrays = {name: array[:, rows] for name, array in self.arrays.items()}
        return Transitions(self.names, **arrays)


@dataclass(frozen=True)
class Rows:
    """Transitions in one list of N, as a reward model is given them."""

    before: np.ndarray
    """(N, sums) changes of the sums since the start, before the step"""
    after: np.ndarray
    """(N, sums) after it"""
    effort: np.ndarray
    """(N,) of the actions"""
    rewards: np.ndarray
    """(N,)"""


def rows_of(parts: Sequence[Transitions]) -> Rows:
    """All steps of some transitions, in one list."""
    changes = [part.sums - part.sums[0] for part in parts]
    return Rows(
        before=np.concatenate([_flat(one[:-1]) for one in changes]),
        after=np.concatenate([_flat(one[1:]) for one in changes]),
        effort=np.concatenate([effort(part.actions).ravel() for part in parts]),
        rewards=np.concatenate([part.rewards.ravel() for part in parts]),
    )


def side_by_side(parts: Sequence[Transitions]) -> Transitions:
    """Transitions of equally many steps as one."""
    arrays = {
        name: np.concatenate([part.arrays[name] for part in parts], 1) for name in parts[0].arrays
    }
    return Transitions(parts[0].names, **arrays)


def effort(actions: np.ndarray) -> np.ndarray:
    """The mean size of actions (..., actuators), (...), as rewards charge for it."""
    return np.abs(np.clip(actions, -1, 1)).mean(-1)


def wander(
    scene: Scene,
    names: Sequence[str],
    steps: int,
    n: int,
    seed: int,
    first: int = 0,
    observe: bool = False,
) -> Transitions:
    """The transitions of random actions, each held for `HELD` steps, from a scene's own starts.

    Args:
        names: of the sums.
        steps: of each simulation; at most an episode.
        n: simulations.
        first: the number of the first one's episode.
        observe: whether to keep observations.
    """
    envs = SandboxVectorEnv(scene, n, autoreset_mode=AutoresetMode.DISABLED)
    envs.reset(seed=seed, options={"episode": first})
    shape = (-(-steps // HELD), n, scene.model.nu)
    drawn = np.random.default_rng((seed, first)).uniform(-1, 1, shape)
    return record(envs, names, np.repeat(drawn, HELD, 0)[:steps], observe)


def record(
    envs: SandboxVectorEnv, names: Sequence[str], actions: np.ndarray, observe: bool = False
) -> Transitions:
    """The transitions of actions (T, n, actuators) from a DISABLED environment's current state."""
    nowhere = np.zeros(envs.num_envs, bool)
    seen, rewards = [envs.reset(options={"reset_mask": nowhere})[0]], []
    sums = [sensor_sums(envs, names)]
    for action in actions:
        observations, reward, *_ = envs.step(action)
        sums.append(sensor_sums(envs, names))
        rewards.append(reward)
        if observe:
            seen.append(observations)
    return Transitions(
        tuple(names),
        np.stack(sums),
        actions.astype(np.float32),
        np.stack(rewards),
        np.stack(seen) if observe else None,
    )


def write_transitions(file: Path, transitions: Transitions) -> None:
    """Write a file, completely or not at all."""
    make_folder(file.parent)
    with atomic_write(file) as temporary, temporary.open("wb") as stream:
        content: Any = {"names": np.array(transitions.names), **transitions.arrays}
        np.savez_compressed(stream, **content)


def read_transitions(file: Path) -> Transitions:
    """The transitions in a file.

    Raises:
        UserError: it holds anything else, or there is none.
    """
    try:
        with np.load(file, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files if name != "names"}
            return Transitions(tuple(map(str, content["names"])), **arrays)
    except FileNotFoundError:
        raise UserError(f"{file}: there is no such file; check the path") from None
    except (
        UserError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        NotImplementedError,
        zlib.error,
        zipfile.BadZipFile,
    ):
        raise UserError(
            f"{file}: this is no file of transitions; write_transitions makes one"
        ) from None


def transitions_hash(transitions: Transitions) -> str:
    """16 digits by which transitions are told apart, wherever their file lies."""
    digest = hashlib.sha256(repr(transitions.names).encode())
    for array in transitions.arrays.values():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1, array.shape[-1])
