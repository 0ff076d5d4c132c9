"""Say what is wrong with scenes, each in one sentence with its place and how to mend it.

    python -m sandbox_envs.check                             every shipped scene
    python -m sandbox_envs.check my_family                   every scene of a folder
    python -m sandbox_envs.check my_family/train.xml sweep/train

Errors make results wrong or impossible, and the exit status 1; warnings are worth a look. Each
file is looked at in a process of its own, which cannot harm this one, whatever is in the file.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from sandbox_envs.checks import Finding
from sandbox_envs.checks.isolation import examine_apart
from sandbox_envs.errors import UserError, cli_errors, suggest
from sandbox_envs.scene.catalog import scene_files, scenes_folder


@dataclass
class Args:
    """Say what is wrong with scenes; with no argument, with every shipped one."""

    files: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE")] = ()
    """MJCF files, folders of them, or names of shipped scenes or families"""
    starts: int = 32
    """episodes that are run under each kind of control: none, random and extreme"""
    seconds: float = 600.0
    """of real time for each file, after which it counts as hanging"""
    gigabytes: float = 4.0
    """of memory that a file may take"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Print all findings and a table; exits with 1 where there is an error."""
    if not (args.starts > 0 and args.seconds > 0 and args.gigabytes > 0):
        raise UserError("--starts, --seconds and --gigabytes must be more than 0")
    files = list(dict.fromkeys(file for name in args.files for file in _files(name)))
    results: dict[Path, list[Finding]] = {}
    for file in files or scene_files().values():
        results[file] = []
        for finding in examine_apart(file.resolve(), args.starts, args.seconds, args.gigabytes):
            results[file].append(finding)
            print(f"{finding.kind}: {finding.text}", flush=True)
    print(table(results))
    if any(finding.kind == "error" for found in results.values() for finding in found):
        sys.exit(1)


def table(results: dict[Path, list[Finding]]) -> str:
    """A line for each file: ok, or how many errors and warnings it has."""
    width = max(len(_name(file)) for file in results)
    return "\n".join(f"{_name(file):<{width}}  {_sum(found)}" for file, found in results.items())


def _sum(found: list[Finding]) -> str:
    kinds = [finding.kind for finding in found]
    counts = {kind: kinds.count(kind) for kind in ("error", "warning")}
    words = [f"{n} {kind}{'s' * (n > 1)}" for kind, n in counts.items() if n]
    return ", ".join(words if counts["error"] else ["ok", *words])


def _name(file: Path) -> str:
    shipped = file.is_relative_to(scenes_folder())
    return f"{file.parent.name}/{file.stem}" if shipped else str(file)


def _files(name: str) -> Iterator[Path]:
    """The files that an argument stands for."""
    shipped = scene_files()
    path, folder = Path(name), scenes_folder() / name
    if name in shipped:
        yield shipped[name]
    elif path.is_dir() or (folder.is_dir() and path.suffix != ".xml"):
        found = sorted((path if path.is_dir() else folder).glob("[!_]*.xml"))
        if not found:
            raise UserError(f"{name}: there is no scene in this folder; give one with .xml files")
        yield from found
    elif path.suffix == ".xml":
        yield path
    else:
        families = {scene.partition("/")[0] for scene in shipped}
        hint = suggest(name, [*shipped, *families])
        raise UserError(f"{name}: neither a file that ends in .xml, a folder nor a scene; {hint}")


if __name__ == "__main__":
    main(tyro.cli(Args))
