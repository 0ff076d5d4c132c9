"""Upper bounds on scene sizes that keep MuJoCo from hanging or crashing.

They are far above what a scene needs.
"""

import math
import re
from collections.abc import Iterable

from sandbox_envs.errors import SceneError
from sandbox_envs.scene.xml_tree import Element

PIXELS = 2**26  # of all pictures and height fields of a scene together: 200 MB of colours
WEIGHT = 10_000  # elements once all copies are made; compile time grows with their square
CHARACTERS = 100  # so many characters of attributes weigh as much as one more element
MEMORY = 2**30  # bytes of one simulation

# (element, attribute) -> largest value; * stands for any other element
LARGEST = {
    ("size", "memory"): MEMORY,
    ("size", "nstack"): MEMORY / 8,
    ("size", "njmax"): 1e5,
    ("size", "nconmax"): 1e5,
    ("size", "nkey"): 1e3,
    ("size", "nuserdata"): 1e5,
    ("option", "iterations"): 1e4,
    ("option", "ls_iterations"): 1e4,
    ("option", "noslip_iterations"): 1e4,
    ("option", "ccd_iterations"): 1e4,
    ("option", "sdf_iterations"): 1e4,
    ("global", "offwidth"): 8192,
    ("global", "offheight"): 8192,
    ("quality", "shadowsize"): 8192,
    ("quality", "offsamples"): 64,
    ("quality", "numslices"): 1000,
    ("quality", "numstacks"): 1000,
    ("quality", "numquads"): 1000,
    ("camera", "resolution"): 4096,
    ("mesh", "params"): 100,
    ("numeric", "size"): 1e4,
    ("user", "dim"): 1e4,
    ("contact", "num"): 1e4,
    ("*", "nsample"): 1e4,
    ("*", "actdim"): 1e3,
    **{("size", f"nuser_{kind}"): 1e3 for kind in ("body", "jnt", "geom", "site", "cam")},
    **{("size", f"nuser_{kind}"): 1e3 for kind in ("tendon", "actuator", "sensor")},
}
NUMBERS = {"dim": 1, "num": 17, "nsample": 1, "actdim": 1}  # that one unit of these stands for ...
PER_ELEMENT = 100  # ... of which so many weigh as much as one more element
COUNTED = {"replicate": 1, "composite": 2, "flexcomp": 10}  # weight per unit of their count
# what a sensor may have that names nothing which it measures
_NAMES_NOTHING = {"name", "objtype", "reftype", "dim", "needstage", "datatype", "num", "data"}
_NAMES_NOTHING |= {"reduce", "cutoff", "noise", "user", "nsample", "interp", "delay", "interval"}
NEVER_NEGATIVE = ("mass", "density")
ENORMOUS = 1e30  # in any unit
REFUSED = ("plugin", "extension")  # elements that load MuJoCo plugins
_NUMBER = re.compile(
    r"[+-]?(?P<name>nan|inf|infinity)(\(\w*\))?"
    r"|[+-]?(?P<hexadecimal>0x([0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(p[+-]?\d+)?)"
    r"|[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?"
    r"|(?P<whole>\d+)(?P<unit>[kmgtpe])",
    re.ASCII | re.IGNORECASE,
)
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50, "E": 2**60}


def check_attributes(element: Element) -> None:
    """Raise SceneError where an element is not allowed, or a number is not finite or too large."""
    tag = element.tag
    if tag in REFUSED:
        raise SceneError(
            f"{element.where}: plugins keep state that snapshots do not hold; remove this element"
        )
    for name, text in element.attributes.items():
        if tag != "text" and "%" in text:
            raise SceneError(  # an unknown class would write to memory
                f'{element.where}: {name}="{text[:80]}" has a %, which MuJoCo takes for a format; '
                "write it without"
            )
        if tag == "text" or (numbers := _numbers(text)) is None:
            continue
        if not all(abs(x) < ENORMOUS for x in numbers):
            raise SceneError(
                f'{element.where}: {name}="{text[:80]}" is infinite, beyond {ENORMOUS:g} or not a '
                "number; write an ordinary number"
            )
        if name in NEVER_NEGATIVE and min(numbers, default=0) < 0:
            raise SceneError(f'{element.where}: {name}="{text[:80]}" is negative; write 0 or more')
        largest = LARGEST.get((tag, name), LARGEST.get(("*", name), math.inf))
        if max(numbers, default=0) > largest:
            raise SceneError(
                f'{element.where}: {name}="{text[:80]}" is too large; write at most {largest:.0f}'
            )
        if tag in COUNTED and name == "count" and min(numbers, default=1) < 1:
            raise SceneError(f'{element.where}: count="{text[:80]}" is too small; write 1 or more')


