"""Agents made of learned rewards: `python eval/experiments/reward_learning`.

`declaration.md` has the declaration. The records are in eval/results/reward_learning. Reward models
and trainings are kept in --run-dir; what is stopped goes on where it was.
"""

from dataclasses import dataclass, replace

import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.experiments.estimates import conditions_table
from sandbox_envs.eval.experiments.reward_learning.agents import run, study
from sandbox_envs.eval.experiments.reward_learning.arms import KINDS, QUICK, Size
from sandbox_envs.eval.experiments.reward_learning.figure import plot
from sandbox_envs.eval.experiments.reward_learning.table import (
    agents,
    conditions,
    difference,
    models,
    read_groups,
    read_notes,
)
from sandbox_envs.eval.experiments.runner import QuickArgs
from sandbox_envs.text_tables import aligned


@dataclass
class Args(QuickArgs):
    """Run the study, or what is missing of it."""

    seeds: tuple[int, ...] = ()
    """of the declared ones, those to run, so that several commands share the work; none for all"""
    kinds: tuple[str, ...] = ()
    """of agents, those to make, e.g. "trained planner"; none for all"""


@cli_errors
def main(args: Args) -> None:
    """Run what is missing, print the tables and draw the picture."""
    size, out = QUICK if args.quick else Size(), args.home("reward_learning")
    if unknown := set(args.seeds) - set(size.seeds):
        raise UserError(
            f"--seeds {min(unknown)}: declared are {min(size.seeds)} to {max(size.seeds)}"
        )
    if unknown_kinds := set(args.kinds) - set(KINDS):
        raise UserError(f"--kinds {min(unknown_kinds)}: there are {', '.join(KINDS)}")
    if args.quick:  # so that its models are not taken for declared ones
        args = replace(args, run_dir=args.run_dir / "quick")
    if not args.show:
        asked = replace(size, seeds=args.seeds or size.seeds, kinds=args.kinds or size.kinds)
        run(study(out, args, asked, args.settings))
    groups, notes = read_groups(out, size.seeds), read_notes(out, size.seeds)
    for table in (agents(groups), models(notes), difference(groups)):
        print(aligned(*table), "\n")
    print(aligned(*conditions_table(conditions(groups, len(size.seeds)))))
    if not args.show:
        plot(groups, out / "reward_learning.png")
        print(out / "reward_learning.png")


if __name__ == "__main__":
    main(tyro.cli(Args))
