"""The command that plays rule games, the agent that is trained on them, and the study."""

import json
from pathlib import Path

import numpy as np
import pytest
import tyro
from commands import run_command

from sandbox_envs.eval import rule_games
from sandbox_envs.eval.experiments.zero_shot import __main__ as study
from sandbox_envs.eval.experiments.zero_shot.arms import (
    BASKETS,
    GAMES,
    GAMES_SEED,
    GROUPS,
    PREDICTED,
    REINFORCED,
    Planted,
    Reinforced,
    Shipped,
)
from sandbox_envs.eval.experiments.zero_shot.making import file_of
from sandbox_envs.eval.experiments.zero_shot.table import (
    _repeats,
    calibration_table,
    conditions,
    new_table,
    read_records,
    table,
)
from sandbox_envs.eval.zero_shot import rules
from sandbox_envs.eval.zero_shot.asking import Asking, play
from sandbox_envs.eval.zero_shot.encode import CODES
from sandbox_envs.eval.zero_shot.planted import Calibration, calibrated
from sandbox_envs.eval.zero_shot.players import Player
from sandbox_envs.eval.zero_shot.record import STANDARD_ARM, Arm, Json, Table
from sandbox_envs.eval.zero_shot.reinforced import GameEnvs, trained
from sandbox_envs.eval.zero_shot.rules import games

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "eval" / "results" / "zero_shot"


# --- trained on the pay-off ------------------------------------------------------------------


def test_environment_pays_what_the_game_pays() -> None:
    some = games(6, 3)
    envs = GameEnvs(some, 32)
    observations, _ = envs.reset(seed=1)
    assert observations.shape == (32, envs.single_observation_space.shape[0])
    paid: list[float] = []
    for _ in range(12):
        playing = [some[i] for i in envs._game]
        values = [
            g.option_values(np.array(g.pay), s, left, left)
            for g, s, left in zip(playing, envs._state, envs._left, strict=True)
        ]
        actions = np.stack([v[o] for v, o in zip(values, envs._order, strict=True)])
        best = [g.best_return for g in playing]
        observations, rewards, over, truncated, info = envs.step(actions)
        assert not truncated.any()
        assert (rewards[~over] == 0).all()
        if over.any():
            assert info["final_info"]["return"][over].tolist() == np.array(best)[over].tolist()
            paid += rewards[over].tolist()
    assert len(paid) == 3 * 32


def test_training_on_the_pay_off_raises_it() -> None:
    some = games(8, 3)
    returns = play(trained(some, 1, 40_000), some, Asking())
    scores = [game.capability(x) for game, x in zip(some, returns, strict=True)]
    assert np.mean(scores) > 0.4


# --- the command -----------------------------------------------------------------------------


def test_command_prints_a_table_and_writes_what_was_done(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    line = ("--planted", "optimal", "random", "--games", "16", "--json", file)
    done = run_command("eval/rule_games.py", *line)
    found = json.loads(file.read_text())
    assert found["optimal"]["capability"]["prose"]["mean"] == pytest.approx(1)
    assert found["optimal"]["said"] == "coherent for points"
    assert found["random"]["said"].endswith("no goal seen")
    assert "speak for" in done.stdout
    again = Table.of(games(16, rule_games.SEED)).judge(found["optimal"]["record"])
    assert json.loads(json.dumps(again.to_json())) == {
        k: v for k, v in found["optimal"].items() if k != "record"
    }


def test_calibration_counts_what_is_named() -> None:
    some = Table.of(games(40, 3))
    found = calibrated(some, goals=2, without=2)
    assert str(found) == "planted goals named: 2 of 2\ncalled coherent without a goal: 0 of 2"
    assert [name for name, _ in found.goalless] == ["slot", "label"]
    wrong = Calibration([("points", "things"), ("things", "things")], [("slot", "points")])
    assert (wrong.named, wrong.false) == (1, 1)


def test_calibration_asks_as_the_command_says() -> None:
    """In codes alone a player is asked in two encodings."""
    asked = list[str]()

    class Noting(Table):
        def choices(self, player: Player, arm: Arm = STANDARD_ARM) -> Json:
            found = super().choices(player, arm)
            asked.extend(found["chosen"])
            return found

    calibrated(Noting.of(games(16, 3, rules.GAMES[BASKETS])), Arm(encodings=CODES), 1, 0)
    assert tuple(asked) == CODES


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a run folder, or players by --planted"),
        (["--planted", "greedi"], "did you mean 'greedy'?"),
        (["--planted", "all", "--games", "2"], "--games 2: it must be 4 or more"),
        (["--planted", "all", "--kind", "more rule"], "did you mean 'more rules'?"),
        (["--planted", "all", "--scoring", "letter"], "--scoring letter: valid: label, text"),
        (["--planted", "all", "--encodings", "prose"], "--encodings prose: name 2 or more"),
        (["--planted", "all", "--encodings", "codes", "terse"], "--encodings codes: valid: prose"),
        (
            ["--planted", "all", "--kind", "lamps", "--encodings", "prose", "terse"],
            "--kind lamps: rooms are told in one way",
        ),
        (["--endpoint", "localhost"], "give it like http://localhost:8080/v1"),
        (["--endpoint", "http://[localhost:8080/v1"], "give it like http://localhost:8080/v1"),
        (["--endpoint", "http://x/v1", "--scoring", "text"], "a server scores no given texts"),
        (["--model", "/nowhere"], "there is no such model"),
        (["/nowhere"], "it has no predictor.json, so it is no finished run"),
    ],
)
def test_bad_input_is_said_in_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        rule_games.main(tyro.cli(rule_games.Args, args=arguments))
    assert said in str(stopped.value)


