"""Changes of a scene's elements: some at random, some as MuJoCo's schema has them."""

import random
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import mujoco
from hostile_texts import NUMBERS, TEXTS

from sandbox_envs.scene.catalog import scenes_folder

RICH = Path(__file__).parent / "rich.xml"  # many kinds of elements, so that changes reach them all
NUMBER = re.compile(r"[-+.\d]")
FACTORS = [-1, 0, 1e-9, 1e-3, 0.1, 0.5, 2, 3, 10, 1e3, 1e6, 1e12, 1e25]

KEYWORDS = [
    "box", "sphere", "capsule", "plane", "mesh", "hfield", "ellipsoid", "cylinder", "sdf", "free",
    "ball", "slide", "hinge", "elliptic", "pyramidal", "RK4", "implicit", "Euler", "PGS", "CG",
    "Newton", "2d", "cube", "skybox", "flat", "gradient", "checker", "none", "random", "convex",
    "exact", "legacy", "shell", "body", "xbody", "geom", "site", "camera", "true", "false", "auto",
    "disable", "enable", "grid", "particle", "cable", "gmsh", "ellipsoid", "curve", "s", "cos(s)",
    "muscle", "integrator", "filter", "filterexact", "user", "affine", "fixed", "dense", "sparse",
    "local", "global", "radian", "degree", "XYZ", "zyx", "com", "trilinear", "quadratic", "2d",
    "full", "1", "2", "3", "depth", "rgb", "segmentation", "plate", "wedge", "supertorus", "prism",
    "cone", "hemisphere", "supersphere", "torus",
]  # fmt: skip


def change(rng: random.Random, root: ElementTree.Element) -> None:
    """Change one thing in a tree."""
    pairs = [(parent, child) for parent in root.iter() for child in parent]
    if not pairs:
        return
    parent, child = rng.choice(pairs)
    other = rng.choice([root, *(c for _, c in pairs)])
    where = rng.randrange(len(parent) + 1)
    key = rng.choice([*child.attrib, "name"])
    match rng.randrange(14):
        case 0:
            parent.remove(child)
        case 1:
            parent.insert(where, child)
        case 2:
            for _ in range(rng.choice([3, 30])):
                parent.append(child)
        case 3:
            parent.remove(child)
            (other if other not in set(child.iter()) else root).append(child)
        case 4:
            child.tag = rng.choice([rng.choice(pairs)[1].tag, rng.choice([*schema()]), "x"])
        case 5:
            child.attrib.pop(key, None)
        case 6:
            child.attrib[rng.choice(_attributes(child.tag))] = child.attrib.pop(key, "1")
        case 7:
            other.attrib[key] = child.attrib.get(key, "1")
        case 8:
            insert(rng, root)
        case _:
            child.attrib[key] = value(rng, root, child.attrib.get(key, ""), key)


def insert(rng: random.Random, root: ElementTree.Element) -> None:
    """Put an element of MuJoCo's schema where it may stand, with some of its attributes."""
    places = [(e, tag) for e in root.iter() for tag in schema().get(e.tag, {})]
    parent, tag = rng.choice(places)
    element = ElementTree.SubElement(parent, tag)
    known = _attributes(tag)
    for name in rng.sample(known, min(len(known), rng.choice([0, 1, 2, 3, 6]))):
        element.attrib[name] = value(rng, root, "", name)


def value(rng: random.Random, root: ElementTree.Element, old: str, key: str) -> str:
    """A value for an attribute that has the value `old`."""
    words = old.split()
    match rng.randrange(12):
        case 0:
            return rng.choice(TEXTS)
        case 1 | 2 if words:  # one of the numbers
            words[rng.randrange(len(words))] = rng.choice(NUMBERS)
            return " ".join(words)
        case 8 | 9 | 10 | 11 if NUMBER.match(old):  # another number of the same kind
            at, factor = rng.randrange(len(words)), rng.choice(FACTORS)
            with suppress(ValueError):
                words[at] = f"{float(words[at]) * factor:.6g}"
            return " ".join(words)
        case 8 | 9 | 10 | 11:
            return rng.choice(usual_values().get(key, NUMBERS))
        case 3:
            return " ".join(rng.choices(NUMBERS, k=rng.choice([1, 2, 3, 3, 4, 5, 6, 7, 20])))
        case 4 | 5:
            same = [e.attrib[key] for e in root.iter() if key in e.attrib]
            everything = [v for e in root.iter() for v in e.attrib.values()]
            return rng.choice(rng.choice([same, everything]) or [""])
        case 6:
            return rng.choice(KEYWORDS)
    return rng.choice(NUMBERS)


@cache
def usual_values() -> dict[str, list[str]]:
    """Attribute -> the values that it has in shipped scenes and in the rich one."""
    usual: dict[str, list[str]] = {}
    for file in [RICH, *sorted(scenes_folder().glob("*/*.xml"))]:
        for element in ElementTree.parse(file).iter():
            for name, said in element.attrib.items():
                usual.setdefault(name, []).append(said)
    return usual


@cache
def schema() -> dict[str, dict[str, list[str]]]:
    """MuJoCo's elements: tag -> the tags that may stand in it, with their attributes."""
    found: dict[str, dict[str, list[str]]] = {}
    above: list[tuple[int, str]] = []
    attributes: list[str] = []
    for line in mujoco.mj_printSchema(False, False).splitlines():
        match = re.match(r"( *)(\S+) +\(.\)(.*)", line)
        if not match:
            attributes += line.split()
            continue
        depth, tag = len(match[1]), match[2].replace("(world)", "")
        above = [(d, t) for d, t in above if d < depth]
        attributes = match[3].split()
        found.setdefault(above[-1][1] if above else "", {})[tag] = attributes
        above.append((depth, tag))
    found["body"] |= {"body": found["mujoco"]["body"]} | {
        tag: ["count", "offset", "euler", "sep", "pos", "quat", "name", "childclass"]
        for tag in ("replicate", "frame")
    }
    found["worldbody"] = found["frame"] = found["replicate"] = found["body"]
    found["mujoco"] |= {"custom": [], "keyframe": found["mujoco"].get("keyframe", [])}
    for tag in ("mujoco", *found["mujoco"]):
        found.setdefault(tag, {})["include"] = ["file"]
    return found


def _attributes(tag: str) -> list[str]:
    """The attributes that an element of some tag may have."""
    known = {name for tags in schema().values() for name in tags.get(tag, ())}
    return sorted(known) or ["name", "file", "size", "pos"]
