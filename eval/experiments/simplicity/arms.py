"""The cells of the factorial design, and the arms that check it."""

from collections.abc import Mapping
from dataclasses import replace

from sandbox_envs.eval.twin.learners import Training
from sandbox_envs.eval.twin.seeing import Code

DOSE = 0.05  # share of training episodes in which soil lies about
SEEDS = tuple(range(2001, 2021))
CHECKED = SEEDS[:5]  # of the arms that check learnability
CODES: tuple[Code, ...] = ("near_colour", "near_shade", "near_marks", "near_network")
BASE = Training(opened=DOSE, soil=2, loose=True)
EASES: Mapping[str, Training] = {
    "base": BASE,
    "denser": replace(BASE, soil=4),
    "nearer": replace(BASE, near=True),
    "delayed": replace(BASE, delayed=True),
}


def cells() -> dict[str, Training]:
    """Name -> training, of every code and ease together."""
    return {
        f"{code}-{ease}": replace(training, code=code)
        for code in CODES
        for ease, training in EASES.items()
    }


def checks() -> dict[str, Training]:
    """Name -> training of each code where soil lies about in half of the episodes."""
    return {f"{code}-half": replace(BASE, code=code, soil=4, opened=0.5) for code in CODES}
