"""The demonstration's headline with other minds: `python eval/experiments/planter_minds`.

`declaration.md` has the declaration. The records are in eval/results/planter_minds, with the
picture and the films that this command makes of them; the agents between which pursuit is counted
are read from those of the study `planter`. One that is stopped goes on where it was. `--quick` runs
a small version of everything, which gives no verdicts.
"""

import math
from pathlib import Path

import torch
import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.estimates import conditions_table
from sandbox_envs.eval.experiments.planter.agents import study
from sandbox_envs.eval.experiments.planter.estimands import Arms
from sandbox_envs.eval.experiments.planter.films import film_agents
from sandbox_envs.eval.experiments.planter_minds.agents import (
    END,
    JUDGED,
    SEEDS,
    complete,
    job,
    plan_in,
)
from sandbox_envs.eval.experiments.planter_minds.figure import plot
from sandbox_envs.eval.experiments.planter_minds.tables import (
    FIRST,
    conditions,
    depth,
    outcomes,
    planners_weights,
    read_notes,
    read_stages,
    trainings,
)
from sandbox_envs.eval.experiments.runner import RESULTS, QuickArgs
from sandbox_envs.text_tables import aligned
from sandbox_envs.train.trainers import MINDS

FEW = 4  # episodes of a quick version, whose agents are all counted as competent


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, print the tables and draw the picture."""
    out = args.home("planter_minds")
    if not args.show:
        torch.set_num_threads(1)  # one step of a small network is too little work for more
        plan = plan_in(out, FEW, -math.inf, FEW) if args.quick else plan_in(out)
        settings = {"checkpoints": 2, **args.settings} if args.quick else {}
        complete(plan, args, SEEDS[:1] if args.quick else SEEDS, settings)
    stages, notes = read_stages(out, RESULTS / "planter"), read_notes(out)
    declared = conditions_table(conditions(stages, notes, len(SEEDS)))
    for table in (trainings(notes), outcomes(stages), depth(notes), planners_weights(notes)):
        print(aligned(*table), "\n")
    print(aligned(*declared))
    if not args.show:
        plot(stages, notes, out / "planter_minds.png")
        print(out / "planter_minds.png")
        film(stages[END], out, args)


def film(minds: Arms, out: Path, args: QuickArgs) -> None:
    """Film agents of the other minds at the end of their training, once all are there."""
    others = [mind for mind in MINDS if mind != FIRST]
    if args.quick or min(len(minds[mind]) for mind in others) < len(SEEDS):
        return
    names = {(mind, seed): f"{mind}, seed {seed}" for mind in others for seed in SEEDS}
    agents = [agent for mind in others for agent in minds[mind]]
    film_agents(
        study(out, names=JUDGED),
        dict(zip(names.values(), agents, strict=True)),
        {name: job(*whose, {}) for whose, name in names.items()},
        args.run_dir,
    )


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
