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

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.arguments import whole_number
from sandbox_envs.errors import UserError, suggest
from sandbox_envs.eval.agents.draws import episode_numbers, normal, present
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.rollouts.branching import Branch, play_from, replay, take_rows
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.snapshots import Snapshot, followed_by

MAX_PARALLEL = 1024  # simulations at a time: more are no faster, and take memory

WHOLE = 1e-6  # what a ratio may differ by from a whole number, as 0.3 / 0.1 does

Objective = str | Mapping[str, float]  # "reward", a measure, or the weights of a sum of these


@dataclass(frozen=True)
class Planning:
    """The settings of a planning agent. The defaults reach the scripts in sweep/train.

    Raises:
        UserError: a number is out of bounds, or the times are no multiples of each other.
    """

    samples: int = 32
    """plans that are tried at each decision, 1 to 1024"""
    horizon: float = 1.5
    """seconds that a plan looks ahead, a multiple of `knot`"""
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

    def __post_init__(self) -> None:
        for name, least, most in (
            ("samples", 1, MAX_PARALLEL),
            ("iterations", 1, None),
            ("seed", 0, 2**64 - 1),
        ):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), least, most))
        for name in ("horizon", "replan", "knot", "sd"):
            _check_finite(name, getattr(self, name))
        if self.sd < 0:
            raise UserError(f"sd is {self.sd}; it must be 0 or more")
        if self.knot <= 0:
            raise UserError(f"knot is {self.knot}; it must be more than 0 seconds")
        for name in ("replan", "horizon"):
            knots = getattr(self, name) / self.knot
            if round(knots) < 1 or abs(knots - round(knots)) > WHOLE:
                raise UserError(
                    f"{name} is {getattr(self, name)}; it must be a multiple of a knot's "
                    f"{self.knot} s"
                )
        if self.horizon < self.replan:
            raise UserError(
                f"horizon is {self.horizon} and replan is {self.replan}; the horizon must not be "
                "the shorter one"
            )


