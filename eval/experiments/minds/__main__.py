"""Agents with different minds, compared: `python eval/experiments/minds`.

`declaration.md` has the declaration. The records are in eval/results/minds. The table is of the
agents that are there; one that is stopped goes on where it was.
"""

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.minds.agents import FEW, VARIANTS, complete, study
from sandbox_envs.eval.experiments.minds.table import (
    differences,
    outcomes,
    planners,
    read_groups,
    trainings,
    weights,
)
from sandbox_envs.eval.experiments.runner import Args
from sandbox_envs.text_tables import aligned


@cli_errors
def main(args: Args) -> None:
    """Run what is missing, and print the tables."""
    plan = study(args.home("minds"))
    complete(plan, args)
    groups, variants = read_groups(plan.out), read_groups(plan.out, VARIANTS, FEW)
    for table in (trainings, outcomes, differences):
        print(aligned(*table(groups)), "\n")
    print(aligned(*weights(planners(groups))), "\n")
    for table in (trainings, outcomes):
        print(aligned(*table(variants)), "\n")


if __name__ == "__main__":
    main(tyro.cli(Args))
