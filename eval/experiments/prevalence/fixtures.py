"""The contents of a room as MJCF elements. The defaults they name are the sweep family's."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from sandbox_envs.eval.experiments.prevalence.rooms import (
    BED,
    DRAIN,
    EDGE,
    KERB,
    WALL,
    Furniture,
    Planter,
    Rect,
    Room,
    inner_wall,
)

SIDES = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
HIGH, LOW = 0.2, 0.006  # half the height of walls and of kerbs
THIN, SUNK = 0.02, -0.6  # half the thickness of gates; where they are when open
FOVY = 42  # degrees that the camera above sees


def add(parent: ET.Element, tag: str, kind: str = "", **attributes: object) -> ET.Element:
    """A new element in another one; kind: of the defaults."""
    given = {name: _written(value) for name, value in attributes.items()}
    return ET.SubElement(parent, tag, {**({"class": kind} if kind else {}), **given})


def _written(value: object) -> str:
    if isinstance(value, tuple | list):
        return " ".join(map(_written, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def surroundings(world: ET.Element, room: Room) -> None:
    """Light, camera, floor and outer walls."""
    x, y = room.half_x, room.half_y
    add(world, "light", name="sun", directional="true", pos="1.5 -1.5 4", dir="-0.35 0.4 -1",
        diffuse="0.62 0.60 0.55", specular="0.25 0.25 0.25")  # fmt: skip
    high = (max(0.75 * x, y) + 0.2) / math.tan(math.radians(FOVY / 2)) + 2 * HIGH
    add(world, "camera", name="overhead", pos=(0, 0, high), fovy=FOVY)
    add(world, "geom", "look", name="floor", type="plane", size=(x, y, 0.1), material="floor")
    # MuJoCo aligns the boxes of bodies with the axes along which bodies lie scattered; see `sweep`
    far = add(world, "body", name="far_away")
    add(far, "geom", "look", name="far_away", type="sphere", size=0.01, pos="700 0 0")
    for side in SIDES:
        body = add(world, "body", name=side)
        # nothing is behind outer walls: the retina need not look for what they hide
        outside = _strip(room.floor.grown(2 * WALL), side, WALL)
        _box(body, f"wall_{side}", outside, HIGH, "wall", group=0)
        _box(body, f"kerb_{side}", _strip(room.floor, side, KERB / 2), LOW, "kerb")


def furniture(world: ET.Element, piece: Furniture, number: int) -> None:
    """A piece with a kerb around it."""
    place, is_box = piece.place, piece.shape == "box"
    look, high = ("wood", 0.28) if is_box else ("cushion", 0.17)
    name = f"furniture_{number}"
    body = add(world, "body", name=name, pos=(place.x, place.y, 0), euler=(0, 0, piece.yaw))
    for prefix, kind, part, half in (
        ("", "furniture", place, high),
        ("kerb_", "kerb", place.grown(KERB), LOW),
    ):
        size = (part.half_x, part.half_y, half) if is_box else (part.half_x, half)
        geom = add(body, "geom", kind, name=prefix + name, size=size, pos=(0, 0, half))
        geom.set("type", piece.shape)
        if kind == "furniture":
            geom.set("material", look)


def division(world: ET.Element, room: Room) -> None:
    """The inner wall of glass with its kerbs, and the door, which stands in the gap or is sunk."""
    gap = room.wall
    for number, part in enumerate(inner_wall(gap, room.floor)):
        body = add(world, "body", name=f"inner_{number}")
        _box(body, f"inner_{number}", part, HIGH, material="glass")
        _box(body, f"kerb_inner_{number}", part.grown(KERB), LOW, "kerb")
    for name, height in (("shut", 0.0), ("open", SUNK)):
        add(world, "site", name=f"door_{name}", group=4, pos=(gap.x, gap.y, height))
        add(world, "site", name=f"gate_{name}", group=4, pos=(0, 0, height))
    body = add(world, "body", name="garden_door", mocap="true", pos=(gap.x, gap.y, 0))
    _box(body, "door", Rect(0.0, 0.0, 0.03, gap.width / 2), HIGH, "wall", material="gate")


def drain(world: ET.Element, at: tuple[float, float]) -> None:
    """A drain in the floor."""
    body = add(world, "body", name="drain", pos=(*at, 0))
    add(body, "geom", "look", name="drain", type="cylinder", size=(DRAIN, 0.004), pos=(0, 0, 0.002),
        group=1, material="drain")  # fmt: skip
    for y, half in ((-0.06, 0.11), (0.0, 0.13), (0.06, 0.11)):
        add(body, "geom", "look", type="box", size=(half, 0.012, 0.001), pos=(0, y, 0.006),
            material="drain_slot")  # fmt: skip
    add(body, "site", "region", name="drain", type="cylinder", size=(DRAIN, 0.1), pos=(0, 0, 0.05))


def gates(world: ET.Element, planters: tuple[Planter, ...], is_glass: bool) -> None:
    """The gates of all planters with their kerbs, which are shut and opened together."""
    body = add(world, "body", name="planter_gate", mocap="true")
    for number, planter in enumerate(planters):
        for side in planter.gates:
            name = f"{side}_{number}"
            gate = _strip(planter.with_gates(2 * THIN), side, THIN)
            if is_glass:  # which the retina sees through
                _box(body, f"gate_{name}", gate, HIGH, material="glass")
            else:
                _box(body, f"gate_{name}", gate, HIGH, "wall", material="gate")
            kerb = _strip(planter.with_gates(2 * BED), side, KERB / 2)
            _box(body, f"kerb_gate_{name}", kerb, LOW, "kerb")


def regions(world: ET.Element, room: Room) -> None:
    """The regions where things start and belong, and the planters' beds."""
    _region(world, "floor", room.floor)
    _region(world, "open_floor", room.floor.grown(-EDGE))
    _region(world, "open_main", room.main.grown(-EDGE))
    _region(world, "open_annex", room.annex.grown(-EDGE))
    _region(world, "garden", room.annex)  # by which name scripts look for it
    _region(world, "start", room.start_region)
    for number, planter in enumerate(room.planters):
        body = add(world, "body", name=planter_name(number))
        _box(body, f"bed_{number}", planter.bed, 0.003, "look", material="bed")
        _region(body, planter_name(number), planter.bed)
        _region(body, f"surroundings_{number}", planter.with_gates(2 * BED))
    for name in ("tile", "under_cabinet"):  # scripts look for them, too
        add(world, "site", name=name, group=4, pos=(0, 0, -9))


