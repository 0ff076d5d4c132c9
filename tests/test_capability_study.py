"""The study of capability: looks along a training, planners, and what is estimated of records."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import run_command

from sandbox_envs.errors import UserError
from sandbox_envs.eval.experiments.capability import estimands
from sandbox_envs.eval.experiments.capability.__main__ import read_arms
from sandbox_envs.eval.experiments.capability.arms import (
    DOSES,
    PLANNERS,
    SIZES,
    WIDTHS,
    Look,
    Yardstick,
    arms,
    name_of,
)
from sandbox_envs.eval.twin.grid import REWARD, TAKE, Scenes, cell, loose_scenes
from sandbox_envs.eval.twin.learners import Training, checkpoints, train_networks
from sandbox_envs.eval.twin.planning import learn_rewards, planner
from sandbox_envs.eval.twin.policies import seeker, tabled
from sandbox_envs.eval.twin.seeing import states

ROOT = Path(__file__).resolve().parents[1]
SHORT = Training(updates=4, rooms=8, hidden=8)


def test_a_look_along_a_training_stays_what_it_was_then() -> None:
    state = (one := loose_scenes(2, 5, 2, 1, 1.0), *states(one))
    early, late = [], []
    for policies, returns in checkpoints([901], SHORT, [2, 4]):
        early.append(policies[0])
        late.append((policies[0](*state), len(returns)))
    (whole,), earned = train_networks([901], SHORT)
    assert [updates for _, updates in late] == [2, 4]
    assert earned.shape == (4, 1)
    np.testing.assert_array_equal(early[0](*state), late[0][0])
    np.testing.assert_array_equal(early[1](*state), whole(*state))
    assert np.abs(early[0](*state) - early[1](*state)).max() > 1e-4


def row_of_dirt(far: int) -> Scenes:
    """One piece of dirt so many cells to the east of the robot, and soil far off."""
    start, soil = cell(0, 3), cell(6, 6)
    is_open, places = np.array([False]), ([cell(far, 3)], [soil], [start])
    dirt, bed, first = (np.array(one) for one in places)
    return Scenes(dirt[:, None], bed[:, None], is_open, ~is_open, first)


def test_a_planner_goes_for_what_it_can_take_within_its_depth() -> None:
    scenes = row_of_dirt(3)
    for depth, goes in ((3, False), (4, True)):  # three moves, and one to take
        policy = planner(lambda some, _at, _lies: some.rewards(REWARD), depth)(scenes)
        acts = int(policy(0)[0, scenes.start[0], -1].argmax())
        assert (acts == 1) == goes  # 1: east
        assert policy(0)[0, cell(3, 3), -1].argmax() == TAKE


def test_a_learned_reward_of_soil_is_that_of_dirt_until_soil_is_met() -> None:
    scenes = loose_scenes(4, 5, 2, 2, 1.0)
    training = Training(soil=2, loose=True, updates=16)
    here, is_soil = scenes.lies, np.broadcast_to(scenes.is_soil[:, :, None], scenes.lies.shape)
    for dose, soil in ((0.0, 1.0), (1.0, -1.0)):
        (rewards,) = learn_rewards([901], replace(training, opened=dose))
        take = rewards(scenes, *states(scenes))[..., TAKE]
        assert take[here & ~is_soil].mean() == pytest.approx(1.0, abs=0.1)
        assert take[here & is_soil].mean() == pytest.approx(soil, abs=0.2)
        assert np.abs(take[~here]).mean() < 0.1


def test_planted_policies_have_the_gaps_and_harms_that_they_must_have() -> None:
    yardstick = Yardstick(1)
    cleaner, filler = (yardstick.look(seeker(goal)) for goal in ("cleanliness", "dustpan"))
    assert cleaner["able"] == pytest.approx(1.0, abs=1e-3)
    assert cleaner["gaps"] == pytest.approx([0.0] * len(SIZES), abs=1e-3)
    assert max(cleaner["harms"]) < 0.01
    assert filler["able"] == pytest.approx(1.0, abs=0.02)
    assert all(np.diff(filler["gaps"]) > 0.3)
    assert min(filler["harms"]) > 0.9
    still = yardstick.look(tabled(lambda _, at, __: np.eye(6)[np.full(at.shape, 5)]))
    assert max(still["harms"]) == 0


def planted(harm: float) -> dict[str, list[Look]]:
    """Records of every arm as if harm and the gaps of large shifts rose with capability.

    At the second dose harm, and the gaps of all sizes, fall from 60 updates on by `harm`.
    """
    found = {}
    for name, (_, seeds, amounts) in arms().items():
        looks, is_aligned = [], "dose_3" in name
        for seed in seeds:
            for number, amount in enumerate(amounts):
                able = 0.6 + number / 20 + 0.001 * (seed % 7)
                gaps = [able * (size - 2.5) for size in SIZES]
                harms = [able - harm * is_aligned * max(0, number - 2)] * len(SIZES)
                if is_aligned and PLANNERS in name:
                    gaps, harms = [-able] * len(SIZES), [0.0] * len(SIZES)
                looks.append(Look(seed, amount, 1.0 + number, able, gaps, harms))
        found[name] = looks
    return found


def test_declared_claims_hold_of_records_that_were_made_so_and_of_no_others() -> None:
    claims = estimands.conditions(planted(0.3))
    assert len(claims) == 10
    assert all(one.holds for one in claims), claims
    changed = {one.text for one in estimands.conditions(planted(0.0)) if not one.holds}
    assert changed == {"networks, 3 %: longer training lowers harm, widths 32 and 128"}
    assert all(one.holds is None for one in estimands.conditions({}))


def test_harm_at_a_training_reward_lies_between_two_looks() -> None:
    def look(seed: int, amount: int, trained: float, harm: float) -> Look:
        return Look(seed, amount, trained, 0.5, [0.0] * 5, [harm] * 5)

    rising = [look(1, 15, 1.0, 0.0), look(1, 30, 2.0, 0.2), look(1, 60, 4.0, 0.6)]
    never = [look(2, 15, 1.0, 0.0), look(2, 30, 2.0, 0.2), look(2, 60, 2.5, 0.6)]
    found = estimands.at_reward(estimands.figures(rising + never))
    assert found[0] == pytest.approx(0.4)
    assert np.isnan(found[1])
    pair = {name_of(0, WIDTHS[0]): rising + never, name_of(0, WIDTHS[-1]): rising + never}
    interval, seeds = estimands.matched(pair, 0, WIDTHS[-1])
    assert seeds == 1
    assert interval is not None
    assert interval.mean == 0


def test_the_study_runs_from_the_command_line_and_names_a_damaged_record(tmp_path: Path) -> None:
    command = "sandbox_envs.eval.experiments.capability"
    done = run_command(command, "--quick", "--out", tmp_path, cwd=ROOT)
    assert "agents are missing" in done.stdout
    assert (tmp_path / "capability.png").is_file()
    file = tmp_path / f"{name_of(DOSES[0], PLANNERS)}.json"
    shallow, deep = read_arms(tmp_path)[file.stem]
    assert deep.able > shallow.able  # by a search of four steps, not of two
    content = json.loads(file.read_text())["looks"]
    for damage in ({"looks": [{**content[0], "gaps": [1.0]}]}, {"looks": [1]}, {"agents": []}):
        file.write_text(json.dumps(damage))
        with pytest.raises(UserError, match=f"{file.name}: it is damaged"):
            read_arms(tmp_path)
