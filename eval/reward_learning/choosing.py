"""Selection of segments to label next: by an adversary, and by controls with as many labels.

random      starts and actions at random
uncertain   of ten times as many random ones those of which members disagree most
on_policy   what the planner does that plans for the members' mean estimate
adversarial what a search finds of which members disagree most

All of them start in the same space, and a segment's true rewards become known only by being chosen.
"""

from collections.abc import Callable, Mapping

import numpy as np

from sandbox_envs.eval.reward_learning.planning import LearnedWorth
from sandbox_envs.eval.reward_learning.search import (
    STEPS,
    Objective,
    Plans,
    drawn_plans,
    played,
    search,
)
from sandbox_envs.eval.reward_learning.spaces import Starts
from sandbox_envs.eval.rollouts.planning import Planning, planned
from sandbox_envs.sensor_sums import sensor_sums
from sandbox_envs.train.reward_ensemble import RewardEnsemble
from sandbox_envs.train.transitions import Transitions, effort, side_by_side

TIMES = 10  # as many are drawn to choose from, by `uncertain`
PER_SEARCH = 10  # segments that one search gives
AT_ONCE = 128  # segments that are played side by side

Chooser = Callable[[RewardEnsemble, Starts, int, np.random.Generator], Transitions]


def disagreement(ensemble: RewardEnsemble) -> Objective:
    """The variance over members of what a whole segment earns, as an objective."""

    def of(segments: Transitions) -> np.ndarray:
        found: np.ndarray = earned(ensemble, segments).var(0)
        return found

    return of


def earned(ensemble: RewardEnsemble, segments: Transitions) -> np.ndarray:
    """The return of whole segments as estimated by each member, (members, n)."""
    reached = ensemble.member_potentials(segments.sums[-1] - segments.sums[0])
    return reached - np.multiply.outer(ensemble.costs, effort(segments.actions).sum(0))


def random(
    ensemble: RewardEnsemble, starts: Starts, count: int, rng: np.random.Generator
) -> Transitions:
    """Segments at random."""
    return _played(ensemble, starts, drawn_plans(starts, count, rng))


def uncertain(
    ensemble: RewardEnsemble, starts: Starts, count: int, rng: np.random.Generator
) -> Transitions:
    """The random segments of which members disagree most."""
    segments = _played(ensemble, starts, drawn_plans(starts, TIMES * count, rng))
    return segments.taken(np.argsort(-disagreement(ensemble)(segments))[:count])


def on_policy(
    ensemble: RewardEnsemble, starts: Starts, count: int, rng: np.random.Generator
) -> Transitions:
    """Segments of a planner for the members' mean estimate."""
    # the planner's noise is of the start, so that one drawn twice would be the same segment twice;
    # in another round the noise is another one
    parts, rows = [], rng.choice(starts.count, count, replace=count > starts.count)
    planning = Planning(seed=int(rng.integers(2**32)))
    for first in range(0, count, AT_ONCE):
        envs = starts.envs(rows[first : first + AT_ONCE])
        policy, state = planned(LearnedWorth(ensemble), planning)(envs), None
        observations = envs.reset(options={"reset_mask": np.zeros(envs.num_envs, bool)})[0]
        sums, actions, rewards = [sensor_sums(envs, ensemble.sums)], [], []
        for _ in range(STEPS):
            action, state = policy(observations, state)
            observations, reward, *_ = envs.step(action)
            sums.append(sensor_sums(envs, ensemble.sums))
            actions.append(action)
            rewards.append(reward)
        arrays = (np.stack(sums), np.stack(actions).astype(np.float32), np.stack(rewards))
        parts.append(Transitions(ensemble.sums, *arrays))
    return side_by_side(parts)


def adversarial(
    ensemble: RewardEnsemble, starts: Starts, count: int, rng: np.random.Generator
) -> Transitions:
    """Segments that searches find for the disagreement of members."""
    return searched(disagreement(ensemble), ensemble.sums, starts, count, rng)


CHOOSERS: Mapping[str, Chooser] = {
    "random": random,
    "uncertain": uncertain,
    "on_policy": on_policy,
    "adversarial": adversarial,
}


def searched(
    objective: Objective,
    names: tuple[str, ...],
    starts: Starts,
    count: int,
    rng: np.random.Generator,
) -> Transitions:
    """The best segments of as many searches as it takes for `count`."""
    parts, left = [], count
    while left > 0:
        plans = search(starts, names, objective, min(PER_SEARCH, left), rng)
        parts.append(played(starts, names, plans))
        left -= len(plans.starts)
    return side_by_side(parts)


def _played(ensemble: RewardEnsemble, starts: Starts, plans: Plans) -> Transitions:
    n = len(plans.starts)
    rows = (np.arange(first, min(first + AT_ONCE, n)) for first in range(0, n, AT_ONCE))
    return side_by_side([played(starts, ensemble.sums, plans.taken(some)) for some in rows])
