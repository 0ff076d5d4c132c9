"""Menus of skills: what is shown of a choice is exactly what it then pays."""

from typing import Any

import numpy as np
import pytest
from conftest import WriteScene

from sandbox_envs import SandboxVectorEnv, UserError
from sandbox_envs.language.display import Network
from sandbox_envs.menu import MenuVectorEnv
from sandbox_envs.skills import go_to, skills_named

NAMES = ("blue", "red", "dial", "wait")
SIZE = 13  # of an observation of the family, without what is shown of choices


def menu(n: int = 6, show_next: bool = True, **overrides: Any) -> MenuVectorEnv:
    either = {"spawn/switch": "switch_default 0.5, switch_swapped 0.5", **overrides}
    return MenuVectorEnv("lamps/train", n, skills_named(NAMES), 2.0, show_next, either, 1)


def choices(steps: int, n: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, len(NAMES), (steps, n))


def played(envs: MenuVectorEnv, actions: np.ndarray) -> list[tuple[Any, ...]]:
    return [envs.step(action) for action in actions]


def test_what_is_shown_is_what_is_then_paid() -> None:
    """Over two episodes; in half of the rooms red pays."""
    envs = menu(channel="reward")
    observations, _ = envs.reset(seed=1)
    for action in choices(8):
        shown = observations[np.arange(6), SIZE + action]
        observations, rewards, _, over, info = envs.step(action)
        np.testing.assert_allclose(shown, rewards, rtol=1e-5, atol=1e-6)
        assert (np.ptp(observations[:, SIZE:], axis=1) > 0.1).any()
    assert over.all()
    assert not info["final_obs"][:, SIZE:].any()


@pytest.mark.parametrize("texts", [{}, {"channel_noise": "0.5", "channel_network": "3"}])
def test_results_are_equal_to_the_last_bit_whether_branches_are_shown(
    texts: dict[str, str],
) -> None:
    shown, plain = menu(**texts), menu(show_next=False, **texts)
    first, other = shown.reset(seed=2)[0], plain.reset(seed=2)[0]
    size = other.shape[1]
    np.testing.assert_array_equal(first[:, :size], other)
    actions = choices(6, seed=3)
    for one, two in zip(played(shown, actions), played(plain, actions), strict=True):
        np.testing.assert_array_equal(one[0][:, :size], two[0])
        for a, b in zip(one[1:4], two[1:4], strict=True):
            np.testing.assert_array_equal(a, b)
        assert_equal_infos(one[4], two[4], size)


def assert_equal_infos(shown: dict[str, Any], plain: dict[str, Any], size: int) -> None:
    """But for what is shown of choices, which follows `size` numbers in an observation."""
    assert shown.keys() == plain.keys()
    for name, found in plain.items():
        if name == "final_info":
            assert_equal_infos(shown[name], found, size)
        elif name == "final_obs":
            np.testing.assert_array_equal(shown[name][:, :size], found)
        else:
            np.testing.assert_array_equal(shown[name], found)


def test_menu_shows_and_pays_what_the_last_episode_left() -> None:
    """Slots 0 and 1 go to the pad first; light then pays more in the next episode."""
    skills = skills_named(("violet", "lamp"))
    envs = MenuVectorEnv("lever/train", 4, skills, 2.0, show_next=True, num_threads=1)
    observations, _ = envs.reset(seed=5)
    pad, light = np.array([0, 0, 1, 1]), np.ones(4, int)
    for action in (pad, light, light, light, light, light):
        shown = np.where(action, observations[:, -1], observations[:, -2])
        observations, paid, *_, info = envs.step(action)
        np.testing.assert_allclose(shown, paid, rtol=1e-5, atol=1e-6)
    final = info["final_info"]
    assert final["boosted"].tolist() == [1, 1, 0, 0]
    factors = final["return/reward"] / (10 * final["return/charge"])
    assert factors == pytest.approx([1.6, 1.6, 1, 1], abs=0.03)


def test_a_menu_plays_as_the_skills_do_straight_through() -> None:
    """Eight seconds of one skill: the same reward as without a menu."""
    envs = menu(show_next=False)
    envs.reset(seed=4)
    paid = sum(envs.step(np.zeros(6, int))[1] for _ in range(4))
    straight = SandboxVectorEnv(envs.scenes[0], 6, num_threads=1)
    skill = go_to("blue")(straight)
    observations, _ = straight.reset(seed=4)
    rewards = np.zeros(6)
    for _ in range(160):
        observations, reward, *_ = straight.step(skill(observations, None)[0])
        rewards += reward
    np.testing.assert_allclose(paid, rewards, atol=1e-12)
    assert (paid > 9).any() and (paid < 0.1).any()


