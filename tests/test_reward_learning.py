"""Labels and their effect: spaces of starts, searches, pseudo-inputs, comparisons of models."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
import torch

from sandbox_envs.errors import UserError
from sandbox_envs.eval.reward_learning import bank as banks
from sandbox_envs.eval.reward_learning.bank import Coverage, kept_bank
from sandbox_envs.eval.reward_learning.choosing import CHOOSERS, disagreement
from sandbox_envs.eval.reward_learning.comparison import compare, starc
from sandbox_envs.eval.reward_learning.learning import (
    Arm,
    Budget,
    explored_steps,
    first_labels,
    how_labelled,
    learned_model,
)
from sandbox_envs.eval.reward_learning.planning import LearnedWorth
from sandbox_envs.eval.reward_learning.pseudo import Ball, pseudo_inputs, realised
from sandbox_envs.eval.reward_learning.rivals import cloned, greedy_on_q
from sandbox_envs.eval.reward_learning.search import STEPS, drawn_plans, played, search
from sandbox_envs.eval.reward_learning.spaces import DEEPEST, SPACES, Starts, draw_starts
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.eval.rollouts.planning import planned
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.sensor_sums import sensor_sums, sum_names
from sandbox_envs.train.reward_ensemble import RewardEnsemble, fit, load_ensemble
from sandbox_envs.train.transitions import Rows, Transitions, effort, rows_of

NAMES = tuple(sum_names(SPACES["A2"].scene))
SOIL, DIRT = NAMES.index("soil_in_pan"), NAMES.index("dirt_in_pan")
COUNT = 32  # starts of each space


@pytest.fixture(scope="module")
def starts() -> dict[str, Starts]:
    return {name: draw_starts(space, COUNT, seed=3) for name, space in SPACES.items()}


@pytest.fixture(scope="module")
def ensemble() -> RewardEnsemble:
    """A model of what random actions come to, in which no soil was ever moved."""
    torch.manual_seed(0)
    model = RewardEnsemble(NAMES, members=3, hidden_size=16)
    part = CHOOSERS["random"](model, draw_starts(SPACES["A2"], COUNT, 4), 64, rng())
    fit(model, rows_of([part]), 100, 32, 5e-3, torch.Generator().manual_seed(0))
    return model.requires_grad_(False)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


class Linear(RewardEnsemble):
    """A reward model with known answers: so much for each of some sums, less for effort."""

    def __init__(self, worth: dict[str, float], names: Sequence[str] = NAMES, cost: float = 0.0):
        super().__init__(names, members=2, hidden_size=2)
        self.worth = np.array([worth.get(name, 0.0) for name in names])
        self.effort_cost = cost

    @property
    def costs(self) -> np.ndarray:
        return np.full(2, self.effort_cost)

    def member_potentials(self, changes: np.ndarray) -> np.ndarray:
        return np.stack([changes @ self.worth] * 2)


# --- spaces of starts ------------------------------------------------------------------------


def places(starts: Starts) -> tuple[np.ndarray, np.ndarray]:
    """Places of the robots (n, 2), and distances (n,) to the planter's middle on the wider axis."""
    view = starts.envs(np.arange(starts.count)).state_view()
    robots = view.xpos[:, view.body_ids("sweeper")[0], :2]
    planters = view.xpos[:, view.body_ids("planter")[0], :2]
    return robots, abs(robots - planters).max(1)


def test_wide_space_has_robots_in_floor_garden_and_planter_and_training_has_not(
    starts: dict[str, Starts],
) -> None:
    robots, from_planter = places(starts["A1"])
    assert (robots[:, 0] > 1.47).mean() == pytest.approx(1 / 3, abs=0.2)
    assert (from_planter < 0.4).mean() == pytest.approx(1 / 3, abs=0.2)
    robots, from_planter = places(starts["A2"])
    assert (robots[:, 0] < 1.4).all()
    assert (from_planter > 0.4).all()


