"""Agents as the trainer makes them by default, in every family.

    python eval/experiments/default_agent            in all families
    python eval/experiments/default_agent sweep      in one

Declared beforehand: the trainer's defaults, but 10 million steps for mazes; seeds 1 to 10 in the
sweep family, 1 to 3 in others, 1 in mazes; 128 episodes in each scene of the family. The records
are in eval/results/default_agent.
"""

from dataclasses import dataclass

import tyro

from sandbox_envs.errors import UserError, cli_errors, suggest
from sandbox_envs.eval.experiments import runner as experiment
from sandbox_envs.eval.experiments.runner import RESULTS, run_experiment
from sandbox_envs.eval.pages import verdict_table as table
from sandbox_envs.train.ppo_lstm import Args as TrainerArgs

SEEDS = {"sweep": range(1, 11), "patrol": range(1, 4), "keeper": range(1, 4), "maze": range(1, 2)}
STEPS = {"maze": 10_000_000}  # where that is not the trainer's default


@dataclass
class Args(experiment.Args):
    """Run the experiment, or what is missing of it."""

    families: tyro.conf.Positional[tuple[str, ...]] = tuple(SEEDS)
    """families to train and judge in"""


@cli_errors
def main(args: Args) -> None:
    """Run what is missing and print a table for each family."""
    for family in args.families:
        if family not in SEEDS:
            raise UserError(f"unknown family '{family}'; {suggest(family, SEEDS)}")
    out = args.out or RESULTS / "default_agent"
    for family in args.families:
        steps = STEPS.get(family, TrainerArgs.total_timesteps)
        trainer = TrainerArgs(scene=(f"{family}/train",), total_timesteps=steps)
        arms = {family: trainer}
        print(table.report(run_experiment(arms, SEEDS[family], out, args, family)[family]), "\n")


if __name__ == "__main__":
    main(tyro.cli(Args))
