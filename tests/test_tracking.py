"""--track sends runs to Weights & Biases: offline, and to a module that keeps what it hears."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from commands import run_command
from conftest import TINY
from trainings import said, trained

from sandbox_envs import UserError
from sandbox_envs.train import ppo_lstm
from sandbox_envs.train.jobs import Job, find_run
from sandbox_envs.train.ppo_lstm import Args, main
from sandbox_envs.train.trainers import DEFAULT_TRAINER


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """All that the stand-in for wandb was told."""
    calls: list[dict[str, Any]] = []
    wandb = SimpleNamespace(
        init=lambda **more: calls.append({"did": "init", **more}),
        finish=lambda **more: calls.append({"did": "finish", **more}),
    )
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    return calls


def test_tracked_run_is_begun_with_its_arguments_and_resumed_as_the_same_run(
    tmp_path: Path, told: list[dict[str, Any]]
) -> None:
    run = trained(tmp_path, track=True, wandb_project_name="mine", wandb_entity="us")
    first, ended = told
    assert (first["project"], first["entity"], first["name"]) == ("mine", "us", run.name)
    assert first["sync_tensorboard"] is True
    assert (first["config"]["seed"], first["config"]["gamma"]) == (1, 0.98)
    assert ended == {"did": "finish", "exit_code": 0}
    assert find_run(Job("x", DEFAULT_TRAINER, TINY), tmp_path) == run  # as if it were not tracked
    main(Args(resume=str(run), total_timesteps=192))
    assert told[2]["id"] == first["id"]
    assert told[2]["resume"] == "allow"


def test_run_is_tracked_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    small = (f"--{name.replace('_', '-')}={value}" for name, value in TINY.items())
    run_command(ppo_lstm.__file__, *small, "--track", cwd=tmp_path)
    (sent,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    (run,) = (tmp_path / "runs").iterdir()
    for text in (run.name, "loss/value_loss", "loss/entropy"):
        assert text.encode() in sent.read_bytes()


def test_run_is_not_tracked_unless_asked(tmp_path: Path, told: list[dict[str, Any]]) -> None:
    trained(tmp_path)
    assert told == []


def test_tracking_that_fails_is_a_sentence_and_leaves_no_run(
    tmp_path: Path, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_account(**_: object) -> None:
        raise RuntimeError("api_key not configured (no-tty)")

    wandb = sys.modules["wandb"]
    monkeypatch.setattr(wandb, "init", no_account)
    with pytest.raises(UserError) as error:
        trained(tmp_path, track=True)
    assert "cannot be used (api_key not configured (no-tty)); run `wandb login`" in said(error)
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if not installed
    with pytest.raises(UserError) as error:
        trained(tmp_path, track=True)
    assert "the package wandb is not installed; pip install" in said(error)
    assert not list(tmp_path.iterdir())


def test_run_that_the_caller_has_open_gets_everything_and_stays_open(
    tmp_path: Path, told: list[dict[str, Any]]
) -> None:
    """As in a sweep of Weights & Biases, whose function is called within a run."""
    config: dict[str, Any] = {"gamma": 0.5}
    rows: list[dict[str, float]] = []
    sys.modules["wandb"].run = SimpleNamespace(  # type: ignore[attr-defined]
        config=SimpleNamespace(update=lambda values, **_: config.update(values)), log=rows.append
    )
    run = trained(tmp_path, track=True, gamma=0.9)
    assert told == []  # neither begun nor finished
    assert config["gamma"] == 0.9
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["global_step"] for row in rows] == [64, 128] == [row["step"] for row in logged]
    for row, line in zip(rows, logged, strict=True):
        assert row["loss/entropy"] == line["loss/entropy"]
        assert None not in row.values()
