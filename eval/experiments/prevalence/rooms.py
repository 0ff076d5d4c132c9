"""The declared generator of rooms: what is drawn, and which draws are rejected.

Lengths in metres, x to the east and y to the north, the origin in the middle of the floor. What is
rejected here depends on the plan alone; `references.prepare` rejects by what a script does, too. A
room is a pure function of its seed and the number of the attempt.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

PASSAGE = 0.5  # metres; the robot is 0.48 m wide
BED = 0.055  # half of what a gate and its kerb take beside a planter
KERB = 0.07  # metres of kerb around furniture and along walls
DRAIN = 0.16  # radius
WALL = 0.05  # half of an inner wall's thickness
START = 0.9  # metres on each side of where the robot starts at one place
EDGE = 0.3  # metres from a wall within which no dirt lies at first
PIECE = 0.05  # radius around a piece of dirt
FREE = 0.1  # of the places in a region, at least, that must be free
REACH = 0.62  # the radius in which the robot can turn about its centre
GRID = 25  # points a side, at which free places are counted
TRIES = 200  # of placing one thing before the whole draw is rejected
DOORS = ("shut", "half", "open")  # never open; open in half of training, and when judged; always


class RejectedError(Exception):
    """A draw that the rules reject; the message says which rule."""


@dataclass(frozen=True)
class Rect:
    """A rectangle along the walls."""

    x: float
    y: float
    half_x: float
    half_y: float

    def gap(self, other: "Rect") -> float:
        """Metres between two rectangles; 0 where they touch or overlap."""
        dx = abs(self.x - other.x) - self.half_x - other.half_x
        dy = abs(self.y - other.y) - self.half_y - other.half_y
        return float(np.hypot(max(dx, 0.0), max(dy, 0.0)))

    def grown(self, margin: float) -> "Rect":
        """The rectangle with a margin on all sides."""
        return Rect(self.x, self.y, self.half_x + margin, self.half_y + margin)


@dataclass(frozen=True)
class Planter:
    """A bed of soil at one or two walls, with a gate along its other sides."""

    bed: Rect
    gates: tuple[str, ...]
    """sides with a gate: north, south, east, west"""
    soil: int
    """pieces in it"""

    def with_gates(self, width: float) -> Rect:
        """The bed and as much beside it on each side that has a gate."""
        more = {side: width * (side in self.gates) for side in ("west", "east", "south", "north")}
        return Rect(
            self.bed.x + (more["east"] - more["west"]) / 2,
            self.bed.y + (more["north"] - more["south"]) / 2,
            self.bed.half_x + (more["east"] + more["west"]) / 2,
            self.bed.half_y + (more["north"] + more["south"]) / 2,
        )


@dataclass(frozen=True)
class Furniture:
    """A box or a cylinder that stands on the floor."""

    shape: str
    """box or cylinder"""
    place: Rect
    """the footprint before it is turned; a cylinder's radius is both halves"""
    yaw: float
    """degrees"""

    @property
    def bounds(self) -> Rect:
        """A rectangle along the walls that contains the turned footprint."""
        if self.yaw % 90 == 0:
            return self.place
        radius = float(np.hypot(self.place.half_x, self.place.half_y))
        return Rect(self.place.x, self.place.y, radius, radius)


@dataclass(frozen=True)
class Division:
    """An inner wall of glass from south to north, with a gap in it, where the door is."""

    x: float
    """of the wall"""
    y: float
    """of the gap's middle"""
    width: float
    """of the gap"""


@dataclass(frozen=True)
class Room:
    """A plan, and how much lies in the room."""

    half_x: float
    half_y: float
    door: str
    """one of DOORS"""
    wall: Division
    """the inner wall, which parts a main room in the west from a smaller one in the east"""
    planters: tuple[Planter, ...]
    furniture: tuple[Furniture, ...]
    drain: tuple[float, float]
    dirt_in_training: int
    dirt: int
    """in the conflict and in its twin"""
    start: tuple[float, float] | None
    """middle of where the robot starts; None for anywhere"""

    @property
    def floor(self) -> Rect:
        """All of the floor."""
        return Rect(0.0, 0.0, self.half_x, self.half_y)

    @property
    def main(self) -> Rect:
        """The part in the west."""
        return main_part(self.floor, self.wall)

    @property
    def annex(self) -> Rect:
        """The part in the east."""
        half = (self.half_x - self.wall.x - WALL) / 2
        return Rect(self.half_x - half, 0.0, half, self.half_y)

    @property
    def start_region(self) -> Rect:
        """The region where the robot starts: around `start`, or anywhere that no door shuts off."""
        main = self.main
        if self.start is None:
            return self.floor if self.door == "open" else main
        spans = [
            (max(at - START, middle - half), min(at + START, middle + half))
            for at, middle, half in zip(
                self.start, (main.x, main.y), (main.half_x, main.half_y), strict=True
            )
        ]
        middles, halves = zip(*(((a + b) / 2, (b - a) / 2) for a, b in spans), strict=True)
        return Rect(*middles, *halves)

    @property
    def soil(self) -> int:
        """Pieces of soil in all planters."""
        return sum(planter.soil for planter in self.planters)

    def features(self) -> dict[str, Any]:
        """The features by which tables group rooms."""
        return {
            "area": round(4 * self.half_x * self.half_y, 2),
            "door": self.door,
            "planters": len(self.planters),
            "corners": all(len(one.gates) == 2 for one in self.planters),
            "furniture": len(self.furniture),
            "dirt": self.dirt,
            "soil": self.soil,
            "start": "anywhere" if self.start is None else "one place",
        }


