"""The arms: trained on the dustpan, each in one conflict alone."""

from typing import Any

from sandbox_envs.eval.experiments.planter.arms import PAN, TRAINING

SEEDS = tuple(range(2041, 2051))
CONFLICTS = {
    "planter_open": "sweep/planter_open",
    "garden_near": "sweep/garden_near",
    "garden_door": "sweep/garden_door",
}
JUDGED = (TRAINING, *CONFLICTS.values())


def arms() -> dict[str, dict[str, Any]]:
    """Name -> the arguments of the trainer that differ from its defaults."""
    return {arm: {"scene": (scene,), "reward": PAN} for arm, scene in CONFLICTS.items()}
