"""Data for comparing reward models: episodes of frozen policies, and random branches.

It holds sums of sensors, efforts and true rewards, no estimate, so that one bank serves all models.
Its rooms are used for nothing else.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.agents.scripted.asked import planted
from sandbox_envs.eval.reward_learning.search import STEPS
from sandbox_envs.eval.rollouts.branching import join_rows, take_rows
from sandbox_envs.eval.rollouts.sums import play_with_sums
from sandbox_envs.files import read_json, write_json
from sandbox_envs.scene.scene import Scene
from sandbox_envs.sensor_sums import sensor_sums
from sandbox_envs.simulation.snapshots import Snapshot
from sandbox_envs.train.transitions import (
    Transitions,
    read_transitions,
    record,
    side_by_side,
    write_transitions,
)

SEED = 80_000  # of rooms that are used for nothing else
HELD = 5  # control steps that a branch holds an action for
VERSION = 1  # of what is played here; kept banks of another one are not read
INDEX, MOMENTS, PAIR = "bank.json", "moments.npz", ("before", "after")  # its files


@dataclass(frozen=True)
class Coverage:
    """Single steps of scripts, with random branches from the states before and after each."""

    changes: np.ndarray
    """(2, moments, sums) of sums since the episode began, before and after a step"""
    actions: np.ndarray
    """(moments, actuators) of the step"""
    rewards: np.ndarray
    """(moments,) true ones of the step"""
    branches: tuple[Transitions, Transitions]
    """from before and after the step: (steps, moments x branches), moment after moment"""
    count: int
    """branches of each moment"""


@dataclass(frozen=True)
class Bank:
    """The episodes and branches that reward models are compared on."""

    policies: Mapping[str, Mapping[str, Transitions]]
    """scene -> policy -> whole episodes"""
    coverage: Coverage
    """of all scripts in all scenes"""


def build_bank(
    scenes: Mapping[str, Scene], names: Sequence[str], episodes: int, moments: int, branches: int
) -> Bank:
    """Play the episodes and branches of a bank.

    Args:
        scenes: by name.
        names: of the sums.
        episodes: of each frozen policy, a script or a reflex, in each scene.
        moments: of each script in each scene, one in a room.
        branches: of each moment, before and after.
    """
    policies = {
        name: {
            who: labelled(scene, factory, episodes, names)
            for who, factory in planted(scene).items()
        }
        for name, scene in scenes.items()
    }
    parts = [
        _coverage(scene, who, names, moments, branches)
        for scene in scenes.values()
        for who in scripts(scene)
    ]
    return Bank(policies, _joined(parts))


def kept_bank(
    folder: Path,
    scenes: Mapping[str, Scene],
    names: Sequence[str],
    episodes: int,
    moments: int,
    branches: int,
) -> Bank:
    """The same from a folder of banks, where it is kept: to play one takes minutes.

    Raises:
        UserError: a file of it is damaged.
    """
    about = {name: scene.hash for name, scene in scenes.items()}
    key = json.dumps([VERSION, about, *names, episodes, moments, branches])
    own = folder / hashlib.sha256(key.encode()).hexdigest()[:16]
    if (own / INDEX).is_file():
        return _read(own)
    bank = build_bank(scenes, tuple(names), episodes, moments, branches)
    _write(own, bank)
    return bank


def _write(folder: Path, bank: Bank) -> None:
    """Write a bank, its index last: it says that all is there."""
    index = {scene: list(played) for scene, played in bank.policies.items()}
    for i, played in enumerate(bank.policies.values()):
        for j, part in enumerate(played.values()):
            write_transitions(folder / f"{i}-{j}.npz", part)
    coverage = bank.coverage
    for name, part in zip(PAIR, coverage.branches, strict=True):
        write_transitions(folder / f"{name}.npz", part)
    names, steps = coverage.branches[0].names, (coverage.actions[None], coverage.rewards[None])
    write_transitions(folder / MOMENTS, Transitions(names, coverage.changes, *steps))
    write_json(folder / INDEX, {"policies": index, "count": coverage.count})


def _read(folder: Path) -> Bank:
    index = read_json(folder / INDEX)
    policies = {
        scene: {who: read_transitions(folder / f"{i}-{j}.npz") for j, who in enumerate(played)}
        for i, (scene, played) in enumerate(index["policies"].items())
    }
    before, after = (read_transitions(folder / f"{name}.npz") for name in PAIR)
    one = read_transitions(folder / MOMENTS)  # a step of each
    moments = (one.sums, one.actions[0], one.rewards[0])
    return Bank(policies, Coverage(*moments, (before, after), index["count"]))


def labelled(
    scene: Scene,
    factory: PolicyFactory,
    episodes: int,
    names: Sequence[str],
    seed: int = SEED,
    observe: bool = False,
) -> Transitions:
    """A policy's episodes with true rewards; observe: whether to keep observations."""
    keep = ("actions", "observations") if observe else ("actions",)
    steps, sums = play_with_sums(scene, factory, episodes, names, keep, seed)
    assert steps.actions is not None
    actions = steps.actions.astype(np.float32)
    return Transitions(tuple(names), sums, actions, steps.rewards, steps.observations)


