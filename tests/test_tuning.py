"""Tuning: trials and their objective, resuming, proposals, and the comparison."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run_command
from forked import fork_trainers
from PIL import Image

from sandbox_envs import UserError, load_scene
from sandbox_envs.eval.experiments.tuning import __main__ as tuning
from sandbox_envs.eval.experiments.tuning import proposals
from sandbox_envs.eval.experiments.tuning.__main__ import Compare, Finals, main
from sandbox_envs.eval.experiments.tuning.arms import FINALISTS, START
from sandbox_envs.eval.experiments.tuning.comparison import plot, together
from sandbox_envs.eval.experiments.tuning.proposals import (
    CHOICES,
    NAMES,
    RANGES,
    Proposals,
    choices,
    hyperparameters,
)
from sandbox_envs.eval.experiments.tuning.search import Search, table
from sandbox_envs.train import jobs
from sandbox_envs.train.metrics import curve, objective, outcome, read_history
from sandbox_envs.train.ppo_lstm import Args
from sandbox_envs.train.trainers import TRAINERS

pytestmark = pytest.mark.usefixtures("forked_trainers")

STEPS = 4096  # one update, or two
Row = dict[str, Any]


def lines(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def trials(searched: Search) -> list[Row]:
    """Its trials by number; the file has them in the order in which they ended."""
    return sorted(lines(searched.out / "trials.jsonl"), key=lambda row: row["number"])


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Search:
    """A finished search of two trials."""
    folder = tmp_path_factory.mktemp("tuning")
    args = Search(
        trials=2, total_timesteps=STEPS, workers=2, out=folder / "out", run_dir=folder / "runs"
    )
    with pytest.MonkeyPatch.context() as patch:
        fork_trainers(patch)
        main(args)
    return args


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a training was started")

    monkeypatch.setattr(jobs.subprocess, "Popen", refuse)


def said(args: Search | Compare) -> str:
    """The message with which the command exits."""
    with pytest.raises(SystemExit) as ended:
        main(args)
    return str(ended.value)


# --- the search ------------------------------------------------------------------------------


def test_every_trial_is_a_line_and_the_first_has_the_defaults(searched: Search) -> None:
    rows = trials(searched)
    assert [row["number"] for row in rows] == [0, 1]
    assert [row["seed"] for row in rows] == [2000, 2001]
    assert rows[0]["hyperparameters"] == {name: getattr(Args(), name) for name in NAMES}
    for row in rows:
        assert row["scene"] == load_scene("sweep/train").hash
        (args,) = (searched.run_dir / f"trial-{row['number']:03}").glob("*/args.json")
        trained = json.loads(args.read_text())["args"]
        assert trained == trained | row["hyperparameters"] | {"seed": row["seed"], "set": []}
        assert not trained["scene"]
        assert trained["reward"] is None


def test_objective_is_the_mean_return_of_the_last_tenth(searched: Search) -> None:
    for row in trials(searched):
        (log,) = (searched.run_dir / f"trial-{row['number']:03}").glob("*/metrics.jsonl")
        updates = lines(log)
        last = [u for u in updates if u["step"] > 0.9 * updates[-1]["step"] and u["episodes"]]
        total = sum(u["return"] * u["episodes"] for u in last)
        assert row["objective"] == pytest.approx(total / sum(u["episodes"] for u in last))
        assert row["steps"] == updates[-1]["step"]
        assert row["seconds"] == updates[-1]["seconds"]


@pytest.mark.usefixtures("no_training")
def test_finished_search_trains_nothing_again(
    searched: Search, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (searched.out / "trials.jsonl").read_text()
    main(searched)
    again = capsys.readouterr().out
    main(replace(searched, trials=50, total_timesteps=1, show=True))
    assert capsys.readouterr().out == again
    assert "2 trials, 0 failed" in again
    flags = [f"--{k.replace('_', '-')}={v}" for k, v in vars(searched).items() if k[0] in "twor"]
    assert run_command(tuning.__file__, "search", *flags).stdout == again
    assert (searched.out / "trials.jsonl").read_text() == before


def test_failed_trial_is_logged_with_its_reason_and_the_search_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing(subprocess.Popen[bytes]):
        def __init__(self, _command: object, **options: Any) -> None:
            super().__init__([sys.executable, "-c", "raise SystemExit('no way')"], **options)

    monkeypatch.setattr(jobs.subprocess, "Popen", Failing)
    main(Search(trials=2, workers=1, out=tmp_path / "out", run_dir=tmp_path))
    rows = lines(tmp_path / "out" / "trials.jsonl")
    assert [(row["number"], row["objective"]) for row in rows] == [(0, None), (1, None)]
    assert all("no way" in row["reason"] for row in rows)
    assert "2 trials, 2 failed" in capsys.readouterr().out


@pytest.mark.usefixtures("no_training")
def test_trials_of_another_length_scene_or_space_are_refused(
    searched: Search, tmp_path: Path
) -> None:
    more = replace(searched, trials=3, out=tmp_path)
    rows = trials(searched)
    file = tmp_path / "trials.jsonl"
    for change, sentence in (
        ({"total_timesteps": 5}, "trained for 5 steps; resume with --total-timesteps 5"),
        ({"scene": "another"}, "sweep/train has changed since trial"),
        ({"hyperparameters": {}}, "a line in it is damaged, or of another version"),
        (
            {"hyperparameters": rows[0]["hyperparameters"] | {"hidden_size": 99}},
            "hidden_size 99, which is outside the search space",
        ),
    ):
        file.write_text(json.dumps(rows[0] | change) + "\n")
        assert sentence in said(more)


@pytest.mark.parametrize(
    "args", [Search(trials=0), Search(workers=0), Search(total_timesteps=-1), Compare(seeds=0)]
)
def test_number_below_one_is_refused(args: Search | Compare) -> None:
    assert said(args).endswith("it must be 1 or more")


def test_table_has_the_best_trials_first_and_always_the_defaults(
    searched: Search,
) -> None:
    row = trials(searched)[0]
    rows = [row | {"number": n, "objective": float(n)} for n in range(20)]
    shown = [line.split()[0] for line in table(rows).splitlines()[1:-1]]
    assert shown == [str(n) for n in (*range(19, 9, -1), 0)]


# --- proposals ------------------------------------------------------------------------------


def test_search_space_holds_the_trainers_defaults_and_all_arms() -> None:
    assert set(START) == set(NAMES) <= set(vars(Args()))
    for values in (START, vars(Args()), *(START | values for values in FINALISTS.values())):
        assert all(values[name] in CHOICES[name] for name in CHOICES)
        assert all(low <= values[name] <= high for name, (low, high) in RANGES.items())
    for trainer in TRAINERS:
        space = choices(trainer)
        assert all(x in space[k] for k, x in hyperparameters(trainer=trainer).items() if k in space)


def earned(values: dict[str, float]) -> float:
    """An objective that is quick to have: best with wide layers and 4 epochs."""
    return values["hidden_size"] / 128 - abs(values["update_epochs"] - 4)


def test_proposals_stay_within_bounds_and_approach_the_optimum() -> None:
    source, pending, values = Proposals(), list[int](), {}
    for number in range(48):
        values[number] = source.propose(number)
        pending.append(number)
        if len(pending) == 2:  # as with two trainings at a time
            done = pending.pop(number % 2)
            source.tell(done, None if done == 7 else earned(values[done]))
    for one in values.values():
        assert 2048 <= one["num_envs"] * one["num_steps"] <= 16384
        assert one["num_minibatches"] <= one["num_envs"]
    random, later = ([earned(values[n]) for n in part] for part in (range(16), range(32, 48)))
    assert np.mean(later) > np.mean(random) + 0.5


def test_resumed_search_proposes_the_same_as_an_uninterrupted_one() -> None:
    one, other = Proposals(), Proposals()
    for number in range(proposals.RANDOM_TRIALS + 4):
        values = one.propose(number)
        one.tell(number, earned(values))
        other.recall(number, values, earned(values))
    following = proposals.RANDOM_TRIALS + 4
    assert one.propose(following) == other.propose(following)


def test_search_without_optuna_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert "pip install 'sandbox_envs[sweep]'" in said(Search(out=tmp_path))


# --- what a training earned ------------------------------------------------------------------


def log(folder: Path, *rows: tuple[float, float, int, float]) -> Path:
    """A run folder whose log has these steps, seconds, episodes and returns."""
    keys = ("step", "seconds", "episodes", "return")
    text = "".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows)
    (folder / "metrics.jsonl").write_text(text)
    return folder


def test_objective_weights_the_last_tenth_by_episodes(tmp_path: Path) -> None:
    run = log(tmp_path, (900, 9, 5, 100), (950, 10, 1, 4), (1000, 11, 3, 8))
    assert objective(read_history(run)) == 7
    assert outcome(run)["steps_per_second"] == pytest.approx(1000 / 11)


def test_seconds_of_a_resumed_training_add_up(tmp_path: Path) -> None:
    run = log(tmp_path, (10, 4, 1, 0), (20, 6, 1, 0), (30, 3, 1, 0), (40, 5, 1, 0))
    assert read_history(run).seconds.tolist() == [4, 6, 9, 11]


def test_training_without_episodes_at_its_end_is_an_error(tmp_path: Path) -> None:
    for rows, sentence in (
        ([(900, 9, 5, 1), (1000, 10, 0, 0)], "no episode ended in the last tenth"),
        ([(1000, 9, 5, float("nan"))], "the returns are not finite"),
        ([], "it has logged no update"),
    ):
        with pytest.raises(UserError, match=sentence):
            objective(read_history(log(tmp_path, *rows)))


def test_curve_has_few_points_and_counts_every_episode_once(tmp_path: Path) -> None:
    rows = [(step, step / 10, step % 3, step) for step in range(1, 121)]
    points = curve(read_history(log(tmp_path, *rows)))
    assert len(points) == 50
    assert points[-1][:2] == (120, 12)
    assert points[0] == (3, 0.3, pytest.approx((1 * 1 + 2 * 2) / 3))


# --- finals and comparison --------------------------------------------------------------------


def test_finals_are_written(
    searched: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = {name: getattr(Args(), name) for name in NAMES}
    monkeypatch.setattr(tuning, "FINALISTS", {"defaults": defaults})
    monkeypatch.setattr(tuning, "FINAL_SEED", 2000)  # they have been trained with it already
    main(Finals(total_timesteps=STEPS, seeds=1, out=tmp_path, run_dir=searched.run_dir))
    outcomes = json.loads((tmp_path / "finals.json").read_text())["arms"]["defaults"]
    first = trials(searched)[0]
    assert outcomes["hyperparameters"] == first["hyperparameters"] == defaults
    assert outcomes["seeds"]["2000"]["objective"] == first["objective"]


def test_comparison_is_written_and_plotted(
    searched: Search,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        tuning, "COMPARISON_SEED", 2000
    )  # the defaults have been trained with it already
    out, run_dir = tmp_path / "out", searched.run_dir
    main(Compare(total_timesteps=STEPS, seeds=1, out=out, run_dir=run_dir))
    outcomes = json.loads((out / "comparison.json").read_text())
    arms = outcomes["arms"]
    assert {arm: one["hyperparameters"] for arm, one in arms.items()} == {
        "start": START,
        "tuned": {name: getattr(Args(), name) for name in NAMES},
    }
    for arm in arms.values():
        assert list(arm["seeds"]) == ["2000"]
        assert arm["seeds"]["2000"]["curve"][-1][2] == arm["seeds"]["2000"]["objective"]
    assert "start: objective" in capsys.readouterr().out
    with Image.open(out / "learning_curves.png") as image:
        assert image.size == (864, 348)


def test_curves_are_compared_where_all_are_defined(tmp_path: Path) -> None:
    one, other = (
        (np.array([0.0, 2.0]), np.array([0.0, 2.0])),
        (np.array([1.0, 4]), np.array([5, 5])),
    )
    x, y = together([one, other])
    assert (x[0], x[-1]) == (1, 2)
    np.testing.assert_allclose(y, [x, np.full_like(x, 5)])
    seeds = {str(s): {"curve": [[1e6 * t, 60 * t, t + s] for t in range(5)]} for s in range(3)}
    plot({"start": {"seeds": seeds}, "tuned": {"seeds": seeds}}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").is_file()
