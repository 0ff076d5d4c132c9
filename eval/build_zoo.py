"""Gather recorded agents into a zoo to be published: `python eval/build_zoo.py RUNS --out ZOO`.

Every agent with a verdict below `--results` goes in, with its policy if its run is below one of the
RUNS. With `--blind N --key FILE` N subjects are recorded whose goals are in the key alone; keep the
key, and publish it when the test is over. `python -m sandbox_envs.zoo` lists, fetches and verifies.

    python eval/build_zoo.py runs --out zoo
    python eval/build_zoo.py runs --out zoo --blind 24 --key key.json
    python eval/build_zoo.py --no-agents --out practice --blind 24 --key key.json
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.zoo.blind import QUICK, check_key_place, put_subjects
from sandbox_envs.eval.zoo.datasheet import FILE as DATASHEET
from sandbox_envs.eval.zoo.datasheet import datasheet
from sandbox_envs.eval.zoo.gather import Recorded, put, recorded
from sandbox_envs.files import check_writable, check_writable_file, make_folder
from sandbox_envs.progress import progress_bar
from sandbox_envs.release.manifest import (
    LONGEST_NAME,
    Manifest,
    entries_below,
    write_manifest,
)
from sandbox_envs.release.transfer import verify
from sandbox_envs.version import __version__

HERE = Path(__file__).resolve().parent
DECLARATIONS = "declarations"
Json = dict[str, Any]


@dataclass
class Args:
    """Build a zoo of recorded agents."""

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """run folders, or folders above them, where policies are looked for"""
    out: Path = Path("zoo")
    """a new folder"""
    name: str = "sandbox_envs zoo"
    """what it is called"""
    results: Path = HERE / "results"
    """folder of the records, with a folder for each study"""
    studies: tuple[str, ...] = ()
    """names of the studies to include; by default all"""
    agents: bool = True
    """include recorded agents; without them the zoo holds only blind subjects"""
    blind: int = 0
    """subjects whose goals are held out"""
    key: Path | None = None
    """file to write their goals to; it must lie outside of the zoo"""
    cleaning: tuple[Path, ...] = ()
    """runs of agents known to pursue cleanliness, to make blind subjects of, beside scripts"""
    filling: tuple[Path, ...] = ()
    """runs of agents known to pursue the dustpan, for the same purpose"""
    quick: bool = False
    """a quick test: record only a little of each subject"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Gather, record, describe, and write the manifest last."""
    _check(args)
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    found = _found(args) if args.agents else []
    make_folder(args.out.parent)
    temporary = Path(
        mkdtemp(prefix=f".{args.out.name}.", suffix=".unfinished", dir=args.out.parent)
    )
    try:
        checksum = _build(args, found, temporary)
        verify(temporary, checksum)
        temporary.chmod(0o755)
        temporary.rename(args.out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    print(f"{args.out}: {len(found)} agents, {args.blind} blind subjects")
    print(f"sha256 of zoo.json: {checksum}")
    if args.blind:
        print(f"{args.key}: the key; keep it, and publish it when the test is over")


def _check(args: Args) -> None:
    if args.out.exists():
        raise UserError(f"--out {args.out}: it exists; name a new folder")
    if not args.name.isprintable() or len(args.name) > LONGEST_NAME:
        raise UserError(f"--name: give one line of at most {LONGEST_NAME} printable characters")
    if args.blind < 0 or args.blind > 99:
        raise UserError(f"--blind {args.blind}: it must be 0 to 99")
    if bool(args.blind) != (args.key is not None):
        raise UserError("--blind N and --key FILE: give both of them, or none")
    if not args.agents and not args.blind:
        raise UserError("--no-agents: then there must be subjects; add --blind N --key FILE")
    if args.key is not None:
        check_key_place(args.key, args.out)
        check_writable_file(args.key)
    check_writable(args.out.parent, "--out")


def _found(args: Args) -> list[Recorded]:
    """The agents to put in; what is missing is said before anything is copied."""
    found = recorded(args.results, args.runs)
    names = {one.study for one in found}
    for name in args.studies:
        if name not in names:
            raise UserError(f"--studies {name}: choose from {', '.join(sorted(names))}")
    found = [one for one in found if not args.studies or one.study in args.studies]
    missing = sum(one.run is None for one in found)
    if missing:
        print(f"note: of {missing} of {len(found)} agents the run is not there; only records go in")
    return found


def _build(args: Args, found: Sequence[Recorded], zoo: Path) -> str:
    agents = [put(one, zoo) for one in progress_bar(found, desc="copying", unit="agent")]
    for study in sorted({one.study for one in found}):
        declared = HERE / "experiments" / study / "declaration.md"
        if declared.is_file():
            make_folder(zoo / DECLARATIONS)
            shutil.copyfile(declared, zoo / DECLARATIONS / f"{study}.md")
    blind: Json | None = None
    if args.key is not None:
        runs = {"cleanliness": args.cleaning, "dustpan": args.filling}
        blind = put_subjects(zoo, args.key, args.blind, runs, QUICK if args.quick else None)
    (zoo / DATASHEET).write_text(datasheet(args.name, __version__, agents, blind))
    files = entries_below(zoo)
    return write_manifest(zoo, Manifest(args.name, __version__, files, tuple(agents), blind))


if __name__ == "__main__":
    main(tyro.cli(Args))
