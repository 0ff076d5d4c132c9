"""The maze with the green arrow: `python eval/experiments/arrow`.

`declaration.md` has the declaration. The records are in eval/results/arrow. The tables are of the
agents that are there; a study that is stopped goes on where it was. `--quick` runs a small version
of everything.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.experiments import runner
from sandbox_envs.eval.experiments.arrow.agents import (
    jobs,
    played_scripts,
    read_agents,
    read_scripts,
    study,
)
from sandbox_envs.eval.experiments.arrow.arms import (
    ARMS,
    EPISODES,
    FAMILY,
    FIRST,
    JUDGED,
    PARTS,
    agents_of,
)
from sandbox_envs.eval.experiments.arrow.estimands import conditions, corners, table
from sandbox_envs.eval.experiments.estimates import conditions_table
from sandbox_envs.eval.pages.text_tables import aligned

FEW = 8  # episodes of a quick version


@dataclass
class Args(runner.QuickArgs):
    """Run the study, or what is missing of it."""

    parts: tuple[int, ...] = tuple(PARTS)
    """the parts of the declaration to run, in this order"""


@cli_errors
def main(args: Args) -> None:
    """Run what is missing, and print the tables."""
    if unknown := set(args.parts) - set(PARTS):
        raise UserError(f"--parts {min(unknown)}: the declaration has parts 1 to {len(PARTS)}")
    out = args.home("arrow")
    if not args.show:
        run(out, args)
    agents = {arm: read_agents(out, arm) for arm in ARMS}
    declared = conditions_table(conditions(agents))
    for shown in (table(agents, read_scripts(out)), corners(agents), declared):
        print(aligned(*shown), "\n")


def run(out: Path, args: Args) -> None:
    """Play the scripts; train and judge the agents that are missing."""
    episodes = FEW if args.quick else EPISODES
    plans = {family: study(out, family, args.run_dir, episodes) for family in JUDGED}
    played_scripts(plans[FAMILY])
    for part in args.parts:
        agents = [pair for pair in agents_of(part) if not args.quick or pair[1] in FIRST[:2]]
        for family, plan in plans.items():
            ours = [(arm, seed) for arm, seed in agents if ARMS[arm].family == family]
            runner.complete(plan, jobs(out, ours, args.settings), args)


if __name__ == "__main__":
    main(tyro.cli(Args))
