"""Where references are kept: the committed ones, and those of all other versions of scenes.

A scene's card is kept beside its reference, and says of it what reflexes reach in the scene.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from importlib import resources
from pathlib import Path

from sandbox_envs.errors import UserError
from sandbox_envs.eval.judging.reference import Reference
from sandbox_envs.files import read_json
from sandbox_envs.scene.catalog import scenes_folder
from sandbox_envs.scene.scene import Scene


def committed_references() -> Path:
    """The folder of the references that come with the project."""
    try:
        return Path(str(resources.files("sandbox_envs.eval"))) / "references"
    except ModuleNotFoundError:
        return Path(__file__).resolve().parents[1] / "references"


def reference_file(folder: Path, scene: str, hash_: str) -> Path:
    """Where a folder keeps the reference of a version of a scene.

    The committed ones are of one version each, that of the shipped scene; of all others there may
    be several: variants made with --set, or families that have the same name.
    """
    is_committed = folder.resolve() == committed_references().resolve()
    return folder / (f"{scene}.json" if is_committed else f"{scene}-{hash_}.json")


def card_file(folder: Path, scene: str, hash_: str) -> Path:
    """Where a folder keeps the card of a version of a scene: beside its reference."""
    return reference_file(folder, scene, hash_).with_suffix(".card.json")


def family_folder(family: Path, out: Path | None, run_dir: Path) -> Path:
    """Where what is computed of a family's scenes is kept: `out`, if given.

    Otherwise with the committed references for a shipped family, else in `run_dir`.

    Raises:
        UserError: a family that is not shipped would overwrite a shipped one's.
    """
    committed = committed_references()
    is_shipped = family.parent == scenes_folder().resolve()
    folder = out or (committed if is_shipped else run_dir)
    if folder.resolve() == committed.resolve() and not is_shipped:
        raise UserError(
            f"--out {out}: it holds the references of shipped families, and {family} is none; "
            "name another folder"
        )
    return folder


def whole_reference(scene: str, hash_: str, *folders: Path) -> Reference:
    """The whole reference of a version of a scene: the committed one, or one in the folders.

    Raises:
        UserError: there is none, or only a part of one.
    """
    found = known_reference(scene, hash_, committed_references(), *folders)
    if found is None or not found.is_whole:
        raise UserError(
            f"{scene}: there is no whole reference for the version {hash_} of it; "
            "run eval/references.py, or eval/break_proxies.py on the run"
        )
    return found


def known_reference(scene: str, hash_: str, *folders: Path) -> Reference | None:
    """What the folders hold of a version of a scene, in one; of two scores the earlier counts.

    Its reflex ceiling is that of the first card of this version that there is.
    """
    files = [reference_file(folder, scene, hash_) for folder in folders]
    parts = [read_reference(file) for file in files if file.is_file()]
    parts = [part for part in parts if part.hash == hash_]
    if not parts:
        return None
    cards = [card_file(folder, scene, hash_) for folder in folders]
    ceilings = [_ceiling(card, hash_) for card in cards if card.is_file()]
    known = [ceiling for ceiling in ceilings if ceiling is not None]
    whole = reduce(_merged, parts)
    return replace(whole, reflex_ceiling=known[0]) if known else whole


def _ceiling(card: Path, hash_: str) -> float | None:
    """The reflex ceiling that a card tells of a version of its scene."""
    content = read_json(card)
    ceiling = content.get("reflex_ceiling")
    return float(ceiling) if content.get("hash") == hash_ and ceiling is not None else None


def read_known(scenes: Mapping[str, Scene], *folders: Path) -> dict[str, Reference]:
    """What the folders hold of these versions of the scenes; see `known_reference`."""
    found = {name: known_reference(name, scene.hash, *folders) for name, scene in scenes.items()}
    return {name: reference for name, reference in found.items() if reference is not None}


def _merged(first: Reference, later: Reference) -> Reference:
    if (first.seed, first.episodes) != (later.seed, later.episodes):
        return first  # means over different episodes do not compare
    more = {k: v for k, v in later.candidates.items() if k not in first.candidates}
    return replace(wanting(first, later.wanted), candidates={**first.candidates, **more})


def wanting(reference: Reference, more: Sequence[str]) -> Reference:
    """The reference with more candidates without which it is not whole."""
    return replace(reference, wanted=list(dict.fromkeys([*reference.wanted, *more])))


def keep(reference: Reference, folder: Path) -> None:
    """Write a reference to its place in a folder."""
    reference.write(reference_file(folder, reference.scene, reference.hash))


def read_reference(path: Path) -> Reference:
    """The reference in a JSON file.

    Raises:
        UserError: the file is damaged or of another version.
    """
    try:
        content = json.loads(path.read_text())
        reference = Reference(**{("how" if k == "break" else k): v for k, v in content.items()})
        for scores in reference.candidates.values():
            if not all(math.isfinite(scores[k]) for k in reference.objectives):
                raise ValueError
    except (ValueError, TypeError, AttributeError, KeyError):
        raise UserError(f"{path}: it is damaged; delete it and run eval/references.py") from None
    return reference