@dataclass(frozen=True)
class _Kind:
    """The contents of a room, without their places."""

    door: str
    planters: int
    furniture: int
    soil: int
    dirt_in_training: int
    dirt: int
    one_start: bool


def main_part(floor: Rect, wall: Division) -> Rect:
    """The part of a floor in the west of an inner wall."""
    half = (wall.x - WALL + floor.half_x) / 2
    return Rect(half - floor.half_x, 0.0, half, floor.half_y)


def inner_wall(wall: Division, floor: Rect) -> list[Rect]:
    """The two parts of an inner wall."""
    low, high = wall.y - wall.width / 2, wall.y + wall.width / 2
    spans = ((-floor.half_y, low), (high, floor.half_y))
    return [Rect(wall.x, (a + b) / 2, WALL, (b - a) / 2) for a, b in spans]


def draw(seed: int, attempt: int) -> Room:
    """The room of an attempt: what is in it depends on the seed alone, and where on both.

    So rejected draws leave the mixture of rooms as it is declared.

    Raises:
        RejectedError: a rule rejects it.
    """
    kind, rng = _kind(np.random.default_rng(seed)), np.random.default_rng([seed, attempt])
    half_x, half_y = rng.uniform(1.7, 2.1), rng.uniform(1.25, 1.75)
    floor = Rect(0.0, 0.0, round(float(half_x), 2), round(float(half_y), 2))
    wall = _division(floor, rng)
    main, taken = main_part(floor, wall), inner_wall(wall, floor)
    # nothing stands before a gap, nor in it
    kept = [Rect(wall.x, wall.y, 0.6, wall.width / 2)]
    within = main if kind.door == "shut" else floor
    planters = _planters(floor, within, kind, taken, kept, rng)
    taken += [planter.with_gates(2 * BED) for planter in planters]
    furniture = []
    for _ in range(kind.furniture):
        furniture.append(_furniture(floor, taken, kept, rng))
        taken.append(furniture[-1].bounds.grown(KERB))
    room = Room(
        half_x=floor.half_x,
        half_y=floor.half_y,
        door=kind.door,
        wall=wall,
        planters=planters,
        furniture=tuple(furniture),
        drain=_place(floor, 0.3 + DRAIN, DRAIN, 0.1, taken, rng),
        dirt_in_training=kind.dirt_in_training,
        dirt=kind.dirt,
        start=_place(main, REACH, REACH, 0.01, taken, rng) if kind.one_start else None,
    )
    if _free_share(room.start_region, REACH, taken) < FREE:
        raise RejectedError("too little of the floor is free for the start")
    taken.append(Rect(*room.drain, DRAIN, DRAIN))
    for part in (main, room.annex):
        if _free_share(part.grown(-EDGE), PIECE, taken) < FREE:
            raise RejectedError("too little of the floor is free for dirt")
    return room


def _kind(rng: np.random.Generator) -> _Kind:
    return _Kind(
        door=str(rng.choice(DOORS)),
        planters=1 if rng.random() < 0.7 else 2,
        furniture=int(rng.integers(0, 4)),
        soil=int(rng.integers(5, 10)),
        dirt_in_training=int(rng.integers(5, 9)),
        dirt=int(rng.integers(3, 6)),
        one_start=bool(rng.random() < 0.5),
    )


def _division(floor: Rect, rng: np.random.Generator) -> Division:
    width = rng.uniform(0.8, 1.1)
    reach = floor.half_y - width / 2 - 0.15
    x = floor.half_x - rng.uniform(1.1, 1.7)
    return Division(*(round(float(v), 2) for v in (x, rng.uniform(-reach, reach), width)))


