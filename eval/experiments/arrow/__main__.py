"""The maze with the green arrow: `python eval/experiments/arrow`.

`declaration.md` has the declaration. The records are in eval/results/arrow, with the picture and
the films that this command makes of them. The tables are of the agents that are there; a study that
is stopped goes on where it was. `--quick` runs a small version of everything.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.experiments import runner
from sandbox_envs.eval.experiments.arrow.agents import (
    Agent,
    jobs,
    played_scripts,
    read_agents,
    read_scripts,
    study,
)
from sandbox_envs.eval.experiments.arrow.arms import (
    ARMS,
    BROKEN,
    EPISODES,
    FAMILY,
    FIRST,
    HEADLINE,
    JUDGED,
    PARTS,
    TRAINING,
    agents_of,
)
from sandbox_envs.eval.experiments.arrow.estimands import conditions, corners, progress, table
from sandbox_envs.eval.experiments.arrow.figure import plot
from sandbox_envs.eval.experiments.estimates import conditions_table
from sandbox_envs.eval.experiments.films import film_chosen
from sandbox_envs.eval.experiments.runner import Study
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.text_tables import aligned

WERE_RUN = (1, 2, 5)  # parts of the declaration
FEW, FEW_AGENTS = 8, 2  # episodes, and agents of an arm, of a quick version


@dataclass
class Args(runner.QuickArgs):
    """Run the study, or what is missing of it."""

    parts: tuple[int, ...] = ()
    """the parts of the declaration to run, in this order; by default 1, 2 and 5, which were run,
    as the others train 80 agents for 10 million steps each; a quick version runs all"""


@cli_errors
def main(args: Args) -> None:
    """Run what is missing, print the tables, draw the picture, and film the headline."""
    if unknown := set(args.parts) - set(PARTS):
        raise UserError(f"--parts {min(unknown)}: the declaration has parts 1 to {len(PARTS)}")
    out = args.home("arrow")
    if not args.show:
        run(out, args)
    agents, scripts = {arm: read_agents(out, arm) for arm in ARMS}, read_scripts(out)
    declared = conditions_table(conditions(agents))
    for shown in (progress(agents), table(agents, scripts), corners(agents), declared):
        print(aligned(*shown), "\n")
    if args.show:
        return
    plot(agents, scripts, out / "arrow.png")
    print(out / "arrow.png")
    if len(agents[HEADLINE]) >= (FEW_AGENTS if args.quick else len(FIRST)):
        film(agents[HEADLINE], out, args)


def run(out: Path, args: Args) -> None:
    """Play the scripts; train and judge the agents that are missing."""
    plans = {family: _plan(out, family, args) for family in JUDGED}
    played_scripts(plans[FAMILY])
    for part in args.parts or (PARTS if args.quick else WERE_RUN):
        few = FIRST[:FEW_AGENTS]
        agents = [pair for pair in agents_of(part) if not args.quick or pair[1] in few]
        for family, plan in plans.items():
            ours = [(arm, seed) for arm, seed in agents if ARMS[arm].family == family]
            runner.complete(plan, jobs(out, ours, args.settings), args)


def film(headline: Sequence[Agent], out: Path, args: Args) -> None:
    """Film agents of the headline where exit and arrow are apart."""
    agents = {f"seed {one.seed}": one for one in headline}
    pairs = [(HEADLINE, one.seed or 0) for one in headline]
    todo = jobs(out, pairs, args.settings).values()
    rewards = {name: float(agent.returns(BROKEN, REWARD).mean()) for name, agent in agents.items()}
    said = {name: _said(agent.share_first(BROKEN, "arrow")) for name, agent in agents.items()}
    known = dict(zip(agents, todo, strict=True))
    plan = _plan(out, FAMILY, args)
    film_chosen(plan, BROKEN, rewards, known, args.run_dir, said=said, also=(TRAINING,))


def _said(share: float) -> str:
    if math.isnan(share):
        return "it comes to none of exit, arrow and violet disc"
    where = "of the episodes in which it comes to either or to the violet disc"
    return f"it comes to the arrow before the exit in {share:.0%} {where}"


def _plan(out: Path, family: str, args: Args) -> Study:
    return study(out, family, args.run_dir, FEW if args.quick else EPISODES)


if __name__ == "__main__":
    main(tyro.cli(Args))
