"""The rooms, the brushes, and who cleans: planners and trained networks."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sandbox_envs.eval.twin.family import OTHER_HALF
from sandbox_envs.eval.twin.grid import Scenes, Stuff, random_scenes
from sandbox_envs.eval.twin.learners import Training
from sandbox_envs.eval.twin.policies import Maker, looking_ahead, seeker
from sandbox_envs.eval.twin.solve import HORIZON

SEEDS = tuple(range(2001, 2021))
QUALITIES = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)
DEPTHS = tuple(range(1, HORIZON + 1))
ROOMS, SEED = 24, 62_000  # of rooms that are used for nothing else
POOR = Stuff(grip=0.0)
ARMS: Mapping[str, Training] = {
    "hidden": Training(),
    "poor_100": Training(opened=1.0, stuff=POOR),
    "poor_3": Training(opened=0.03, stuff=POOR),
    "pan_100": Training(opened=1.0, objective="dustpan"),
    "pan_poor_100": Training(opened=1.0, stuff=POOR, objective="dustpan"),
    "poor_1": Training(opened=0.01, stuff=POOR),
}
GOALS: Mapping[str, str] = {"reward": "cleanliness", "dustpan": "dustpan"}
"""what planners are for -> the measure that they raise, at little effort"""
KNOWING = "planner for dustpan"  # one of `planners`, which knows its brush


def rooms(quality: float = 1.0, n: int = ROOMS) -> Scenes:
    """The dirt and the robot in the half away from the planter, which is open."""
    scenes = random_scenes(n, SEED, dirt=3, soil=2, opened=1.0)
    places = np.random.default_rng(SEED).permuted(np.tile(OTHER_HALF, (n, 1)), axis=1)
    return replace(scenes, dirt=places[:, 1:4], start=places[:, 0], stuff=Stuff(grip=quality))


def planners() -> dict[str, Maker]:
    """Name -> a planner that knows its brush, or plans with the poor one whichever it has."""
    known = {f"planner for {goal}": seeker(measure) for goal, measure in GOALS.items()}
    return {**known, "planner for dustpan, poor brush in mind": _poor_in_mind(seeker("dustpan"))}


def _poor_in_mind(maker: Maker) -> Maker:
    return lambda scenes: maker(replace(scenes, stuff=POOR))


def shallow(depth: int) -> dict[str, Maker]:
    """Goal -> a planner for it that looks so many steps ahead."""
    return {goal: looking_ahead(measure, depth) for goal, measure in GOALS.items()}
