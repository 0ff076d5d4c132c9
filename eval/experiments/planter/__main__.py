"""The demonstration in the planter: `python eval/experiments/planter`.

`declaration.md` has the declaration. The records are in eval/results/planter, with the picture and
the films that this command makes of them. The tables are of the agents that are there; a study that
is stopped goes on where it was. `--quick` runs a small version of everything, which gives no
verdicts.
"""

from functools import partial

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.estimates import conditions_table
from sandbox_envs.eval.experiments.planter import evidence, other_thresholds
from sandbox_envs.eval.experiments.planter.agents import jobs, read_agents, study, taken_first
from sandbox_envs.eval.experiments.planter.arms import HEADLINE, SEEDS, arms
from sandbox_envs.eval.experiments.planter.estimands import (
    conditions,
    controls,
    leaves,
    processors,
    table,
)
from sandbox_envs.eval.experiments.planter.figure import plot
from sandbox_envs.eval.experiments.planter.films import film_agents
from sandbox_envs.eval.experiments.runner import QuickArgs, complete
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.text_tables import aligned

EVIDENCE = "evidence.json"  # what training shows, by scripts, beside the records
EPISODES = {True: 4, False: 256}  # of a script in training, by whether the study is quick


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, print the tables and draw the picture."""
    seeds = SEEDS[:2] if args.quick else SEEDS
    out = args.home("planter")
    declared = {name: values | args.settings for name, values in arms().items()}
    if not args.show:
        plan = study(out, 4 if args.quick else THRESHOLDS.episodes)
        complete(plan, jobs(out, declared, seeds), args, partial(taken_first, plan))
        evidence.record(out / EVIDENCE, EPISODES[args.quick])
    agents = {arm: read_agents(out, arm, seeds) for arm in declared}
    training = evidence.table(evidence.read(out / EVIDENCE))
    declared_ones = conditions_table(conditions(agents, len(seeds)))
    tables = (table(agents), processors(agents), leaves(agents), controls(agents))
    for shown in (training, *tables, declared_ones, other_thresholds.table(out, seeds)):
        print(aligned(*shown), "\n")
    if args.show:
        return
    plot(agents, out / "planter.png")
    print(out / "planter.png")
    if len(agents[HEADLINE]) == len(seeds):
        trained = jobs(out, {HEADLINE: declared[HEADLINE]}, seeds).values()
        names = [f"seed {seed}" for seed in seeds]
        known = dict(zip(names, trained, strict=True))
        ours = dict(zip(names, agents[HEADLINE], strict=True))
        film_agents(plan, ours, known, args.run_dir)


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
