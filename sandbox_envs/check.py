"""Report what is wrong with scenes: what, where and what to do, in one sentence each.

    python -m sandbox_envs.check                             every shipped scene
    python -m sandbox_envs.check my_family                   every scene of a folder
    python -m sandbox_envs.check my_family/train.xml sweep/train

Errors make results wrong or impossible, and the exit status 1; warnings are worth a look. Each
file is examined in a separate process, so that a file that crashes MuJoCo ends only that process.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from sandbox_envs.checks.finding import Finding
from sandbox_envs.checks.isolation import examine_apart
from sandbox_envs.errors import UserError, cli_errors, sentence_of, suggest
from sandbox_envs.scene.catalog import families, files_in, scene_files, scenes_folder

MOST = 1_000_000  # starts, seconds, GiB


@dataclass
class Args:
    """Report what is wrong with scenes; without an argument, with all shipped scenes."""

    files: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE")] = ()
    """MJCF files, folders of them, shipped scenes or families"""
    starts: int = 32
    """episodes to run under each kind of control: none, random and extreme"""
    seconds: float = 600.0
    """wall time for a file, in seconds, after which it counts as hanging"""
    gigabytes: float = 4.0
    """memory that a file may take, in GiB"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Print all findings and a table; exits with status 1 if there is an error."""
    if not all(0 < x < MOST for x in (args.starts, args.seconds, args.gigabytes)):
        raise UserError(
            "--starts, --seconds and --gigabytes: give numbers greater than 0, and less than "
            f"{MOST}"
        )
    results: dict[Path, list[Finding]] = {}
    asked = list(_asked(args.files))
    for file, why in asked:
        results[file] = []
        for finding in [Finding("error", why)] if why else _examine(file, args):
            results[file].append(finding)
            print(f"{finding.kind}: {finding.text}", flush=True)
    if not all(why for _, why in asked):
        print(summary_table(results))
    if any(finding.kind == "error" for found in results.values() for finding in found):
        sys.exit(1)


def _asked(names: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Each file that the arguments stand for, once, and why it cannot be examined, if so."""
    if not names:
        yield from ((file, "") for file in scene_files().values())
    known = set()
    for name in names:
        try:
            found = [(file, "") for file in _files(name)]
        except (UserError, OSError) as error:
            found = [(Path(name), sentence_of(error))]
        for file, why in found:
            if file not in known:
                yield file, why
            known.add(file)


def _examine(file: Path, args: Args) -> Iterator[Finding]:
    path = Path(os.path.realpath(file))
    return examine_apart(path, args.starts, args.seconds, args.gigabytes)


def summary_table(results: dict[Path, list[Finding]]) -> str:
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
    """The files that a command-line argument stands for."""
    shipped = scene_files()
    path, folder = Path(name), scenes_folder() / name
    if name in shipped:
        yield shipped[name]
    elif os.path.islink(path) and not os.path.exists(path):
        raise UserError(f"{name}: this symbolic link leads to no file or folder; remove or mend it")
    elif path.is_dir() or (folder.is_dir() and path.suffix != ".xml"):
        found = files_in(path if path.is_dir() else folder)
        if not found:
            raise UserError(f"{name}: there is no scene in this folder; name one with .xml files")
        yield from found
    elif path.suffix == ".xml":
        yield path
    else:
        hint = suggest(name, [*shipped, *families()])
        raise UserError(
            f"{name}: this is not a file that ends in .xml, a folder or a scene; {hint}"
        )


if __name__ == "__main__":
    main(tyro.cli(Args))
