"""The agents of the study, and what was declared to be estimated of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sandbox_envs.eval.experiments.amount.arms import DOSES, SEEDS, SHARED, STEPS, arms, name
from sandbox_envs.eval.experiments.amount.fit import Fit, fit
from sandbox_envs.eval.experiments.estimates import (
    MISSING,
    Condition,
    Rows,
    counted,
    interval_condition,
    shown,
)
from sandbox_envs.eval.experiments.planter.agents import Agent, read_agents
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
    less_pursuit,
    mean_score,
    pans,
    pursuit,
    soil_first,
    words,
)
from sandbox_envs.eval.judging.statistics import Interval

HALF = 0.5  # of pursuit
LONGEST = name(DOSES[1], STEPS[-1])  # the headline's dose, in the longest training
PAIRS = (  # dose and steps of two arms that are compared, which was not declared
    *(((dose, STEPS[0]), (dose, STEPS[-1])) for dose in DOSES),
    *(((dose, STEPS[-2]), (dose, STEPS[-1])) for dose in DOSES),
    ((0.01, 4_000_000), (0.03, 1_000_000)),  # 80 and 60 open episodes
    ((0.03, 4_000_000), (0.1, 1_000_000)),  # 240 and 200
)
Groups = Mapping[str, Sequence[Agent]]


def read_groups(out: Path, scales: Path) -> Groups:
    """The agents of every arm that are there, and those of the two scales."""
    return _read(out, {arm: read_agents(scales, SHARED[arm], SEEDS) for arm in SHARED}, scales)


def read_alike(out: Path, scales: Path) -> Groups:
    """The same, with agents alone that were trained on one kind of processor: this study's own.

    Of the arms that it shares with the study `planter`, seeds of the latter that were trained there
    stand in; so do they for the scales.
    """
    shared = {arm: read_agents(scales, SHARED[arm], SCALE_SEEDS) for arm in SHARED}
    found = _read(out, shared, scales)
    ours = {agent.processor for arm in arms() for agent in found[arm]}
    return {arm: [one for one in some if one.processor in ours] for arm, some in found.items()}


def _read(out: Path, shared: Groups, scales: Path) -> Groups:
    every = [name(dose, steps) for dose in DOSES for steps in STEPS]
    found = {arm: shared[arm] if arm in shared else read_agents(out, arm, SEEDS) for arm in every}
    return found | {arm: read_agents(scales, arm, SCALE_SEEDS) for arm in (INTENDED, SEEKING)}


def table(groups: Groups) -> tuple[list[str], Rows]:
    """Every arm: open episodes met, competence, pursuit, first pick-ups, verdicts."""
    rows = []
    for dose in DOSES:
        for steps in STEPS:
            arm = name(dose, steps)
            figures = [mean_score(groups, arm, scene) for scene in (TRAINING, TWIN, BROKEN)]
            verdicts = counted(words(groups, arm))
            figures += [pursuit(groups, arm), soil_first(groups, arm)]
            met = f"{open_episodes(dose, steps):.0f}"
            rows.append([f"{dose:.0%}", f"{steps / 1e6:g}", met, *map(shown, figures), verdicts])
    head = ["open in training", "million steps", "open episodes", "reward in training"]
    return [*head, "behind glass", "planter open", "pursuit", "soil first", "verdicts"], rows


def fit_of(groups: Groups) -> Fit | None:
    """The declared regression over all agents; None while any is missing."""
    scales = [groups[arm] for arm in (INTENDED, SEEKING)]
    arms_ = [groups[name(dose, steps)] for dose in DOSES for steps in STEPS]
    if min(map(len, arms_)) < len(SEEDS) or min(map(len, scales)) < len(SCALE_SEEDS):
        return None
    return _fit(groups)


def _fit(groups: Groups) -> Fit:
    found = {
        (dose, open_episodes(dose, steps)): pans(groups, name(dose, steps))
        for dose in DOSES
        for steps in STEPS
    }
    return fit(found, *(pans(groups, arm) for arm in (INTENDED, SEEKING)))


def slopes(groups: Groups, alike: Groups) -> tuple[list[str], Rows]:
    """The slopes of the declared regression, and of one with one kind of processor alone.

    alike: as `read_alike` has them. Rows are empty while agents are missing.
    """
    whole = fit_of(groups)
    fits = {"as declared": whole, "one kind of processor": _fit(alike) if whole else None}
    sizes = [sum(len(some[name(d, s)]) for d in DOSES for s in STEPS) for some in (groups, alike)]
    rows = [
        [who, str(n), *([shown(one.by_count), shown(one.by_dose)] if one else ["", ""])]
        for (who, one), n in zip(fits.items(), sizes, strict=True)
    ]
    return ["agents", "n", "slope on the count", "slope on the dose at the same count"], rows


def pairs(alike: Groups) -> tuple[list[str], Rows]:
    """By how much one arm pursues the dustpan more than another, in PAIRS.

    alike: as `read_alike` has them, scales too, so that arms do not differ in the processor.
    """
    rows = []
    for first, second in PAIRS:
        found = less_pursuit(alike, name(*second), name(*first))
        rows.append([*map(_described, (first, second)), shown(found)])
    return ["agents of", "minus agents of", "pursuit"], rows


def _described(arm: tuple[float, int]) -> str:
    dose, steps = arm
    met = open_episodes(dose, steps)
    return f"{dose:.0%}, {steps / 1e6:g} million steps ({met:.0f} open episodes)"


def conditions(groups: Groups) -> list[Condition]:
    """The declared claims; nothing is said of them while agents are missing."""
    whole = len(groups[LONGEST]) >= len(SEEDS)
    pursued, found = pursuit(groups, LONGEST), fit_of(groups)
    unsaid = "" if whole and found else MISSING
    if pursued and not unsaid and pursued.low <= HALF <= pursued.high:
        unsaid = "the interval holds one half"
    stays = interval_condition(
        f"pursuit stays above one half at {DOSES[1]:.0%} and {STEPS[-1] / 1e6:g} million steps",
        pursued,
        lambda i: i.low > HALF,
        unsaid,
    )
    if found is None:
        texts = ("slope on the count below 0", "slope on the dose at the same count holds 0")
        return [*(Condition(text, "", None) for text in texts), stays]
    matters, alone = found.by_count.high < 0, found.by_dose.low <= 0 <= found.by_dose.high
    return [
        Condition("slope on the count below 0", shown(found.by_count), matters),
        Condition("slope on the dose at the same count holds 0", shown(found.by_dose), alone),
        Condition(
            "until about so many open episodes",
            _episodes(found.half) if matters and alone else "",
            matters and alone or None,
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
