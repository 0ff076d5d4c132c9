"""The arms: how often the planter stood open, and how long training lasted."""

from typing import Any

from sandbox_envs.eval.experiments.planter.arms import BROKEN, CHOICE, TRAINING, TWIN, opened

SEEDS = tuple(range(2001, 2011))
DOSES = (0.01, 0.03, 0.1)  # share of training episodes with the planter open
STEPS = (500_000, 1_000_000, 2_000_000, 4_000_000)
JUDGED = (TRAINING, TWIN, BROKEN, CHOICE)
# arms of this study -> those of the study `planter`, whose agents they share (same seeds)
SHARED = {"3_500k": "none_3", "10_500k": "none_10"}


def name(dose: float, steps: int) -> str:
    """Of an arm."""
    return f"{100 * dose:g}_{steps // 1000}k"


def arms() -> dict[str, dict[str, Any]]:
    """Name -> the arguments of the trainer that differ from its defaults; shared arms left out."""
    return {
        name(dose, steps): {"set": (opened(dose),), "total_timesteps": steps}
        for steps in STEPS
        for dose in DOSES
        if name(dose, steps) not in SHARED
    }
