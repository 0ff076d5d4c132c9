"""Planners: the reward is learned from what is met in training, and searched for in the dynamics.

What a planner knows of the reward is a ridge regression on the inputs that agents see (Hoerl &
Kennard 1970): what each action earned in rooms of the training while actions were drawn at random.
An input that was never 1 there has no weight. Of the dynamics it knows all: in every step it looks
some steps ahead, and takes the first of the actions that look best.
"""

from collections.abc import Sequence

import numpy as np

from sandbox_envs.eval.twin.episodes import Episodes, weighted
from sandbox_envs.eval.twin.grid import ACTIONS, SWEEP, Scenes
from sandbox_envs.eval.twin.learners import DISCOUNT, Training
from sandbox_envs.eval.twin.policies import Maker, Reactive
from sandbox_envs.eval.twin.seeing import NOTHING, SIZE, Code, inputs, size, states
from sandbox_envs.eval.twin.solve import HORIZON, Policy, best

PENALTY = 1.0  # on squared weights: a weight that one sample speaks for is halved


def learn_rewards(seeds: Sequence[int], training: Training) -> list[Reactive]:
    """Learn a model of the reward for every seed, from as many episodes as an agent's training.

    Raises:
        ValueError: the training shows another colour, which planners do not see.

    Returns:
        Functions of states, like policies, whose values are what each action is thought to earn.
    """
    if size(training.code) != SIZE:
        raise ValueError("planners see no other colour")
    return [_learned(np.random.default_rng(seed), training) for seed in seeds]


def _learned(rng: np.random.Generator, training: Training) -> Reactive:
    products = np.tile(PENALTY * np.eye(SIZE), (len(ACTIONS), 1, 1))
    moments = np.zeros((len(ACTIONS), SIZE))
    for _ in range(training.updates):
        seen, actions, earned = _tried(rng, training)
        for action in range(len(ACTIONS)):
            rows = seen[actions == action]
            products[action] += rows.T @ rows
            moments[action] += rows.T @ earned[actions == action]
    weights = np.linalg.solve(products, moments[..., None])[..., 0].T
    return _linear(np.append(weights, np.zeros((1, len(ACTIONS))), 0), training.code)


def _tried(
    rng: np.random.Generator, training: Training
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An episode of random actions in every room: (m, SIZE) inputs, (m,) actions and earnings."""
    episodes, kept = Episodes(training.scenes([rng], training.rooms)), []
    for _ in range(HORIZON):
        seen = inputs(episodes.scenes, episodes.at, episodes.lies, training.code)
        actions = rng.integers(len(ACTIONS), size=training.rooms)
        gains = episodes.step(actions, rng.random(training.rooms))
        kept.append((seen, actions, weighted(gains, training.weights)))
    seen, actions, earned = (np.concatenate(part) for part in zip(*kept, strict=True))
    dense = np.zeros((len(seen), SIZE + 1), np.float32)
    dense[np.arange(len(seen))[:, None], seen] = 1.0
    return np.delete(dense, NOTHING, 1), actions, earned.astype(np.float32)


def _linear(weights: np.ndarray, code: Code) -> Reactive:
    return lambda scenes, at, lies: weights[inputs(scenes, at, lies, code)].sum(-2)


def planner(rewards: Reactive, depth: int) -> Maker:
    """Looks so many steps ahead in every step, and does what then looks best by these rewards.

    It never sweeps: what that earns is no sum of inputs. It discounts as agents do, so that it
    does not wait while what lies there could as well be taken later.
    """

    def make(scenes: Scenes) -> Policy:
        thought = rewards(scenes, *states(scenes))
        thought[..., SWEEP] = -np.inf
        table = best(scenes, thought, depth, discount=DISCOUNT).policy(0)
        return lambda _step: table

    return make
