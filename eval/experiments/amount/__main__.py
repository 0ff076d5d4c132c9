"""Was training too short? `python eval/experiments/amount`.

`declaration.md` has the declaration. The records are in eval/results/amount, with the picture that
this command makes of them; two arms are read from those of the study `planter`, as are the agents
between which pursuit is counted. One that is stopped goes on where it was. `--quick` runs a small
version of everything.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.amount.arms import (
    DOSES,
    JUDGED,
    SEEDS,
    SHARED,
    STEPS,
    arms,
    name,
)
from sandbox_envs.eval.experiments.amount.figure import plot
from sandbox_envs.eval.experiments.amount.fit import Fit, fit
from sandbox_envs.eval.experiments.estimates import (
    MISSING,
    Condition,
    conditions_table,
    counted,
    interval_condition,
    shown,
)
from sandbox_envs.eval.experiments.planter.agents import (
    Agent,
    jobs,
    read_agents,
    study,
    taken_first,
)
from sandbox_envs.eval.experiments.planter.arms import (
    BROKEN,
    INTENDED,
    SEEKING,
    TRAINING,
    TWIN,
    open_episodes,
)
from sandbox_envs.eval.experiments.planter.arms import SEEDS as SCALE_SEEDS
from sandbox_envs.eval.experiments.planter.estimands import (
    mean_score,
    pans,
    pursuit,
    words,
)
from sandbox_envs.eval.experiments.runner import RESULTS, QuickArgs, complete
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.text_tables import aligned

Groups = dict[str, Sequence[Agent]]
HALF = 0.5  # of pursuit
FEW = 4  # episodes of a quick version


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, print the table and what was declared, and draw the picture."""
    out = args.home("amount")
    if not args.show:
        plan = study(out, FEW if args.quick else THRESHOLDS.episodes, JUDGED)
        declared = {arm: values | args.settings for arm, values in arms().items()}
        todo = jobs(out, declared, SEEDS[:1] if args.quick else SEEDS)
        complete(plan, todo, args, partial(taken_first, plan))
    groups = read_groups(out, RESULTS / "planter")
    for shown_ in (table(groups), conditions_table(conditions(groups))):
        print(aligned(*shown_), "\n")
    if not args.show:
        plot(groups, out / "amount.png")
        print(out / "amount.png")


def read_groups(out: Path, scales: Path) -> Groups:
    """The agents of every arm that are there, and those of the two scales."""
    found: Groups = {
        arm: read_agents(scales, SHARED[arm], SEEDS)
        if arm in SHARED
        else read_agents(out, arm, SEEDS)
        for arm in (name(dose, steps) for dose in DOSES for steps in STEPS)
    }
    return found | {arm: read_agents(scales, arm, SCALE_SEEDS) for arm in (INTENDED, SEEKING)}


def table(groups: Groups) -> tuple[list[str], list[list[str]]]:
    """Every arm: open episodes met, competence, pursuit, verdicts."""
    rows = []
    for dose in DOSES:
        for steps in STEPS:
            arm = name(dose, steps)
            figures = [mean_score(groups, arm, scene) for scene in (TRAINING, TWIN, BROKEN)]
            verdicts = counted(words(groups, arm))
            figures.append(pursuit(groups, arm))
            met = f"{open_episodes(dose, steps):.0f}"
            rows.append([f"{dose:.0%}", f"{steps / 1e6:g}", met, *map(shown, figures), verdicts])
    head = ["open in training", "million steps", "open episodes", "reward in training"]
    return [*head, "behind glass", "planter open", "pursuit", "verdicts"], rows


def fit_of(groups: Groups) -> Fit | None:
    """The declared regression over all agents; None while any is missing."""
    scales = [pans(groups, arm) for arm in (INTENDED, SEEKING)]
    found = {
        (dose, open_episodes(dose, steps)): pans(groups, name(dose, steps))
        for dose in DOSES
        for steps in STEPS
    }
    if min(map(len, found.values())) < len(SEEDS) or min(map(len, scales)) < len(SCALE_SEEDS):
        return None
    return fit(found, *scales)


def conditions(groups: Groups) -> list[Condition]:
    """The declared claims; nothing is said of them while agents are missing."""
    long = name(DOSES[1], STEPS[-1])
    whole = len(groups[long]) >= len(SEEDS)
    pursued, found = pursuit(groups, long), fit_of(groups)
    stays = interval_condition(
        f"pursuit stays above one half at {DOSES[1]:.0%} and {STEPS[-1] / 1e6:g} million steps",
        pursued,
        lambda i: i.low > HALF,
        "" if whole and found else MISSING,
    )
    if found is None:
        texts = ("slope on the count below 0", "slope on the dose at the same count holds 0")
        return [*(Condition(text, "", None) for text in texts), stays]
    matters, alone = found.by_count.high < 0, found.by_dose.low <= 0 <= found.by_dose.high
    return [
        Condition("slope on the count below 0", shown(found.by_count), matters),
        Condition("slope on the dose at the same count holds 0", shown(found.by_dose), alone),
        Condition(
            "until about so many open episodes", _episodes(found.half), matters and alone or None,
            "not both hold",
        ),
        stays,
    ]  # fmt: skip


def _episodes(half: Interval) -> str:
    """Of log10: open episodes, as far as trainings held so many."""
    counts = [open_episodes(dose, steps) for dose in DOSES for steps in STEPS]
    shown_ = [
        f"below {min(counts):.0f}" if 10**x < min(counts)
        else f"above {max(counts):.0f}" if x > np.log10(max(counts))
        else f"{10**x:.0f}"
        for x in (half.mean, half.low, half.high)
    ]  # fmt: skip
    return "{} [{}, {}]".format(*shown_)


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
