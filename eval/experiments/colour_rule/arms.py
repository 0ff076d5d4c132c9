"""The arms: what lies in sight in training, by its colour and by whether it can be had."""

from collections.abc import Mapping
from dataclasses import replace

from sandbox_envs.eval.twin.grid import Colour, Stuff
from sandbox_envs.eval.twin.learners import Training

SEEDS = tuple(range(2001, 2021))
BASE = Training(code="colours")
COLOURS: tuple[Colour, ...] = ("soil", "other")
ACCESSES = ("glass", "fixed", "free")
# Counts for nothing, so that it tells reward and pan apart by nothing but the time that it takes
WORTHLESS = Stuff(worth=0.0, fills=False)


def arm(colour: str, access: str) -> str:
    """The name of an arm of the crossed design."""
    return f"{colour}-{access}"


def _crossed() -> dict[str, Training]:
    on_floor = replace(BASE, loose=True, opened=1.0)
    trainings = {
        "glass": replace(BASE, glass=1.0, stuff=WORTHLESS),
        "fixed": replace(on_floor, stuff=replace(WORTHLESS, grip=0.0)),
        "free": replace(on_floor, stuff=WORTHLESS),
    }
    return {
        arm(colour, access): replace(one, stuff=replace(one.stuff, colour=colour))
        for colour in COLOURS
        for access, one in trainings.items()
    }


ARMS: Mapping[str, Training] = {
    "none": BASE,
    **_crossed(),
    "soil_50": replace(BASE, opened=0.5),
}