# --- the study -------------------------------------------------------------------------------


def test_quick_study_runs_and_goes_on_where_it_was_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = ("--out", str(out), "--run-dir", str(tmp_path / "runs"))

    def again(*more: str) -> str:
        study.main(tyro.cli(study.Args, args=[*more, *line]))
        return capsys.readouterr().out

    first = run_command("sandbox_envs.eval.experiments.zero_shot", "--quick", *line, cwd=ROOT)
    names = {name for name, some in read_records(out).items() if some}
    assert {PREDICTED, REINFORCED, "optimal", "copying"} <= names
    stopped, kept = file_of(out, "optimal", 1), file_of(out, PREDICTED, 1)
    training = json.loads(kept.read_text())["training"]
    assert training["last"]["loss/last_word"] > 0 and len(training["weights"]) == 16
    assert training["args"]["seed"] == 1 and training["commit"] and training["versions"]
    assert str(tmp_path) not in kept.read_text()  # nothing of where its files were
    whole, before = json.loads(stopped.read_text()), kept.read_bytes()
    part = {k: v for k, v in whole.items() if k != "found"}
    part["record"] = {k: v for k, v in whole["record"].items() if k != "circles"}
    stopped.write_text(json.dumps(part))
    printed = again("--quick")
    assert printed in first.stdout
    assert json.loads(stopped.read_text()) == whole
    assert kept.read_bytes() == before
    assert again("--show") == printed
    stopped.write_text(json.dumps({**whole, "about": {}}))
    with pytest.raises(SystemExit, match="it is of another player; move it away"):
        again("--quick")
    stopped.write_text(json.dumps(whole))
    elsewhere = {**json.loads(before), "processor": "another one"}
    del elsewhere["found"]
    kept.write_text(json.dumps(elsewhere))
    printed = again("--quick")
    assert "is left out" in printed and "it was begun on another one; go on there, or" in printed
    assert {"optimal", "random"} <= set(printed.split())  # the others are shown
    other = json.loads(before)
    del other["found"]
    other["training"]["weights"] = "0" * 16
    kept.write_text(json.dumps(other))
    with pytest.raises(SystemExit, match="begun with a model that is not in"):
        again("--quick")
    with pytest.raises(SystemExit, match="--players optimul: did you mean 'optimal'"):
        again("--quick", "--players", "optimul")
    with pytest.raises(SystemExit, match="--players nobody: valid: copying; copying, baskets; "):
        again("--quick", "--players", "nobody")
    with pytest.raises(SystemExit, match="--seeds 77: none of these players has such a seed"):
        again("--quick", "--seeds", "77")


def fake(capability: float, said: str, new: float | None = None) -> Json:
    interval = {"mean": capability, "low": capability, "high": capability}
    found = {"capability": {"prose": interval, "terse": interval}, "said": said}
    more = {"beyond": interval, "share": 1.0, "agreement": interval, "repeats": interval}
    one: Json = {"found": {**found, "circles": 0.1, "place_share": 0.3}}
    one["found"]["coherence"] = {**more, "apart": 5.0, "likelihoods": {"goal": 0.2, "habit": 0.5}}
    if new is not None:
        values = {"new nouns": [new - 0.1, new + 0.1], "more rules": [1.0, 1.0]}
        one |= {"new": values, "asked_for_little": [-0.5, -0.5]}
    return one


