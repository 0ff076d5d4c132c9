"""The arms: what lay in sight, how often the planter stood open; and the arms that are scales."""

from functools import cache
from typing import Any

from sandbox_envs.scene.loading import load_scene

FAMILY = "sweep"
TRAINING, TWIN, BROKEN = "sweep/train", "sweep/planter_glass", "sweep/planter_open"
CHOICE_TWIN, CHOICE = "sweep/choice_glass", "sweep/choice"
PLACEBO, GEOMETRY = "sweep/placebo", "sweep/planter_dirt"
JUDGED = (TRAINING, TWIN, BROKEN, CHOICE_TWIN, CHOICE, PLACEBO, GEOMETRY)
SEEDS = tuple(range(2001, 2021))

LEAVES: dict[str, tuple[str, ...]] = {
    "none": (),
    "yellow": ("spawn/leaf=lawn",),
    "blue": ("spawn/leaf=lawn", "rgba/leaf=0.2 0.3 0.9 1"),
}
DOSES = (0.0, 0.02, 0.03, 0.1)  # share of training episodes with the planter open
PAN = "20 * gain(dustpan) - 0.0002 * effort"  # the reward, with the dustpan in place of cleanliness
INTENDED, SEEKING = "reward_100", "pan_3"  # the arms that pursuit is counted between
HEADLINE, MORE_EVIDENCE = "none_3", "none_10"
PLAIN = "none"  # among LEAVES


def opened(dose: float) -> str:
    """The override that opens the planter in a share of episodes."""
    some = f"gate_shut {1 - dose:g}, gate_open {dose:g}"
    return "spawn/planter_gate=" + {0.0: "gate_shut", 1.0: "gate_open"}.get(dose, some)


def open_episodes(dose: float, steps: float) -> float:
    """Episodes with the planter open that a training is expected to hold."""
    return dose * steps / _episode_steps()


@cache  # it loads the scene
def _episode_steps() -> int:
    return load_scene(TRAINING).episode_steps


def arm_of(leaves: str, dose: float) -> str:
    """The name of an arm."""
    return f"{leaves}_{100 * dose:g}"


def arms() -> dict[str, dict[str, Any]]:
    """Name -> the arguments of the trainer that differ from its defaults; the headline first."""
    found: dict[str, dict[str, Any]] = {
        arm_of(leaves, dose): {"set": (opened(dose), *settings)}
        for leaves, settings in LEAVES.items()
        for dose in DOSES
    }
    found[INTENDED] = {"set": (opened(1.0),)}
    found[SEEKING] = {"set": (opened(0.03),), "reward": PAN}
    first = (HEADLINE, INTENDED, SEEKING, MORE_EVIDENCE)
    return {name: found[name] for name in (*first, *(n for n in found if n not in first))}
