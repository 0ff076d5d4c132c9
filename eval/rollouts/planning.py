"""Predictive sampling: an agent with a known goal, for any objective, without training.

At each decision the agent plays random plans in exact copies of its simulation and follows the best
one until the next decision (Howell et al. 2022, "Predictive Sampling: Real-time Behaviour Synthesis
with MuJoCo", arXiv 2212.00541). It knows the physics and everything that is hidden from other
agents, so it shows what an objective is worth, not what can be learned from the observation::

    play(scene, planned("dustpan"), episodes=4)
    play(scene, planned({"reward": 0.5, "dustpan": 0.5}), episodes=4)

What a plan is worth is what it earns of the objective until its horizon. An objective that pays
later than that gives the agent nothing to choose by.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.errors import UserError, suggest
from sandbox_envs.eval.agents.draws import episode_numbers, normal
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.rollouts.branching import play_from, replay, take_rows
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.snapshots import Snapshot

MAX_PARALLEL = 1024  # simulations at a time: more are no faster, and take memory

Objective = str | Mapping[str, float]  # "reward", a measure, or the weights of a sum of these


@dataclass(frozen=True)
class Planning:
    """How an agent plans. The defaults reach the scripts in sweep/train."""

    samples: int = 32
    """plans that are tried at each decision"""
    horizon: float = 1.5
    """seconds that a plan looks ahead"""
    replan: float = 0.5
    """seconds between decisions, a multiple of `knot`"""
    knot: float = 0.25
    """seconds between the actions that are drawn; those in between are interpolated"""
    sd: float = 0.6
    """standard deviation of the noise that is added to the best plan so far, in actions"""
    iterations: int = 1
    """rounds of trying plans at each decision, each around the best of the round before"""
    seed: int = 0
    """seed of the noise"""


class _Plan(NamedTuple):
    knots: np.ndarray  # (n, knots, actuators), at the last decision
    step: int  # control steps since the episode began


def planned(objective: Objective, planning: Planning | None = None) -> PolicyFactory:
    """The agent that plans for an objective.

    Its noise is a function of (seed, episode, decision), so that an episode does not depend on how
    many are played at a time. Its policy is for the environment that it is made for.

    Raises:
        UserError: when the policy is made, if the scene has no such measure, or if the times are
            no multiples of each other.
    """

    def make(envs: SandboxVectorEnv) -> Policy:
        planner = _Planner(envs, objective, planning or Planning())

        def policy(_obs: np.ndarray, plan: _Plan | None) -> tuple[np.ndarray, _Plan]:
            plan = planner.updated(plan)
            action = planner.actions(plan.knots)[plan.step % planner.replan]
            return action, _Plan(plan.knots, plan.step + 1)

        return policy

    return make


class _Planner:
    """Copies of an environment's simulations, and what is tried in them."""

    def __init__(self, envs: SandboxVectorEnv, objective: Objective, planning: Planning) -> None:
        scene = envs.scenes[0]
        self.envs, self.planning = envs, planning
        self.weights = _weights(objective, scene)
        self.knot, self.replan, self.horizon = _steps(planning, scene)
        self.rows = max(1, min(MAX_PARALLEL // planning.samples, envs.num_envs))
        self.copies = SandboxVectorEnv(
            scene, self.rows * planning.samples, autoreset_mode=AutoresetMode.DISABLED
        )

    def updated(self, plan: _Plan | None) -> _Plan:
        """The plan to follow in this step: a new one where a decision is due."""
        if plan is None:
            shape = (
                self.envs.num_envs,
                self.horizon // self.knot + 1,
                self.envs.scenes[0].model.nu,
            )
            plan = _Plan(np.zeros(shape), 0)
        elif plan.step % self.replan:
            return plan
        else:
            plan = _Plan(_later(plan.knots, self.replan // self.knot), plan.step)
        return plan._replace(knots=self._decided(plan.knots, plan.step // self.replan))

    def actions(self, knots: np.ndarray) -> np.ndarray:
        """(horizon, n, actuators) actions between the knots (n, knots, actuators)."""
        time = np.arange(self.horizon) / self.knot
        before = time.astype(int)
        part = (time - before)[:, None, None]
        at = np.moveaxis(knots, 1, 0)
        return at[before] * (1 - part) + at[before + 1] * part

    def _decided(self, knots: np.ndarray, decision: int) -> np.ndarray:
        """The best of the plans tried around the given ones."""
        snapshot, episodes = self.envs.get_state(), episode_numbers(self.envs)
        for iteration in range(self.planning.iterations):
            noise = self._noise(episodes, f"plan {decision} {iteration}", knots)
            tried = np.clip(knots[:, None] + noise, -1, 1)
            best = self._worth(snapshot, tried).argmax(1)
            knots = tried[np.arange(len(tried)), best]
        return knots

    def _noise(self, episodes: np.ndarray, purpose: str, knots: np.ndarray) -> np.ndarray:
        """(n, samples, knots, actuators); the first sample has none, so the old plan is tried."""
        shape = (self.planning.samples, *knots.shape[1:])
        noise = self.planning.sd * normal(self.planning.seed, episodes, purpose, shape)
        noise[:, 0] = 0
        return noise

    def _worth(self, snapshot: Snapshot, tried: np.ndarray) -> np.ndarray:
        """What each plan (n, samples, knots, actuators) earns, (n, samples)."""
        worth = np.empty(tried.shape[:2])
        for first in range(0, len(tried), self.rows):
            rows = np.minimum(first + np.arange(self.rows), len(tried) - 1)
            state = take_rows(snapshot, np.repeat(rows, tried.shape[1]))
            actions = self.actions(tried[rows].reshape(-1, *tried.shape[2:]))
            branch = play_from(self.copies, state, replay(actions), self.horizon)
            earned = sum(w * branch.returns(name) for name, w in self.weights.items())
            worth[rows] = np.reshape(earned, (self.rows, -1))
        return worth


def _later(knots: np.ndarray, passed: int) -> np.ndarray:
    """The same plan after some knots have passed; its last action is repeated."""
    index = np.minimum(np.arange(knots.shape[1]) + passed, knots.shape[1] - 1)
    return knots[:, index]


def _weights(objective: Objective, scene: Scene) -> dict[str, float]:
    weights = {objective: 1.0} if isinstance(objective, str) else dict(objective)
    known = ("reward", *scene.measures)
    for name in weights:
        if name not in known:
            raise UserError(f"{scene.name} has no measure '{name}'; {suggest(name, known)}")
    return weights


def _steps(planning: Planning, scene: Scene) -> tuple[int, int, int]:
    """Control steps of a knot, between decisions, and of the horizon."""
    knot = max(1, round(planning.knot * scene.control_hz))
    replan, horizon = (
        round(seconds * scene.control_hz) for seconds in (planning.replan, planning.horizon)
    )
    if replan % knot or horizon % knot or not 0 < replan <= horizon:
        raise UserError(
            f"planning: {planning.replan} s between decisions and {planning.horizon} s ahead must "
            f"be multiples of a knot's {planning.knot} s, and the horizon the longer one"
        )
    return knot, replan, horizon
