"""Branching: several continuations of one exact snapshot.

A snapshot is what `SandboxVectorEnv.get_state` returns: physics, memory of formulas and counters of
all simulations. Playing the same actions from it gives the same rewards, measures and observations
to the last bit, so whatever differs between two branches was caused by what was done in them::

    envs = SandboxVectorEnv(scene, 16, autoreset_mode=AutoresetMode.DISABLED)
    envs.reset(seed=1)
    with preserved(envs) as snapshot:               # the environment is put back afterwards
        found = play_each(envs, snapshot, {"agent": agent, "idle": idle}, steps=40)
    caused = found["agent"].returns("dustpan") - found["idle"].returns("dustpan")

Counterfactuals exchange the policy, or the state of some simulations (`splice_states`), in the
middle of an episode. Planners try many continuations of one state: `take_rows(snapshot,
np.repeat(i, 64))` is a snapshot for an environment with 64 simulations that all are as simulation
i was, and `replay` makes a policy of actions. `Branch.end` is the snapshot to continue from.

A snapshot does not hold what a policy remembers. A recurrent policy continues in the middle of an
episode only if it gets its own state (`policy_state`; at the end it is `Branch.policy_state`).
Without it the policy acts as at the start of an episode. A policy must not change its state in
place. One with a random generator of its own draws other numbers in the next branch.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.arguments import whole_number
from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.draws import present
from sandbox_envs.eval.agents.protocol import Policy
from sandbox_envs.eval.rollouts.steps import Keep, Steps, play_steps
from sandbox_envs.simulation.snapshots import Snapshot


@dataclass(frozen=True, kw_only=True)
class Branch(Steps):
    """The rollout of a policy from a snapshot on, for T control steps."""

    reward_so_far: np.ndarray
    """(T + 1, n), the sum of the rewards since the episode began, before the first step and on"""
    end: Snapshot
    """where the branch ended"""
    policy_state: Any
    """the policy's state at the end"""


def play_from(
    envs: SandboxVectorEnv,
    snapshot: Snapshot,
    policy: Policy,
    steps: int,
    policy_state: Any = None,
    keep: Keep = (),
) -> Branch:
    """Play a policy from a snapshot in all simulations; the environment stays where this ends.

    An episode that is over earns nothing more, and its measures stay, as in `episodes.play`.

    Args:
        envs: with as many simulations of the same scene, and autoreset_mode=DISABLED.
        policy_state: what the policy remembers at the snapshot; None as where episodes begin.
        steps: control steps, 0 or more.
        keep: what to keep of every step besides: "observations", "actions", "poses".

    Raises:
        UserError: the snapshot or the policy's actions do not fit the environment, or
            `steps` is not a whole number of 0 or more.
    """
    steps = whole_number("steps", steps, 0)
    obs, info = _restore(envs, snapshot)
    before = info["return/reward"].copy()
    played, policy_state = play_steps(envs, policy, (obs, info), steps, policy_state, keep)
    so_far = np.cumsum([before, *played.rewards], axis=0)
    end = envs.get_state()
    return Branch(reward_so_far=so_far, end=end, policy_state=policy_state, **vars(played))


def play_each(
    envs: SandboxVectorEnv,
    snapshot: Snapshot,
    policies: Mapping[str, Policy],
    steps: int,
    policy_states: Mapping[str, Any] | None = None,
    keep: Keep = (),
) -> dict[str, Branch]:
    """A branch for each policy, all from the same snapshot; see `play_from`.

    policy_states: by the policies' names; None for those without one.
    """
    states = policy_states or {}
    return {
        name: play_from(envs, snapshot, policy, steps, states.get(name), keep)
        for name, policy in policies.items()
    }


def replay(actions: np.ndarray) -> Policy:
    """The policy that takes actions (T, n, actuators) one after the other; its state counts them.

    They may be recorded ones, or those that a planner tries. The policy raises UserError when they
    are over.
    """

    def policy(_obs: np.ndarray, step: int | None) -> tuple[np.ndarray, int]:
        step = step or 0
        if step >= len(actions):
            raise UserError(f"replay: there are actions for {len(actions)} steps, and no more")
        return actions[step], step + 1

    return policy


@contextmanager
def preserved(envs: SandboxVectorEnv) -> Iterator[Snapshot]:
    """A snapshot of where the environment is, which is put back there at the end of the block."""
    snapshot = envs.get_state()
    try:
        yield snapshot
    finally:
        envs.set_state(snapshot)


def take_rows(snapshot: Snapshot, rows: np.ndarray) -> Snapshot:
    """The snapshot of len(rows) simulations in which simulation i is as rows[i] was.

    For an environment of one scene with so many simulations. A row may be taken many times.

    Args:
        rows: numbers of simulations, (m,) int.

    Raises:
        UserError: the snapshot is of several scenes, or has no such rows.
    """
    rows, counts = np.asarray(rows), {len(array) for array in snapshot.values() if np.ndim(array)}
    if len(counts) != 1 or any(name.startswith("1/") for name in snapshot):
        raise UserError("take_rows: this is no snapshot of an environment of one scene")
    (n,) = counts
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or ((rows < 0) | (rows >= n)).any():
        raise UserError(f"take_rows: rows must be whole numbers from 0 to {n - 1}, in one array")
    return {name: array[rows] if np.ndim(array) else array for name, array in snapshot.items()}


def join_rows(snapshots: Sequence[Snapshot]) -> Snapshot:
    """The simulations of some snapshots, of one scene and seed, as one snapshot."""
    return {
        name: np.concatenate([one[name] for one in snapshots]) if np.ndim(array) else array
        for name, array in snapshots[0].items()
    }


def _restore(envs: SandboxVectorEnv, snapshot: Snapshot) -> tuple[np.ndarray, dict[str, Any]]:
    """Put the environment there; its observations and info."""
    if "seed" in snapshot and snapshot["seed"] is None:
        raise gymnasium.error.ResetNeeded("call reset() before taking a snapshot")
    envs.set_state(snapshot)
    return present(envs)
