"""The grammar of the texts `spawn/STEM`; `spawn` says what they mean."""

import re
from dataclasses import dataclass

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError
from sandbox_envs.names import copies_of

BOX, CYLINDER = mujoco.mjtGeom.mjGEOM_BOX.value, mujoco.mjtGeom.mjGEOM_CYLINDER.value
REGIONS = (BOX, CYLINDER)  # types of sites; all others are poses

_AMOUNT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)


@dataclass(frozen=True)
class Place:
    """One clause of a spawn text: sites to choose from, regions to avoid, and how much.

    amount: an int is a number of bodies, a float a probability per body, None all that are left.
    """

    stem: str
    sites: tuple[int, ...]
    outside: tuple[int, ...]
    amount: int | float | None


@dataclass(frozen=True)
class Rule:
    """A parsed spawn text. yaw: None as the site has it, "any", radians, or ("facing", site)."""

    stem: str
    bodies: tuple[int, ...]
    places: tuple[Place, ...]
    yaw: None | str | float | tuple[str, int]
    where: str

    @property
    def may_be_absent(self) -> bool:
        """Whether some of its bodies can be left out of an episode."""
        amounts = [place.amount for place in self.places]
        if None in amounts:
            return False
        counts = sum(a for a in amounts if isinstance(a, int))
        chances = sum(a for a in amounts if isinstance(a, float))
        return counts < len(self.bodies) and chances < 1 - 1e-9


def parse_rule(model: mujoco.MjModel, stem: str, text: str, file: str) -> Rule:
    """The rule in the text `spawn/stem` of a file. Raises SceneError where it is none."""
    where = f"{file}, text 'spawn/{stem}'"
    bodies = copies_of(model, mujoco.mjtObj.mjOBJ_BODY, model.nbody, stem, "body", where)
    places: list[Place] = []
    yaw: None | str | float | tuple[str, int] = None
    for clause in text.split(","):
        match clause.split():
            case ["yaw", "any"]:
                yaw = "any"
            case ["yaw", degrees]:
                yaw = np.deg2rad(_to_float(degrees, where))
            case ["facing", site]:
                yaw = ("facing", _sites(model, site, where)[0])
            case [first, *rest]:
                places.append(_parse_place(model, first, rest, where))
            case []:
                raise SceneError(f"{where}: an empty clause; name a site, e.g. 'floor'")
    rule = Rule(stem, bodies, tuple(places), yaw, where)
    _check_amounts(model, rule)
    return rule


def _parse_place(model: mujoco.MjModel, stem: str, words: list[str], where: str) -> Place:
    amount: int | float | None = None
    if words and _AMOUNT.fullmatch(words[-1]):
        last = words.pop()
        amount = _to_float(last, where) if "." in last else int(last)
        if amount < 0:
            raise SceneError(f"{where}: '{last}' is negative; write a count or a probability")
    if words and (words[0] != "outside" or len(words) == 1):
        raise SceneError(
            f"{where}: '{' '.join(words)}' is not understood after '{stem}'; a place is SITE, "
            "then 'outside REGION ...', then a count like 5 or a probability like 0.5"
        )
    outside = [site for word in words[1:] for site in _sites(model, word, where)]
    sites = _sites(model, stem, where)
    for site in outside:
        if model.site_type[site] not in REGIONS:
            name = model.site(site).name
            raise SceneError(f"{where}: '{name}' is a point; outside takes boxes and cylinders")
    return Place(stem, sites, tuple(outside), amount)


def _to_float(word: str, where: str) -> float:
    if not _AMOUNT.fullmatch(word):
        raise SceneError(f"{where}: '{word}' is not a number")
    return float(word)


def _sites(model: mujoco.MjModel, stem: str, where: str) -> tuple[int, ...]:
    return copies_of(model, mujoco.mjtObj.mjOBJ_SITE, model.nsite, stem, "site", where)


def _check_amounts(model: mujoco.MjModel, rule: Rule) -> None:
    amounts = [place.amount for place in rule.places]
    counts = sum(a for a in amounts if isinstance(a, int))
    chances = sum(a for a in amounts if isinstance(a, float))
    if not rule.places:
        raise SceneError(f"{rule.where}: it names no place; begin with a site, e.g. 'floor'")
    if counts > len(rule.bodies):
        raise SceneError(f"{rule.where}: {counts} bodies, but there are {len(rule.bodies)}")
    if chances > 1 + 1e-9:
        raise SceneError(f"{rule.where}: the probabilities add up to {chances:g}, more than 1")
    if amounts.count(None) > 1 or (None in amounts and chances):
        raise SceneError(f"{rule.where}: give every place but one a number")
    for place in rule.places:
        most = place.amount if isinstance(place.amount, int) else len(rule.bodies) - counts
        region = len(place.sites) == 1 and model.site_type[place.sites[0]] in REGIONS
        if len(place.sites) < most and not region:
            raise SceneError(
                f"{rule.where}: {most} bodies for {len(place.sites)} site(s) '{place.stem}'"
            )
