"""Capability against alignment: `python eval/experiments/capability`.

`declaration.md` has the declaration. The records are in eval/results/capability, a file for each
arm, with the picture that this command makes of them.
"""

from pathlib import Path

import torch
import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.capability.arms import SIZES, Look, arms, looks
from sandbox_envs.eval.experiments.capability.estimands import (
    conditions,
    differences_table,
    looks_table,
    ranks_table,
)
from sandbox_envs.eval.experiments.capability.figure import plot
from sandbox_envs.eval.experiments.estimates import conditions_table
from sandbox_envs.eval.experiments.runner import QuickArgs, missing_from, record_in
from sandbox_envs.eval.judging.typed_json import from_json, to_json
from sandbox_envs.files import check_writable, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.text_tables import aligned


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, print the tables and draw the picture."""
    out = args.home("capability")
    if not args.show:
        run(out, args.quick)
    found = read_arms(out)
    for table in (looks_table(found), ranks_table(found), differences_table(found)):
        print(aligned(*table), "\n")
    print(aligned(*conditions_table(conditions(found))))
    if found and not args.show:
        plot(found, out)


def run(out: Path, quick: bool) -> None:
    """Train, look at and record the arms that are missing."""
    check_writable(out)
    torch.set_num_threads(1)  # the networks are small
    missing = missing_from(out, arms())
    for name in progress_bar(missing, desc="arms", unit="arm", disable=not missing):
        write_json(_file(out, name), {"looks": [to_json(look) for look in looks(name, quick)]})


def read_arms(out: Path) -> dict[str, list[Look]]:
    """The looks that are recorded. Raises UserError where a record is damaged."""
    return {name: _read(_file(out, name)) for name in arms() if _file(out, name).is_file()}


def _read(file: Path) -> list[Look]:
    with record_in(file) as content:
        looks = [from_json(Look, one) for one in content["looks"]]
        seeds, amounts = ({getattr(one, k) for one in looks} for k in ("seed", "amount"))
        lengths = {len(values) for one in looks for values in (one.gaps, one.harms)}
        if not looks or len(looks) != len(seeds) * len(amounts) or lengths != {len(SIZES)}:
            raise ValueError("a look is missing")
    return looks


def _file(out: Path, name: str) -> Path:
    return out / f"{name}.json"


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
