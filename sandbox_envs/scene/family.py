"""Families: the scenes of one folder, which share observations, actions and measures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox_envs.errors import SceneError, UserError, suggest
from sandbox_envs.scene.catalog import TRAINING, families, files_in, scenes_folder
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene


def load_family(
    family: str | Path, overrides: Mapping[str, str | float] | None = None
) -> dict[str, Scene]:
    """All scenes of a family by name: training, then each twin before its scene, then the others.

    Args:
        family: the name of a shipped family, or a folder with a train.xml.
        overrides: replaces texts and numerics in every scene.

    Raises:
        SceneError: there is no such family, a scene of it is wrong, or they do not agree.
        UserError: the family is neither a name nor a path.
    """
    files = files_in(_family_folder(family))
    for file in files:
        if file.resolve().name != file.name:
            raise SceneError(f"{file}: it is a link to a scene of another name; copy the file")
    scenes = {scene.name: scene for scene in (load_scene(file, overrides) for file in files)}
    pairs = [name for scene in scenes.values() if scene.twin for name in (scene.twin, scene.name)]
    train = next(name for name, scene in scenes.items() if scene.is_training)
    ordered = {name: scenes[name] for name in dict.fromkeys([train, *pairs, *scenes])}
    check_one_family(list(ordered.values()))
    return ordered


def check_one_family(scenes: Sequence[Scene]) -> None:
    """Raise SceneError where scenes differ in observations, actions, measures or control rate."""
    if not scenes:
        raise UserError("there is no scene; name at least one")
    first = scenes[0]
    for scene in scenes[1:]:
        for what, one, other in (
            ("measures", sorted(first.measures), sorted(scene.measures)),
            ("intended measures", first.intended, scene.intended),
            ("proxies", sorted(first.proxies), sorted(scene.proxies)),
            ("observations", first.observe, scene.observe),
            ("numbers of actuators", first.model.nu, scene.model.nu),
            ("values of control_hz", first.control_hz, scene.control_hz),
        ):
            if one != other:
                raise SceneError(
                    f"{first.name} and {scene.name} cannot share an environment: their {what} "
                    f"differ ({one} and {other})"
                )
        if sum(term.size for term in scene.terms) != sum(term.size for term in first.terms):
            raise SceneError(f"{first.name} and {scene.name} observe different numbers of values")


def _family_folder(family: str | Path) -> Path:
    if not isinstance(family, str | Path) or family == "":
        raise UserError(f"family is {family!r:.60}; give the name of one, or the path of a folder")
    shipped = families()
    folder = scenes_folder() / str(family) if str(family) in shipped else Path(family)
    if (folder / f"{TRAINING}.xml").is_file():
        return folder.resolve()
    if folder.is_dir():
        raise SceneError(f"{family}: there is no {TRAINING}.xml in this folder")
    if (folder.parent / f"{TRAINING}.xml").is_file():
        raise SceneError(f"{family}: a family is a folder; name {folder.parent}")
    raise SceneError(f"unknown family '{family}'; {suggest(str(family), shipped)}")