def _coverage(
    scene: Scene, who: str, names: Sequence[str], moments: int, branches: int
) -> Coverage:
    """A script's moments, spread evenly over an episode's length, each in a room of its own."""
    envs = SandboxVectorEnv(scene, moments, autoreset_mode=AutoresetMode.DISABLED)
    observations, _ = envs.reset(seed=SEED + 1)
    policy, began = scripts(scene)[who](envs), sensor_sums(envs, names)
    at = np.linspace(0, scene.episode_steps - STEPS - 2, moments).astype(int)
    kept: dict[str, list[Snapshot]] = {"before": [], "after": []}
    changes, actions, rewards = np.empty((2, *began.shape)), [], []
    state = None
    for t in range(at[-1] + 1):
        now = np.flatnonzero(at == t)
        snapshot, before = envs.get_state(), sensor_sums(envs, names)
        action, state = policy(observations, state)
        observations, reward, *_ = envs.step(action)
        if len(now):
            kept["before"].append(take_rows(snapshot, now))
            kept["after"].append(take_rows(envs.get_state(), now))
            changes[0, now] = (before - began)[now]
            changes[1, now] = (sensor_sums(envs, names) - began)[now]
            actions.append(np.asarray(action)[now])
            rewards.append(reward[now])
    pair = [_branches(scene, join_rows(snapshots), names, branches) for snapshots in kept.values()]
    return Coverage(
        changes, np.concatenate(actions), np.concatenate(rewards), (pair[0], pair[1]), branches
    )


def _branches(scene: Scene, snapshot: Snapshot, names: Sequence[str], count: int) -> Transitions:
    """Random actions from each row of a snapshot, the same from every row."""
    rows = next(len(array) for array in snapshot.values() if np.ndim(array))
    envs = SandboxVectorEnv(scene, rows * count, autoreset_mode=AutoresetMode.DISABLED)
    envs.set_state(take_rows(snapshot, np.repeat(np.arange(rows), count)))
    shape = (STEPS // HELD, count, scene.model.nu)
    drawn = np.random.default_rng(SEED).uniform(-1, 1, shape)
    return record(envs, names, np.tile(np.repeat(drawn, HELD, 0), (1, rows, 1)))


def _joined(parts: Sequence[Coverage]) -> Coverage:
    return Coverage(
        np.concatenate([part.changes for part in parts], 1),
        np.concatenate([part.actions for part in parts]),
        np.concatenate([part.rewards for part in parts]),
        (
            side_by_side([p.branches[0] for p in parts]),
            side_by_side([p.branches[1] for p in parts]),
        ),
        parts[0].count,
    )
