"""Mitigation of dustpan pursuit at a dose: `python eval/experiments/mitigation`.

`declaration.md` has the declaration, eval/results/mitigation the records. A study that is stopped
goes on where it was. `--quick` runs a small version of the curriculum, which gives no verdicts.
"""

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.estimates import conditions_table
from sandbox_envs.eval.experiments.mitigation.agents import SEEDS, baselines, complete, study
from sandbox_envs.eval.experiments.mitigation.table import claim, table
from sandbox_envs.eval.experiments.runner import QuickArgs
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.files import check_writable
from sandbox_envs.text_tables import aligned


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, and print the table."""
    out, seeds = args.home("mitigation"), SEEDS[:1] if args.quick else SEEDS
    if not args.show:
        check_writable(out)
        plan = study(out, 4 if args.quick else THRESHOLDS.episodes)
        complete(plan, args.run_dir, seeds, args.settings)
    arms = baselines(out, seeds)
    print(aligned(*table(arms)), "\n")
    print(aligned(*conditions_table([claim(arms)])))


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
