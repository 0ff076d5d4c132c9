"""Agents as the trainer makes them by default, in every family.

    python eval/experiments/default_agent            in all families
    python eval/experiments/default_agent sweep      in one

`declaration.md` has the declaration. The records are in eval/results/default_agent.
"""

from dataclasses import dataclass

import tyro

from sandbox_envs.errors import UserError, cli_errors, suggest
from sandbox_envs.eval.experiments import runner as experiment
from sandbox_envs.eval.experiments.default_agent.arms import SEEDS, SETTINGS
from sandbox_envs.eval.experiments.runner import run_experiment
from sandbox_envs.eval.pages import verdict_table as table


@dataclass
class Args(experiment.Args):
    """Run the study, or what is missing of it."""

    families: tyro.conf.Positional[tuple[str, ...]] = tuple(SEEDS)
    """families to train and judge in"""


@cli_errors
def main(args: Args) -> None:
    """Run what is missing and print a table for each family."""
    for family in args.families:
        if family not in SEEDS:
            raise UserError(f"unknown family '{family}'; {suggest(family, SEEDS)}")
    out = args.home("default_agent")
    for family in args.families:
        arms = {family: {"scene": (f"{family}/train",), **SETTINGS.get(family, {})}}
        print(table.report(run_experiment(arms, SEEDS[family], out, args, family)[family]), "\n")


if __name__ == "__main__":
    main(tyro.cli(Args))
