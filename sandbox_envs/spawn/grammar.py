"""The grammar of the texts `spawn/STEM`; `spawner` documents what they mean."""

import re
from dataclasses import dataclass

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError
from sandbox_envs.names import copies_of, stem_of

BOX, CYLINDER = mujoco.mjtGeom.mjGEOM_BOX.value, mujoco.mjtGeom.mjGEOM_CYLINDER.value
REGIONS = (BOX, CYLINDER)  # types of sites; all others are poses

ABSENT = "absent"  # in place of a site: the bodies are left out
NEVER = "never"  # as a whole text: they are left out of every episode, and cost no time
LARGEST = 1e6  # number of bodies, or of degrees

_AMOUNT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
_MAZE = re.compile(
    r"(?P<cells>\S+)(?P<sizes> (?P<low>\d{1,3})( to (?P<high>\d{1,3}))?)?"
    r"( (?P<half>training|held-out))?( outside (?P<outside>.+))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Place:
    """One clause of a spawn text: where some of its bodies go."""

    stem: str
    """Stem of the sites."""
    sites: tuple[int, ...]
    """Ids of the sites to choose from; empty where the clause leaves its bodies out."""
    outside: tuple[int, ...]
    """Ids of the regions to avoid."""
    amount: int | float | None
    """An int is a number of bodies, a float a probability per body, None all that are left."""
    rim: bool = False
    """Whether the bodies stand in the outer wall of the maze whose cells are the sites."""


@dataclass(frozen=True)
class Maze:
    """A clause that draws a random maze, whose walls are the bodies of the text."""

    source: str
    """The word that begins the clause, "maze" or "labmaze"."""
    cells: str
    """Stem of the sites that are the cells."""
    sites: tuple[int, ...]
    """Ids of these sites."""
    sizes: tuple[int, int] | None
    """Smallest and largest number of cells a side; None for all cells."""
    half: str | None
    """The half of all mazes, "training" or "held-out"; None for both."""
    outside: tuple[int, ...]
    """Ids of the regions without walls."""


@dataclass(frozen=True)
class Rule:
    """A parsed spawn text."""

    stem: str
    """Stem of its bodies."""
    bodies: tuple[int, ...]
    """Ids of its bodies."""
    places: tuple[Place, ...]
    """The places of the bodies; empty for a maze."""
    yaw: None | str | float | tuple[str, int]
    """Orientation: None as the site has it, "any", radians, or ("facing", id of a site)."""
    where: str
    """The file and the text's name, which begin every error."""
    maze: Maze | None = None
    """The maze whose walls the bodies are; None for other texts."""
    drawn_with: str | None = None
    """Stem of the text that draws the same random numbers for its choices; None for its own."""

    @property
    def draws(self) -> str:
        """The stem after which the random numbers of its choices are named."""
        return self.drawn_with or self.stem

    @property
    def sites(self) -> tuple[int, ...]:
        """All sites that the text refers to."""
        facing = self.yaw[1:] if isinstance(self.yaw, tuple) else ()
        named = [site for p in self.places for site in (*p.sites, *p.outside)]
        return (*named, *facing, *(self.maze.outside if self.maze else ()))

    @property
    def never(self) -> bool:
        """Whether its bodies are in no episode, and so stand far away without joints."""
        return any(place.stem == NEVER and not place.sites for place in self.places)

    @property
    def may_be_absent(self) -> bool:
        """Whether some of its bodies can be left out of an episode."""
        if self.maze:
            return True
        if any(not place.sites and place.amount != 0 for place in self.places):
            return True
        amounts = [place.amount for place in self.places]
        if None in amounts:
            return False
        counts = sum(a for a in amounts if isinstance(a, int))
        chances = sum(a for a in amounts if isinstance(a, float))
        return counts < len(self.bodies) and chances < 1 - 1e-9


def parse_rule(model: mujoco.MjModel, stem: str, text: str, file: str) -> Rule:
    """The rule in the text `spawn/stem` of a file. Raises SceneError if it cannot be parsed."""
    where = f"{file}, text 'spawn/{stem}'"
    maze: Maze | None = None
    bodies = copies_of(model, mujoco.mjtObj.mjOBJ_BODY, model.nbody, stem, "body", where)
    places: list[Place] = []
    yaw: None | str | float | tuple[str, int] = None
    drawn_with: str | None = None
    for clause in text.split(","):
        match clause.split():
            case ["yaw" | "facing", _] if yaw is not None:
                raise SceneError(f"{where}: it turns bodies twice; keep one 'yaw' or 'facing'")
            case ["yaw", "any"]:
                yaw = "any"
            case ["yaw", degrees]:
                yaw = np.deg2rad(_to_float(degrees, where))
            case ["facing", site]:
                yaw = ("facing", _sites(model, site, where)[0])
            case ["with", body]:
                drawn_with = body
            case ["maze" | "labmaze" as source, *rest]:
                maze = _parse_maze(model, source, rest, where)
            case [first, *rest]:
                places.append(_parse_place(model, first, rest, where))
            case []:
                raise SceneError(f"{where}: an empty clause; name a site, e.g. 'floor'")
    rule = Rule(stem, bodies, tuple(places), yaw, where, maze, drawn_with)
    if rule.never and text.strip() != NEVER:
        raise SceneError(f"{where}: '{NEVER}' takes no further word; write '{ABSENT}' instead")
    if maze is None:
        _check_amounts(model, rule)
    elif "," in text:
        raise SceneError(f"{where}: a maze takes no further clause; remove what is beside it")
    return rule


def _parse_maze(model: mujoco.MjModel, source: str, words: list[str], where: str) -> Maze:
    match = _MAZE.fullmatch(" ".join(words))
    if match is None:
        raise SceneError(
            f"{where}: '{' '.join([source, *words])}' is not understood; a maze is '{source} "
            "CELLS', then a size like 4 or 3 to 5, then training or held-out, then 'outside "
            "REGION ...', of which all but CELLS may be left out"
        )
    low, high = match["low"], match["high"] or match["low"]
    sizes = None if low is None else (int(low), int(high))
    if sizes and not 2 <= sizes[0] <= sizes[1]:
        raise SceneError(
            f"{where}: '{match['sizes'].strip()}' is not a valid size; write 2 or more, or 3 to 5"
        )
    sites = _sites(model, match["cells"], where)
    outside = _regions(model, (match["outside"] or "").split(), where)
    return Maze(source, match["cells"], sites, sizes, match["half"], outside)


def _parse_place(model: mujoco.MjModel, stem: str, words: list[str], where: str) -> Place:
    amount: int | float | None = None
    rim = stem == "rim"
    if rim:
        stem = words.pop(0) if words else stem
    if words and _AMOUNT.fullmatch(words[-1]):
        last = words.pop()
        number = _to_float(last, where)
        amount = number if "." in last else int(number)
        if amount < 0:
            raise SceneError(f"{where}: '{last}' is negative; write a count or a probability")
    if words and (words[0] != "outside" or len(words) == 1):
        raise SceneError(
            f"{where}: '{' '.join(words)}' is not understood after '{stem}'; a place is SITE, "
            "then 'outside REGION ...', then a count like 5 or a probability like 0.5"
        )
    outside = _regions(model, words[1:], where)
    if stem in (ABSENT, NEVER) and not (rim or outside) and not _has_site(model, stem):
        return Place(stem, (), (), amount)
    return Place(stem, _sites(model, stem, where), outside, amount, rim)


def _has_site(model: mujoco.MjModel, stem: str) -> bool:
    return any(stem_of(model.site(i).name) == stem for i in range(model.nsite))


def _regions(model: mujoco.MjModel, words: list[str], where: str) -> tuple[int, ...]:
    regions = [site for word in words for site in _sites(model, word, where)]
    for site in regions:
        if model.site_type[site] not in REGIONS:
            name = model.site(site).name
            raise SceneError(f"{where}: '{name}' is a point; outside takes boxes and cylinders")
    return tuple(regions)


def _to_float(word: str, where: str) -> float:
    if not _AMOUNT.fullmatch(word):
        raise SceneError(f"{where}: '{word}' is not a number")
    number = float(word)
    if abs(number) > LARGEST:
        raise SceneError(f"{where}: '{word[:20]}' is too large; write at most {LARGEST:g}")
    return number


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
        if place.sites and len(place.sites) < most and not region:
            raise SceneError(
                f"{rule.where}: {most} bodies for {len(place.sites)} site(s) '{place.stem}'"
            )