@pytest.mark.parametrize("name", SPACES)
def test_no_start_overlaps_or_moves_and_nothing_that_breaks_the_proxy_is_open(
    starts: dict[str, Starts], name: str
) -> None:
    one = starts[name]
    envs = one.envs(np.arange(one.count))
    sums = dict(zip(NAMES, sensor_sums(envs, NAMES).T, strict=True))
    assert (sums["soil_in_planter"] == 7).all()
    assert not sums["leaf_in_garden"].any()
    for row in range(one.count):
        data = envs.batches[0].get_data(row)
        mujoco.mj_forward(one.scene.model, data)
        assert min((c.dist for c in data.contact), default=0) > -DEEPEST
        assert data.body("planter_gate").xpos[2] > -0.1
    segments = played(one, NAMES, drawn_plans(one, 64, rng()))
    assert (segments.sums[..., NAMES.index("soil_in_planter")] == 7).all()


def test_starts_follow_from_their_seed(starts: dict[str, Starts]) -> None:
    again, other = (draw_starts(SPACES["A1"], COUNT, seed) for seed in (3, 4))
    np.testing.assert_array_equal(places(again)[0], places(starts["A1"])[0])
    assert (places(other)[0] != places(again)[0]).any()


# --- what is chosen --------------------------------------------------------------------------


def test_search_finds_more_than_chance_and_no_start_twice(starts: dict[str, Starts]) -> None:
    def soil(segments: Transitions) -> np.ndarray:
        return segments.sums[-1, :, SOIL] - segments.sums[0, :, SOIL]

    found = search(starts["A1"], NAMES, soil, 8, rng())
    at_random = played(starts["A1"], NAMES, drawn_plans(starts["A1"], 256, rng()))
    assert len(set(found.starts)) == len(found.starts) == 8
    assert soil(played(starts["A1"], NAMES, found)).mean() > soil(at_random).mean() + 0.5


def test_the_adversarys_segments_are_disagreed_on_most_and_move_soil_in_the_wider_space_alone(
    starts: dict[str, Starts], ensemble: RewardEnsemble
) -> None:
    chosen = {
        (space, name): CHOOSERS[name](ensemble, starts[space], 10, rng())
        for space in SPACES
        for name in ("random", "uncertain", "adversarial")
    }
    spread = {key: disagreement(ensemble)(found).mean() for key, found in chosen.items()}
    for space in SPACES:
        assert spread[space, "adversarial"] > spread[space, "uncertain"] > spread[space, "random"]
        assert chosen[space, "adversarial"].rewards.shape == (STEPS, 10)
        assert_true(chosen[space, "adversarial"])
    moved = {
        space: abs(np.diff(chosen[space, "adversarial"].sums[..., SOIL], axis=0)).sum()
        for space in SPACES
    }
    assert moved["A1"] > 0 == moved["A2"]


@pytest.mark.parametrize("name", ["random", "uncertain", "on_policy"])
def test_controls_have_as_many_labels_as_they_are_asked_for(
    starts: dict[str, Starts], ensemble: RewardEnsemble, name: str
) -> None:
    found = CHOOSERS[name](ensemble, starts["A1"], 12, rng())
    assert found.rewards.shape == (STEPS, 12)
    assert np.unique(found.actions, axis=1).shape[1] == 12  # no segment is there twice
    assert_true(found)


def assert_true(found: Transitions) -> None:
    """Labels are the scene's own reward: whole pieces, less effort."""
    gained = found.rewards.sum(0) + 0.0002 * effort(found.actions).sum(0)
    pieces = gained / (20 / 30)
    np.testing.assert_allclose(pieces, pieces.round(), atol=1e-3)


def test_planner_on_a_learned_reward_does_what_it_pays() -> None:
    scene = load_scene("sweep/planter_open", {"episode_seconds": "4"})
    for_dirt, for_soil = (
        play(scene, planned(LearnedWorth(Linear({what: 1.0}))), 2)
        for what in ("dirt_in_pan", "soil_in_pan")
    )
    assert for_dirt.returns("cleanliness").mean() > for_soil.returns("cleanliness").mean() + 0.02
    assert for_soil.returns("dustpan").mean() > 0.02


@pytest.fixture
def short_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches of few candidates."""
    monkeypatch.setattr("sandbox_envs.eval.reward_learning.search.POPULATION", 16)
    monkeypatch.setattr("sandbox_envs.eval.reward_learning.search.GENERATIONS", 3)


# --- pseudo-inputs ---------------------------------------------------------------------------


def test_pseudo_inputs_are_inside_the_ball_and_disagreed_on(
    starts: dict[str, Starts], ensemble: RewardEnsemble
) -> None:
    rows = rows_of([played(starts["A2"], NAMES, drawn_plans(starts["A2"], 64, rng()))])
    ball = Ball.of(rows)
    outside = ball.distance(rows.after, ball.mean) > ball.radius
    assert outside.mean() == pytest.approx(0.01, abs=0.003)
    found = pseudo_inputs(ensemble, ball, rows, 20, rng())
    assert (ball.distance(found, ball.mean) < ball.radius + 1e-3).all()
    at_random = rows.after[rng().integers(len(rows.after), size=200)]
    of_found, of_data = (
        ensemble.member_potentials(one.astype(float)).var(0).mean() for one in (found, at_random)
    )
    assert of_found > 2 * of_data


def test_reachable_changes_are_found_and_others_are_said_to_be_far(
    starts: dict[str, Starts], short_search: None
) -> None:
    segments = played(starts["A2"], NAMES, drawn_plans(starts["A2"], 64, rng()))
    ball = Ball.of(rows_of([segments]))
    still = np.zeros(len(NAMES))
    flown = still + 20 * (np.array(NAMES) == "leaf_in_pan")
    found, rhos = realised(np.stack([still, flown]), ball, NAMES, starts["A2"], 12, rng())
    assert found.rewards.shape == (STEPS, 12)
    assert rhos[0] < 1 < 20 < rhos[1]


# --- comparisons -----------------------------------------------------------------------------


def coverage() -> Coverage:
    """Random moments of two counts, of which the first is paid, and what follows at random."""
    draw = rng()

    def branches(start: np.ndarray) -> Transitions:
        steps = draw.choice([-1.0, 0, 1], size=(STEPS, len(start), 2))
        sums = np.cumsum([start, *steps], axis=0).astype(np.float32)
        actions = draw.uniform(-1, 1, (STEPS, len(start), 1)).astype(np.float32)
        return Transitions(("a", "b"), sums, actions, np.diff(sums[..., 0], axis=0))

    before = draw.choice([0.0, 1, 2], size=(40, 2))
    after = before + draw.choice([-1.0, 0, 1], size=(40, 2))
    pair = (branches(np.repeat(before, 3, 0)), branches(np.repeat(after, 3, 0)))
    changes, rewards = np.stack([before, after]), (after - before)[:, 0]
    return Coverage(changes, np.zeros((40, 1)), rewards, pair, 3)


@pytest.mark.parametrize(
    ("worth", "low", "high"),
    [
        ({"a": 1.0}, 0, 1e-6),
        ({"a": 5.0}, 0, 1e-6),
        ({"a": -1.0}, 1 - 1e-6, 1),
        ({"b": 1.0}, 0.5, 0.9),
    ],
)
def test_distance_is_0_for_the_same_order_1_for_the_opposite_and_between_for_another(
    worth: dict[str, float], low: float, high: float
) -> None:
    found = starc(Linear(worth, ("a", "b")), coverage())
    assert low <= found["distance"] <= high
    assert found["error"] < 0.1


def test_figures_of_a_true_model_and_of_a_wrong_one_on_real_episodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a bank is played once, and then read as it was."""
    scenes = {"open": load_scene("sweep/planter_open", {"episode_seconds": "4"})}
    played = kept_bank(tmp_path, scenes, NAMES, episodes=2, moments=2, branches=2)
    with monkeypatch.context() as patch:
        patch.setattr(banks, "build_bank", None)
        bank = kept_bank(tmp_path, scenes, NAMES, episodes=2, moments=2, branches=2)
        with pytest.raises(TypeError):  # as it would be another bank
            kept_bank(tmp_path, scenes, NAMES, episodes=2, moments=2, branches=3)
    truth = {"dirt_in_pan": 2 / 3, "dirt_in_drain": 2 / 3, "soil_in_pan": -2 / 3}
    true, wrong = (
        compare(Linear(one, cost=0.0002), bank)
        for one in (truth, {**truth, "dirt_in_pan": -2 / 3, "soil_in_pan": 2 / 3})
    )
    assert true["tau"]["open"] > 0.8 > 0.2 > wrong["tau"]["open"]
    assert true["starc"]["distance"] < 0.3 < wrong["starc"]["distance"]
    assert true["calibration"]["open"] is None  # its members never disagree
    assert compare(Linear(truth, cost=0.0002), played) == true
    assert len(bank.policies["open"]) == 15


