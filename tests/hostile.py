"""Hostile scenes, made from a random generator: mutations of scenes, texts, bytes and files.

`make_case` writes a scene into a folder, `outcome` loads it and says how that ended. What must hold
of every case: it is refused in one sentence, or it runs and all its numbers are finite.
"""

import copy
import os
import random
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import hostile_files
import mujoco
import numpy as np

from sandbox_envs import SandboxVectorEnv, UserError, load_scene
from sandbox_envs.language.formula import Formula
from sandbox_envs.language.parser import parse_terms
from sandbox_envs.language.types import Inputs
from sandbox_envs.names import stem_of
from sandbox_envs.scene.catalog import files_in, scenes_folder
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scene.texts import with_prefix
from sandbox_envs.spawn.spawner import Spawner

ENVS, STEPS = 2, 5  # of a scene that loads
LONGEST = 2000  # characters of a refusal
MALFORMED = Path(__file__).parent / "malformed"
RICH = Path(__file__).parent / "rich.xml"  # many kinds of elements, so that changes reach them all
Change = Callable[[random.Random, ElementTree.Element], None]

NUMBERS = [
    "inf",
    "-inf",
    "nan",
    "NaN",
    "infinity",
    "nan(1)",
    "1e308",
    "-1e308",
    "1e400",
    "1e-400",
    "1e30",
    "1e29",
    "-1e29",
    "1e-300",
    "-0",
    "-0.0",
    "0",
    "1",
    "2",
    "3",
    "5",
    "16",
    "0.5",
    "-1",
    "1e9",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967297",
    "9223372036854775808",
    "0x10",
    "0x1p99",
    "0x1p1023",
    "-0x1p1000",
    "0X.8P+120",
    "1_000",
    "1K",
    "1M",
    "900g",
    "3T",
    "1e3M",
    "10e",
    "1,5",
    "1d5",
    "1e",
    "0x",
    "--1",
    "+1",
    "½",
    "٣",
    ".5",
    "5.",
    ".",
    "1e15",
    "1e6",
    "100000",
    "1000",
    "1e4",
    "360",
    "64",
]
NUMBERS += ["9" * 5000, "0." + "0" * 5000 + "1", "-" + "1" * 400, "1e" + "9" * 400]
TEXTS = [
    "", " ", "\t\n", "a" * 100_000, "1 " * 20_000, "é" * 50, "\u202eabc", "🐍", "\ufeff", "￿", "%s%n%x",
    "../../etc/passwd", "/dev/zero", "a\x7fb", "&amp;", "<mujoco/>", "]]>", "{0}", "__import__('os')",
    "world", "-0", "-1", "x-0-0", "(" * 300, "true", "false", "auto", "\u2028", "None", "a;b|c",
]  # fmt: skip
SNIPPETS = [
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"&#0;", b"&#xd800;",
    b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?xml version='1.1' encoding='utf-7'?>", b"<mujoco>",
    b"</mujoco>", b'"', b"'", b"<", b">", b"/>", b"\xc3\x28", b"\xed\xa0\x80", b"<a" * 150, b"\x0b",
    b"<?xml-stylesheet href='x'?>", b" xmlns:a='b'", b"<a:include file='x.xml'/>",
]  # fmt: skip
WORDS = [
    "mean",
    "sum",
    "min",
    "max",
    "abs",
    "sqrt",
    "exp",
    "clip",
    "count",
    "total",
    "ever",
    "since",
    "norm",
    "join",
    "gain",
    "level",
]
NUMBER = re.compile(r"[-+.\d]")
FACTORS = [-1, 0, 1e-9, 1e-3, 0.1, 0.5, 2, 3, 10, 1e3, 1e6, 1e12, 1e25]


@dataclass(frozen=True)
class Case:
    """A hostile scene: what to load, and texts and numerics to replace."""

    kind: str
    scene: str
    overrides: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Words:
    """Hostile texts of a scene that is compiled already, which takes no time."""

    kind: str
    scene: str
    texts: list[tuple[str, str]]
    """name and text, each tried by itself"""


class PropertyError(AssertionError):
    """A case broke what must hold of all."""


def outcome(case: Case | Words) -> str:
    """Load and run a case: "refused" or "loaded". Any error but PropertyError is a finding, too."""
    if isinstance(case, Words):
        return outcome_of_words(case)
    try:
        scene = load_scene(case.scene, case.overrides)
        env = SandboxVectorEnv(scene, ENVS, num_threads=1)
        rng = np.random.default_rng(0)
        observations, info = env.reset(seed=0)
        _check_finite("the first observation", observations, info)
        for _ in range(STEPS):
            actions = rng.uniform(-1, 1, env.action_space.shape)
            observations, rewards, *_, info = env.step(actions)
            _check_finite("a step", observations, {**info, "reward": rewards})
    except UserError as error:
        _check_sentence(error)
        return "refused"
    return "loaded"


