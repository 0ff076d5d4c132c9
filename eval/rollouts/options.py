"""Planning over options: an agent with a known goal where random actions lead nowhere.

An *option* is a behaviour that goes on until another one is chosen (Sutton, Precup & Singh 1999,
"Between MDPs and semi-MDPs"). At each decision the agent tries every option in an exact copy of its
simulation and follows the one that earns most of its objective until the horizon; of equal ones it
stays with the one that it follows. Nothing is drawn, so an episode depends on nothing but itself::

    from sandbox_envs.eval.agents.scripted.maze import Cells
    play(load_scene("maze/train"), planned_options("reward", Cells), episodes=4)
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.rollouts.planning import (
    Copies,
    Objective,
    check_usable,
    planned_steps,
    weights_of,
)


class Options(Protocol):
    """The options of a planner, in the n simulations of one environment."""

    count: int
    """how many there are"""

    def actions(self, options: np.ndarray) -> np.ndarray:
        """Actions (n, actuators) of an option (n,) in each simulation."""


OptionsFactory = Callable[[SandboxVectorEnv], Options]


class _Choice(NamedTuple):
    options: np.ndarray  # (n,) that are followed
    step: int  # control steps since the episode began


def planned_options(
    objective: Objective,
    options: OptionsFactory,
    horizon: float = 10.0,
    replan: float = 2.0,
    crossing: bool = False,
) -> PolicyFactory:
    """The agent that tries every option and follows the best for an objective.

    Args:
        objective: "reward", a measure, or the weights of several.
        options: called with an environment, gives its options.
        horizon: seconds that each option is tried for.
        replan: seconds between decisions.
        crossing: whether what is tried goes on into the next episode where the horizon is beyond
            the end: each option with each one that may follow it there. Such an agent acts for what
            a scene carries over (`carry/NAME`).

    Raises:
        UserError: the objective or a time is invalid; and when the policy is made, if the scene has
            no such measure, if the environment is wrapped or of several scenes, or if with
            `crossing` what an episode leaves goes to another slot (`carry_shift`).
    """
    weights = weights_of(objective)

    def make(envs: SandboxVectorEnv) -> Policy:
        check_usable(envs, weights)
        scene = envs.scenes[0]
        every, ahead = (
            planned_steps(name, seconds, scene)
            for name, seconds in (("replan", replan), ("horizon", horizon))
        )
        acting = options(envs)
        followers = acting.count if crossing else 1  # options that are tried after the end
        copies = Copies(envs, acting.count * followers, weights, crossing)
        trying = options(copies.envs)
        tried, then = np.divmod(np.tile(np.arange(copies.count), copies.rows), followers)

        def trials(left: np.ndarray) -> Policy:
            """Tries options for `left` (copies,) steps, and then those that follow."""

            def follow(_obs: np.ndarray, step: int | None) -> tuple[np.ndarray, int]:
                step = step or 0
                return trying.actions(np.where(step < left, tried, then)), step + 1

            return follow

        def policy(_obs: np.ndarray, choice: _Choice | None) -> tuple[np.ndarray, _Choice]:
            now = choice or _Choice(np.zeros(envs.num_envs, int), 0)
            if now.step % every == 0:
                snapshot = copies.snapshot()
                left = scene.episode_steps - snapshot["0/clock"]  # (n,) steps of the episode
                value = (
                    copies.worth(
                        snapshot, lambda rows: trials(np.repeat(left[rows], copies.count)), ahead
                    )
                    .reshape(-1, acting.count, followers)
                    .max(2)
                )
                each = np.arange(envs.num_envs)
                is_best = value[each, now.options] >= value.max(1)
                now = _Choice(np.where(is_best, now.options, value.argmax(1)), now.step)
            return acting.actions(now.options), _Choice(now.options, now.step + 1)

        return policy

    return make
