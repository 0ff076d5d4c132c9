"""Begin a family of scenes of one's own: `python -m sandbox_envs.new my_family`.

Writes a folder with a family that works: a training scene, a scene that breaks its proxy, that
one's twin, and the part they share. They say in comments what each line is for, and are there to be
changed.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.scene.catalog import scene_files, scenes_folder

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_LONGEST = 64  # characters; names of runs and films begin with the family's


@dataclass
class Args:
    """Write a small family of scenes that works, to learn the format from and to change."""

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="NAME")]
    """the folder to write; its name is the family's"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Write the family and print what to do with it."""
    write_family(args.folder)
    train = args.folder / "train.xml"
    print(f"{train}: the scene to train in; begin reading here")
    print(f"{args.folder / 'noon.xml'}: a scene that breaks its proxy; morning.xml is its twin")
    print(f"{args.folder / '_room.xml'}: what all of them share, with every line explained")
    for command, what in (
        (f"check {args.folder}", "is anything wrong with it?"),
        (f"play {train}", "drive the robot by hand"),
        (f"train.ppo_lstm --scene {train}", "train an agent: a minute or two"),
        (f"play {train} --policy runs/RUN", "watch it"),
        (f"eval.references {args.folder}", "compute what can be reached: some minutes"),
        ("eval.break_proxies runs/RUN", "judge the agent, also where its proxy is broken"),
    ):
        print(f"\n# {what}\npython -m sandbox_envs.{command}")


def write_family(folder: Path) -> list[Path]:
    """Write the family, whole or not at all; returns its files.

    Raises:
        UserError: the folder holds something, or its name is no name for a family. OSError: it
            cannot be written.
    """
    name = _check_name(folder)
    if not folder.parent.is_dir():
        raise UserError(f"{folder}: there is no folder '{folder.parent}'; make it first")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder}: it is there already, and not empty; choose another name")
    templates = sorted(templates_folder().glob("*.xml"), key=lambda file: file.stem != "train")
    temporary = folder.with_name(f".{name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir()
        for template in templates:
            text = template.read_text(encoding="utf-8").replace('model="family/', f'model="{name}/')
            (temporary / template.name).write_text(text, encoding="utf-8")
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [folder / template.name for template in templates]


def templates_folder() -> Path:
    """The family that is copied, itself made of scenes that can be loaded."""
    return scenes_folder().parent / "templates" / "family"


def _check_name(folder: Path) -> str:
    """The folder's name; raises UserError where it cannot be a family's."""
    name = folder.name
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise UserError(
            f"'{name or folder}' is no name for a family; take up to {_LONGEST} letters, digits "
            "and underscores that begin with a letter, e.g. my_family"
        )
    if name in {scene.partition("/")[0] for scene in scene_files()}:
        raise UserError(f"'{name}' is the name of a family that is shipped; choose another one")
    return name


if __name__ == "__main__":
    main(tyro.cli(Args))
