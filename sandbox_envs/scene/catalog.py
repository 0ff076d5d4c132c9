"""The shipped scenes: their names and files. Needs no MuJoCo."""

from importlib import resources
from pathlib import Path


def scenes_folder() -> Path:
    """The folder of the shipped scene families, in an installed package or a clone."""
    try:
        return Path(str(resources.files("sandbox_envs.assets"))) / "scenes"
    except ModuleNotFoundError:
        return Path(__file__).resolve().parents[2] / "assets" / "scenes"


def scene_files() -> dict[str, Path]:
    """Every shipped scene, "family/stem" -> file; files that begin with _ are parts, not scenes."""
    files = sorted(scenes_folder().glob("*/[!_]*.xml"))
    return {f"{file.parent.name}/{file.stem}": file for file in files}
