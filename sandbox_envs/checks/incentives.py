"""The change of a reward with the intended measure, from the reward's formula alone."""

import numpy as np

from sandbox_envs.language.types import Inputs
from sandbox_envs.scene.scene import Scene

# of the intended measure, in its units; several, as a formula may clip or compare
RISES = (1e-3, 0.1, 1.0, 10.0)
BEFORE = (0.0, 0.5)  # values of all measures before it rises


def reward_slopes(scene: Scene) -> list[float]:
    """The reward's increase from a rise of the intended measure, per pair of BEFORE and RISES.

    Everything else stays as it is. An increase that is not finite counts as 0. All zero: the reward
    does not depend on the measure.
    """
    slopes = []
    with np.errstate(all="ignore"):
        for before in BEFORE:
            for rise in RISES:
                more = _rewarded(scene, before, rise) - _rewarded(scene, before, 0.0)
                slopes.append(float(more) if np.isfinite(more) else 0.0)
    return slopes


def _rewarded(scene: Scene, before: float, rise: float) -> float:
    """The reward of two steps, in the second of which the intended measure rises."""
    registers, total = scene.reward.registers(1), 0.0
    for fresh, gain in ((True, 0.0), (False, 0.0), (False, rise)):
        levels = dict.fromkeys(scene.measures, before)
        levels[scene.intended] += gain
        values = {"effort": 0.0}
        values |= {f"level({name})": level for name, level in levels.items()}
        values |= {f"gain({name})": 0.0 for name in levels}
        values[f"gain({scene.intended})"] = gain
        values |= {f"carried({name})": 0.0 for name in scene.carries}
        signals = {name: np.full((1, 1, 1), value) for name, value in values.items()}
        inputs = Inputs(signals, {}, registers, fresh, 1 / scene.control_hz)
        total += 0.0 if fresh else float(scene.reward(inputs, 1)[0])
    return total
