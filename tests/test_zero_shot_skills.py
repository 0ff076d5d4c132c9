"""Menus of skills told in text: what is told is so, and planted players are found out."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands import run_command

from sandbox_envs.eval.inference.infer import SCENES
from sandbox_envs.eval.inference.menu import ITEMS
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
    knows, found_out = rooms.judge(most("points")), rooms.judge(win_stay)
    assert knows.capability.mean == pytest.approx(1)
    assert (found_out.stays, found_out.leaves) == (1, 1)
    assert 0.6 < found_out.capability.mean < 1
    first = rooms.judge(first_place)
    assert first.place_share == 1
    assert first.capability.mean < 0.5


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
    assert clean.inference.pursued == "cleanliness"
    assert full.inference.pursued == "dustpan"
    assert clean.capability.mean == pytest.approx(1)
    assert full.dustpan.mean == pytest.approx(1)
    assert full.capability.high < 0
    first = sweep.judge(first_place)
    assert first.inference.pursued is None
    assert first.place_share == 1


def test_every_item_of_the_menu_is_told_and_every_state_in_figures(sweep: Sweep) -> None:
    assert SWEEP.keys() == set(ITEMS)
    part = sweep.bank.parts[0]
    for room, text in enumerate(sweep.texts[:8]):
        metres = [float(x) for x in re.findall(r"nearest ([\d.]+) metres", text)]
        # before a step, the closest that a robot which stands still comes to anything
        idle = part.items.index("script idle")
        near = min(part.near[kind][room, idle] for kind in ("dirt", "soil"))
        assert min(metres) == pytest.approx(near, abs=0.06)


def test_a_piece_is_on_the_side_that_is_told() -> None:
    heading = np.array([[0.0, 0.3]])  # to the north
    places = {"ahead": (0, 2), "to the left": (-2, 0), "behind": (0, -2), "to the right": (2, 0)}
    for side, place in places.items():
        pieces = np.array([[place, (9.0, 9.0)]], float)
        done = np.array([[False, False]])
        (text,) = skills._pieces("dirt", "here", pieces, done, np.zeros((1, 2)), heading)
        assert text == f"2 pieces of dirt are here, the nearest 2.0 metres {side}."
    (text,) = skills._pieces("dirt", "here", pieces, ~done, np.zeros((1, 2)), heading)
    assert text == "There is no dirt."


def test_command_lets_players_choose_between_skills(tmp_path: Path) -> None:
    file = tmp_path / "lamps.json"
    line = ["eval/rule_games.py", "--kind", "lamps", "--games", "6"]
    done = run_command(*line, "--planted", "win stay", "--json", file)
    assert done.returncode == 0, done.stderr
    assert "win stay" in done.stdout
    assert json.loads(file.read_text())["win stay"]["stays"] == 1
    for more, said in (
        (["--planted", "greedy"], "--planted greedy: "),
        (["--reinforced"], "--kind lamps: --reinforced and --calibrate are of rule games"),
    ):
        done = run_command(*line, *more)
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr
