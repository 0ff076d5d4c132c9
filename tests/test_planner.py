"""Planners: what they pursue is what they were made for, and the scripts show what that earns."""

from typing import Any

import numpy as np
import pytest

from sandbox_envs import SandboxVectorEnv, UserError, load_scene
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.agents.scripted.maze import Cells
from sandbox_envs.eval.rollouts.episodes import Episodes, play
from sandbox_envs.eval.rollouts.options import planned_options
from sandbox_envs.eval.rollouts.planning import Objective, Planning, planned
from sandbox_envs.wrappers import ObserveReward


def played(objective: Objective, stem: str = "wide", episodes: int = 4, first: int = 0) -> Episodes:
    return play(load_scene(f"keeper/{stem}"), planned(objective), episodes, first=first)


def test_planner_for_the_reward_earns_what_the_script_earns() -> None:
    scene = load_scene("keeper/on_target")  # in training it saves one shot and may miss the next
    by_script = play(scene, scripts(scene)["intended"], 4).returns("reward")
    assert played("reward", "on_target").returns("reward").mean() > by_script.mean() - 0.1


# Where the first shot goes wide, whoever touches it knocks it in; the second one must be touched.
def test_planner_pursues_the_measure_it_was_made_for_at_the_rewards_expense() -> None:
    for_reward, for_touches = played("reward"), played("touches")
    assert for_reward.returns("no_goal").mean() == 0
    assert for_reward.returns("touches").mean() == 1
    assert for_touches.returns("touches").mean() == 2
    assert for_touches.returns("no_goal").mean() == -1


def test_measure_with_a_negative_weight_is_avoided() -> None:
    assert played({"reward": 0.01, "touches": 1}, "train").returns("touches").mean() > 0.5
    assert played({"reward": 0.01, "touches": -1}, "train").returns("touches").mean() == 0


def test_planned_episode_does_not_depend_on_how_many_are_played() -> None:
    together, alone = played("reward", "spare_puck"), played("reward", "spare_puck", 1, first=2)
    np.testing.assert_array_equal(together.rewards[:, 2], alone.rewards[:, 0])


def test_planning_leaves_the_simulation_where_it_is() -> None:
    envs = SandboxVectorEnv("keeper/train", 2)
    obs, _ = envs.reset(seed=1)
    before = envs.get_state()
    planned("reward")(envs)(obs, None)
    for name, array in envs.get_state().items():
        np.testing.assert_array_equal(array, before[name])


# --- options ----------------------------------------------------------------------------------


def sought(objective: Objective, episodes: int = 2, first: int = 0) -> Episodes:
    scene = load_scene("maze/arrow_moved")
    return play(scene, planned_options(objective, Cells, replan=5), episodes, first=first)


# Where the arrow was moved, whoever goes for it misses the end.
def test_cells_are_chosen_for_what_the_objective_earns_there() -> None:
    scene = load_scene("maze/arrow_moved")
    by_script = {
        name: play(scene, scripts(scene)[name], 2).returns("reward").mean()
        for name in ("intended", "at_arrow")
    }
    for_reward, for_arrow = sought("reward"), sought("at_arrow")
    assert for_reward.returns("reward").mean() > by_script["intended"] - 1.0
    assert for_arrow.returns("reward").mean() < by_script["at_arrow"] + 1.0
    assert for_arrow.returns("at_arrow").mean() > for_reward.returns("at_arrow").mean() + 5.0


def test_chosen_episode_does_not_depend_on_how_many_are_played() -> None:
    np.testing.assert_array_equal(
        sought("reward", 3).rewards[:, 2], sought("reward", 1, 2).rewards[:, 0]
    )


def test_times_that_no_option_can_be_tried_for_are_refused() -> None:
    envs = SandboxVectorEnv("maze/train")
    with pytest.raises(UserError, match="replan is 0; it must not be shorter than a control step"):
        planned_options("reward", Cells, replan=0)(envs)
    with pytest.raises(UserError, match="horizon is nan; it must be a finite number"):
        planned_options("reward", Cells, horizon=NAN)(envs)


# --- what cannot be planned -------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")
WRONG: dict[str, list[Any]] = {
    "samples": [0, -1, 2.5, 5000, "1", True],
    "iterations": [0, -1, 1.5],
    "seed": [-1, 0.5],
    "knot": [0, -1, NAN, "1"],
    "horizon": [NAN, INF, "1", 0, 0.25, 1.6, None],
    "replan": [0.3, 0, -0.25, NAN, 2.0],
    "sd": [-1, INF, NAN],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_number_is_named(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"\b{name} is {value!r}"):
        Planning(**{name: value})


@pytest.mark.parametrize("objective", [{}, [], None, 1, {"reward": NAN}, {"reward": "1"}])
def test_what_is_no_objective_is_refused_at_once(objective: Any) -> None:
    with pytest.raises(UserError, match="objective"):
        planned(objective)
    with pytest.raises(UserError, match="planning is {}; give a Planning"):
        planned("reward", {})  # type: ignore[arg-type]


def wrapped() -> Any:
    return ObserveReward(SandboxVectorEnv("keeper/wide"))


@pytest.mark.parametrize(
    ("make", "objective", "planning", "sentence"),
    [
        (None, "touch", {}, "keeper/wide has no measure 'touch'; did you mean 'touches'"),
        (None, "reward", {"knot": 1e-3, "replan": 1e-3}, "must not be shorter than a control step"),
        (wrapped, "reward", {}, "envs is of type ObserveReward; .* without a wrapper"),
        (
            lambda: SandboxVectorEnv(["keeper/train", "keeper/wide"], 2),
            "reward",
            {},
            "envs is of 2 scenes",
        ),
    ],
)
def test_what_cannot_be_planned_in_is_refused(
    make: Any, objective: str, planning: dict[str, float], sentence: str
) -> None:
    envs = SandboxVectorEnv("keeper/wide") if make is None else make()
    with pytest.raises(UserError, match=sentence):
        planned(objective, Planning(**planning))(envs)  # type: ignore[arg-type]


def test_planner_needs_a_reset_first() -> None:
    envs = SandboxVectorEnv("keeper/wide")
    with pytest.raises(UserError, match=r"envs: call its reset\(\) before"):
        planned("reward")(envs)(np.zeros((1, 260)), None)


def test_multiples_are_taken_as_people_write_them() -> None:
    assert Planning(knot=0.1, replan=0.3, horizon=0.7, samples=np.int64(4)).samples == 4
