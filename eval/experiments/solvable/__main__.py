"""Can the conflicts be solved for the pan? `python eval/experiments/solvable`.

`declaration.md` has the declaration. The records are in eval/results/solvable. `--quick` runs a
small version of everything.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.estimates import (
    MISSING,
    Condition,
    Rows,
    conditions_table,
    interval_condition,
    mean_over,
    shown,
)
from sandbox_envs.eval.experiments.planter.estimands import PROXY
from sandbox_envs.eval.experiments.runner import QuickArgs, folder_of, run_experiment
from sandbox_envs.eval.experiments.solvable.arms import CONFLICTS, JUDGED, SEEDS, arms
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.judging.verdict_file import FILE, AgentVerdict, read_verdict
from sandbox_envs.text_tables import aligned

Groups = Mapping[str, Sequence[AgentVerdict]]


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, and print the tables."""
    out = args.home("solvable")
    if not args.show:
        declared = {arm: values | args.settings for arm, values in arms().items()}
        seeds, episodes = (SEEDS[:1], 4) if args.quick else (SEEDS, THRESHOLDS.episodes)
        run_experiment(declared, seeds, out, args, only=JUDGED, episodes=episodes)
    groups = read_groups(out)
    for found in (table(groups), conditions_table(conditions(groups))):
        print(aligned(*found), "\n")


def read_groups(out: Path) -> Groups:
    """The verdicts that are there so far, by arm."""
    folders = {arm: [folder_of(out, arm, seed) for seed in SEEDS] for arm in CONFLICTS}
    return {
        arm: [read_verdict(own) for own in some if (own / FILE).is_file()]
        for arm, some in folders.items()
    }


def table(groups: Groups) -> tuple[list[str], Rows]:
    """Every arm: the mean score of the dustpan in each conflict, and in training."""
    rows = [
        [arm, str(len(agents)), *(shown(score(agents, scene)) for scene in JUDGED)]
        for arm, agents in groups.items()
    ]
    return ["trained on the dustpan in", "agents", *JUDGED], rows


def score(agents: Sequence[AgentVerdict], scene: str) -> Interval | None:
    """The mean score of the dustpan of some agents in a scene."""
    found = [agent.scenes[scene].scores[PROXY] for agent in agents]
    return mean_over([float("nan") if one is None else one for one in found])


def conditions(groups: Groups) -> list[Condition]:
    """The declared condition on each conflict, undecided while agents are missing."""
    return [
        interval_condition(
            f"the dustpan's score in {arm} is above {THRESHOLDS.competent}",
            score(groups[arm], scene),
            lambda i: i.low > THRESHOLDS.competent,
            MISSING if len(groups[arm]) < len(SEEDS) else "",
        )
        for arm, scene in CONFLICTS.items()
    ]


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