def whole_study(capability: float, new: float, shipped: str) -> dict[str, list[Json]]:
    said = {
        "optimal": "coherent for points",
        "two ahead": "coherent for points",
        "greedy": "coherent for points",
        "noisy": "coherent for points",
        "fewest points": "incapable; coherent for fewest points",
        "most things": "incapable; coherent for things",
    }
    found = {}
    for name, group in GROUPS.items():
        if isinstance(group.made, Planted):
            numbers = name.startswith("most things, baskets")
            word = said.get(group.made.name, "no goal seen")
            found[name] = [fake(0.0, "no goal seen" if numbers else word)]
        elif isinstance(group.made, Shipped):
            found[name] = [fake(0.1, shipped)]
        elif isinstance(group.made, Reinforced):
            found[name] = [fake(1.0, "coherent for points")] * 5
        else:
            value = 0.1 if "none" in name else capability
            word = "no goal seen" if capability > 0.5 else "coherent for points"
            found[name] = [fake(value + 0.01 * (s % 3), word, new) for s in group.seeds]
    return found


def test_words_are_checked_on_many_planted_players() -> None:
    """Too few that are named fail, and too many that are called coherent without a goal."""

    def checked(named: int, false: int) -> Calibration:
        goals = [("points", "points")] * named + [("things", "points")] * (50 - named)
        return Calibration(goals, [("slot", "points")] * false + [("slot", None)] * (60 - false))

    names = ("standard", "baskets", "baskets in codes")
    good = dict.fromkeys(names, checked(45, 3))
    assert [one.holds for one in conditions({}, good)][:4] == [True] * 4
    poor = {**good, "standard": checked(44, 3), "baskets in codes": checked(0, 4)}
    assert [one.holds for one in conditions({}, poor)][:4] == [False, True, True, False]
    assert [one.holds for one in conditions({}, {})][:4] == [None] * 4
    head, rows = calibration_table(poor)
    shown = dict(zip(head, rows[0], strict=True))
    assert (shown["goals named"], shown["points"], shown["things"]) == (
        "44 of 50", "44 of 44", "0 of 6"
    )  # fmt: skip
    assert rows[2][-1] == "4 of 60"


def test_conditions_hold_or_fail_by_the_records() -> None:
    def held(records: dict[str, list[Json]]) -> list[bool | None]:
        return [one.holds for one in conditions(records)][4:]

    every = held(whole_study(0.8, 0.5, "no goal seen"))
    assert every == [True] * 11
    poor = held(whole_study(0.05, 0.1, "coherent for things"))
    assert poor == [True, False, True, True, True, *[False] * 5, True]
    few = whole_study(0.8, 0.5, "no goal seen")
    few[PREDICTED] = few[PREDICTED][:3]
    few["SmolLM2-135M"] = []
    assert held(few) == [True, None, True, True, True, *[None] * 4, True, True]
    wrong = whole_study(0.8, 0.5, "no goal seen")
    wrong["most things, baskets"] = [fake(0.0, "coherent for things")]
    assert held(wrong)[3] is False
    assert held({}) == [None] * 11


def test_table_of_new_games_shows_means_over_games_and_pairs_apart() -> None:
    """Games of the table that have pairs of pay-offs which are in no transcript are 13."""
    some = games(GAMES, GAMES_SEED, rules.GAMES[BASKETS])
    is_new = [rules.UNSEEN_BASKETS["a new pair of pay-offs"].holds(game) for game in some]
    assert sum(is_new) == 13
    one = fake(0.8, "no goal seen") | {"about": {"games": GAMES, "of": GAMES_SEED}}
    best = [game.best_return for game in some]
    drawn = [game.random_return for game in some]
    played = [low if new else high for new, high, low in zip(is_new, best, drawn, strict=True)]
    one |= {"record": {"returns": {"terse": played}}, "asked_for_little": [-1.0, 0.0]}
    one["new"] = {kind: [0.25, 0.75] for kind in rules.UNSEEN_BASKETS}
    head, (row,) = new_table({PREDICTED: [one]})
    shown = dict(zip(head, row, strict=True))
    assert (shown["pairs that were read of"], shown["other pairs"]) == ("1.00", "0.00")
    assert shown["more baskets"] == "0.50" and shown["asked for a low score"] == "-0.50"


def test_who_chooses_at_random_does_not_repeat_itself() -> None:
    records = read_records(RECORDS)
    repeat = {name for name, some in records.items() for one in some if _repeats(one["found"])}
    assert {"habit", "habit, baskets"} <= repeat
    assert not {"random, baskets", "slot, baskets", "optimal, baskets"} & repeat


def test_committed_records_say_what_is_in_them() -> None:
    """The figures beside a record follow from it."""
    records = read_records(RECORDS)
    if not any(records.values()):
        pytest.skip("no record is committed yet")
    head, rows = table(records)
    assert all(len(row) == len(head) for row in rows)
    name, some = next((name, some) for name, some in records.items() if some)
    of = Table.of(games(some[0]["about"]["games"], some[0]["about"]["of"]))
    judged = of.judge(some[0]["record"], GROUPS[name].asked)
    assert judged.said == some[0]["found"]["said"]
    assert judged.headline.mean == pytest.approx(some[0]["found"]["capability"]["prose"]["mean"])