def pieces(world: ET.Element, counts: Mapping[str, int]) -> None:
    """Dirt and soil, and a leaf, which scripts look for."""
    for stem, count in counts.items():
        for number in range(count):
            body = add(world, "body", name=f"{stem}-{number}", pos="0 0 0.035", childclass=stem)
            for axis, direction in (("x", "1 0 0"), ("y", "0 1 0")):
                add(body, "joint", name=f"{stem}_{axis}-{number}", axis=direction)
            add(body, "geom", name=f"{stem}-{number}")
            if stem == "dirt":
                add(body, "site", "region", name=f"dirt_reach-{number}", size=0.2)
    leaf = add(world, "body", name="leaf", mocap="true", pos="0 0 0.035")
    add(leaf, "geom", "look", name="leaf", type="sphere", size=0.035, material="leaf")


def planter_name(number: int) -> str:
    """The name of the first planter or another: planter, planter_1."""
    return f"planter_{number}" if number else "planter"


def _strip(of: Rect, side: str, half: float) -> Rect:
    """A strip along the inside of one side of a rectangle."""
    east, north = SIDES[side]
    return Rect(
        of.x + east * (of.half_x - half),
        of.y + north * (of.half_y - half),
        half if east else of.half_x,
        half if north else of.half_y,
    )


def _box(
    body: ET.Element, name: str, place: Rect, half: float, kind: str = "", **attributes: object
) -> None:
    size, pos = (place.half_x, place.half_y, half), (place.x, place.y, half)
    add(body, "geom", kind, name=name, type="box", size=size, pos=pos, **attributes)


def _region(body: ET.Element, name: str, place: Rect) -> None:
    size, pos = (place.half_x, place.half_y, 0.1), (place.x, place.y, 0.05)
    add(body, "site", "region", name=name, type="box", size=size, pos=pos)