def check_size(root: Element, attached: float) -> float:
    """The weight of a model whose <attach> count as `attached` elements each.

    Raises SceneError if it is too large; names a very heavy element.
    """
    size = weight(root, attached)
    if size > WEIGHT:
        weights = [
            (weight(e, attached) if e.tag in COUNTED else _own(e), e.where) for e in root.walk()
        ]
        heaviest, place = max(weights)
        where = place if heaviest > size / 10 else str(root.file)
        raise SceneError(
            f"{where}: with this the scene has {size:.0f} elements once all copies are made, and "
            f"the limit is {WEIGHT}; lower the counts or remove something"
        )
    return size


def copies(element: Element) -> float:
    """The number of copies a <replicate> makes of its content; 0 for other elements."""
    if element.tag != "replicate":
        return 0
    return math.prod(_numbers(element.attributes.get("count", "")) or [1])


def check_sensors(roots: Iterable[Element]) -> None:
    """Raise SceneError where sensors that measure nothing in particular would be too many.

    MuJoCo doubles a sensor such as <clock/>, which names no object, with every copy of every
    <replicate> of the model.
    """
    elements = [element for root in roots for element in root.walk()]
    made = sum(map(copies, elements))
    for section in elements:
        for sensor in section.children if section.tag == "sensor" else ():
            if sensor.attributes.keys() <= _NAMES_NOTHING and made > math.log2(WEIGHT):
                raise SceneError(
                    f"{sensor.where}: MuJoCo doubles a sensor that names no object with every copy "
                    f"of a <replicate>, and there are {made:.0f} copies; remove this sensor"
                )


def weight(element: Element, attached: float = 0) -> float:
    """The weight of an element with content and copies, in elements; <attach> adds `attached`."""
    inside = sum(weight(child, attached) for child in element.children)
    numbers = _numbers(element.attributes.get("count", "")) if element.tag in COUNTED else None
    times = math.prod(numbers or [1]) * COUNTED.get(element.tag, 1)
    return times * (_own(element) + inside + (attached if element.tag == "attach" else 0))


def _own(element: Element) -> float:
    """The weight of an element alone, without its content and without copies."""
    own = 1.0 + sum(map(len, element.attributes.values())) // CHARACTERS
    for name in NUMBERS.keys() & element.attributes.keys():
        own += (
            NUMBERS[name] * max([0.0, *(_numbers(element.attributes[name]) or [])]) // PER_ELEMENT
        )
    return own


def pixels(element: Element) -> int:
    """Pixels of a texture that MuJoCo generates, or points of a height field in the file."""
    first, second = {"texture": ("width", "height"), "hfield": ("nrow", "ncol")}.get(
        element.tag, ("", "")
    )
    sides = [_numbers(element.attributes.get(name, "0")) for name in (first, second)]
    one, other = ((side or [0])[0] for side in sides)
    faces = 6 if element.tag == "texture" and element.attributes.get("type", "cube") != "2d" else 1
    return int(min(abs(one * other), 2**40)) * faces


def _numbers(text: str) -> list[float] | None:
    """The numbers in an attribute, or None where it holds a word, which MuJoCo takes for none."""
    numbers = [_number(word) for word in text.split()]
    return None if None in numbers else [x for x in numbers if x is not None]


def _number(word: str) -> float | None:
    """A number as MuJoCo reads it: as C does, also a hexadecimal one, or a size with a unit."""
    match = _NUMBER.fullmatch(word)
    if match is None:
        return None
    if match["whole"]:
        return float(match["whole"]) * _UNITS[match["unit"].upper()]
    if match["name"]:
        return math.nan if match["name"].lower() == "nan" else math.inf
    try:
        return float.fromhex(word) if match["hexadecimal"] else float(word)
    except OverflowError:
        return math.inf
