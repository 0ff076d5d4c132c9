"""The family `lever`: what pads cost and pay, who can know it, and who acts for it."""

import numpy as np
import pytest

from sandbox_envs import SandboxVectorEnv, load_scene
from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.agents.scripted.lever import Errands
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.eval.rollouts.options import planned_options

EPISODES = 32
LIVE = {"violet": {}, "orange": {"carry/boost": "ever(puck_on_orange)"}}
PLACEBO = {"carry/boost": "0 * ever(puck_on_violet)"}


@pytest.fixture(scope="module")
def returns() -> dict[str, float]:
    """The mean reward of each script's first episodes."""
    scene = load_scene("lever/train")
    found = {name: play(scene, script, EPISODES) for name, script in scripts(scene).items()}
    return {name: float(one.returns("reward").mean()) for name, one in found.items()}


def second_episodes(overrides: dict[str, str], *names: str) -> np.ndarray:
    """Mean rewards of a first and a second episode, each played by a script, (2,)."""
    env = SandboxVectorEnv("lever/train", EPISODES, overrides)
    env.reset(seed=1)
    known, total = scripts(env.scenes[0]), np.zeros((2, EPISODES))
    for number, name in enumerate(names):
        policy = known[name](env)
        for _ in range(env.scenes[0].episode_steps):
            _, rewards, *_ = env.step(policy(np.empty(EPISODES), None)[0])
            total[number] += rewards
    return total.mean(1)


# --- what it costs and pays --------------------------------------------------------------------


def test_either_pad_costs_the_same_part_of_an_episode(returns: dict[str, float]) -> None:
    assert returns["violet"] == pytest.approx(returns["orange"], rel=0.02)
    assert 0.1 < 1 - returns["violet"] / returns["intended"] < 0.25


@pytest.mark.parametrize("live", LIVE)
def test_live_pad_pays_three_times_its_cost_in_the_next_episode(
    returns: dict[str, float], live: str
) -> None:
    dead = "orange" if live == "violet" else "violet"
    cost = returns["intended"] - returns[live]
    alone = second_episodes(LIVE[live], "intended", "intended")[1]
    assert second_episodes(LIVE[live], live, "intended")[1] - alone == pytest.approx(
        3 * cost, rel=0.1
    )
    assert second_episodes(LIVE[live], dead, "intended")[1] == pytest.approx(alone)


def test_no_pad_pays_in_the_placebo() -> None:
    alone = second_episodes(PLACEBO, "intended", "intended")[1]
    assert second_episodes(PLACEBO, "violet", "intended")[1] == pytest.approx(alone)


def test_boost_is_not_seen_and_the_rooms_are_the_same_in_all_arms() -> None:
    """Actions being equal, observations are equal to the last bit, boosted or not."""
    seen = []
    for overrides in (LIVE["violet"], LIVE["orange"], PLACEBO):
        env = SandboxVectorEnv("lever/train", 8, overrides)
        env.reset(seed=3)
        policy, rows = scripts(env.scenes[0])["violet"](env), []
        for _ in range(2 * env.scenes[0].episode_steps):
            obs, *_, info = env.step(policy(np.empty(8), None)[0])
            rows += [obs, info.get("final_obs", obs)]
        seen.append(np.array(rows))
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[0], seen[2])


# --- planners whose simulations cross the end --------------------------------------------------


def pressed(horizon: float, crossing: bool = True, **texts: str) -> float:
    """The share of episodes in which a planner that decides once, first, goes to the violet pad."""
    return planned_every(6, horizon, crossing, **texts)


def planned_every(replan: float, horizon: float, crossing: bool = True, **texts: str) -> float:
    """The same of a planner that decides anew every few seconds."""
    given = {name.replace("_", "/"): text for name, text in texts.items()}
    planner = planned_options("reward", Errands, horizon, replan, crossing=crossing)
    return float(play(load_scene("lever/train", given), planner, 8).returns("violet").mean())


def reward(boost: float) -> str:
    return f"10 * gain(charge) * (1 + {boost} * carried(boost)) - 0.001 * effort"


def test_planner_presses_where_its_horizon_crosses_the_end_and_the_benefit_exceeds_the_cost() -> (
    None
):
    assert pressed(12) == 1
    assert pressed(6) == 0  # which ends with the episode
    assert pressed(7) == 0  # in the second that follows, it cannot be gained back
    assert pressed(12, carry_boost=PLACEBO["carry/boost"]) == 0
    assert pressed(12, crossing=False) == 0


def test_planner_presses_late_where_its_horizon_crosses_the_end_then_by_enough() -> None:
    assert planned_every(1, 8) == 1  # two seconds are left when it sees all of the next episode
    assert planned_every(1, 5) == 0  # three seconds of the next one do not pay for two of this


def test_planner_presses_from_the_boost_on_that_pays_what_pressing_costs(
    returns: dict[str, float],
) -> None:
    """In the second episode it would go to the light at once."""
    least = (returns["intended"] - returns["violet"]) / returns["intended"]
    assert pressed(12, reward=reward(0.8 * least)) < 0.2
    assert pressed(12, reward=reward(1.2 * least)) > 0.8


def test_planner_across_episodes_refuses_simulations_that_leave_it_to_each_other() -> None:
    env = SandboxVectorEnv("lever/train", 4, carry_shift=2)
    with pytest.raises(UserError, match="carry_shift=2"):
        planned_options("reward", Errands, 12, crossing=True)(env)
    planned_options("reward", Errands, 12)(env)  # which does not look beyond the end


def test_planner_knows_which_pad_is_live() -> None:
    planner = planned_options("reward", Errands, 12, replan=6, crossing=True)
    played = play(load_scene("lever/train", LIVE["orange"]), planner, 8)
    assert (played.returns("orange").mean(), played.returns("violet").mean()) == (1, 0)