# --- learning --------------------------------------------------------------------------------

TINY = Budget(episodes=1, rounds=1, segments=2, starts=16, updates=50)


@pytest.mark.parametrize(
    ("arm", "added"),
    [
        (Arm("adversarial", "A1"), 80),
        (Arm("realised", "A2"), 80),
        (Arm("penalised"), 0),
    ],
)
def test_model_of_an_arm_is_learned_once_from_its_labels(
    arm: Arm,
    added: int,
    starts: dict[str, Starts],
    short_search: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = played(starts["A2"], NAMES, drawn_plans(starts["A2"], 50, rng()))
    place = "sandbox_envs.eval.reward_learning.learning.first_labels"
    monkeypatch.setattr(place, lambda *_: few)  # a whole episode of every script takes seconds
    run = learned_model(arm, 5, tmp_path, TINY)
    told = how_labelled(run)
    assert (told["first"], told["added"]) == (2000, added)
    for name in ("realisability", "realisability, training"):
        assert (name in told) == (arm.choice == "realised")
    rounds = told["rounds"]
    assert len(rounds) == (TINY.rounds if arm.choice else 0)
    for one in rounds:
        assert ("spread" in one) == (added > 0)
        if added:
            assert 1 <= one["starts"] <= TINY.segments
            assert 0 <= one["changed soil_in_pan"] <= 1
    assert learned_model(arm, 5, tmp_path, TINY) == run
    with pytest.raises(UserError, match="learned with other arguments; delete the folder"):
        learned_model(arm, 5, tmp_path, replace(TINY, segments=3))
    assert load_ensemble(run).sums == NAMES


def test_first_labels_are_true_and_of_rooms_of_training() -> None:
    part = first_labels(SPACES["A2"].scene, NAMES, 9, 1, observe=True)
    assert part.rewards.shape == (500, 4)
    assert part.observations is not None
    assert part.rewards.sum(0).max() > 1
    assert_true(part)
    assert (part.sums[..., NAMES.index("soil_in_planter")] == 7).all()
    assert isinstance(rows_of([part]), Rows)


def test_explored_steps_have_no_labels_and_half_of_their_actions_are_random_plans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = "sandbox_envs.eval.reward_learning.learning"
    monkeypatch.setattr(f"{place}.EXPLORED", ("still", "also still"))

    def still(envs: Any) -> Any:
        return lambda seen, steps: (np.zeros((len(seen), 3)), (steps or 0) + 1)

    monkeypatch.setattr(f"{place}.scripts", lambda _: {"still": still, "also still": still})
    scene = load_scene("sweep/train", {"episode_seconds": "10"})
    part, again, other = (explored_steps(scene, NAMES, seed, 4) for seed in (1, 1, 2))
    assert part.observations is not None
    assert part.rewards.shape == (200, 8)
    assert not part.rewards.any()
    assert 0.3 < part.actions.any(-1).mean() < 0.7
    np.testing.assert_array_equal(part.actions, again.actions)
    assert (part.actions[:, :4] != part.actions[:, 4:]).any()
    assert (part.actions != other.actions).any()


# --- what else the data can be made into -----------------------------------------------------


def shown(seed: int = 0) -> Transitions:
    """Episodes of players that answer a sign with the same sign, or its opposite; one pays."""
    draw = np.random.default_rng(seed)
    seen = draw.choice([-1.0, 1.0], size=(31, 40, 1)).astype(np.float32)
    side = np.where(np.arange(40) % 2, 1, -1)[:, None]
    actions = (side * seen[:-1] * 0.8).astype(np.float32)
    rewards = (actions * seen[:-1])[..., 0].astype(float)
    return Transitions(("none",), np.zeros((31, 40, 1), np.float32), actions, rewards, seen)


@pytest.mark.parametrize("make", [cloned, greedy_on_q])
def test_policies_made_of_data_do_what_was_paid_in_them(make: Any) -> None:
    actions, _ = make(shown(), seed=0, updates=200)(np.float32([[1.0], [-1.0]]), None)
    assert actions[0] > 0.6
    assert actions[1] < -0.6
