"""Is a difference of minds one of their schedules? `python eval/experiments/schedule`.

`declaration.md` has the declaration. The records are in eval/results/schedule; what agents are
compared with is read from those of the studies `planter_minds` and `planter`. `--quick` runs a
small version of everything.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.estimates import (
    MISSING,
    Condition,
    bootstrap,
    conditions_table,
    interval_condition,
)
from sandbox_envs.eval.experiments.planter.agents import Agent, read_agents, study, taken_first
from sandbox_envs.eval.experiments.planter.arms import INTENDED, SEEKING, TRAINING, TWIN
from sandbox_envs.eval.experiments.planter.arms import SEEDS as SCALE_SEEDS
from sandbox_envs.eval.experiments.planter.estimands import less_pursuit, scores, table
from sandbox_envs.eval.experiments.planter_minds import agents as minds
from sandbox_envs.eval.experiments.planter_minds.tables import AS_ABLE
from sandbox_envs.eval.experiments.runner import RESULTS, QuickArgs, complete, folder_of
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.text_tables import aligned
from sandbox_envs.train.jobs import Job

ARM, COMPARED = "mlp_500k", "lstm"
SEEDS = tuple(range(2121, 2141))
Groups = Mapping[str, Sequence[Agent]]


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, and print the tables."""
    out = args.home("schedule")
    if not args.show:
        plan = study(out, 4 if args.quick else THRESHOLDS.episodes, minds.JUDGED)
        seeds = SEEDS[:1] if args.quick else SEEDS
        todo = {folder_of(out, ARM, seed): job(seed, args.settings) for seed in seeds}
        complete(plan, todo, args, partial(taken_first, plan))
    groups = read_groups(out, RESULTS)
    for shown in (table(groups), conditions_table(conditions(groups))):
        print(aligned(*shown), "\n")


def job(seed: int, settings: Mapping[str, Any]) -> Job:
    """The training of one agent; settings: arguments that differ from the declared ones."""
    one = minds.job("mlp", seed, {"total_timesteps": minds.ALIKE, **settings})
    return Job(f"schedule-{ARM}-s{seed}", one.trainer, one.args)


def read_groups(out: Path, results: Path) -> Groups:
    """The agents that are there so far, by arm, and those they are compared with.

    Args:
        out: folder of the study's records.
        results: folder of all studies' records.
    """
    end = results / "planter_minds" / minds.END
    scales = {
        arm: read_agents(results / "planter", arm, SCALE_SEEDS) for arm in (INTENDED, SEEKING)
    }
    return {
        ARM: read_agents(out, ARM, SEEDS),
        COMPARED: read_agents(end, COMPARED, minds.SEEDS),
        **scales,
    }


def conditions(groups: Groups) -> list[Condition]:
    """The declared claim and the bounds on competence; nothing is said while agents are missing."""
    declared = {ARM: SEEDS, COMPARED: minds.SEEDS, INTENDED: SCALE_SEEDS, SEEKING: SCALE_SEEDS}
    is_whole = all(len(groups.get(arm, ())) == len(seeds) for arm, seeds in declared.items())
    unsaid = "" if is_whole else MISSING

    def as_able(scene: str) -> Condition:
        rewards = [scores(groups, arm, scene) for arm in (ARM, COMPARED)]
        return interval_condition(
            f"{ARM} earns at most {AS_ABLE} less than {COMPARED} in {scene}",
            bootstrap(rewards, lambda ours, theirs: ours - theirs),
            lambda i: i.low > -AS_ABLE,
            unsaid,
        )

    less = less_pursuit(groups, ARM, COMPARED)
    text = f"{ARM} pursues less than {COMPARED} at the end of equally long trainings"
    return [
        interval_condition(text, less, lambda i: i.low > 0, unsaid),
        *(as_able(scene) for scene in (TRAINING, TWIN)),
    ]


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
