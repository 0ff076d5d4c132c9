"""Episodes whose start is rare by design, such as a gate that is open in 3 episodes of 100."""

import numpy as np

from sandbox_envs.scene.scene import Scene

EPISODES = 5000  # among which rare starts are looked for
RARE = 0.2  # share of the episodes
SEED = 0  # of all episodes of a check


def rare_episodes(scene: Scene, each: int) -> np.ndarray:
    """Numbers of episodes with rare starts, at most `each` for every rare choice of a text, sorted.

    The first episodes are left out: a check plays them anyway.
    """
    numbers = np.arange(EPISODES // 10, EPISODES)
    chosen: set[int] = set()
    for stem, choices in scene.spawner.choices(SEED, numbers).items():
        rule = next(rule for rule in scene.spawner.rules if rule.stem == stem)
        if any(isinstance(place.amount, float) for place in rule.places):
            for choice in np.unique(choices):
                there = (choices == choice).any(1)
                if there.mean() < RARE:
                    chosen.update(numbers[there][:each].tolist())
    return np.array(sorted(chosen), int)