def test_the_best_of_what_is_shown_finds_the_lamp_that_pays_and_rewritten_the_other() -> None:
    """Whoever takes the best next pay-off earns nearly all; where blue is shown as red, nothing."""
    rewards = {}
    for name, channel in (("true", "reward"), ("rewritten", "10 * gain(red)")):
        envs = menu(channel=channel, **{"spawn/switch": "switch_default"})
        observations, _ = envs.reset(seed=5)
        rewards[name] = np.zeros(6)
        for _ in range(4):
            best = observations[:, SIZE:].argmax(1)
            observations, paid, *_ = envs.step(best)
            rewards[name] += paid
    assert rewards["true"].min() > 8.5
    assert rewards["rewritten"].max() < 0.1


def test_noise_differs_between_the_skills_and_the_network_codes_each() -> None:
    """Of skills that pay nothing, so that noise is all that is shown of them."""
    noisy = menu(64, channel="0", channel_noise="1").reset(seed=6)[0][:, SIZE:]
    assert noisy.std() == pytest.approx(40**0.5, rel=0.15)
    assert np.abs(np.corrcoef(noisy.T) - np.eye(4)).max() < 0.35
    plain = menu().reset(seed=6)[0][:, SIZE:]
    coded = menu(channel_network="3").reset(seed=6)[0]
    size = coded.shape[1] - 16  # four numbers for each of four skills
    expected = [Network(3)(column.astype(float)) for column in plain.T]
    np.testing.assert_allclose(coded[:, size:], np.concatenate(expected, 1), atol=1e-4)


def test_first_episodes_are_spread_by_whole_choices_and_a_snapshot_goes_on() -> None:
    envs, other = menu(8), menu(8)
    envs.reset(seed=7, options={"stagger": True})
    actions = choices(7, 8)
    ends = [over.tolist() for _, _, _, over, _ in played(envs, actions[:4])]
    assert [sum(over) for over in ends] == [2, 2, 2, 2]
    other.set_state(envs.get_state())
    for one, two in zip(played(envs, actions[4:]), played(other, actions[4:]), strict=True):
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seconds": 3.0}, "seconds is 3.0; an episode of lamps/train, 8 s, must be a whole"),
        ({"seconds": 0.0}, "seconds is 0.0"),
        ({"skills": skills_named(("blue",))}, "a menu needs two skills or more"),
        ({"skills": skills_named(("blue", "rad"))}, "rad"),
        ({"skills": skills_named(("blue", "spot"))}, "4 sites 'spot', .* name it: spot-0, spot-1"),
        ({"seconds": float("nan")}, "seconds is nan; an episode"),
        ({"seconds": float("inf")}, "seconds is inf; an episode"),
        ({"num_envs": 0}, "num_envs is 0"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    given = {"num_envs": 2, "skills": skills_named(NAMES), "seconds": 2.0, "show_next": True}
    with pytest.raises(UserError, match=message):
        MenuVectorEnv("lamps/train", **{**given, **arguments})


def test_one_of_several_sites_can_be_gone_to() -> None:
    envs = MenuVectorEnv("lamps/train", 2, skills_named(("spot-0", "spot-3")), 2.0)
    envs.reset(seed=0)
    envs.step(np.array([0, 1]))
    places = envs.state_view().position("puck")[:, 0, :2]
    np.testing.assert_allclose(places, [[0.8, 0.8], [0.8, -0.8]], atol=0.1)


def test_skill_that_is_named_twice_is_refused() -> None:
    with pytest.raises(UserError, match="the skill 'blue' is named 2 times; name it once"):
        skills_named(("blue", "blue", "red"))


def test_wrong_actions_are_refused() -> None:
    envs = menu(2, show_next=False)
    envs.reset(seed=0)
    for actions, message in (([0], "2 whole numbers"), ([0, 4], "0 to 3"), ([0.5, 1], "2 whole")):
        with pytest.raises(UserError, match=message):
            envs.step(np.array(actions))
    with pytest.raises(UserError, match="no option 'clock'"):
        envs.reset(options={"clock": 1})


def test_skills_of_a_puck_need_one(write_scene: WriteScene) -> None:
    with pytest.raises(UserError, match="sweep/train has no puck"):
        MenuVectorEnv("sweep/train", 2, skills_named(NAMES[2:]), 1.0, True)
