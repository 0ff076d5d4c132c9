"""The study of the amount of training: its arms, and the regression on what is known."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from imageio.v3 import imread
from scipy.special import expit

from sandbox_envs.eval.experiments.amount import __main__ as command
from sandbox_envs.eval.experiments.amount import estimands as amount
from sandbox_envs.eval.experiments.amount.arms import DOSES, SEEDS, SHARED, STEPS, arms, name
from sandbox_envs.eval.experiments.amount.figure import plot
from sandbox_envs.eval.experiments.amount.fit import fit
from sandbox_envs.eval.experiments.planter import arms as planter
from sandbox_envs.eval.experiments.runner import RESULTS, QuickArgs
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


PAIRS = [(dose, amount.open_episodes(dose, steps)) for dose in DOSES for steps in STEPS]


@pytest.mark.parametrize(("by_count", "by_dose"), [(-2.0, 0.0), (0.0, -2.0), (-1.5, -1.5)])
def test_regression_finds_what_pursuit_depends_on(by_count: float, by_dose: float) -> None:
    rng = np.random.default_rng(0)
    pans = {
        (dose, count): 0.3
        + 0.6 * expit(by_count * (np.log10(count) - 2) + by_dose * (np.log10(dose) + 1.5))
        + 0.03 * rng.normal(size=10)
        for dose, count in PAIRS
    }
    found = fit(pans, np.full(20, 0.3), np.full(20, 0.9))
    for interval, truth in ((found.by_count, by_count), (found.by_dose, by_dose)):
        assert interval.mean == pytest.approx(truth, abs=0.3)
        assert (interval.high < 0) == (truth < 0)
    if by_dose == 0:
        assert 10**found.half.mean == pytest.approx(100, rel=0.2)
        assert found.half.low < found.half.mean < found.half.high


def test_scales_that_are_not_known_well_widen_the_intervals_and_shares_beyond_1_have_a_fit() -> (
    None
):
    pans = {pair: np.full(10, 0.8 - 0.1 * np.log10(pair[1])) for pair in PAIRS}
    exact = fit(pans, np.full(20, 0.3), np.full(20, 0.9)).by_count
    spread = fit(pans, np.linspace(0.2, 0.4, 20), np.linspace(0.7, 1.1, 20)).by_count
    assert exact.high == pytest.approx(exact.low)
    assert spread.high - spread.low > 0.01
    beyond = fit(dict.fromkeys(PAIRS, np.full(10, 0.95)), np.full(20, 0.3), np.full(20, 0.9))
    assert np.isfinite(beyond.by_count.mean)


def test_without_all_agents_nothing_is_said(tmp_path: Path) -> None:
    groups = amount.read_groups(tmp_path / "a", tmp_path / "b")
    assert len(amount.table(groups)[1]) == 12
    assert {one.holds for one in amount.conditions(groups)} == {None}
    one_short = of_pursuit(lambda count: 0.9 - 0.2 * np.log10(count))
    one_short[name(DOSES[0], STEPS[0])].pop()
    assert {one.holds for one in amount.conditions(one_short)} == {None}


def of_pursuit(pan: Any) -> dict[str, list[Any]]:
    """Agents of every arm with the dustpan's score by open episodes, and those of the scales."""

    def agent(score: float) -> Any:
        verdict = SimpleNamespace(scenes={planter.BROKEN: SimpleNamespace(verdict="harm")})
        first = SimpleNamespace(soil_share=0.25)
        return SimpleNamespace(
            verdict=verdict, first=first, score=lambda *_: score, processor="one"
        )

    groups = {
        name(dose, steps): [
            agent(pan(amount.open_episodes(dose, steps)) + shift)
            for shift in np.linspace(-0.06, 0.06, 10)
        ]
        for dose in DOSES
        for steps in STEPS
    }
    return groups | {planter.INTENDED: [agent(0.3)] * 20, planter.SEEKING: [agent(0.9)] * 20}


def test_declared_claims_hold_or_fail_by_pursuit() -> None:
    falls = amount.conditions(
        of_pursuit(lambda count: 0.3 + 0.6 * expit(2 * (1.7 - np.log10(count))))
    )
    assert [one.holds for one in falls] == [True, True, True, False]
    assert falls[2].found.startswith("50 [4")
    stays = amount.conditions(of_pursuit(lambda count: 0.85))
    assert [one.holds for one in stays] == [False, True, None, True]
    assert (stays[2].found, stays[2].unsaid) == ("", "not both hold")


def test_claim_of_long_training_is_open_where_the_interval_holds_one_half() -> None:
    groups = of_pursuit(lambda count: 0.85)
    groups[amount.LONGEST] = of_pursuit(lambda count: 0.6)[amount.LONGEST]
    stays = amount.conditions(groups)[-1]
    assert stays.holds is None and stays.unsaid == "the interval holds one half"


def test_agents_of_one_kind_of_processor_have_a_regression_of_their_own() -> None:
    groups = of_pursuit(lambda count: 0.3 + 0.6 * expit(2 * (1.7 - np.log10(count))))
    alike = {arm: some[:4] for arm, some in groups.items()}
    whole, part = amount.slopes(groups, alike)[1]
    assert whole[:2] == ["as declared", "120"] and part[1] == "48"
    assert whole[2] == amount.conditions(groups)[0].found and part[2].startswith("-")
    groups[amount.LONGEST] = groups[amount.LONGEST][:9]
    assert amount.slopes(groups, alike)[1][1][2:] == ["", ""]


def test_arms_are_compared_over_length_and_at_similar_counts() -> None:
    groups = of_pursuit(lambda count: 0.9 - 0.2 * np.log10(count))
    found = {(a, b): text for a, b, text in amount.pairs(groups)[1]}
    longest, half = (f"1%, {n} million steps ({20 * n} open episodes)" for n in (4, 2))
    longer = "1%, 0.5 million steps (10 open episodes)", longest
    assert float(found[longer].split()[0]) == pytest.approx(0.2 * np.log10(8) / 0.6, abs=0.01)
    assert found[longest, "3%, 1 million steps (60 open episodes)"]
    missing = amount.pairs({**groups, name(DOSES[0], STEPS[-1]): []})[1]
    assert [a for a, b, text in missing if not text] == [longer[0], half, longest]


def test_agents_of_other_processors_are_left_out_of_what_is_alike() -> None:
    """Committed arms: those shared with the planter study were trained on another processor."""
    groups = amount.read_alike(RESULTS / "amount", RESULTS / "planter")
    assert len({agent.processor for some in groups.values() for agent in some}) == 1
    seeds = {agent.verdict.agent.seed for agent in groups["3_500k"]}
    assert seeds and not seeds & set(SEEDS)


def test_picture_has_every_arm_that_is_there(tmp_path: Path) -> None:
    groups = of_pursuit(lambda count: 0.9 - 0.2 * np.log10(count))
    plot({**groups, name(DOSES[0], STEPS[0]): []}, tmp_path / "amount.png")
    assert imread(tmp_path / "amount.png").shape[2] == 4


def test_command_shows_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main(QuickArgs(out=tmp_path / "out", show=True))
    assert "agents are missing" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
