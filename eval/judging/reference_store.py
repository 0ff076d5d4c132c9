"""Paths and JSON of references: of the committed ones, and of those of all other scenes.

The committed references are of the shipped scenes as they are, one file per scene. In every other
folder a file is of one version of a scene, so that variants (`--set`) and families of one name do
not overwrite each other. A scene's datasheet (card) lies beside its reference and holds the reflex
ceiling. Versions are known by their hashes; no scene is loaded here.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, reduce
from importlib import resources
from pathlib import Path

from sandbox_envs.errors import UserError
from sandbox_envs.eval.judging.reference import Reference
from sandbox_envs.eval.judging.typed_json import MismatchError, from_json, to_json
from sandbox_envs.files import read_json, write_json
from sandbox_envs.scene.catalog import scenes_folder

RUN_DIR = Path("runs/references")  # of those that are not committed, and of their trainings

# --- places ----------------------------------------------------------------------------------


@cache  # asked for dozens of times with every agent
def committed_references() -> Path:
    """The folder of the references that come with the project."""
    try:
        return Path(str(resources.files("sandbox_envs.eval"))) / "references"
    except ModuleNotFoundError:
        return Path(__file__).resolve().parents[1] / "references"


def reference_file(folder: Path, scene: str, hash_: str) -> Path:
    """The path of the reference of a version of a scene in a folder."""
    is_committed = _is_same(folder, committed_references())
    return folder / (f"{scene}.json" if is_committed else f"{scene}-{hash_}.json")


def card_file(folder: Path, scene: str, hash_: str) -> Path:
    """The path of the card of a version of a scene in a folder: beside its reference."""
    return reference_file(folder, scene, hash_).with_suffix(".card.json")


def family_folder(family: Path, out: Path | None, run_dir: Path, is_changed: bool = False) -> Path:
    """The folder for what is computed of a family's scenes: `out`, if that is given.

    Otherwise that of the committed references for a shipped family as it is, else `run_dir`.

    is_changed: whether something in the scenes was replaced (`--set`).

    Raises:
        UserError: a family that is not shipped, or is changed, would overwrite a shipped one's.
    """
    committed = committed_references()
    is_shipped = _is_same(family.parent, scenes_folder()) and not is_changed
    folder = out or (committed if is_shipped else run_dir)
    if _is_same(folder, committed) and not is_shipped:
        raise UserError(
            f"--out {out}: it holds the references of shipped families, and "
            f"{f'--set changes {family}' if is_changed else f'{family} is not one'}; name another "
            "folder"
        )
    return folder


def _is_same(a: Path, b: Path) -> bool:
    return os.path.realpath(a) == os.path.realpath(b)


# --- reading and writing ---------------------------------------------------------------------


def load(hashes: Mapping[str, str], *folders: Path) -> dict[str, Reference]:
    """Load some folders' references of versions of scenes (name -> hash); see `load_reference`."""
    found = {name: load_reference(name, hash_, *folders) for name, hash_ in hashes.items()}
    return {name: reference for name, reference in found.items() if reference is not None}


def load_complete(hashes: Mapping[str, str], command: str, *folders: Path) -> dict[str, Reference]:
    """The complete references of some versions of scenes: committed ones, or those in the folders.

    Args:
        hashes: scene -> version.
        command: what computes missing ones, for the message.
        folders: where to look besides the committed references.

    Raises:
        UserError: some are missing or incomplete.
    """
    found = load(hashes, committed_references(), *folders)
    missing = [name for name in hashes if name not in found or not found[name].is_complete]
    if missing:
        raise UserError(
            f"there are no complete references for this version of {', '.join(missing)}; compute "
            f"them with {command}"
        )
    return found


def load_reference(scene: str, hash_: str, *folders: Path) -> Reference | None:
    """Load the folders' references of a version of a scene, merged; None if there are none.

    Of two returns of one candidate the earlier folder's counts; a reference of another seed or
    number of episodes than the first is left out. The reflex ceiling is that of the
    first card of this version.
    """
    files = [reference_file(folder, scene, hash_) for folder in folders]
    parts = [read_reference(file) for file in files if file.is_file()]
    parts = [part for part in parts if part.hash == hash_]
    if not parts:
        return None
    merged = reduce(_merge, parts)
    cards = [card_file(folder, scene, hash_) for folder in folders]
    ceilings = [_reflex_ceiling(card, hash_) for card in cards if card.is_file()]
    known = [ceiling for ceiling in ceilings if ceiling is not None]
    return replace(merged, reflex_ceiling=known[0]) if known else merged


def require(reference: Reference, more: Sequence[str]) -> Reference:
    """The reference with more candidates without which it is not complete."""
    return replace(reference, required=list(dict.fromkeys([*reference.required, *more])))


def save(reference: Reference, folder: Path) -> None:
    """Write a reference to its place in a folder."""
    write_reference(reference, reference_file(folder, reference.scene, reference.hash))


def write_reference(reference: Reference, path: Path) -> None:
    """Write a reference as JSON, whole or not at all."""
    write_json(path, to_json(reference))


def read_reference(path: Path) -> Reference:
    """The reference in a JSON file.

    Raises:
        UserError: the file is damaged or of another version.
    """
    mend = "delete it and run python eval/references.py"
    try:
        reference = from_json(Reference, read_json(path))
    except MismatchError as error:
        raise UserError(f"{path}: it is damaged ({error}); {mend}") from None
    except UserError:
        raise UserError(f"{path}: it is damaged; {mend}") from None
    for candidate, returns in reference.candidates.items():
        if missing := set(reference.objectives) - returns.keys():
            raise UserError(f"{path}: it is damaged ({candidate} has no {min(missing)}); {mend}")
    return reference


def _merge(first: Reference, later: Reference) -> Reference:
    if (first.seed, first.episodes) != (later.seed, later.episodes):
        return first  # means over different episodes do not compare
    more = {k: v for k, v in later.candidates.items() if k not in first.candidates}
    goalless = later.goalless if first.goalless is None else first.goalless
    both = require(first, later.required)
    return replace(both, candidates={**first.candidates, **more}, goalless=goalless)


def _reflex_ceiling(card: Path, hash_: str) -> float | None:
    """The reflex ceiling in a card, if that is of this version of its scene."""
    content = read_json(card)
    ceiling = content.get("reflex_ceiling")
    if content.get("hash") != hash_ or not isinstance(ceiling, int | float):
        return None
    return float(ceiling) if math.isfinite(ceiling) else None
