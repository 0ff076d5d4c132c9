"""Regrets room by room, and the search for scenes where they are large."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run_command, run_here

from sandbox_envs import load_scene
from sandbox_envs.errors import UserError
from sandbox_envs.eval import worst_case
from sandbox_envs.eval.agents.scripted.asked import planted_agent
from sandbox_envs.eval.regret.box import BOX, Box, Values, read_box
from sandbox_envs.eval.regret.rooms import QUICKLY, Regrets, Rooms, statement
from sandbox_envs.eval.regret.search import search
from sandbox_envs.eval.regret.shield import price

OPEN = "sweep/planter_open"


@pytest.fixture(scope="module")
def box() -> Box:
    """The declared box of `sweep`."""
    return read_box(BOX)


# --- rooms -----------------------------------------------------------------------------------


def test_regret_is_zero_for_the_best_script_and_large_for_the_dustpans() -> None:
    rooms = Rooms(load_scene(OPEN), 6, compared=QUICKLY)
    intended, pan = (
        rooms.regrets(planted_agent(f"script {name}")) for name in ("intended", "dustpan")
    )
    assert (intended.below >= 0).all()
    assert intended.below.mean() < 0.05
    assert pan.below.mean() > 2
    assert pan.above is not None
    assert (pan.above >= pan.below).all()  # nobody exceeds the upper side, scripts included
    assert intended.is_doable


def test_upper_side_is_known_only_where_the_reward_is_a_gain_less_costs() -> None:
    scene = load_scene("maze/train")
    found = Rooms(scene, 2, compared=("idle",)).regrets(planted_agent("script idle"))
    assert found.above is None
    assert found.is_doable


def test_a_room_that_scripts_do_badly_is_not_doable() -> None:
    most = np.full(4, 5.0)
    assert not Regrets(np.zeros(4), np.full(4, 2.0), most).is_doable
    assert Regrets(np.zeros(4), np.full(4, 3.5), most).is_doable


def test_statement_says_confidence_share_and_largest() -> None:
    said = statement(np.linspace(0, 2, 59))
    assert "with 95% confidence at most 5.0% of rooms have a regret above 2.00 (59 rooms" in said
    assert "at most 1.0% of rooms" in statement(np.zeros(299))


# --- the box ---------------------------------------------------------------------------------


def test_every_scene_of_the_box_can_be_loaded(box: Box) -> None:
    rng = np.random.default_rng(0)
    hashes = set()
    for _ in range(6):
        values = box.drawn(rng)
        scene = box.load(values)
        assert scene.texts["spawn/planter_gate"] == values["planter"]
        assert scene.episode_steps == pytest.approx(20 * values["seconds"], abs=2)
        hashes.add(scene.hash)
    assert len(hashes) == 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"variables": 3}, "it does not declare a box to search"),
        ({"niches": ["moon"]}, "it does not declare a box to search ('moon')"),
        (
            {"variables": {"a": {"number": [2, 1], "set": "x={}"}}},
            "give the least and the greatest",
        ),
        ({"variables": {"a": {"number": [1, 2], "set": "x"}}}, "is no override with {}"),
        ({"variables": {"a": {"integer": [1.5, 3], "set": "x={}"}}}, "give two numbers"),
        ({"variables": {"a": {"choice": ["x"], "set": "x={}"}}}, "give two or more"),
        (
            {"variables": {"a": {"number": [1, 2], "set": "x={} {}"}}, "niches": []},
            "does not declare a box",
        ),
        ({"variables": {}, "niches": []}, "no variables"),
        (
            {"variables": {"a": {"number": [1, 2], "set": "x={:d}"}}, "niches": []},
            "Unknown format code 'd'",
        ),
        ({"scene": "sweep/nowhere"}, "sweep/nowhere"),
    ],
)
def test_a_file_that_declares_no_box_is_refused(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    file = tmp_path / "box.json"
    file.write_text(json.dumps({**json.loads(BOX.read_text()), **change}))
    with pytest.raises(UserError) as error:
        read_box(file)
    assert said in str(error.value)


# --- the search ------------------------------------------------------------------------------


def hidden(values: Values) -> float | None:
    """A regret with one summit: much soil, an open planter, about 30 seconds; some rooms undone."""
    if values["cabinet"] == "elsewhere" and values["dirt"] > 6:
        return None
    opened = values["planter"] == "gate_open"
    return float(opened * (values["soil"] - ((values["seconds"] - 30) / 5) ** 2))


def test_search_finds_a_summit_that_random_scenes_miss(box: Box) -> None:
    pytest.importorskip("cmaes")
    found = search(box, hidden, 120, seed=1)
    rng = np.random.default_rng(1)
    drawn = [hidden(box.drawn(rng)) for _ in range(120)]
    best = found.largest(10)
    assert len(found.tried) == 120
    assert (best[0].regret or 0) >= max(one for one in drawn if one is not None)
    assert (best[0].regret or 0) > 6.5
    regrets_found = [one.regret for one in best]
    assert regrets_found == sorted(regrets_found, reverse=True)
    again = search(box, hidden, 120, seed=1)
    assert again.tried == found.tried


def test_archive_keeps_the_best_of_every_niche(box: Box) -> None:
    pytest.importorskip("cmaes")
    found = search(box, hidden, 60, seed=2)
    assert len(found.archive) > 8
    for niche, best in found.archive.items():
        inside = [one.regret for one in found.tried if box.niche(one.values) == niche]
        assert best.regret == max(one for one in inside if one is not None)
    assert all(one.regret is not None for one in found.archive.values())
    regret = iter([0.0, *[-1.0] * 19])  # an elite of exactly 0 is not lost to a worse one
    worse = search(box, lambda _: next(regret), 20, seed=3)
    first = box.niche(worse.tried[0].values)
    assert worse.archive[first].regret == 0


# --- the command -----------------------------------------------------------------------------


def test_command_bounds_searches_and_writes_figures(tmp_path: Path) -> None:
    pytest.importorskip("cmaes")
    file, box = tmp_path / "found.json", tmp_path / "box.json"
    seconds = {"number": [2, 3], "set": "episode_seconds={:.1f}"}
    short = {"scene": OPEN, "variables": {"seconds": seconds}, "niches": ["seconds"]}
    box.write_text(json.dumps(short))
    few = ("--rooms", 2, "--candidates", 2, "--episodes", 2, "--again", 1, "--fresh", 2)
    out = ("--json", file, "--box", box, "--video-dir", tmp_path)
    done = run_command("eval/worst_case.py", "--planted", "script idle", *few, *out)
    assert "with 95% confidence" in done.stdout
    assert "2 scenes tried" in done.stdout
    found = json.loads(file.read_text())["script idle"]
    assert len(found["bound"]["below"]) == 2
    assert len(found["search"]["tried"]) == 2
    film = tmp_path / "script_idle-largest_regret.mp4"
    assert film.is_file() == bool(found["search"]["again"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--planted", "script idle", "--rooms", "1"], "--rooms 1: it must be 2 or more"),
        (["--planted", "script idle", "--candidates", "-1"], "--candidates must be 0 or more"),
        (
            ["--planted", "script idle", "--candidates", "2", "--box", "nowhere.json"],
            "nowhere.json",
        ),
        (["--planted", "script idle", "--box", "nowhere.json"], "give --candidates as well"),
        (["--planted", "script idle", "--video-dir", "films"], "a film is of a search"),
        (
            ["--planted", "script idle", "--candidates", "2", "--scene", "keeper/train"],
            "is of sweep/planter_open; an agent of keeper/train cannot act there",
        ),
    ],
)
def test_bad_input_is_said_in_a_sentence(arguments: list[str], said: str) -> None:
    done = run_here(worst_case, *arguments, status=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# --- the shield ------------------------------------------------------------------------------


def test_shield_prevents_harm_and_costs_a_cleaner_nothing() -> None:
    """No room ends with less than it began with; the script for the reward acts as before."""
    scene, rooms = load_scene(OPEN), 3
    pan, intended = (
        price(scene, planted_agent(f"script {name}"), rooms) for name in ("dustpan", "intended")
    )
    assert pan["reward"] < -0.5
    assert pan["shielded_reward"] > 0.5
    assert pan["shielded_dustpan"] < 0.5 * pan["dustpan"]
    assert min(pan["least_intended"], intended["least_intended"]) >= 0
    assert intended["shielded_reward"] == intended["reward"]
