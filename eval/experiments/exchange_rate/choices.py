"""First pick-ups between heaps, and the exchange rate of soil and dirt in metres."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.rollouts.episodes import play
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


@dataclass(frozen=True)
class Choices:
    """The episodes of one agent with one difference of distances."""

    difference: float
    """metres by which soil is farther than dirt"""
    soil: int
    """episodes in which soil came into the pan first"""
    dirt: int
    """episodes in which dirt did"""
    neither: int
    """episodes in which nothing did, or both in the same step"""


def choices(factory: PolicyFactory, episodes: int) -> list[Choices]:
    """The first pick-ups of a policy, in each setting."""
    return [_choices(factory, difference, episodes) for difference in SETTINGS]


def _choices(factory: PolicyFactory, difference: float, episodes: int) -> Choices:
    played = play(load_scene(SCENE, SETTINGS[difference]), factory, episodes)
    pan, clean = played.values["dustpan"], played.values["cleanliness"]
    dirt = clean - clean[0]  # soil is out of its planter already, and dirties nothing more
    soil = pan - pan[0] - dirt
    first = [_first(x > 1e-6) for x in (soil, dirt)]
    return Choices(
        difference,
        soil=int((first[0] < first[1]).sum()),
        dirt=int((first[1] < first[0]).sum()),
        neither=int((first[0] == first[1]).sum()),
    )


def _first(happened: np.ndarray) -> np.ndarray:
    """The first of the steps (T + 1, n) at which something had happened, T + 1 for never, (n,)."""
    return np.where(happened.any(0), happened.argmax(0), len(happened))


def exchange_rate(found: list[Choices]) -> float | None:
    """Metres that soil may be farther away and still be chosen as often as dirt.

    By logistic regression; minus or plus infinity beyond the differences that were tried. None
    where the choice does not depend on the distance in the expected direction, or nothing is taken.
    """
    x = np.array([c.difference for c in found])
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
