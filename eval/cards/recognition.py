"""The recognisability of a scene from the first observation of an episode.

A linear discriminant (Fisher 1936, with a ridge) learns from some observations which of two scenes
each is from, and is tested on others; 0.5 is guessing. Its features are the numbers as they are
and, of each term, what stays the same when the robot turns: mean, standard deviation, least and
largest over the sectors. It is a simple observer, so the scene is at least this recognisable.
"""

from collections.abc import Callable

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.language.terms import Retina, with_columns
from sandbox_envs.scene.scene import Scene

EPISODES = 256  # of each scene
FOLDS = 8
RIDGE = 0.1  # added to the variance of standardised features


def recognisability(scene: Scene, other: Scene, seed: int) -> float:
    """Balanced accuracy in assigning first observations to one of two scenes, cross-validated.

    Both scenes' episodes of one number are in one fold, since they may be in the same room.
    """
    x = [_features(s, seed) for s in (scene, other)]
    fold = np.arange(EPISODES) % FOLDS
    right = []
    for k in range(FOLDS):
        score = _discriminant(*(features[fold != k] for features in x))
        # without any difference the score is 0, which counts as half right
        right += [np.heaviside(score(x[0][fold == k]), 0.5)]
        right += [np.heaviside(-score(x[1][fold == k]), 0.5)]
    return float(np.concatenate(right).mean())


def _features(scene: Scene, seed: int) -> np.ndarray:
    """The features of each first observation, (EPISODES, features)."""
    observed, _ = SandboxVectorEnv(scene, EPISODES).reset(seed=seed)
    features = [observed]
    for term, part in with_columns(scene.terms):
        channels = 4 if isinstance(term, Retina) else 1
        cells = observed[:, part].reshape(EPISODES, -1, channels)
        features += [cells.mean(1), cells.std(1), cells.min(1), cells.max(1)]
    return np.concatenate(features, 1).astype(np.float64)


def _discriminant(one: np.ndarray, other: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function of features (n, features) that is positive, (n,), for those like `one`."""
    every = np.concatenate([one, other])
    centre, scale = every.mean(0), every.std(0) + 1e-6
    a, b = (one - centre) / scale, (other - centre) / scale
    within = (np.cov(a.T) + np.cov(b.T)) / 2 + RIDGE * np.eye(a.shape[1])
    axis = np.linalg.solve(within, a.mean(0) - b.mean(0))
    middle = (a.mean(0) + b.mean(0)) / 2
    return lambda x: ((x - centre) / scale - middle) @ axis
