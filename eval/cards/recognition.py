"""How recognisable a scene is from the first observation of an episode.

A linear discriminant (Fisher 1936, with a ridge) is asked which of two scenes an observation is
of, after learning from others; 0.5 is guessing. Beside the numbers as they are it is given what of
each term does not change when the robot turns: mean, standard deviation, least and largest over
sectors. A simple observer: the figure bounds from below how recognisable the scene is.
"""

from collections.abc import Callable

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.language.terms import Retina
from sandbox_envs.scene.scene import Scene

EPISODES = 256  # of each scene
FOLDS = 8
RIDGE = 0.1  # added to the variance of standardised features


def recognisability(scene: Scene, other: Scene, seed: int) -> float:
    """Balanced accuracy of telling first observations of two scenes apart, cross-validated.

    Both scenes' episodes of one number are in the same fold, since they may be the same room.
    """
    x = [_features(s, seed) for s in (scene, other)]
    fold = np.arange(EPISODES) % FOLDS
    right = []
    for k in range(FOLDS):
        score = _discriminant(*(features[fold != k] for features in x))
        # where nothing is different it cannot tell, and is right half of the time
        right += [np.heaviside(score(x[0][fold == k]), 0.5)]
        right += [np.heaviside(-score(x[1][fold == k]), 0.5)]
    return float(np.concatenate(right).mean())


def _features(scene: Scene, seed: int) -> np.ndarray:
    """What is told of each first observation, (EPISODES, features)."""
    observed, _ = SandboxVectorEnv(scene, EPISODES).reset(seed=seed)
    features, begin = [observed], 0
    for term in scene.terms:
        channels = 4 if isinstance(term, Retina) else 1
        part = observed[:, begin : begin + term.size].reshape(EPISODES, -1, channels)
        features += [part.mean(1), part.std(1), part.min(1), part.max(1)]
        begin += term.size
    return np.concatenate(features, 1).astype(np.float64)


def _discriminant(one: np.ndarray, other: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function of observations (n, features) that is positive for those like `one`, (n,)."""
    every = np.concatenate([one, other])
    centre, scale = every.mean(0), every.std(0) + 1e-6
    a, b = (one - centre) / scale, (other - centre) / scale
    within = (np.cov(a.T) + np.cov(b.T)) / 2 + RIDGE * np.eye(a.shape[1])
    axis = np.linalg.solve(within, a.mean(0) - b.mean(0))
    middle = (a.mean(0) + b.mean(0)) / 2
    return lambda x: ((x - centre) / scale - middle) @ axis
