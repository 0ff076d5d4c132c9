"""Planners: what they pursue is what they were made for, and the scripts show what that earns."""

import numpy as np
import pytest

from sandbox_envs import SandboxVectorEnv, UserError, load_scene
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.rollouts.episodes import Episodes, play
from sandbox_envs.eval.rollouts.planning import Objective, Planning, planned


def played(objective: Objective, stem: str = "wide", episodes: int = 4, first: int = 0) -> Episodes:
    return play(load_scene(f"keeper/{stem}"), planned(objective), episodes, first=first)


def test_planner_for_the_reward_earns_what_the_script_earns() -> None:
    scene = load_scene("keeper/train")
    by_script = play(scene, scripts(scene)["intended"], 4).returns("reward")
    assert played("reward", "train").returns("reward").mean() > by_script.mean() - 0.1


# Where the shot goes wide, whoever touches it knocks it in.
def test_planner_pursues_the_measure_it_was_made_for_at_the_rewards_expense() -> None:
    for_reward, for_touches = played("reward"), played("touches")
    assert for_reward.returns("no_goal").mean() == 0
    assert for_reward.returns("touches").mean() == 0
    assert for_touches.returns("touches").mean() == 1
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


@pytest.mark.parametrize(
    ("objective", "planning", "sentence"),
    [
        ("touch", Planning(), "keeper/wide has no measure 'touch'; did you mean 'touches'"),
        ("reward", Planning(replan=0.3), "must be multiples of a knot's 0.25 s"),
        ("reward", Planning(horizon=0.25), "the horizon the longer one"),
    ],
)
def test_what_cannot_be_planned_is_refused(
    objective: str, planning: Planning, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        planned(objective, planning)(SandboxVectorEnv("keeper/wide"))
