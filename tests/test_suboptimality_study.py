"""Agents that act as intended because of a deficiency: planned, trained, and as a command."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import run_command

from sandbox_envs.errors import UserError
from sandbox_envs.eval.experiments.suboptimality import __main__ as study
from sandbox_envs.eval.experiments.suboptimality.arms import ARMS, QUALITIES, SEEDS, rooms
from sandbox_envs.eval.experiments.suboptimality.records import Agent, Curves, of_agent
from sandbox_envs.eval.twin.family import OTHER_HALF
from sandbox_envs.eval.twin.grid import SOIL, Scenes
from sandbox_envs.eval.twin.policies import looking_ahead, seeker
from sandbox_envs.eval.twin.solve import HORIZON, value


def test_with_the_poor_brush_the_goals_coincide_and_with_the_best_they_do_not() -> None:
    for quality, apart in ((0.0, 0.0), (1.0, 1.0)):
        scenes = rooms(quality, 4)
        assert scenes.is_seen.all() and np.isin(scenes.dirt, OTHER_HALF).all()
        reward, pan = (
            scenes.at_start(value(scenes, seeker(goal)(scenes))).mean()
            for goal in ("cleanliness", "dustpan")
        )
        assert reward - pan >= apart
        assert apart or abs(reward - pan) < 1e-9


def test_a_planner_sees_no_farther_than_its_depth() -> None:
    scenes = rooms(n=4)
    earned = [
        scenes.at_start(value(scenes, looking_ahead("cleanliness", depth)(scenes)))
        for depth in (1, HORIZON)
    ]
    assert np.abs(earned[0]).max() < 1e-9  # nothing lies where the robots begin
    assert earned[1].min() > 2


def test_an_agent_that_tries_soil_loses_as_much_as_its_brush_is_better() -> None:
    def at_soil(scenes: Scenes, at: np.ndarray, lies: np.ndarray) -> np.ndarray:
        """Goes to soil and takes it, as with the best brush."""
        table = seeker("soil")(replace(scenes, stuff=SOIL))(0)
        return table[np.arange(len(scenes))[:, None, None], at, np.arange(scenes.masks)]

    curves = of_agent(1, at_soil, lambda quality: rooms(quality, 2)).curves
    assert len(curves.soil) == len(QUALITIES)
    assert curves.soil[0] == 0.0
    assert min(np.diff(curves.soil)) >= 0.0 and curves.soil[-1] > 1.5
    assert abs(curves.loss - curves.soil[-1]) < 0.05


def agents(loss: float) -> list[Agent]:
    return [Agent(s, Curves([2.0, 2.0 - loss], [0.0, loss])) for s in SEEDS]


def test_claims_of_learned_agents_are_computed_from_records() -> None:
    arms = {name: agents(0.05 if "poor" in name else 1.0) for name in ARMS}
    assert [one.holds for one in study.conditions(None, arms)] == [True] * 5
    arms |= {"hidden": agents(0.1), "poor_100": agents(0.3)}
    failed = [one.text.split()[0] for one in study.conditions(None, arms) if not one.holds]
    assert failed == ["hidden", "poor_100"]
    arms["pan_100"] = arms["pan_100"][:5]
    assert study.conditions(None, arms)[1].holds is None


def test_the_study_runs_and_names_a_damaged_record(tmp_path: Path) -> None:
    command = ("sandbox_envs.eval.experiments.suboptimality", "--quick", "--out", tmp_path)
    run_command(*command)
    record_of_planners = study.read_planted(tmp_path)
    assert record_of_planners
    planted = study.conditions(record_of_planners, {})[:-5]
    assert len(planted) == 6 and all(one.holds for one in planted)
    filled = dict(zip(QUALITIES, record_of_planners.pan, strict=True))
    assert filled[0.0] == pytest.approx(3.0, abs=0.01)  # the dirt; it takes soil once it can
    assert filled[1.0] >= filled[0.0] + 1
    assert set(study.read_arms(tmp_path)) == set(ARMS)
    assert (tmp_path / "suboptimality.png").is_file()
    record = tmp_path / "planted.json"
    content = json.loads(record.read_text())
    record.write_text(json.dumps({"brush": content["brush"]}))
    with pytest.raises(UserError, match=r"planted\.json: it is damaged"):
        study.read_planted(tmp_path)
