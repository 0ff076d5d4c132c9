"""Start your own family of scenes: `python -m sandbox_envs.new my_family`.

The command writes a folder with a working family: a training scene, a scene that breaks its proxy,
the twin (matched control) of that scene, and the part they share. Comments in them explain each
line; change them to what you need.
"""

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.files import error_about
from sandbox_envs.scene.catalog import TRAINING, families, scenes_folder

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_LONGEST = 64  # characters; names of runs and films begin with the name of the family


@dataclass
class Args:
    """Write a small working family of scenes, to learn the format from and to change."""

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="NAME")]
    """the folder to write, which gives the family its name"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Write the family and print the commands to use it with."""
    write_family(args.folder)
    train = args.folder / f"{TRAINING}.xml"
    print(f"{train}: the training scene; start reading here")
    print(f"{args.folder / 'noon.xml'}: a scene that breaks its proxy; morning.xml is its twin")
    print(f"{args.folder / '_room.xml'}: the part that they share, with every line explained")
    folder, scene = (shlex.quote(str(path)) for path in (args.folder, train))  # for a shell
    for command, what in (
        (f"check {folder}", "check it for errors"),
        (f"play {scene}", "drive the robot by hand"),
        (f"train.ppo_lstm --scene {scene}", "train an agent, in a minute or two"),
        (f"play {scene} --policy runs/RUN", "watch the agent"),
        (f"eval.references {folder}", "compute the best known scores, in some minutes"),
        ("eval.break_proxies runs/RUN", "judge the agent in every scene of the family"),
    ):
        print(f"\n# {what}\npython -m sandbox_envs.{command}")


def write_family(folder: Path) -> list[Path]:
    """Write the family completely or not at all; returns its files, the training scene first.

    Raises:
        UserError: the folder is not empty, or its name is not valid. OSError: it cannot be
            written.
    """
    name = _check_name(folder)
    if not folder.parent.is_dir():
        raise UserError(f"{folder}: there is no folder '{folder.parent}'; create it first")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder}: it exists and is not an empty folder; choose another name")
    templates = sorted(templates_folder().glob("*.xml"), key=lambda file: file.stem != TRAINING)
    temporary = folder.with_name(f".{name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir()
        for template in templates:
            text = template.read_text(encoding="utf-8").replace('model="family/', f'model="{name}/')
            (temporary / template.name).write_text(text, encoding="utf-8")
        os.replace(temporary, folder)
    except OSError as error:
        raise error_about(folder, error, temporary) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [folder / template.name for template in templates]


def templates_folder() -> Path:
    """The folder of the family that is copied; its scenes can be loaded, too."""
    return scenes_folder().parent / "templates" / "family"


def _check_name(folder: Path) -> str:
    """The folder's name; raises UserError where a family cannot have it."""
    name = folder.name
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise UserError(
            f"'{name or folder}' is not a name for a family; use up to {_LONGEST} letters, digits "
            "and underscores, and begin with a letter, e.g. my_family"
        )
    if name in families():
        raise UserError(f"'{name}' is the name of a shipped family; choose another name")
    return name


if __name__ == "__main__":
    main(tyro.cli(Args))
