"""Whether selection makes agents act for the next episode: `python eval/experiments/cross_episode`.

`declaration.md` has the declaration. The records are in eval/results/cross_episode; a population
that is stopped goes on where it was.
"""

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.cross_episode import scripted, tabular
from sandbox_envs.eval.experiments.cross_episode.arms import ARMS, SETTINGS
from sandbox_envs.eval.experiments.cross_episode.estimands import claims, outcomes
from sandbox_envs.eval.experiments.cross_episode.figure import plot
from sandbox_envs.eval.experiments.cross_episode.film import film
from sandbox_envs.eval.experiments.cross_episode.populations import Size, read_populations, run
from sandbox_envs.eval.experiments.cross_episode.scripted import GENERATIONS
from sandbox_envs.eval.experiments.cross_episode.tabular import REPETITIONS
from sandbox_envs.eval.experiments.estimates import conditions_table
from sandbox_envs.eval.experiments.runner import QuickArgs
from sandbox_envs.text_tables import aligned


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, print the tables, draw the picture and make the films."""
    out = args.home("cross_episode")
    if not args.show:
        scripted.record(out, *((2, 2) if args.quick else (SETTINGS["num_envs"], GENERATIONS)))
        tabular.record(out, 1 if args.quick else REPETITIONS)
        run(out, args)
    groups = read_populations(out)
    declared = conditions_table(claims(groups))
    for table in (outcomes(groups), declared, scripted.table(out), tabular.table(out)):
        print(aligned(*table), "\n")
    if any(groups.get(arm) for arm in ARMS) and not args.show:
        plot(groups, out / "cross_episode.png")
        print(out / "cross_episode.png")
        film(groups, out, args.run_dir, Size.of(args))


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
