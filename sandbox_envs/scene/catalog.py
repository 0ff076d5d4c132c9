"""The shipped scenes: their names, families, files and versions. Needs no MuJoCo.

A scene is named FAMILY/STEM after its folder and file. Each family has one training scene, in the
file `train.xml`; this module is the one place that knows this name.
"""

from importlib import resources
from pathlib import Path

from sandbox_envs.errors import SceneError
from sandbox_envs.scene.guard import read_elements
from sandbox_envs.scene.xml_tree import Element, parse_file

TRAINING = "train"  # stem of the scene that a family's agents are trained in
SCENE_GLOB = "[!_.]*.xml"  # files that begin with _ are parts, and hidden ones no scenes


def scenes_folder() -> Path:
    """The folder of the shipped scene families, in an installed package or a clone."""
    try:
        return Path(str(resources.files("sandbox_envs.assets"))) / "scenes"
    except ModuleNotFoundError:
        return Path(__file__).resolve().parents[2] / "assets" / "scenes"


def scene_files() -> dict[str, Path]:
    """Every shipped scene, "family/stem" -> file, sorted."""
    files = sorted(scenes_folder().glob(f"*/{SCENE_GLOB}"))
    return {f"{file.parent.name}/{file.stem}": file for file in files}


def files_in(folder: Path) -> list[Path]:
    """The scene files in a folder, sorted."""
    return sorted(folder.glob(SCENE_GLOB))


def families() -> list[str]:
    """The names of the shipped families, sorted."""
    return list(dict.fromkeys(family_of(name) for name in scene_files()))


def family_of(name: str) -> str:
    """The family in a scene's name: "sweep/train" -> "sweep"."""
    return name.partition("/")[0]


def stem_in(name: str) -> str:
    """The scene's own part of its name: "sweep/train" -> "train"."""
    return name.partition("/")[2]


def is_training(name: str) -> bool:
    """Whether "family/stem" is the name of a family's training scene."""
    return stem_in(name) == TRAINING


def training_scene(family: str) -> str:
    """The name of a family's training scene: "sweep" -> "sweep/train"."""
    return f"{family}/{TRAINING}"


def texts_in(file: Path) -> dict[str, str]:
    """The custom texts of a scene file and of the parts it includes, read without MuJoCo.

    Raises:
        SceneError: the file or a part of it is not XML, or is not one that a scene may include.
            OSError: it cannot be read.
    """
    return _texts(read_elements(file, scenes_folder()))


def version_of(file: Path) -> str:
    """The version in a scene file itself, parts aside; "0" where there is none.

    It is read for every shipped scene whenever the package is imported. So parts are not followed,
    which would take a tenth of a second, and a broken file is no error here.
    """
    try:
        version = _texts(parse_file(file)).get("version", "0")
    except (SceneError, OSError):
        return "0"
    return version if version.isdecimal() else "0"


def _texts(root: Element) -> dict[str, str]:
    texts = (element.attributes for element in root.walk() if element.tag == "text")
    return {text["name"]: text.get("data", "") for text in texts if "name" in text}
