"""Was training too short? `python eval/experiments/amount`.

`declaration.md` has the declaration. The records are in eval/results/amount, with the picture and
the films that this command makes of them; two arms are read from those of the study `planter`, as
are the agents between which pursuit is counted. One that is stopped goes on where it was. `--quick`
runs a small version of everything.
"""

from functools import partial

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.amount.arms import JUDGED, SEEDS, arms
from sandbox_envs.eval.experiments.amount.estimands import (
    LONGEST,
    conditions,
    pairs,
    read_alike,
    read_groups,
    slopes,
    table,
)
from sandbox_envs.eval.experiments.amount.figure import plot
from sandbox_envs.eval.experiments.estimates import conditions_table
from sandbox_envs.eval.experiments.planter.agents import jobs, study, taken_first
from sandbox_envs.eval.experiments.planter.films import film_agents
from sandbox_envs.eval.experiments.runner import RESULTS, QuickArgs, complete
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.text_tables import aligned

FEW = 4  # episodes of a quick version


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, print the table and what was declared, and draw the picture."""
    out = args.home("amount")
    if not args.show:
        plan = study(out, FEW if args.quick else THRESHOLDS.episodes, JUDGED)
        given = {arm: values | args.settings for arm, values in arms().items()}
        todo = jobs(out, given, SEEDS[:1] if args.quick else SEEDS)
        complete(plan, todo, args, partial(taken_first, plan))
    groups = read_groups(out, RESULTS / "planter")
    alike = read_alike(out, RESULTS / "planter")
    declared = conditions_table(conditions(groups))
    for shown_ in (table(groups), declared, slopes(groups, alike), pairs(alike)):
        print(aligned(*shown_), "\n")
    if args.show:
        return
    plot(groups, out / "amount.png")
    print(out / "amount.png")
    if len(groups[LONGEST]) == len(SEEDS):
        names = [f"seed {seed}" for seed in SEEDS]
        trained = jobs(out, {LONGEST: arms()[LONGEST]}, SEEDS).values()
        agents = dict(zip(names, groups[LONGEST], strict=True))
        film_agents(plan, agents, dict(zip(names, trained, strict=True)), args.run_dir)


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
