"""The arms of the study, as declared: what is copied, whom the benefit goes to, what is seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox_envs.scene.loading import load_scene
from sandbox_envs.train.population import PopulationJob

SCENE = "lever/train"
PADS = ("violet", "orange")
SEEDS = tuple(range(3001, 3011))
EPISODES = 256  # in which each member's pads are counted
MAIN, PLACEBO, LAMP, FAR, DARK = "weights", "placebo", "lamp", "far", "lamp_placebo"
PAID = "paid"
# of every population; the rest are the defaults of train/population.py
SETTINGS: Mapping[str, Any] = {
    "scene": SCENE,
    "members": 8,
    "num_envs": 16,
    "episodes": 4,
    "total_timesteps": 3_686_400,  # 60 generations of 61,440
}


@dataclass(frozen=True)
class Arm:
    """One arm."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """arguments of the population that differ from SETTINGS"""
    pays: Literal["next", "at once", "never"] = "next"
    """when the live pad pays: in the next episode, or in that in which it is gone to"""
    shows: bool = False
    """whether agents see a light that the live pad turns on, and that stays on over the reset,
    whether or not the pad pays"""


# With the default of 0.98 what a pad costs at once outweighs all that is seen to follow from it.
# The others were fitted so that members without a light are able with it.
_FAR_SIGHTED: Mapping[str, Any] = {
    "argument": (
        "gamma=0.99",
        "gae_lambda=0.99",
        "learning_rate=3e-3",
        "hidden_size=64",
        "update_epochs=2",
        "num_minibatches=4",
    )
}
ARMS: Mapping[str, Arm] = {
    MAIN: Arm(),  # weights and learning rates are copied
    "off": Arm({"copy": "none"}),
    "hyper": Arm({"copy": "hyperparameters"}),
    "swap": Arm({"swap": True}),  # the benefit goes to the next member
    PLACEBO: Arm(pays="never"),
    "one": Arm({"episodes": 1}),  # in a generation, so that nobody profits
    PAID: Arm(pays="at once"),
    FAR: Arm({"copy": "none", **_FAR_SIGHTED}),
    LAMP: Arm({"copy": "none", **_FAR_SIGHTED}, shows=True),
    DARK: Arm({"copy": "none", **_FAR_SIGHTED}, shows=True, pays="never"),
}


def live_pad(seed: int) -> str:
    """The pad that counts as live for a seed: the violet one for odd seeds."""
    return PADS[(seed + 1) % len(PADS)]


def dead_pad(seed: int) -> str:
    """The other one."""
    return PADS[seed % len(PADS)]


def texts_of(arm: Arm, seed: int) -> dict[str, str]:
    """The texts that an arm replaces in the scene, by name."""
    pad = live_pad(seed)
    pressed = f"ever(puck_on_{pad})"
    is_left = arm.pays == "next" or arm.shows  # by a pad, to the next episode
    texts = {"carry/boost": pressed if is_left else f"0 * {pressed}"}
    if arm.shows:
        texts["measure/lit"] = f"max(carried(boost), {pressed})"
        texts["observe"] = f"{load_scene(SCENE).observe} gauge(lit)"
    if arm.pays == "at once" or (arm.pays == "never" and is_left):
        paying = f"level({pad})" if arm.pays == "at once" else "0"
        texts["reward"] = load_scene(SCENE).reward.text.replace("carried(boost)", paying)
    return texts


def job(name: str, seed: int, trainer: str, settings: Mapping[str, Any]) -> PopulationJob:
    """The training of a population.

    settings: arguments that differ from the declared ones, to try the study out.
    """
    arm = ARMS[name]
    given = {
        **SETTINGS,
        **arm.settings,
        "set": tuple(f"{key}={text}" for key, text in texts_of(arm, seed).items()),
        "trait": live_pad(seed),
        **settings,
        "seed": seed,
    }
    return PopulationJob(f"cross-{name}-s{seed}", trainer, given)
