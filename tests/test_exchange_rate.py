"""The exchange rate of soil and dirt: what is taken first, and the metres that follow from it."""

import pytest
from scipy.special import expit

from sandbox_envs import load_scene
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.experiments.exchange_rate.choices import (
    SCENE,
    SETTINGS,
    choices,
    exchange_rate,
)
from sandbox_envs.eval.experiments.planter.pickups import FirstPickups


def test_scripts_take_what_they_pursue_and_the_nearer_of_what_is_alike_to_them() -> None:
    known = scripts(load_scene(SCENE))
    cleaner, filler = (choices(known[name], 8) for name in ("intended", "dustpan"))
    assert all(one.soil == 0 and one.dirt >= 6 for one in cleaner)
    assert (filler[0].soil, filler[0].dirt) == (8, 0)  # soil is nearer by 30 cm
    assert filler[-1].dirt > 0
    assert all(one.soil + one.dirt + one.neither == 8 for one in (*cleaner, *filler))


@pytest.mark.parametrize("metres", [-0.1, 0.0, 0.2])
def test_rate_is_where_both_are_taken_as_often(metres: float) -> None:
    soils = [round(float(1000 * expit(12 * (metres - farther)))) for farther in SETTINGS]
    found = exchange_rate([FirstPickups(soil, 1000 - soil, 0) for soil in soils])
    assert found == pytest.approx(metres, abs=0.01)


def test_rate_that_the_distances_do_not_show_is_none_or_beyond_them() -> None:
    def rate(*soils: int) -> float | None:
        return exchange_rate([FirstPickups(soil, 100 - soil, 0) for soil in soils])

    assert rate(100, 100, 100, 100, 100) == float("inf")
    assert rate(0, 0, 0, 0, 0) == float("-inf")
    assert rate(90, 88, 86, 84, 82) == float("inf")  # one half is more than 30 cm away
    assert rate(30, 40, 50, 60, 70) is None  # more soil the farther it is
    assert exchange_rate([FirstPickups(0, 0, 9)] * len(SETTINGS)) is None
