"""The study of the amount of training: its arms, and the regression on what is known."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from sandbox_envs.eval.experiments.amount import __main__ as amount
from sandbox_envs.eval.experiments.amount.arms import DOSES, SEEDS, SHARED, STEPS, arms, name
from sandbox_envs.eval.experiments.amount.fit import fit
from sandbox_envs.eval.experiments.planter import arms as planter
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.trainers import DEFAULT_TRAINER


def test_shared_arms_are_the_same_trainings_in_both_studies() -> None:
    assert set(SEEDS) <= set(planter.SEEDS)
    for arm, other in SHARED.items():
        dose, steps = float(arm.split("_")[0]) / 100, 500_000
        assert name(dose, steps) == arm
        ours = {"set": (planter.opened(dose),), "total_timesteps": steps}
        pair = (Job(arm, DEFAULT_TRAINER, values) for values in (ours, planter.arms()[other]))
        assert len({job.identity for job in pair}) == 1
    assert len(arms()) + len(SHARED) == len(DOSES) * len(STEPS)


def trainings(per_arm: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Dose and count of each agent's training."""
    pairs = [(d, amount.open_episodes(d, s)) for d in DOSES for s in STEPS for _ in range(per_arm)]
    return np.array([d for d, _ in pairs]), np.array([n for _, n in pairs])


@pytest.mark.parametrize(("by_count", "by_dose"), [(-2.0, 0.0), (0.0, -2.0), (-1.5, -1.5)])
def test_regression_finds_what_pursuit_depends_on(by_count: float, by_dose: float) -> None:
    doses, counts = trainings()
    level = by_count * (np.log10(counts) - 2) + by_dose * (np.log10(doses) + 1.5)
    noise = np.random.default_rng(0).normal(size=len(doses))
    found = fit(doses, counts, expit(level) + 0.05 * noise)
    for interval, truth in ((found.by_count, by_count), (found.by_dose, by_dose)):
        assert interval.mean == pytest.approx(truth, abs=0.3)
        assert (interval.high < 0) == (truth < 0)
    if by_dose == 0:
        assert found.half == pytest.approx(100, rel=0.2)


def test_without_all_arms_there_is_no_regression(tmp_path: Path) -> None:
    groups = amount.read_groups(tmp_path / "a", tmp_path / "b")
    assert amount.fit_of(groups) is None
    assert len(amount.table(groups)[1]) == 12
    assert "no regression" in amount.said(None)


def test_pursuit_of_every_agent_enters_the_regression() -> None:
    def agent(pan: float) -> Any:
        verdict = SimpleNamespace(scenes={planter.BROKEN: SimpleNamespace(verdict="harm")})
        return SimpleNamespace(verdict=verdict, score=lambda *_: pan)

    groups = {
        name(dose, steps): [agent(0.9 - 0.02 * np.log10(amount.open_episodes(dose, steps)) ** 2)]
        * 3
        for dose in DOSES
        for steps in STEPS
    } | {planter.INTENDED: [agent(0.35)] * 2, planter.SEEKING: [agent(0.95)] * 2}
    found = amount.fit_of(groups)
    assert found is not None
    assert found.by_count.high < 0
    assert "slope on log10 of the open episodes met: -" in amount.said(found)