def outcome_of_words(words: Words) -> str:
    """Try each text as `load_scene` would: how many are refused does not matter."""
    scene, accepted = _loaded(words.scene), 0
    for name, said in words.texts:
        try:
            _try_words(scene, name, said)
            accepted += 1
        except UserError as error:
            _check_sentence(error)
        except Exception as error:
            raise PropertyError(f"{name} = {said[:300]!r}") from error
    return "loaded" if accepted else "refused"


def _try_words(scene: Scene, name: str, said: str) -> None:
    kind, _, stem = name.partition("/")
    if kind == "spawn":
        others = {k: v for k, v in with_prefix(scene.texts, "spawn/").items() if k != stem}
        start = Spawner(scene.model, {**others, stem: said}, "x.xml").sample(0, np.arange(4))
        if not (np.isfinite(start.qpos).all() and np.isfinite(start.mocap_pos).all()):
            raise PropertyError(f"a start is not finite: {name} = {said[:300]!r}")
    elif kind == "observe":
        parse_terms(said, scene.model, scene.signals, scene.measures, "x.xml")
    else:
        formula = Formula(said, scene.signals, "x.xml")
        rng = np.random.default_rng(0)
        signals = {
            k: rng.choice([0, 1, -1, 0.5, 1e30], (3, s.copies, s.dim))
            for k, s in scene.signals.items()
        }
        present = {s.stem: np.ones((3, 1 + max(s.index))) for s in scene.signals.values() if s.stem}
        registers = formula.registers(3)
        for fresh in (True, False):
            with np.errstate(all="ignore"):
                formula(Inputs(signals, present, registers, fresh, 0.1), 3)


def _check_sentence(error: UserError) -> None:
    said = str(error)
    if "\n" in said or len(said) > LONGEST or not said.isprintable():
        raise PropertyError(f"a refusal is no sentence: {said[:LONGEST]!r}") from None
    said.encode()  # a terminal can show it


