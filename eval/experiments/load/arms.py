"""The arm that observes its load, the same agents without it, and what they are compared with."""

from typing import Any

from sandbox_envs.eval.experiments.planter.arms import (
    BROKEN,
    CHOICE,
    HEADLINE,
    INTENDED,
    SEEKING,
    TRAINING,
    TWIN,
    opened,
)

OBSERVED = "speed turn_rate brush_speed retina(16) ranges(wall_range) gauge(dustpan)"
LOADED, HELD = "load_3", "load_3_held"
SEEDS = tuple(range(2021, 2041))
JUDGED = (TRAINING, TWIN, BROKEN, CHOICE)
COMPARED = (HEADLINE, INTENDED, SEEKING)  # arms of the study `planter`


def arms() -> dict[str, dict[str, Any]]:
    """Name -> the arguments of the trainer that differ from its defaults."""
    return {LOADED: {"set": (opened(0.03), f"observe={OBSERVED}")}}