def _check_finite(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(float(value)):
        raise UserError(f"{name} is {value!r}; it must be a finite number")


class Appraisal(ABC):
    """An objective for planning that is neither the reward nor a weighted sum of measures."""

    @abstractmethod
    def begin(self, envs: SandboxVectorEnv) -> np.ndarray:
        """The values to keep of the states where episodes began, a row for each simulation."""

    @abstractmethod
    def worth(self, envs: SandboxVectorEnv, branch: Branch, began: np.ndarray) -> np.ndarray:
        """The value (n,) of each simulation's plan; only differences between plans matter.

        Args:
            envs: where the plans have ended.
            branch: what was done, with its actions.
            began: of `begin`, a row for each simulation.
        """


class _Plan(NamedTuple):
    knots: np.ndarray  # (n, knots, actuators), at the last decision
    step: int  # control steps since the episode began
    began: np.ndarray | None = None  # what an appraisal keeps


def planned(objective: Objective | Appraisal, planning: Planning | None = None) -> PolicyFactory:
    """The agent that plans for an objective: the reward, measures, or an appraisal of plans.

    Its noise is a function of (seed, episode, decision), so that an episode does not depend on how
    many are played at a time. Its policy is for the environment that it is made for.

    Raises:
        UserError: the objective or the planning is invalid; and when the policy is made, if the
            scene has no such measure, or if the environment is wrapped or of several scenes.
    """
    appraisal = objective if isinstance(objective, Appraisal) else None
    weights = {} if isinstance(objective, Appraisal) else weights_of(objective)
    settings = planning if planning is not None else Planning()
    if not isinstance(settings, Planning):
        raise UserError(f"planning is {planning!r}; give a Planning, or None for the defaults")

    def make(envs: SandboxVectorEnv) -> Policy:
        check_usable(envs, weights)
        planner = _Planner(envs, weights, settings, appraisal)

        def policy(_obs: np.ndarray, plan: _Plan | None) -> tuple[np.ndarray, _Plan]:
            plan = planner.updated(plan)
            action = planner.actions(plan.knots)[plan.step % planner.replan]
            return action, plan._replace(step=plan.step + 1)

        return policy

    return make


class Copies:
    """Exact copies of an environment's simulations, `count` of each, to try behaviours in.

    crossing: whether copies continue into the next episode, to which the scene may carry state
        over; it is the same episode for all copies of a simulation. Without this a copy earns
        nothing after its episode's end.

    Raises:
        UserError: with `crossing`, what an episode leaves goes to another slot.
    """

    def __init__(
        self,
        envs: SandboxVectorEnv,
        count: int,
        weights: Mapping[str, float],
        crossing: bool = False,
    ) -> None:
        if crossing and envs.carry_shift:
            raise UserError(
                f"envs has carry_shift={envs.carry_shift}: what an episode leaves goes to another "
                "slot, and a planner copies single slots; make it without carry_shift"
            )
        self.original, self.count, self.weights = envs, count, weights
        self.rows = max(1, min(MAX_PARALLEL // count, envs.num_envs))
        self.crossing = crossing
        mode = AutoresetMode.SAME_STEP if crossing else AutoresetMode.DISABLED
        self.envs = SandboxVectorEnv(envs.scenes[0], self.rows * count, autoreset_mode=mode)

    def snapshot(self) -> Snapshot:
        """Of the original, where the copies begin. Raises UserError where it was never reset."""
        snapshot = self.original.get_state()
        if snapshot["seed"] is None:
            raise UserError("envs: call its reset() before a planner acts in it")
        return snapshot

    def worth(
        self,
        snapshot: Snapshot,
        behaviours: Callable[[np.ndarray], Policy],
        steps: int,
        appraise: Callable[[Branch, np.ndarray], np.ndarray] | None = None,
    ) -> np.ndarray:
        """The worth of each behaviour from a snapshot on, in the n simulations' copies, (n, count).

        Args:
            behaviours: called with the numbers (rows,) of simulations, gives the policy for their
                copies, (rows * count,).
            appraise: called with what was done and the number of each copy's simulation, gives what
                it is worth in place of the weights.
        """
        n = self.original.num_envs
        worth = np.empty((n, self.count))
        for first in range(0, n, self.rows):
            rows = np.minimum(first + np.arange(self.rows), n - 1)
            state = take_rows(snapshot, np.repeat(rows, self.count))
            if self.crossing:
                earned = self._earned_across(state, behaviours(rows), steps)
            else:
                earned = self._earned(state, behaviours(rows), steps, appraise, rows)
            worth[rows] = np.reshape(earned, (self.rows, self.count))
        return worth

    def _earned(
        self,
        state: Snapshot,
        policy: Policy,
        steps: int,
        appraise: Callable[[Branch, np.ndarray], np.ndarray] | None,
        rows: np.ndarray,
    ) -> np.ndarray:
        """A policy's worth over `steps` from a snapshot, within the episode, (rows * count,)."""
        keep = ("actions",) if appraise else ()
        branch = play_from(self.envs, state, policy, steps, keep=keep)
        if appraise:
            return appraise(branch, np.repeat(rows, self.count))
        return np.sum([w * branch.returns(name) for name, w in self.weights.items()], 0)

    def _earned_across(self, state: Snapshot, policy: Policy, steps: int) -> np.ndarray:
        """The same, and in the episodes that follow."""
        obs = self.envs.set_state(followed_by(state, self.original.num_envs))
        info, memory = present(self.envs)[1], None
        earned, levels = np.zeros(self.envs.num_envs), info
        for _ in range(steps):
            actions, memory = policy(obs, memory)
            obs, rewards, _, over, info = self.envs.step(actions)
            final = info.get("final_info", info)
            for name, weight in self.weights.items():
                gained = rewards
                if name != "reward":
                    gained = np.where(over, final[name], info[name]) - levels[name]
                earned += weight * gained
            levels = info
        return earned


class _Planner:
    """A planner that tries plans in copies of an environment's simulations."""

    def __init__(
        self,
        envs: SandboxVectorEnv,
        weights: Mapping[str, float],
        planning: Planning,
        appraisal: Appraisal | None = None,
    ) -> None:
        self.envs, self.planning, self.appraisal = envs, planning, appraisal
        self.knot, self.replan, self.horizon = _steps(planning, envs.scenes[0])
        self.copies = Copies(envs, planning.samples, weights)

    def updated(self, plan: _Plan | None) -> _Plan:
        """The plan to follow in this step: a new one where a decision is due."""
        if plan is None:
            shape = (
                self.envs.num_envs,
                self.horizon // self.knot + 1,
                self.envs.scenes[0].model.nu,
            )
            began = self.appraisal.begin(self.envs) if self.appraisal else None
            plan = _Plan(np.zeros(shape), 0, began)
        elif plan.step % self.replan:
            return plan
        else:
            plan = plan._replace(knots=_later(plan.knots, self.replan // self.knot))
        return plan._replace(knots=self._decided(plan, plan.step // self.replan))

    def actions(self, knots: np.ndarray) -> np.ndarray:
        """(horizon, n, actuators) actions between the knots (n, knots, actuators)."""
        return interpolated(knots, self.knot, self.horizon)

    def _decided(self, plan: _Plan, decision: int) -> np.ndarray:
        """The best of the plans tried around the given one."""
        knots = plan.knots
        snapshot = self.copies.snapshot()
        episodes = episode_numbers(self.envs)
        for iteration in range(self.planning.iterations):
            noise = self._noise(episodes, f"plan {decision} {iteration}", knots)
            tried = np.clip(knots[:, None] + noise, -1, 1)
            best = self._worth(snapshot, tried, plan.began).argmax(1)
            knots = tried[np.arange(len(tried)), best]
        return knots

    def _noise(self, episodes: np.ndarray, purpose: str, knots: np.ndarray) -> np.ndarray:
        """(n, samples, knots, actuators); the first sample has none, so the old plan is tried."""
        shape = (self.planning.samples, *knots.shape[1:])
        noise = self.planning.sd * normal(self.planning.seed, episodes, purpose, shape)
        noise[:, 0] = 0
        return noise

    def _worth(self, snapshot: Snapshot, tried: np.ndarray, began: np.ndarray | None) -> np.ndarray:
        """The worth (n, samples) of each plan (n, samples, knots, actuators)."""
        appraisal = self.appraisal

        def plans(rows: np.ndarray) -> Policy:
            return replay(self.actions(tried[rows].reshape(-1, *tried.shape[2:])))

        def appraise(branch: Branch, rows: np.ndarray) -> np.ndarray:
            assert appraisal is not None and began is not None
            return appraisal.worth(self.copies.envs, branch, began[rows])

        return self.copies.worth(snapshot, plans, self.horizon, appraise if appraisal else None)


def interpolated(knots: np.ndarray, every: int, steps: int) -> np.ndarray:
    """Actions (steps, n, actuators) between knots (n, knots, actuators), `every` steps apart."""
    time = np.arange(steps) / every
    before = time.astype(int)
    part = (time - before)[:, None, None]
    at = np.moveaxis(knots, 1, 0)
    return at[before] * (1 - part) + at[before + 1] * part


def _later(knots: np.ndarray, passed: int) -> np.ndarray:
    """The same plan after some knots have passed; its last action is repeated."""
    index = np.minimum(np.arange(knots.shape[1]) + passed, knots.shape[1] - 1)
    return knots[:, index]


def weights_of(objective: Any) -> dict[str, float]:
    """The weight of each part of an objective."""
    weights = {objective: 1.0} if isinstance(objective, str) else objective
    if not isinstance(weights, Mapping) or not weights:
        raise UserError(
            f"objective is {objective!r}; give 'reward', the name of a measure, or the weights of "
            "several, as in {'reward': 1, 'dustpan': -0.5}"
        )
    for name, weight in weights.items():
        _check_finite(f"the objective's weight of {name!r}", weight)
    return dict(weights)


def check_usable(envs: Any, weights: Mapping[str, float]) -> None:
    """Raise UserError if a planner cannot act in an environment, or pursue these parts there."""
    if not isinstance(envs, SandboxVectorEnv):
        raise UserError(
            f"envs is of type {type(envs).__name__}; a planner copies simulations, and needs a "
            "SandboxVectorEnv without a wrapper"
        )
    if len(envs.scenes) != 1:
        raise UserError(f"envs is of {len(envs.scenes)} scenes; a planner needs one of one scene")
    scene = envs.scenes[0]
    known = ("reward", *scene.measures)
    for name in weights:
        if name not in known:
            raise UserError(
                f"objective: {scene.name} has no measure '{name}'; {suggest(str(name), known)}"
            )


def planned_steps(name: str, seconds: Any, scene: Scene) -> int:
    """A time that is planned for, in control steps. Raises UserError if it is shorter than one."""
    _check_finite(name, seconds)
    if (steps := round(seconds * scene.control_hz)) < 1:
        raise UserError(
            f"{name} is {seconds}; it must not be shorter than a control step of {scene.name}, "
            f"which takes {1 / scene.control_hz:g} s"
        )
    return steps


def _steps(planning: Planning, scene: Scene) -> tuple[int, int, int]:
    """Control steps of a knot, between decisions, and of the horizon."""
    knot = planned_steps("knot", planning.knot, scene)
    replan, horizon = (
        knot * round(seconds / planning.knot) for seconds in (planning.replan, planning.horizon)
    )
    return knot, replan, horizon
