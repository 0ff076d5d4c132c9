"""Records of studies: kept where they are whole, one sentence with the file's name if damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import run_command
from conftest import TINY

from sandbox_envs.errors import UserError
from sandbox_envs.eval.experiments import runner
from sandbox_envs.eval.experiments.grid.__main__ import read_arms
from sandbox_envs.eval.experiments.planter import evidence
from sandbox_envs.eval.experiments.planter.agents import read_agents
from sandbox_envs.eval.experiments.runner import NOTES, RESULTS, Args, QuickArgs, Study
from sandbox_envs.eval.experiments.side_channel.measure import read_measured
from sandbox_envs.eval.experiments.simplicity.__main__ import read_cells
from sandbox_envs.train.jobs import Job, is_finished
from sandbox_envs.train.trainers import DEFAULT_TRAINER


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"agents": [{"seed": 1}]}'])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("colour_0.json", read_arms),
        ("near_colour-base.json", read_cells),
        ("s1.json", lambda out: read_measured(out / "s1.json")),
    ],
)
def test_damaged_record_is_told_in_a_sentence(
    tmp_path: Path, name: str, read: Callable[[Path], Any], damage: str
) -> None:
    (tmp_path / name).write_text(damage)
    with pytest.raises(UserError, match=f"{name}: .*damaged|{name}: .*not an object"):
        read(tmp_path)


def test_damaged_notes_are_told_in_a_sentence(tmp_path: Path) -> None:
    shutil.copytree(RESULTS / "planter/none_3/s2001", tmp_path / "none_3/s2001")
    (tmp_path / "none_3/s2001" / NOTES).write_text('{"first": {}}')
    with pytest.raises(UserError, match=r"s2001/notes\.json: it is damaged"):
        read_agents(tmp_path, "none_3", [2001])
    (tmp_path / "evidence.json").write_text('{"0.1": 3}')
    with pytest.raises(UserError, match=r"evidence\.json: it is damaged"):
        evidence.read(tmp_path / "evidence.json")


def test_agent_that_is_judged_again_is_not_whole_before_its_new_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "judge_agent", lambda *_: None)
    (tmp_path / NOTES).write_text("{}")  # of an earlier version of a scene
    agent: Any = None
    Study(tmp_path, {}, {}).judge(agent, tmp_path)
    assert not (tmp_path / NOTES).exists()


def test_quick_agents_never_come_among_declared_records(tmp_path: Path) -> None:
    assert QuickArgs(quick=True, out=tmp_path).home("planter") == tmp_path
    with pytest.raises(UserError, match="these are the declared records; name another folder"):
        QuickArgs(quick=True, out=RESULTS / "planter").home("planter")


@pytest.mark.parametrize(
    ("study", "options"),
    [("default_agent", ("sweep",)), ("exchange_rate", ()), ("counterfactuals", ())],
)
def test_finished_study_trains_nothing_and_keeps_its_records(
    tmp_path: Path, study: str, options: tuple[str, ...]
) -> None:
    out = shutil.copytree(RESULTS / study, tmp_path / study)
    before = {file: file.read_bytes() for file in out.rglob("*.json*")}
    line = (f"sandbox_envs.eval.experiments.{study}", *options, "--out", out)
    assert run_command(*line, cwd=tmp_path).stdout
    assert {file: file.read_bytes() for file in out.rglob("*.json*")} == before
    assert [path.name for path in tmp_path.iterdir()] == [study]  # no folder of trainings


def test_no_workers_are_refused_by_every_study() -> None:
    with pytest.raises(UserError, match="--workers 0: it must be 1 or more"):
        runner.run_experiment({}, [], RESULTS, Args(workers=0))


@pytest.mark.usefixtures("forked_trainers")
def test_training_that_fails_stops_no_other_and_is_told_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [("a", TINY), ("bad", {**TINY, "learning_rate": 1e30}), ("b", {**TINY, "seed": 2})]
    jobs = {tmp_path / name: Job(name, DEFAULT_TRAINER, args) for name, args in given}
    recorded = dict[str, Path]()
    args = Args(run_dir=tmp_path / "runs", workers=2)
    with pytest.raises(UserError) as error:
        runner.train_and_record(jobs, args, lambda _, job, run: recorded.update({job.name: run}))
    assert str(error.value) == (
        "1 of 3 trainings failed, the others are recorded; their logs are in "
        f"{args.run_dir}: bad.log"
    )
    assert "error: training bad failed: " in capsys.readouterr().out
    assert recorded.keys() == {"a", "b"}
    assert all(is_finished(run) for run in recorded.values())
    assert len(list(args.run_dir.glob("bad/*"))) == 1  # it is not tried twice


def test_committed_record_is_read_and_a_missing_field_is_not_made_up(tmp_path: Path) -> None:
    content = json.loads((RESULTS / "grid" / "colour_0.json").read_text())
    (tmp_path / "colour_0.json").write_text(json.dumps(content))
    assert [one.seed for one in read_arms(tmp_path)["colour_0"]] == list(range(2001, 2021))
    del content["agents"][7]["verdicts"]
    (tmp_path / "colour_0.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="delete it and run the study again"):
        read_arms(tmp_path)
