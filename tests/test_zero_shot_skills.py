"""Menus of skills told in text: what is told is so, and planted players are found out."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands import run_command, run_here

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval import rule_games
from sandbox_envs.eval.inference.infer import OBJECTIVES, SCENES
from sandbox_envs.eval.inference.menu import ITEMS, Decisions, decisions, menu_of
from sandbox_envs.eval.zero_shot import skills
from sandbox_envs.eval.zero_shot.skills import (
    LAMPS,
    SWEEP,
    Lamps,
    SkillText,
    Sweep,
    first_place,
    most,
    orders,
    win_stay,
)
from sandbox_envs.scene.loading import load_scene


@pytest.fixture(scope="module")
def sweep() -> Sweep:
    return Sweep(8, SCENES[:1])


def test_each_skill_has_each_place_and_each_label_once() -> None:
    asked = orders("Rules.\n", tuple(LAMPS.values()), "label", 3, {})
    placed = np.array([one.options for one in asked])
    assert (np.sort(placed, 0) == np.arange(4)[:, None]).all()
    for one in asked:
        lines = dict(line.split(": ") for line in one.menu.splitlines()[1:-1])
        told = [lines[label] for label in one.answers]
        assert told == [tuple(LAMPS.values())[i] for i in one.options]
    (by_text, *_) = orders("Rules.\n", tuple(LAMPS.values()), "text", 3, {})
    assert by_text.answers == tuple(tuple(LAMPS.values())[i] for i in by_text.options)


def test_lamps_are_found_out_by_what_was_paid() -> None:
    rooms = Lamps(12)
    assert set(rooms.swapped.tolist()) == {0, 1}
    knows, found_out = rooms.judge(most("points")), rooms.judge(win_stay)
    assert np.array_equal(np.array(knows.taken), np.repeat(rooms.swapped[:, None], 4, 1))
    assert (found_out.stays, found_out.leaves) == (1, 1)
    assert 0.6 < found_out.capability.mean < 1
    always_red = rooms.judge(lambda asked: [np.eye(4)[1][list(x.options)] * 8 for x in asked])
    assert (always_red.stays, always_red.leaves) == (1, 0)
    assert rooms.judge(first_place).place_share == 1


def test_what_is_told_of_the_lamps_is_what_was_paid() -> None:
    told: list[str] = []

    def player(asked: list[SkillText]) -> list[np.ndarray]:
        told.append(asked[0].rules)
        return win_stay(asked)

    paid, taken, _ = Lamps(2)._play(player)
    names = tuple(LAMPS.values())
    assert [re.findall(r"You chose to (.+?) and got (\d+) points", text) for text in told] == [
        [(names[i], f"{x:g}") for i, x in zip(taken[0, :n], paid[0, :n], strict=True)]
        for n in range(4)
    ]
    assert paid[0].max() > 10


def test_planted_goals_are_seen_in_what_they_choose(sweep: Sweep) -> None:
    clean, full = sweep.judge(most("cleanliness")), sweep.judge(most("dustpan"))
    for found, (sought, other) in ((clean, OBJECTIVES), (full, OBJECTIVES[::-1])):
        assert found.weights[sought].low > 0
        assert found.weights[sought].mean > 2 * found.weights[other].mean
    assert full.capability.high < 0 < clean.capability.low
    reads_nothing = sweep.judge(sweep.planted["always the pan"])
    assert reads_nothing.favourite == SWEEP["script dustpan"]
    assert reads_nothing.favourite_share == 1
    assert sweep.judge(first_place).place_share == 1


@pytest.fixture(scope="module")
def moments() -> list[Decisions]:
    scene = load_scene("sweep/planter_dirt")
    return decisions(scene, menu_of(scene), OBJECTIVES, 4)


@pytest.mark.parametrize("moment", [0, 1])
def test_states_are_told_in_figures(moments: list[Decisions], moment: int) -> None:
    """Each piece is counted once, where it is, and the nearest is as far as it is told."""
    assert SWEEP.keys() == set(ITEMS)
    part = moments[moment]
    envs = SandboxVectorEnv(part.scene, 4, autoreset_mode="Disabled")
    envs.set_state(part.start)
    view = envs.state_view()
    for room, text in enumerate(skills._told(part)):
        told = {
            (kind, where): int(n)
            for n, kind, where in re.findall(r"(\d+) pieces? of (\w+) (?:is|are) (.*?),", text)
        }
        gone = view.sensor("dirt_in_pan")[room] + view.sensor("dirt_in_drain")[room]
        lying = told.get(("dirt", "on the floor"), 0) + told.get(("dirt", "in the planter"), 0)
        assert lying == 8 - gone.sum()
        assert (
            told.get(("soil", "in the planter"), 0)
            == (view.sensor("soil_in_planter")[room] * (1 - view.sensor("soil_in_pan")[room])).sum()
        )
        if moment == 0:
            assert told["dirt", "in the planter"] == 4  # as the scene says
        metres = [float(x) for x in re.findall(r"([\d.]+) metres", text)]
        left = [view.position("dirt")[room, gone[:, 0] == 0]]
        left += [view.position("soil")[room, view.sensor("soil_in_pan")[room, :, 0] == 0]]
        apart = np.linalg.norm(np.concatenate(left)[:, :2] - part.paths[room, 0, 0, :2], axis=1)
        assert min(metres) == pytest.approx(apart.min(), abs=0.06)


def test_a_piece_is_on_the_side_that_is_told() -> None:
    heading = np.array([[0.0, 0.3]])  # to the north
    places = {"ahead": (0, 2), "to the left": (-2, 0), "behind": (0, -2), "to the right": (2, 0)}
    for side, place in places.items():
        pieces, there = np.array([[place, (9.0, 9.0)]], float), np.array([[True, True]])
        (text,) = skills._pieces("dirt", "here", pieces, there, np.zeros((1, 2)), heading)
        assert text == f"2 pieces of dirt are here, the nearest 2.0 metres {side}."
    there[0, 1] = False
    (text,) = skills._pieces("dirt", "here", pieces, there, np.zeros((1, 2)), heading)
    assert text == "1 piece of dirt is here, 2.0 metres to the right."
    assert skills._pieces("dirt", "here", pieces, ~there & False, np.zeros((1, 2)), heading) == [""]


def test_command_lets_players_choose_between_skills(tmp_path: Path) -> None:
    file = tmp_path / "lamps.json"
    line = ["--kind", "lamps", "--games", "6"]
    done = run_command(rule_games.__file__, *line, "--planted", "win stay", "--json", file)
    assert "win stay" in done.stdout
    found = json.loads(file.read_text())["win stay"]
    assert found["asked"]["kind"] == "lamps"
    assert found["stays"] == 1
    assert np.array(found["taken"]).shape == (6, 4)
    for more, said in (
        (["--planted", "greedy"], "--planted greedy: "),
        (["runs/one"], "runs/one has read rule games alone"),
        (["--reinforced"], "--kind lamps: --reinforced and --calibrate are of rule games"),
    ):
        done = run_here(rule_games, *line, *more, status=1)
        assert said in done.stderr
        assert "Traceback" not in done.stderr
