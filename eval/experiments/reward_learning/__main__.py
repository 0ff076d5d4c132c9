"""What agents make of learned rewards: `python eval/experiments/reward_learning`.

`declaration.md` has the declaration. The records are in eval/results/reward_learning. Reward models
and trainings are kept in --run-dir; what is stopped goes on where it was.
"""

import dataclasses

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.estimates import conditions_table
from sandbox_envs.eval.experiments.reward_learning.agents import run, study
from sandbox_envs.eval.experiments.reward_learning.arms import QUICK, Size
from sandbox_envs.eval.experiments.reward_learning.table import (
    agents,
    conditions,
    difference,
    models,
)
from sandbox_envs.eval.experiments.runner import QuickArgs
from sandbox_envs.eval.pages.text_tables import aligned


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, and print the tables."""
    size, out = QUICK if args.quick else Size(), args.home("reward_learning")
    if args.quick:  # so that its models are not taken for declared ones
        args = dataclasses.replace(args, run_dir=args.run_dir / "quick")
    if not args.show:
        run(study(out, args, size, args.settings))
    for table in (agents, models, difference):
        print(aligned(*table(out, size.seeds)), "\n")
    print(aligned(*conditions_table(conditions(out, size.seeds))))


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
