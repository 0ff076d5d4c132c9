"""Policies made of other policies: noisier, slower, blind, or at rest outside of some scenes.

An instrument that reads goals off behaviour is tested on agents whose goal is known. These change
what an agent can do and leave open what it pursues, or take the pursuit away and leave its
movements. All give the same episode alone and beside others.

    noisy(script, sd=0.5)              the goal stays, the skill suffers
    delayed(script, steps=4)           the same
    with_held(agent, columns, values)  does not see a part of its observation
    resting_outside(script, scenes)    a goal in these scenes only
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.draws import episode_numbers, normal
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.scripted.common import idle

# --- less skill ------------------------------------------------------------------------------


class _Counted(NamedTuple):
    """The state of a policy around another one."""

    inner: Any  # the other one's state
    step: int  # control steps since the episode began
    kept: Any = None  # what else is remembered


def noisy(factory: PolicyFactory, sd: float, seed: int = 0) -> PolicyFactory:
    """Adds noise of a standard deviation `sd` to every action, and clips to [-1, 1].

    It is a function of (seed, episode, step).
    """

    def make(envs: SandboxVectorEnv) -> Policy:
        inner = factory(envs)

        def policy(obs: np.ndarray, state: _Counted | None) -> tuple[np.ndarray, _Counted]:
            before = state or _Counted(None, 0, episode_numbers(envs))
            actions, after = inner(obs, before.inner)
            noise = normal(seed, before.kept, f"noise {before.step}", np.shape(actions)[1:])
            return np.clip(actions + sd * noise, -1, 1), before._replace(
                inner=after, step=before.step + 1
            )

        return policy

    return make


def delayed(factory: PolicyFactory, steps: int) -> PolicyFactory:
    """Takes every action some control steps late; until then it idles."""

    def make(envs: SandboxVectorEnv) -> Policy:
        inner, resting = factory(envs), idle(envs)

        def policy(obs: np.ndarray, state: _Counted | None) -> tuple[np.ndarray, _Counted]:
            before = state or _Counted(None, 0, ())
            actions, after = inner(obs, before.inner)
            waiting = (*before.kept, np.array(actions))
            is_due = len(waiting) > steps
            due = waiting[0] if is_due else resting(obs, None)[0]
            return due, _Counted(after, before.step + 1, waiting[is_due:])

        return policy

    return make


def with_held(factory: PolicyFactory, columns: Sequence[int], values: np.ndarray) -> PolicyFactory:
    """Sees the same numbers at all times in some columns of its observation.

    values: as many as there are columns; a term's mean in training, say.
    """

    def make(envs: SandboxVectorEnv) -> Policy:
        inner = factory(envs)

        def policy(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
            seen = obs.copy()
            seen[:, columns] = values
            return inner(seen, state)

        return policy

    return make


# --- a goal in some scenes -------------------------------------------------------------------


def resting_outside(factory: PolicyFactory, scenes: Collection[str]) -> PolicyFactory:
    """Acts in the scenes of these names and idles in all others."""

    def make(envs: SandboxVectorEnv) -> Policy:
        if envs.scenes[0].name in scenes:
            return factory(envs)
        return idle(envs)

    return make
