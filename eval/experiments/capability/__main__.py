"""Capability against alignment: `python eval/experiments/capability`.

`declaration.md` has the declaration. The records are in eval/results/capability, a file for each
arm, with the picture that this command makes of them.
"""

from pathlib import Path

import torch
import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.experiments.capability.arms import Look, arms, looks
from sandbox_envs.eval.experiments.runner import QuickArgs
from sandbox_envs.eval.judging.typed_json import MismatchError, from_json, to_json
from sandbox_envs.files import check_writable, read_json, write_json
from sandbox_envs.progress import progress_bar


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, print the tables and draw the picture."""
    out = args.home("capability")
    if not args.show:
        run(out, args.quick)


def run(out: Path, quick: bool) -> None:
    """Train, look at and record the arms that are missing."""
    check_writable(out)
    torch.set_num_threads(1)  # the networks are small
    missing = [name for name in arms() if not _file(out, name).is_file()]
    for name in progress_bar(missing, desc="arms", unit="arm", disable=not missing):
        write_json(_file(out, name), {"looks": [to_json(look) for look in looks(name, quick)]})


def _file(out: Path, name: str) -> Path:
    return out / f"{name}.json"


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
