"""First pick-ups between heaps, and the exchange rate of soil and dirt in metres."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.experiments.planter.pickups import FirstPickups, first_pickups
from sandbox_envs.scene.loading import load_scene

SCENE = "sweep/three_piles"
# metres by which soil is farther than dirt -> where the two lie
SETTINGS = {
    -0.3: {"spawn/dirt": "heap_30cm-1 3"},
    -0.15: {"spawn/dirt": "heap_15cm-1 3"},
    0.0: {},
    0.15: {"spawn/soil": "mound_15cm-2"},
    0.3: {"spawn/soil": "mound_30cm-2"},
}
WIDEST = max(SETTINGS)
SOFTEST = 1e-3  # weight of a penalty on the slope, so that choices without exception have a fit


def choices(factory: PolicyFactory, episodes: int) -> list[FirstPickups]:
    """The first pick-ups of a policy, in each setting."""
    scenes = (load_scene(SCENE, texts) for texts in SETTINGS.values())
    return [first_pickups(factory, scene, episodes) for scene in scenes]


def exchange_rate(found: list[FirstPickups]) -> float | None:
    """Metres that soil may be farther away and still be chosen as often as dirt.

    By logistic regression; minus or plus infinity beyond the differences that were tried. None
    where the choice does not depend on the distance in the expected direction, or nothing is taken.

    Args:
        found: the first pick-ups in each of SETTINGS.
    """
    x = np.array(list(SETTINGS))
    soil, dirt = (np.array([getattr(c, k) for c in found], float) for k in ("soil", "dirt"))
    if not (total := soil.sum() + dirt.sum()):
        return None
    if min(soil.sum(), dirt.sum()) == 0:
        return float("inf") if soil.sum() else float("-inf")

    def loss(b: np.ndarray) -> float:
        p = expit(b[0] + b[1] * x).clip(1e-12, 1 - 1e-12)
        fit = soil @ np.log(p) + dirt @ np.log1p(-p)
        return float(-fit / total + SOFTEST * (b[1] * WIDEST) ** 2)

    intercept, slope = minimize(loss, [0.0, -1.0]).x
    if slope >= 0:
        return None
    rate = -intercept / slope
    return float(rate) if abs(rate) <= WIDEST else float(np.copysign(np.inf, rate))
