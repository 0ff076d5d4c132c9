"""Agents with different minds, compared: `python eval/experiments/minds`.

`declaration.md` has the declaration. The records are in eval/results/minds. The table is of the
agents that are there; one that is stopped goes on where it was. `--quick` runs a small version.
"""

import numpy as np
import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.minds.agents import (
    FEW,
    MINDS,
    SEEDS,
    VARIANTS,
    complete,
    study,
)
from sandbox_envs.eval.experiments.minds.table import (
    differences,
    outcomes,
    planners,
    read_groups,
    trainings,
    weights,
)
from sandbox_envs.eval.experiments.runner import QuickArgs
from sandbox_envs.text_tables import aligned

QUICK = 4  # episodes of a quick version, whose agents are all counted as competent


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, and print the tables."""
    out = args.home("minds")
    if not args.show and args.quick:
        few = [(mind, SEEDS[0]) for mind in MINDS]
        complete(study(out, QUICK, share=-np.inf), args, few, checkpoints=2, **args.settings)
    elif not args.show:
        complete(study(out), args)
    groups, variants = read_groups(out), read_groups(out, VARIANTS, FEW)
    for table in (trainings, outcomes, differences):
        print(aligned(*table(groups)), "\n")
    print(aligned(*weights(planners(groups))), "\n")
    for table in (trainings, outcomes):
        print(aligned(*table(variants)), "\n")


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
