"""Hostile scenes, made from a random generator, and what must hold of every one of them.

`make_case` writes a scene into a folder, `outcome` loads it and says how that ended: it is refused
in one sentence, or it runs and all its numbers are finite.
"""

import copy
import os
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import hostile_files
import numpy as np
from hostile_elements import RICH, change, insert
from hostile_texts import known_texts, text

from sandbox_envs import SandboxVectorEnv, UserError, load_scene
from sandbox_envs.language.formula import Formula
from sandbox_envs.language.parser import parse_terms
from sandbox_envs.language.types import Inputs
from sandbox_envs.scene.catalog import files_in, scenes_folder
from sandbox_envs.scene.scene import Scene
from sandbox_envs.spawn.spawner import Spawner

ENVS, STEPS = 2, 5  # of a scene that loads
LONGEST = 2000  # characters of a refusal
MALFORMED = Path(__file__).parent / "malformed"
Change = Callable[[random.Random, ElementTree.Element], None]
loaded = cache(load_scene)  # of shipped scenes

SNIPPETS = [
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"&#0;",
    b"&#xd800;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?xml version='1.1' encoding='utf-7'?>",
    b"<mujoco>", b"</mujoco>", b'"', b"'", b"<", b">", b"/>", b"\xc3\x28", b"\xed\xa0\x80",
    b"<a" * 150, b"\x0b", b"<?xml-stylesheet href='x'?>", b" xmlns:a='b'",
    b"<a:include file='x.xml'/>",
]  # fmt: skip


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
        check_sentence(error)
        return "refused"
    return "loaded"


def outcome_of_words(words: Words) -> str:
    """Try each text as `load_scene` would: how many are refused does not matter."""
    scene, accepted = loaded(words.scene), 0
    for name, said in words.texts:
        try:
            _try_words(scene, name, said)
            accepted += 1
        except UserError as error:
            check_sentence(error)
        except Exception as error:
            raise PropertyError(f"{name} = {said[:300]!r}") from error
    return "loaded" if accepted else "refused"


def _try_words(scene: Scene, name: str, said: str) -> None:
    kind = name.partition("/")[0]
    if kind in ("spawn", "start"):
        texts = {**{k: v for k, v in scene.texts.items() if k != name}, name: said}
        start = Spawner(scene.model, texts, "x.xml").sample(0, np.arange(4))
        if not (np.isfinite(start.qpos).all() and np.isfinite(start.mocap_pos).all()):
            raise PropertyError(f"a start is not finite: {name} = {said[:300]!r}")
    elif kind == "observe":
        parse_terms(said, scene.model, scene.signals, scene.measures, {}, "x.xml")
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


def check_sentence(error: UserError) -> None:
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
    return Case("elements", str(_changed(rng, scene, part, [change])))


def _schema_elements(rng: random.Random, folder: Path) -> Case:
    """A scene with many kinds of elements, changed, and with others from MuJoCo's schema."""
    hostile_files.write_assets(folder)
    scene = folder / "train.xml"
    shutil.copy(RICH, scene)
    return Case("schema", str(_changed(rng, scene, scene, [change, insert, insert])))


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
    known, names = known_texts(loaded(name) if name[0] != "/" else load_scene(name))
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
    known, names = known_texts(loaded(name))
    keys = [key for key in known if key.startswith(("spawn/", "measure/"))]
    joints = [f"start/{joint}" for joint in names["joints"]]
    keys = rng.choices([*keys, *joints, "start", "observe"], k=30)
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
