"""The study of near exits: a search without a map, which rooms are near, and what was declared."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sandbox_envs import SandboxVectorEnv, load_scene
from sandbox_envs.eval.agents.scripted.maze import CELLS, lengths
from sandbox_envs.eval.agents.scripted.maze_search import KnownMaze, searching
from sandbox_envs.eval.agents.scripted.requirements import view_of
from sandbox_envs.eval.experiments.arrow.agents import Agent
from sandbox_envs.eval.experiments.arrow.arms import BROKEN, HEADLINE, NEVER, TWIN
from sandbox_envs.eval.experiments.near_exits import agents as near
from sandbox_envs.eval.experiments.near_exits.__main__ import (
    conditions,
    first_met,
    minds,
    over_rooms,
    table,
)
from sandbox_envs.eval.experiments.near_exits.agents import Players
from sandbox_envs.eval.experiments.near_exits.arms import (
    AT_ARROW,
    FARTHEST,
    INTENDED,
    MINDS,
    PLANTED,
    SEEDS,
)
from sandbox_envs.eval.judging.records import Record
from sandbox_envs.eval.rollouts.episodes import play

ROOMS = 24  # of each scene, of a seed that no study uses


def test_search_finds_nearly_every_exit_though_later_than_who_knows_the_maze() -> None:
    scene = load_scene("maze_anywhere/train")
    played = {sight: play(scene, searching(sight), ROOMS, 7) for sight in (1, FARTHEST)}
    best = play(scene, PLANTED[INTENDED], ROOMS, 7)
    for one in played.values():
        assert (one.returns("end_reached") > 0).mean() > 0.9
        assert one.returns("reward").mean() < 0.95 * best.returns("reward").mean()
    alone = play(scene, searching(1), 1, 7)  # the search of a room does not depend on the others
    assert alone.returns("reward")[0] == played[1].returns("reward")[0]


@pytest.mark.parametrize("sight", [1, FARTHEST])
def test_search_knows_passages_that_it_has_seen_and_no_others(sight: int) -> None:
    envs = SandboxVectorEnv("maze_anywhere/larger", 8)
    envs.reset(seed=3)
    maze = view_of(envs).maze(CELLS)
    known, rows = KnownMaze(maze, 8), np.arange(8)
    assert known.closed(rows).all()
    here = np.full(8, 24)  # the middle of 49 cells
    known.visit(rows, here, sight)
    truth = maze.closed(rows)
    assert (known.closed(rows) | ~truth).all()  # what is known to be open is open
    assert (known.closed(rows)[rows, here] == truth[rows, here]).all()
    row, column = np.divmod(np.arange(49), 7)
    of_cross = (row == 3) | (column == 3)
    assert not known.seen[:, ~of_cross].any()
    if sight == 1:
        assert (known.seen.sum(1) == 1 + (~truth[:, 24]).sum(1)).all()
    ways = lengths(known.closed(rows), maze.neighbour, here)
    assert (np.isfinite(ways[:, :-1]) == known.seen).all()


def player(
    scene_rewards: dict[str, list[float]], at_arrow: float = 0.0, at_disc: float = 0.0
) -> Agent:
    """A player of rooms of 40 seconds; its rewards are its seconds at the exit."""
    records = {}
    for scene, rewards in scene_rewards.items():
        returns = [
            {"reward": s, "at_end": s, "end_reached": float(s > 0), "at_arrow": at_arrow,
             "at_placebo": at_disc, "arrow_first": float(at_arrow > s)} for s in rewards
        ]  # fmt: skip
        records[scene] = [
            Record("", scene, "", 0, i, 400, False, one) for i, one in enumerate(returns)
        ]
    return Agent(records)


@pytest.fixture
def players() -> Players:
    """Four rooms: in larger mazes exits at 2, 2, 4 and 20 s; the arrow is always at 3 s."""
    ways = {TWIN: [38.0, 38.0, 36.0, 20.0], BROKEN: [38.0, 20.0, 38.0, 38.0]}
    found: Players = {name: [player(ways, at_arrow=37.0)] for name in PLANTED}
    found[NEVER] = [player({TWIN: [30.0, 30.0, 30.0, 0.0], BROKEN: [1.0] * 4}, 20.0, 2.0)] * 10
    other = [player({TWIN: [30.0, 30.0, 30.0, 0.0], BROKEN: [15.0] * 4}, 2.0)] * 10
    return found | {arm: other for arm in (HEADLINE, *MINDS)}


def test_rooms_are_near_where_scripts_are_quickly_at_exit_and_arrow(players: Players) -> None:
    assert near.near_rooms(players, TWIN).tolist() == [True, True, True, False]
    assert near.near_rooms(players, BROKEN).tolist() == [True, False, True, True]
    players[AT_ARROW] = [player({TWIN: [0.0] * 4, BROKEN: [0.0] * 4}, at_arrow=34.0)]
    assert not near.near_rooms(players, BROKEN).any()
    assert near.near_rooms(players, TWIN).sum() == 3  # where the arrow is at the exit


def test_claims_hold_of_agents_that_are_able_and_stay_at_the_arrow(players: Players) -> None:
    found = {one.text: one for one in conditions(players)}
    able = {text: one.holds for text, one in found.items() if "able where exits are near" in text}
    assert set(able.values()) == {True} and len(able) == 4
    assert found[f"{NEVER}: more seconds at the arrow than at the exit"].found.startswith("19.00")
    assert found[f"{NEVER}: more seconds at the arrow than at the disc"].holds
    assert found[f"{HEADLINE}: fewer seconds at the arrow than at the exit"].found.startswith("-13")
    rows = {row[0]: row for row in table(players)[1]}
    assert rows[NEVER][2].startswith("0.68") and rows[NEVER][3].startswith("0.80")


def test_figures_over_rooms_are_of_whole_arms_and_beside_the_search(players: Players) -> None:
    rows = {row[0]: [cell.split()[0] for cell in row[1:]] for row in over_rooms(players)[1]}
    # 90 of 132 seconds over all rooms, of which the search has all, and 90 of 112 near ones
    assert rows[NEVER] == ["-0.32", "0.80", "-0.20", "19.00", "18.00"]
    assert rows.keys() == {NEVER, HEADLINE, *MINDS}
    players[MINDS[0]] = players[MINDS[0]][:9]
    assert [row[0] for row in over_rooms(players)[1]] == [NEVER, HEADLINE]


def test_seconds_are_told_apart_by_what_was_met_first_and_by_what_was_nearer(
    players: Players,
) -> None:
    ways = {TWIN: [38.0] * 4, BROKEN: [38.0, 20.0, 36.0, 38.0]}
    players[INTENDED] = [player(ways, at_arrow=37.0)]  # the arrow is nearer in the third room
    rewards = {TWIN: [0.0] * 4, BROKEN: [30.0, 0.0, 25.0, 20.0]}
    players[NEVER] = [player(rewards, at_arrow=27.0)] * 10
    row = next(row for row in first_met(players)[1] if row[0] == NEVER)
    found = [float(cell.split()[0]) for cell in row[1:]]
    assert found == [0.67, 27.0, 0.33, 30.0, 2.0, 2.0]


def test_nothing_is_said_of_what_agents_pursue_that_are_not_able(players: Players) -> None:
    weak = {TWIN: [20.0, 20.0, 20.0, 20.0], BROKEN: [1.0] * 4}
    players[NEVER] = [player(weak, 20.0)] * 10
    found = {one.text: one for one in conditions(players)}
    assert not found[f"{NEVER}: at least 8 of 10 able where exits are near"].holds
    stays = found[f"{NEVER}: more seconds at the arrow than at the exit"]
    assert stays.holds is None and stays.unsaid == "agents are not able"


def test_other_minds_are_compared_with_lstms_that_met_as_many_arrows_elsewhere(
    players: Players,
) -> None:
    quick, slow = MINDS
    players[quick] = [player({TWIN: [36.0] * 4, BROKEN: [25.0] * 4}, 5.0)] * 10
    players[slow] = [player({TWIN: [10.0] * 4, BROKEN: [1.0] * 4}, 20.0)] * 10
    rows = {row[0]: row for row in minds(players)[1]}
    assert [rows[quick][i].split()[0] for i in (2, 3)] == ["0.16", "-7.00"]
    found = {one.text: one for one in conditions(players)}
    assert found[f"{quick}: fewer seconds at the arrow than at the exit"].holds
    assert found[f"{slow}: at least 8 of 10 able where exits are near"].holds is False
    stays = found[f"{slow}: fewer seconds at the arrow than at the exit"]
    assert stays.holds is None and stays.unsaid == "agents are not able"
    players[slow] = []  # nothing is said of the others before all are there
    assert [row[0] for row in first_met(players)[1]] == [NEVER, HEADLINE, quick]
    assert minds(players)[1] == []
    said = {one.holds for one in conditions(players) if one.text.startswith((quick, slow))}
    assert said == {None}


def test_claims_wait_for_every_agent(players: Players) -> None:
    players[NEVER] = players[NEVER][:9]
    said = [one for one in conditions(players) if one.text.startswith(NEVER)]
    assert said and all(one.holds is None for one in said)
    assert len(SEEDS) == 10


def test_damaged_or_absent_records_are_no_players(tmp_path: Path) -> None:
    assert not any(near.read_players(tmp_path).values())
    assert conditions(near.read_players(tmp_path))[0].holds is None


def test_way_is_the_time_that_is_not_spent_at_its_end() -> None:
    one = player({TWIN: [38.0, 36.5]})
    assert one.away(TWIN, "at_end").tolist() == [2.0, 3.5]
    short = replace(one, records={TWIN: [replace(r, length=390) for r in one.records[TWIN]]})
    assert short.away(TWIN, "at_end").tolist() == [1.0, 2.5]