def _check_finite(when: str, observations: np.ndarray, info: dict[str, np.ndarray]) -> None:
    figures = {k: v for k, v in info.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
    for name, values in {"observation": observations, **figures}.items():
        if not np.isfinite(values).all():
            raise PropertyError(f"{name} is not finite in {when}")


def make_case(rng: random.Random, folder: Path) -> Case | Words:
    """Write one case, of a random kind, into an empty folder."""
    kinds: dict[str, tuple[int, Callable[[random.Random, Path], Case | Words]]] = {
        "elements": (35, _elements),
        "schema": (20, _schema_elements),
        "texts": (15, _texts),
        "words": (10, _words),
        "bytes": (10, _bytes),
        "files": (15, _files),
    }
    kind = rng.choices([*kinds], [weight for weight, _ in kinds.values()])[0]
    return kinds[kind][1](rng, folder)


# --- kinds of cases --------------------------------------------------------------------------


def _elements(rng: random.Random, folder: Path) -> Case:
    """A shipped or malformed scene with some elements or attributes changed."""
    scene, part = _copied(rng, folder)
    return Case("elements", str(_changed(rng, scene, part, [_mutate])))


def _schema_elements(rng: random.Random, folder: Path) -> Case:
    """A scene with many kinds of elements, changed, and with others from MuJoCo's schema."""
    hostile_files.write_assets(folder)
    scene = folder / "train.xml"
    shutil.copy(RICH, scene)
    return Case("schema", str(_changed(rng, scene, scene, [_mutate, _insert, _insert])))


def _changed(rng: random.Random, scene: Path, part: Path, changes: list[Change]) -> Path:
    """Change a part of a scene; half of the time in several steps, of which all but one load.

    Most random changes are refused at once, so that without this nothing deeper would be reached.
    """
    tree = ElementTree.parse(part)
    for _ in range(rng.choice([0, 0, 0, 2, 5, 10])):
        tried = copy.deepcopy(tree)
        rng.choice(changes)(rng, tried.getroot())
        tried.write(part, encoding="utf-8")
        try:
            load_scene(scene)
        except UserError:
            continue
        tree = tried
    if rng.random() < 0.7:
        rng.choice(changes)(rng, tree.getroot())
    tree.write(part, encoding="utf-8")
    return scene


def _texts(rng: random.Random, folder: Path) -> Case:
    """A shipped scene with other texts: formulas, observations, spawns, names and numbers."""
    families = sorted({path.parent.name for path in scenes_folder().glob("*/train.xml")})
    name = rng.choice([*(f"{family}/train" for family in families), None])
    if name is None:
        hostile_files.write_assets(folder)
        name = shutil.copy(RICH, folder / "train.xml").as_posix()
    known, names = _known(_loaded(name) if name[0] != "/" else load_scene(name))
    overrides: dict[str, str] = {}
    for _ in range(rng.choice([1, 1, 2, 3])):
        key = rng.choice([*known, "measure/new", "reward", "observe", "range/new", "spawn/new"])
        overrides[key] = text(rng, key, known, names)
    return Case("texts", name, overrides)


def _words(rng: random.Random, folder: Path) -> Words:
    """Many formulas, observations and spawns for a shipped scene."""
    del folder
    families = sorted({path.parent.name for path in scenes_folder().glob("*/train.xml")})
    name = f"{rng.choice(families)}/train"
    known, names = _known(_loaded(name))
    keys = [key for key in known if key.startswith(("spawn/", "measure/"))]
    keys = rng.choices([*keys, "observe"], k=30)
    return Words("words", name, [(key, text(rng, key, known, names)) for key in keys])


def _bytes(rng: random.Random, folder: Path) -> Case:
    """A scene of which some bytes are changed, left out or put in."""
    scene, part = _copied(rng, folder)
    data = bytearray(part.read_bytes())
    for _ in range(rng.choice([1, 1, 2, 5])):
        at, end = rng.randrange(len(data) + 1), rng.choice([0, 1, 3, 30, 300])
        data[at : at + end] = rng.choice([b"", rng.randbytes(2), rng.choice(SNIPPETS)])
    part.write_bytes(data)
    return Case("bytes", str(scene))


def _files(rng: random.Random, folder: Path) -> Case:
    """A scene in a hostile place, or with hostile files beside it."""
    place = hostile_files.hostile_place(rng, folder)
    hostile_files.write_assets(place)
    scene = place / "train.xml"
    shutil.copy(RICH, scene)
    scene = hostile_files.spoil(rng, place, scene)
    return Case("files", str(scene))


def _copied(rng: random.Random, folder: Path) -> tuple[Path, Path]:
    """A copy of a family, one of its scenes, and one of the scene's files to be changed."""
    families = [path.parent for path in sorted(scenes_folder().glob("*/train.xml"))]
    source = rng.choice([*families, *families, MALFORMED])
    scene = rng.choice([file.name for file in files_in(source)])
    shared = os.path.relpath(scenes_folder(), folder)
    files = [
        file for file in sorted(source.iterdir()) if source != MALFORMED or file.name[0] == "_"
    ]
    for file in dict.fromkeys([*files, source / "train.xml", source / scene]):
        shutil.copy(file, folder / file.name)
        if file.suffix == ".xml":
            copied = file.read_text().replace('"../sweep/', f'"{shared}/sweep/')
            (folder / file.name).write_text(copied)
    names = re.findall(r'include file="(_\w+\.xml)"', (folder / scene).read_text())
    parts = [folder / scene, *(folder / name for name in names if (folder / name).is_file())]
    parts = [part for part in parts if _parses(part)] or [folder / "train.xml"]
    return folder / scene, rng.choice(parts)


def _parses(path: Path) -> bool:
    try:
        ElementTree.parse(path)
    except ElementTree.ParseError:
        return False
    return True


# --- mutations of elements -------------------------------------------------------------------


def _mutate(rng: random.Random, root: ElementTree.Element) -> None:
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
            _insert(rng, root)
        case _:
            child.attrib[key] = value(rng, root, child.attrib.get(key, ""), key)


def _insert(rng: random.Random, root: ElementTree.Element) -> None:
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


# --- texts -----------------------------------------------------------------------------------


_loaded = cache(load_scene)


def _known(scene: Scene) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The texts of a scene, and the names that formulas, rewards and spawns may use."""
    model = scene.model
    sites = sorted({stem_of(model.site(i).name) for i in range(model.nsite)} - {""})
    measures = [f"{word}({measure})" for word in ("gain", "level") for measure in scene.measures]
    names = {"measure": [*scene.signals], "reward": measures, "spawn": sites}
    names["observe"] = [*scene.signals, *scene.measures]
    return dict(scene.texts), names


def text(rng: random.Random, key: str, known: dict[str, str], names: dict[str, list[str]]) -> str:
    """A text of some name, in the manner of those that are known."""
    kind = key.partition("/")[0]
    pool = sorted({w for text in known.values() for w in re.findall(r"[\w-]+", text)})
    if rng.random() < 0.7:
        pool = names.get(kind, pool)
    if rng.random() < 0.15:
        return rng.choice([*TEXTS, *NUMBERS])
    if rng.random() < 0.3:
        words = re.split(r"(\W)", known.get(key, "1"))
        words[rng.randrange(len(words))] = rng.choice([*NUMBERS, *pool, "", "(", ")", ",", " "])
        return "".join(words)
    if key.startswith(("measure/", "conserved/")) or key == "reward":
        return formula(rng, pool)
    if key == "observe":
        return " ".join(_term(rng, pool) for _ in range(rng.choice([1, 2, 5])))
    if key.startswith("spawn/"):
        return ", ".join(_clause(rng, pool) for _ in range(rng.choice([1, 1, 2, 3])))
    return " ".join(rng.choices([*NUMBERS, *pool], k=rng.choice([1, 1, 2, 3])))


def formula(rng: random.Random, names: list[str], depth: int = 0) -> str:
    """A formula, most often one of the right grammar."""
    if depth > rng.choice([0, 1, 3, 6]):
        named = rng.choices(names, k=6)
        return rng.choice([rng.choice(NUMBERS), *named, *(f"sum(norm({x}))" for x in named), "1"])
    one, other, third = (formula(rng, names, depth + 1) for _ in range(3))
    match rng.randrange(12):
        case 0 | 1 | 2 | 3:
            return f"({one}) {rng.choice(['+', '-', '*', '/', '**', '<', '==', '>='])} ({other})"
        case 4:
            return f"-{one}"
        case 5:
            return f"clip({one}, {other}, {third})"
        case 6:
            return f"join({one}, {other})"
        case 7:
            return rng.choice([f"{one} % {other}", f"{one}[{other}]", f"{one}.real", f"'{one}'", f"{one} {other}", f"lambda: {one}", f"{one} if {other} else {third}", f"({one}"])  # fmt: skip
    return f"{rng.choice(WORDS)}({one})"


def _term(rng: random.Random, names: list[str]) -> str:
    name, number = rng.choice(names), rng.choice([*NUMBERS, "1e999", "True", "-3", "None", "1j"])
    return rng.choice(
        [
            name,
            f"retina({number})",
            f"retina({name})",
            f"ranges({name})",
            f"gauge({name})",
            "clock",
            f"lidar({name}, sectors={number}, range={rng.choice(NUMBERS)})",
            f"lidar({name}, where={formula(rng, names, 4)}, sectors=8)",
            f"lidar({name}, sectors=8, sectors=9, **{name})",
        ]
    )


def _clause(rng: random.Random, names: list[str]) -> str:
    one, other, number = rng.choice(names), rng.choice(names), rng.choice(NUMBERS)
    return rng.choice(
        [
            one,
            f"{one} {number}",
            f"{one} outside {other}",
            f"{one} outside {other} {number}",
            f"yaw {number}",
            "yaw any",
            f"facing {one}",
            f"maze {one} {number} to {rng.choice(NUMBERS)}",
            f"labmaze {one} {rng.choice(['training', 'held-out', number])}",
            f"rim {one}",
        ]
    )


KEYWORDS = [
    "box",
    "sphere",
    "capsule",
    "plane",
    "mesh",
    "hfield",
    "ellipsoid",
    "cylinder",
    "sdf",
    "free",
    "ball",
    "slide",
    "hinge",
    "elliptic",
    "pyramidal",
    "RK4",
    "implicit",
    "Euler",
    "PGS",
    "CG",
    "Newton",
    "2d",
    "cube",
    "skybox",
    "flat",
    "gradient",
    "checker",
    "none",
    "random",
    "convex",
    "exact",
    "legacy",
    "shell",
    "body",
    "xbody",
    "geom",
    "site",
    "camera",
    "true",
    "false",
    "auto",
    "disable",
    "enable",
    "grid",
    "particle",
    "cable",
    "gmsh",
    "ellipsoid",
    "curve",
    "s",
    "cos(s)",
    "muscle",
    "integrator",
    "filter",
    "filterexact",
    "user",
    "affine",
    "fixed",
    "dense",
    "sparse",
    "local",
    "global",
    "radian",
    "degree",
    "XYZ",
    "zyx",
    "com",
    "trilinear",
    "quadratic",
    "2d",
    "full",
    "1",
    "2",
    "3",
    "depth",
    "rgb",
    "segmentation",
    "plate",
    "wedge",
    "supertorus",
    "prism",
    "cone",
    "hemisphere",
    "supersphere",
    "torus",
]