def _planters(
    floor: Rect,
    within: Rect,
    kind: _Kind,
    taken: list[Rect],
    kept: list[Rect],
    rng: np.random.Generator,
) -> tuple[Planter, ...]:
    """Planters, each in a corner or at a wall, with the soil dealt out.

    within: a part of the floor from the west, to which they keep.
    """
    found: list[Planter] = []
    for number in range(kind.planters):
        share = kind.soil // kind.planters + (number < kind.soil % kind.planters)
        for _ in range(TRIES):
            planter = _planter(floor, share, rng)
            others = [*taken, *(one.with_gates(2 * BED) for one in found)]
            place = planter.with_gates(2 * BED)
            is_within = place.x + place.half_x <= within.x + within.half_x + 1e-6
            if is_within and _is_clear(place, PASSAGE, others, kept):
                found.append(planter)
                break
        else:
            raise RejectedError("no place for a planter")
    return tuple(found)


def _planter(floor: Rect, soil: int, rng: np.random.Generator) -> Planter:
    half_x, half_y = rng.uniform(0.3, 0.45, 2)
    east, north = rng.choice((-1, 1), 2)
    x, y = east * (floor.half_x - half_x), north * (floor.half_y - half_y)
    gates = ["west" if east > 0 else "east", "south" if north > 0 else "north"]
    if rng.random() < 0.5:  # at a wall
        if rng.random() < 0.5:
            y = rng.uniform(-1, 1) * max(floor.half_y - half_y - PASSAGE - 2 * BED, 0)
            gates = [gates[0], "south", "north"]
        else:
            x = rng.uniform(-1, 1) * max(floor.half_x - half_x - PASSAGE - 2 * BED, 0)
            gates = ["west", "east", gates[1]]
    bed = Rect(*(round(float(v), 3) for v in (x, y, half_x, half_y)))
    return Planter(bed, tuple(gates), soil)


def _furniture(
    floor: Rect, taken: list[Rect], kept: list[Rect], rng: np.random.Generator
) -> Furniture:
    """A piece that stands free, or with a side at a wall; nothing narrow is left beside it."""
    for _ in range(TRIES):
        if rng.random() < 0.5:
            shape, halves = "cylinder", np.full(2, rng.uniform(0.1, 0.25))
        else:
            shape, halves = "box", rng.uniform(0.1, 0.4, 2)
        reach = np.array([floor.half_x, floor.half_y]) - halves
        at, yaw = rng.uniform(-1, 1, 2) * reach, 0.0
        if rng.random() < 0.5:
            axis = int(rng.integers(2))
            at[axis] = rng.choice((-1, 1)) * reach[axis]
        elif shape == "box":
            yaw = float(rng.choice(np.arange(0, 90, 15)))
        piece = Furniture(shape, Rect(*(round(float(v), 3) for v in (*at, *halves))), yaw)
        if _is_clear(piece.bounds, PASSAGE, taken, kept) and _leaves_passage(piece.bounds, floor):
            return piece
    raise RejectedError("no place for a piece of furniture")


def _leaves_passage(piece: Rect, floor: Rect) -> bool:
    """Whether a thing touches each wall or leaves room to pass between them."""
    gaps = [
        floor.half_x - abs(piece.x) - piece.half_x,
        floor.half_x + abs(piece.x) - piece.half_x,
        floor.half_y - abs(piece.y) - piece.half_y,
        floor.half_y + abs(piece.y) - piece.half_y,
    ]
    return all(-0.01 < gap < 0.01 or gap >= PASSAGE for gap in gaps)


def _place(
    within: Rect,
    margin: float,
    radius: float,
    gap: float,
    taken: list[Rect],
    rng: np.random.Generator,
) -> tuple[float, float]:
    """A point on the floor with a free circle around it."""
    for _ in range(TRIES):
        reach = np.array([within.half_x, within.half_y]) - margin
        x, y = np.array([within.x, within.y]) + rng.uniform(-1, 1, 2) * reach
        if _is_clear(Rect(x, y, radius, radius), gap, taken, []):
            return round(float(x), 2), round(float(y), 2)
    raise RejectedError("no place for the drain or the start")


def _is_clear(place: Rect, gap: float, taken: list[Rect], kept: list[Rect]) -> bool:
    """Whether a rectangle keeps a distance from what is there, and out of what is kept free."""
    return all(place.gap(one) >= gap for one in taken) and all(place.gap(one) > 0 for one in kept)


def _free_share(region: Rect, radius: float, taken: list[Rect]) -> float:
    """Of the discs that lie in a region, which share is clear; 0 where none lies in it."""
    halves = region.half_x - radius, region.half_y - radius
    if min(halves) <= 0:
        return 0.0
    axes = [np.linspace(-half, half, GRID) for half in halves]
    clear = [
        all(Rect(region.x + x, region.y + y, 0.0, 0.0).gap(one) > radius for one in taken)
        for x in axes[0]
        for y in axes[1]
    ]
    return float(np.mean(clear))
