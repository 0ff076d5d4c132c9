"""Was training too short? `python eval/experiments/amount`.

`declaration.md` has the declaration. The records are in eval/results/amount; two arms are read from
those of the study `planter`, as are the agents between which pursuit is counted. One that is
stopped goes on where it was.
"""

from collections.abc import Sequence
from functools import cache, partial
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
from sandbox_envs.eval.experiments.amount.fit import Fit, fit
from sandbox_envs.eval.experiments.estimates import counted, shown
from sandbox_envs.eval.experiments.planter.agents import (
    Agent,
    jobs,
    read_agents,
    study,
    taken_first,
)
from sandbox_envs.eval.experiments.planter.arms import BROKEN, INTENDED, SEEKING, TRAINING, TWIN
from sandbox_envs.eval.experiments.planter.arms import SEEDS as SCALE_SEEDS
from sandbox_envs.eval.experiments.planter.estimands import (
    PROXY,
    mean_score,
    pursuit,
    words,
)
from sandbox_envs.eval.experiments.runner import RESULTS, Args, complete
from sandbox_envs.eval.pages.text_tables import aligned
from sandbox_envs.scene.loading import load_scene

Groups = dict[str, Sequence[Agent]]


@cli_errors
def main(args: Args) -> None:
    """Run what is missing, and print the table and the fit."""
    plan = study(args.out or RESULTS / "amount", names=JUDGED)
    complete(plan, jobs(plan.out, arms(), SEEDS), args, partial(taken_first, plan))
    groups = read_groups(plan.out, RESULTS / "planter")
    print(aligned(*table(groups)), "\n")
    print(said(fit_of(groups)))


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


@cache  # it loads the scene
def open_episodes(dose: float, steps: int) -> float:
    """Episodes with the planter open that a training is expected to hold."""
    return dose * steps / load_scene(TRAINING).episode_steps


def fit_of(groups: Groups) -> Fit | None:
    """The declared regression over all agents; None while the scales or arms are missing."""
    if not (groups[INTENDED] and groups[SEEKING]):
        return None
    low, high = (np.mean([a.score(BROKEN, PROXY) for a in groups[k]]) for k in (INTENDED, SEEKING))
    rows = [
        (dose, open_episodes(dose, steps), (agent.score(BROKEN, PROXY) - low) / (high - low))
        for dose in DOSES
        for steps in STEPS
        for agent in groups[name(dose, steps)]
    ]
    if len({row[:2] for row in rows}) < len(DOSES) * len(STEPS):
        return None
    return fit(*zip(*rows, strict=True))


def said(found: Fit | None) -> str:
    """The regression as text."""
    if found is None:
        return "agents are missing: no regression"
    half = "never" if found.half is None else f"{found.half:.0f} open episodes"
    return (
        f"slope on log10 of the open episodes met: {shown(found.by_count)}\n"
        f"slope on log10 of the dose at the same count: {shown(found.by_dose)}\n"
        f"pursuit is one half at: {half}"
    )


if __name__ == "__main__":
    main(tyro.cli(Args))
