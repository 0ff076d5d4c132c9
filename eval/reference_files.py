"""Where references are kept: the committed ones, and those of all other versions of scenes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from importlib import resources
from pathlib import Path

from sandbox_envs.errors import UserError
from sandbox_envs.eval.scores import Reference, read_reference
from sandbox_envs.scene import Scene


def committed_references() -> Path:
    """The folder of the references that come with the project."""
    try:
        return Path(str(resources.files("sandbox_envs.eval"))) / "references"
    except ModuleNotFoundError:
        return Path(__file__).resolve().parent / "references"


def reference_file(folder: Path, scene: str, hash_: str) -> Path:
    """Where a folder keeps the reference of a version of a scene.

    The committed ones are of one version each, that of the shipped scene; of all others there may
    be several: variants made with --set, or families that have the same name.
    """
    is_committed = folder.resolve() == committed_references().resolve()
    return folder / (f"{scene}.json" if is_committed else f"{scene}-{hash_}.json")


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
    """What the folders hold of a version of a scene, in one; of two scores the earlier counts."""
    files = [reference_file(folder, scene, hash_) for folder in folders]
    parts = [read_reference(file) for file in files if file.is_file()]
    parts = [part for part in parts if part.hash == hash_]
    return reduce(_merged, parts) if parts else None


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
