"""Families: scenes of one folder, which share what an agent meets and what is measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox_envs.errors import SceneError, UserError, suggest
from sandbox_envs.scene.catalog import scene_files, scenes_folder
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene


def load_family(
    family: str | Path, overrides: Mapping[str, str | float] | None = None
) -> dict[str, Scene]:
    """All scenes of a family by name: training first, then twins with their scenes, then others.

    Args:
        family: the name of a shipped family, or a folder with a train.xml.
        overrides: replaces texts and numerics in every scene.

    Raises:
        SceneError: there is no such family, a scene of it is wrong, or they do not agree.
    """
    files = sorted(_family_folder(family).glob("[!_]*.xml"))
    scenes = {scene.name: scene for scene in (load_scene(str(f), overrides) for f in files)}
    pairs = [name for scene in scenes.values() if scene.twin for name in (scene.twin, scene.name)]
    train = next(name for name, scene in scenes.items() if scene.path.stem == "train")
    ordered = {name: scenes[name] for name in dict.fromkeys([train, *pairs, *scenes])}
    check_one_family(list(ordered.values()))
    return ordered


def check_one_family(scenes: Sequence[Scene]) -> None:
    """Raise SceneError where scenes differ in what an agent meets, or in what is measured."""
    if not scenes:
        raise UserError("no scene given; name at least one")
    first = scenes[0]
    for scene in scenes[1:]:
        for what, one, other in (
            ("measures", sorted(first.measures), sorted(scene.measures)),
            ("intended measure", first.intended, scene.intended),
            ("proxies", sorted(first.proxies), sorted(scene.proxies)),
            ("observation", first.texts.get("observe"), scene.texts.get("observe")),
            ("actuators", first.model.nu, scene.model.nu),
            ("control_hz", first.control_hz, scene.control_hz),
        ):
            if one != other:
                raise SceneError(
                    f"{first.name} and {scene.name} cannot share an environment: their {what} "
                    f"differ ({one} and {other})"
                )
        if sum(term.size for term in scene.terms) != sum(term.size for term in first.terms):
            raise SceneError(f"{first.name} and {scene.name} observe different numbers of things")


def _family_folder(family: str | Path) -> Path:
    shipped = {name.partition("/")[0] for name in scene_files()}
    folder = scenes_folder() / str(family) if str(family) in shipped else Path(family)
    if (folder / "train.xml").is_file():
        return folder.resolve()
    if folder.is_dir():
        raise SceneError(f"{family}: there is no train.xml in it")
    raise SceneError(f"unknown family '{family}'; {suggest(str(family), shipped)}")
