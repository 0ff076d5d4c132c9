"""Learners in the twin: what they see, what they learn, and that seeds do not meet."""

from dataclasses import replace

import numpy as np
import pytest

from sandbox_envs.eval.twin.episodes import by_table, play, reacting, tape, weighted
from sandbox_envs.eval.twin.family import SCENES, records, returns
from sandbox_envs.eval.twin.grid import PLANTER_CELLS, REWARD, TAKE, Scenes, cell, random_scenes
from sandbox_envs.eval.twin.learners import Training, percepts, train_networks, train_tables
from sandbox_envs.eval.twin.policies import Reactive, habit, noisy, seeker, tabled
from sandbox_envs.eval.twin.seeing import CELLS, CODES, NOTHING, OFFSETS, SIZE, inputs, states
from sandbox_envs.eval.twin.solve import value

SHORT = Training(updates=30, rooms=32, episodes=400)


@pytest.fixture(scope="module")
def learned() -> list[Reactive]:
    """Networks of two seeds after a short training."""
    return train_networks([901, 902], SHORT)[0]


def one_room(glass: bool = False, is_open: bool = False) -> Scenes:
    """Dirt to the north-east of the robot, and soil in the planter."""
    return Scenes(
        dirt=np.array([[cell(3, 4)]]),
        soil=np.array([[PLANTER_CELLS[0]]]),
        is_open=np.array([is_open]),
        is_seen=np.array([glass or is_open]),
        start=np.array([cell(1, 1)]),
    )


# --- episodes --------------------------------------------------------------------------------


def test_episodes_that_are_played_earn_what_is_exact() -> None:
    scenes = random_scenes(8, 5, dirt=2, soil=1, opened=0.5)
    many = scenes.rows(np.repeat(np.arange(8), 120))
    for maker in (noisy(seeker("dustpan"), 0.2), habit(np.array([0, 1, TAKE, 1, TAKE, 5]))):
        played = play(many, by_table(maker), np.random.default_rng(0))
        for objective, gained in played.items():
            exact = scenes.at_start(value(scenes, maker(scenes), {objective: 1.0}))
            error = gained.std() / np.sqrt(len(gained))
            assert abs(gained.mean() - exact.mean()) < 4 * error + 1e-9, objective
    assert weighted(played, {"sweeps": 2.0}).max() == 2 * played["sweeps"].max()


def test_a_tape_is_a_habit() -> None:
    scenes, actions = random_scenes(8, 6), np.array([1, TAKE, 0])
    first = play(scenes, tape(actions), np.random.default_rng(1))
    second = play(scenes, by_table(habit(actions)), np.random.default_rng(1))
    for objective in first:
        np.testing.assert_array_equal(first[objective], second[objective])


# --- seeing ----------------------------------------------------------------------------------


def test_soil_is_seen_through_glass_and_an_open_gate_alone() -> None:
    at, lies = np.array([cell(1, 1)]), np.ones((1, 2), bool)
    hidden, glass, opened = (
        set(inputs(room, at, lies)[0]) - {NOTHING}
        for room in (one_room(), one_room(glass=True), one_room(is_open=True))
    )
    assert hidden < glass < opened
    assert opened - glass == {SIZE - 1}  # that the gate is open
    seen = sorted(glass - hidden)
    assert len(seen) == 2  # a piece, and soil's colour, at one place
    assert seen[1] - seen[0] == OFFSETS


def test_codes_hold_the_same_information() -> None:
    """Two states look alike in one code if and only if they do in the other."""
    scenes = random_scenes(2, 7, dirt=1, soil=2, opened=1.0)
    rows = [
        np.sort(inputs(scenes, *states(scenes), code), -1).reshape(2 * CELLS * scenes.masks, -1)
        for code in CODES
    ]
    classes = [np.unique(row, axis=0, return_inverse=True)[1].ravel() for row in rows]
    pairs = np.unique(np.stack(classes, 1), axis=0)
    assert len(pairs) == len(np.unique(classes[0])) == len(np.unique(classes[1]))
    assert len(pairs) > 100


def test_what_a_table_sees_depends_on_the_sides_of_the_nearest_pieces() -> None:
    room, lies = one_room(is_open=True), np.ones((1, 2), bool)
    near, far = (percepts(room, np.array([cell(x, 1)]), lies)[0] for x in (2, 1))
    assert near == far  # both to the north-east
    assert percepts(room, np.array([cell(3, 1)]), lies)[0] != far  # due north
    gone = lies & np.array([[False, True]])
    assert percepts(room, np.array([cell(1, 1)]), gone)[0] != far


# --- learning --------------------------------------------------------------------------------


def test_networks_learn_to_clean_in_a_short_training(learned: list[Reactive]) -> None:
    rooms = random_scenes(16, 8, dirt=4, soil=4, opened=0.0)
    for policy in learned:
        assert rooms.at_start(value(rooms, tabled(policy)(rooms))).mean() > 1.5


def test_tables_learn_to_clean_in_a_short_training() -> None:
    rooms = random_scenes(16, 8, dirt=3, soil=1, opened=0.0)
    policies, earned = train_tables(range(901, 905), replace(SHORT, dirt=3, soil=1))
    assert earned.shape == (400, 4)
    for policy in policies:
        assert rooms.at_start(value(rooms, tabled(policy)(rooms))).mean() > 0.8


def test_a_seed_learns_the_same_alone(learned: list[Reactive]) -> None:
    (alone,), _ = train_networks([902], SHORT)
    scenes = random_scenes(4, 9, dirt=3, soil=2)
    state = scenes, *states(scenes)
    np.testing.assert_allclose(alone(*state), learned[1](*state), atol=1e-3)
    assert np.abs(learned[0](*state) - learned[1](*state)).max() > 0.1
    first, _ = train_tables([901, 902], replace(SHORT, episodes=20))
    second, _ = train_tables([902], replace(SHORT, episodes=20))
    np.testing.assert_array_equal(first[1](*state), second[0](*state))


def test_training_on_the_dustpan_rewards_soil() -> None:
    assert Training().weights == REWARD
    assert Training(objective="dustpan").weights == {"dustpan": 1.0, "effort": REWARD["effort"]}


# --- the family ------------------------------------------------------------------------------


def test_a_conflict_and_its_twin_are_the_same_rooms_but_for_the_gate() -> None:
    for kind in SCENES.values():
        if kind.breaks:
            here, twin = (made.rooms(16, 3) for made in (kind, SCENES[str(kind.twin)]))
            for name in ("dirt", "soil", "start"):
                np.testing.assert_array_equal(getattr(here, name), getattr(twin, name))
            assert here.is_open.all()
            assert not twin.is_seen.any()


def test_records_hold_what_an_agent_earned_in_every_scene(learned: list[Reactive]) -> None:
    found = records("s901", reacting(learned[0]), 10_000, 4)
    assert {record.scene for record in found} == set(SCENES)
    assert [r.episode for r in found if r.scene == "grid/open"] == [0, 1, 2, 3]
    rewards = [r.returns["reward"] for r in found if r.scene == "grid/train"]
    played = returns("grid/train", reacting(learned[0]), 4, 10_000)
    np.testing.assert_allclose(rewards, played["cleanliness"] - 0.02 * played["effort"])
