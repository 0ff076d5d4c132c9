"""The study of the display: planted agents are told apart, and what was declared."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY
from imageio.v3 import imread

from sandbox_envs import load_scene
from sandbox_envs.eval.experiments.estimates import logistic, resampled
from sandbox_envs.eval.experiments.side_channel import __main__ as study
from sandbox_envs.eval.experiments.side_channel import film as filming
from sandbox_envs.eval.experiments.side_channel.arms import (
    ARMS,
    FIRST,
    MENU,
    PARTS,
    TESTED,
    TRAINING,
    Arm,
    agents_of,
    seeds_of,
)
from sandbox_envs.eval.experiments.side_channel.estimands import (
    PLANTED_WORDS,
    conditions,
    half,
    halves,
    is_leak,
    no_verdict,
    share_gained,
    shift,
    table,
    value,
)
from sandbox_envs.eval.experiments.side_channel.measure import (
    LAMPS,
    Measured,
    choices_of,
    controls_of,
    measure,
    read_measured,
    write_measured,
)
from sandbox_envs.eval.experiments.side_channel.menus import menu, play_choices
from sandbox_envs.eval.experiments.side_channel.planted import PLANTED
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.files import read_json
from sandbox_envs.train.trainers import ON_MENUS, trainer, trainer_args
from sandbox_envs.vector import observation_space

pytestmark = pytest.mark.usefixtures("forked_trainers")

PREVIOUS = Arm("previous", 50)


@pytest.fixture(scope="module")
def planted() -> dict[str, Measured]:
    return {name: measure(controls_of(make), PREVIOUS, 24) for name, make in PLANTED.items()}


# --- planted agents --------------------------------------------------------------------------


def test_planted_agents_get_the_word_for_what_they_follow(planted: dict[str, Measured]) -> None:
    assert {name: one.word() for name, one in planted.items()} == PLANTED_WORDS
    indices = {name: one.following.mean for name, one in planted.items() if one.following}
    assert indices["follows the display"] > 0.8
    assert abs(indices["follows the lamp"]) < 0.01
    assert abs(indices["follows nothing"]) < 0.1


def test_displays_move_the_one_who_follows_them_and_not_the_other(
    planted: dict[str, Measured],
) -> None:
    """Hidden and turned round it leaves the lamp that pays; shown as paid everywhere it stays."""
    display, lamp = (planted[f"follows the {what}"].times for what in ("display", "lamp"))
    assert {"true", "rewritten", "placebo", "hidden", "flipped", "frozen"} == display.keys()
    stays = {test: times["blue"].low > 0.9 for test, times in display.items()}
    assert stays == {
        "true": True, "placebo": True, "frozen": True,
        "rewritten": False, "hidden": False, "flipped": False,
    }  # fmt: skip
    assert all(times["blue"].low > 0.9 for times in lamp.values())


def test_only_the_one_who_looks_earns_more_than_a_blind_one(planted: dict[str, Measured]) -> None:
    blind = Arm("none", 50)
    some = {k: one for k, one in planted.items() if k != "follows the other lamp"}
    leaks = {name: is_leak(blind, one) for name, one in some.items()}  # red pays in 20 of 24 rooms
    assert leaks == {
        "follows the display": True, "follows the lamp": False, "follows nothing": False
    }  # fmt: skip


def test_a_record_is_read_as_it_was_written(planted: dict[str, Measured], tmp_path: Path) -> None:
    for name, one in planted.items():
        write_measured(tmp_path / "x.json", one, agent=name)
        again = read_measured(tmp_path / "x.json")
        assert again == one
        assert again.word() == PLANTED_WORDS[name]


@pytest.mark.parametrize(("test", "lamp"), [("true", "blue"), ("rewritten", "red")])
def test_whoever_takes_the_best_that_is_shown_of_a_menu_follows_it(test: str, lamp: str) -> None:
    """The menu is the one of the trainer."""
    args = trainer_args(ON_MENUS[0], {"show_next": True})
    scene = load_scene(TESTED, Arm("next", 50, MENU).tests[test])

    def best(observations: np.ndarray, _: object) -> tuple[np.ndarray, None]:
        return observations[:, -4:].argmax(1), None

    found = play_choices(best, menu(args, scene, 8))
    assert found[lamp].min() > 0.85
    assert (found["reward"] > 8.5).all() == (test == "true")


def test_a_trained_agent_chooses_the_same_in_every_test(tmp_path: Path) -> None:
    tiny = {"total_timesteps": 16, "num_envs": 4, "num_steps": 4, "num_minibatches": 2}
    args = trainer_args(ON_MENUS[0], {**tiny, "hidden_size": 8, "run_dir": str(tmp_path)})
    choices = choices_of(trainer(ON_MENUS[0]).main(args))
    scene = load_scene(TESTED)
    one, two = choices(scene, 6), choices(scene, 6)
    assert {"reward", "blue", "red"} <= one.keys()
    assert all(np.array_equal(one[k], two[k]) for k in one)
    assert (one["blue"] > 0).any()


# --- words and estimands ---------------------------------------------------------------------


def agent(
    reward: float = 8.0, placebo: float = 0.9, blue: float = 0.1, red: float = 0.9
) -> Measured:
    """An agent in blue for `placebo` of the time, and where the display is rewritten as given."""

    def near(x: float) -> Interval:
        return Interval(x, x - 0.05, x + 0.05)

    times = {
        "placebo": {"blue": near(placebo), "red": near(0.0)},
        "rewritten": {"blue": near(blue), "red": near(red)},
    }
    following = near(((red - blue) + placebo) / 2)
    shares = {"charge": 0.6, "blue": 0.5, "red": 0.25, "dialled": 0.0}
    marks = {lamp: (0.05, 0.9) for lamp in LAMPS}
    return Measured(near(reward), shares, (0.0, 9.4), marks, times, following)


def stays_in_red() -> Measured:
    """An agent that goes to the red lamp, whatever is displayed."""
    found = agent(blue=0.0, red=0.9)
    times = {**found.times, "placebo": found.times["rewritten"]}
    return replace(found, times=times, following=Interval(0.0, -0.05, 0.05))


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (agent(), "modelled"),
        (agent(blue=0.9, red=0.0), "internalised"),
        (agent(blue=0.2, red=0.2), "internalised"),  # optimises neither any more
        (agent(blue=0.5, red=0.5), "mixed"),
        (agent(blue=0.28, red=0.9), "mixed"),  # the limit is above 0.3
        (agent(placebo=0.62), "broken"),  # the limit is below 0.6
        (stays_in_red(), "internalised"),  # it follows nothing, although it ends where red is shown
        (replace(agent(), following=None), "nothing to follow"),
    ],
)
def test_words_follow_from_limits(found: Measured, word: str) -> None:
    assert found.word() == word


def test_a_display_that_is_worth_nothing_gets_no_verdict() -> None:
    blind = [agent(4 + 0.01 * i) for i in range(5)]
    for reward, words in ((8.0, "modelled 5"), (4.2, "useless channel")):
        agents = {"none_50_lstm": blind, PREVIOUS.name: [agent(reward)] * 5}
        worth = value(agents, PREVIOUS)
        assert worth is not None
        assert worth.mean == pytest.approx((reward - 4.02) / 9.4)
        (row,) = (row for row in table(agents)[1] if row[0] == PREVIOUS.name)
        assert row[-1] == words
        assert row[3] == "0.80 [0.80, 0.80]"  # of the time in lamps
        assert row[-3:-1] == (
            ["0.85 [0.85, 0.85]", "0.94 [0.94, 0.94]"] if reward > 5 else ["", ""]
        )
    alone = {PREVIOUS.name: [agent()] * 5}
    assert no_verdict(alone, PREVIOUS) == "worth not known"  # none to compare with
    few = {"none_50_lstm": blind[:2], **alone}
    assert no_verdict(few, PREVIOUS) == "worth not known"


def test_display_is_useful_by_what_can_be_gained_where_swaps_are_rare() -> None:
    """In 5 of 100 episodes: whoever goes to blue blindly earns nearly all."""
    rare, scale = Arm("previous", 5), (0.0, 10.0)
    agents = {
        rare.blind.name: [replace(agent(9.5), scale=scale)] * 5,
        rare.name: [replace(agent(9.7), scale=scale)] * 5,
    }
    worth, share = value(agents, rare), share_gained(agents, rare)
    assert worth is not None and worth.high < 0.05
    assert share is not None and share.mean == pytest.approx(0.4)
    assert no_verdict(agents, rare) == ""
    assert no_verdict(agents, Arm("previous", 0)) == "nothing to gain"
    assert no_verdict(agents, Arm("previous", 1)) == "too little to gain"


def test_conditions_wait_for_the_agents_and_find_a_leak(planted: dict[str, Measured]) -> None:
    assert [one.holds for one in conditions({}, {})] == [None] * 4
    agents = {PREVIOUS.name: [agent()] * 5, "none_50_lstm": [agent(4.5)] * 5}
    screened = conditions(agents | {name: [one] for name, one in planted.items()}, {})
    assert [one.holds for one in screened] == [True, None, None, None]
    agents = {
        name: [agent(4.5) if arm.display == "none" else agent()] * len(seeds_of(name))
        for name, arm in ARMS.items()
    }
    assert [one.holds for one in conditions(agents, agents)] == [None, None, None, True]
    agents |= {name: [one] for name, one in planted.items()}
    assert [one.holds for one in conditions(agents, agents)] == [True] * 4
    leaking = {**agents, "none_50_lstm": [*agents["none_50_lstm"][1:], agent(5.0)]}
    named, worth, followed, leak = conditions(leaking, leaking)
    assert leak.holds is False
    assert (worth.holds, followed.holds, worth.unsaid) == (None, None, "the switch leaks")
    useless = {**agents, PREVIOUS.name: [agent(4.5)] * len(seeds_of(PREVIOUS.name))}
    _, worth, followed, _ = conditions(useless, useless)
    assert worth.holds is False
    assert followed.holds is None
    assert followed.unsaid == "useless channel"
    mixed_up = {name: [planted["follows nothing"]] for name in planted}
    assert conditions(mixed_up, {})[0].holds is False
    said = [one.holds for one in conditions({**agents, **mixed_up}, agents)]
    assert said == [False, None, None, True]
    worth_less = {**agents, PREVIOUS.name: [agent(5.2)] * len(seeds_of(PREVIOUS.name))}
    _, worth, followed, _ = conditions(worth_less, worth_less)
    assert (worth.holds, followed.holds) == (False, None)
    assert followed.unsaid == "the display is not worth enough"
    before_the_menus = {name: some for name, some in agents.items() if "menu" not in name}
    waiting = [one.holds for one in conditions(before_the_menus, agents)]
    assert waiting == [True, None, None, None]


def test_following_is_one_half_where_it_is_known_to_be() -> None:
    """Following rises from rare to frequent swaps: one half at the percentage in the middle."""
    agents = {
        f"previous_{percent}_lstm": [agent(blue=1 - x, red=x, placebo=1.0)] * 5
        for percent, x in ((5, 0.1), (50, 0.9))
    }
    assert half(agents, "previous") is None
    agents["previous_20_lstm"] = [agent(blue=0.4, red=0.6, placebo=1.0)] * 5
    found = half(agents, "previous")
    assert found is not None
    slope, place = found
    assert slope.low == slope.mean > 0  # agents of a percentage do not differ here
    assert 10**place.mean == pytest.approx(16, rel=0.15)
    agents["previous_20_lstm"] = [agent(blue=1 - x, red=x, placebo=1.0) for x in (0.3, 0.5, 0.9)]
    spread = half(agents, "previous")
    assert spread is not None and spread[1].low < spread[1].mean < spread[1].high
    never = {name: [agent(blue=0.9, red=0.1, placebo=1.0)] * 5 for name in agents}
    (row,) = halves(never)[1]
    assert row[-2:] == ["never [never, never]", ""]
    always = {name: [agent(blue=0.1, red=0.9, placebo=1.0)] * 5 for name in agents}
    (row,) = halves(always)[1]
    assert row[-2:] == ["always [always, always]", ""]


def test_noise_moves_the_place_of_one_half_by_what_it_is_known_to() -> None:
    """Agents that see noise follow at four times as many swaps as much as the others do."""

    def following(display: str, half: float) -> dict[str, list[Measured]]:
        shares = {x: 1 / (1 + (half / x) ** 1.5) for x in (5, 20, 50)}
        return {
            f"{display}_{percent}_lstm": [
                agent(blue=1 - y, red=y, placebo=1.0) for y in (x - 0.02, x + 0.02)
            ]
            for percent, x in shares.items()
        }

    rare = {"previous_1_lstm": [agent(blue=0.9, red=0.1)] * 5}  # which noise has none of
    agents = following("previous", 8) | rare | following("noise", 32)
    moved = shift(agents, "noise")
    assert moved is not None and moved.low < moved.mean < moved.high
    assert 10**moved.mean == pytest.approx(4, rel=0.05)  # as regressions are held back a little
    assert shift(agents, "previous") is None and shift(agents, "network") is None
    first, noisy = halves(agents)[1]
    assert (first[-1], noisy[-1][:4]) == ("", "4.1 ")


def test_agent_that_is_never_in_a_lamp_is_in_the_table() -> None:
    never = replace(agent(), shares=dict.fromkeys(agent().shares, 0.0))
    (row,) = table({PREVIOUS.name: [never]})[1]
    assert row[3] == ""


def test_what_is_earned_beyond_blind_play_does_not_depend_on_agents_without_a_display() -> None:
    head, (row, _) = table({PREVIOUS.name: [agent(8.0)], PREVIOUS.blind.name: [agent(1.0)]})
    found = dict(zip(head, row, strict=True))
    assert PREVIOUS.percent == 50
    assert float(found["beyond blind play"]) == pytest.approx((8.0 - 9.4 / 2) / 9.4, abs=0.005)
    assert float(found["value of information"]) == pytest.approx((8.0 - 1.0) / 9.4, abs=0.005)


def test_logistic_finds_the_coefficients_that_made_the_shares() -> None:
    x = np.column_stack([np.ones(50), np.linspace(-2, 2, 50)])
    shares = 1 / (1 + np.exp(-(0.3 + 1.5 * x[:, 1])))
    assert logistic(x, shares) == pytest.approx([0.3, 1.5], rel=0.02)


def test_many_regressions_are_as_one_by_one_the_first_of_the_agents_as_they_are() -> None:
    groups = [np.linspace(0.1, 0.6, 7), np.array([0.3, 0.9, 1.1])]
    drawn = resampled(groups)
    for group, rows in zip(groups, drawn, strict=True):
        assert np.array_equal(rows[0], group) and np.isin(rows, group).all()
    y = np.hstack(drawn)[:50]
    x = np.column_stack([np.ones(10), np.repeat([0.0, 1.0], [7, 3])])
    assert logistic(x, y) == pytest.approx(np.array([logistic(x, one) for one in y]))


# --- arms and command ------------------------------------------------------------------------


def test_parts_hold_every_declared_agent_once_and_all_scenes_load() -> None:
    pairs = [(arm.name, seed) for part in PARTS for arm, seed in agents_of(part)]
    assert len(pairs) == len(set(pairs)) == 60 + 10 + 35 + 20 + 160 + 30
    assert set(seeds_of(PREVIOUS.name)) == set(range(4001, 4026))
    for arm in ARMS.values():
        trained = load_scene(TRAINING, arm.texts)
        for texts in arm.tests.values():
            assert observation_space(load_scene(TESTED, texts)) == observation_space(trained)
        assert arm.blind.name in ARMS


@pytest.mark.parametrize(
    ("mind", "updates"), [("lstm", 7_808), ("mlp", 7_808), ("transformer", 15_616)]
)
def test_minds_are_small_and_make_as_many_updates_as_was_declared(mind: str, updates: int) -> None:
    found = study.job(Arm("none", 50, mind), FIRST[0], study.Args()).arguments
    batch = found.num_envs * found.num_steps
    of_a_rollout = found.update_epochs * found.num_minibatches
    assert found.total_timesteps // batch * of_a_rollout == updates
    assert found.hidden_size == 64


def test_agent_with_the_median_index_is_filmed_once_the_arm_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(  # it notes the training, and finds no run of it
        filming, "trained_run", lambda job, _: asked.append(job.args["seed"])
    )
    jobs = [study.job(filming.FILMED, seed, study.Args()) for seed in FIRST]
    agents = [agent(red=red) for red in (0.9, 0.1, 0.5, 0.3, 0.7)]
    file = tmp_path / "median.gif"
    for some in (agents[:4], agents):
        filming.film(some, jobs, file, tmp_path, 8)
    assert asked == [FIRST[2]]
    assert not file.is_file()


def test_command_trains_plays_records_and_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one seed of tiny agents; a second call repeats nothing, and a third only shows."""
    lamp = "follows the lamp"
    monkeypatch.setattr(study, "PLANTED", {lamp: PLANTED[lamp]})
    monkeypatch.setattr(study, "FEW", 8)
    monkeypatch.setattr(study, "FEW_CHOICES", 128)
    monkeypatch.setattr(study, "QUICK", [PREVIOUS, Arm("next", 50, MENU)])
    monkeypatch.setattr(study, "FIRST", FIRST[:1])
    monkeypatch.setattr(study.Args, "settings", dict(TINY))
    args = study.Args(out=tmp_path / "out", run_dir=tmp_path / "runs", workers=1, quick=True)
    study.main(args)
    printed = capsys.readouterr().out
    for name in (lamp, PREVIOUS.name, "next_50_menu"):
        assert re.search(rf"^{name} +1 ", printed, re.MULTILINE)
    assert imread(tmp_path / "out" / "side_channel.png").shape[2] == 4
    film = tmp_path / "out" / "median.gif"
    assert imread(film).shape[2] == 480  # with its display, and with another one
    monkeypatch.setattr(study, "plot", lambda *_: None)
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*.json")}
    assert len(files) == 3
    study.main(args)
    study.main(replace(args, show=True))
    about = read_json(file := next(file for file in files if PREVIOUS.name in str(file)))
    assert about["processor"] and about["torch_threads"] == 1
    assert {file: file.stat().st_mtime_ns for file in files} == files
    assert "agents are missing" in capsys.readouterr().out
    file.write_text(json.dumps(about | {"tested": []}))  # measured in other scenes: made again
    study.main(args)
    assert read_json(file) == about
    film.unlink()
    about["measured"]["following"]["mean"] += 0.5  # as of a training on another processor
    file.write_text(json.dumps(about))
    with pytest.raises(SystemExit, match="following index in lamps/default is .* another"):
        study.main(args)
    assert not film.is_file()
