"""Trainings that begin with the weights of another run."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY
from safetensors.torch import load_file
from trainings import said, stopped, trained

from sandbox_envs import UserError
from sandbox_envs.eval.agents.trained import differences, read_trained_agents
from sandbox_envs.train import run_folder
from sandbox_envs.train.jobs import Job, find_run, identity
from sandbox_envs.train.ppo_lstm import Args, main
from sandbox_envs.train.run_files import progress, read_training, weights_hash
from sandbox_envs.train.run_folder import lock
from sandbox_envs.train.trainers import DEFAULT_TRAINER


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "policy.safetensors")


@pytest.fixture(scope="module")
def warm(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that begins with the weights of `tiny_run`."""
    return trained(tmp_path_factory.mktemp("warm"), initial_weights=tiny_run)


def test_training_begins_with_the_weights_and_nothing_else_of_the_run(
    tiny_run: Path, warm: Path, tmp_path: Path
) -> None:
    still = {"learning_rate": 0.0}  # so that weights stay what they began with
    run = trained(tmp_path, initial_weights=tiny_run, seed=2, **still)
    for name, values in weights(tiny_run).items():
        assert torch.equal(weights(run)[name], values) or name.startswith("observation_")
    assert progress(run) == (128, 128)
    lines = [json.loads(line) for line in (warm / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [64, 128]
    count = "observation_count"  # the statistics go on: 128 steps and the first observations, twice
    assert weights(warm)[count] == pytest.approx(2 * float(weights(tiny_run)[count]), rel=1e-5)


def test_run_says_where_its_weights_are_from(tiny_run: Path, warm: Path) -> None:
    recorded = json.loads((warm / "args.json").read_text())
    about = {"run": str(tiny_run.resolve()), "step": 128, "hash": weights_hash(tiny_run)}
    assert recorded["initial_weights"] == about
    assert recorded["args"]["initial_weights"] == about["run"]
    agents = read_trained_agents([tiny_run, warm])
    assert differences(agents) == ["initial_weights"]
    assert agents[1].metadata.args["initial_weights"] == {**about, "run": tiny_run.name}


def test_weights_make_another_training_wherever_they_lie(
    tiny_run: Path, warm: Path, tmp_path: Path
) -> None:
    assert identity(read_training(warm)) != identity(read_training(tiny_run))
    elsewhere = shutil.copytree(tiny_run, tmp_path / "moved")
    job = Job("warm", DEFAULT_TRAINER, {**TINY, "initial_weights": str(elsewhere)})
    assert find_run(job, warm.parent) == warm
    assert job.trains(vars(read_trained_agents([warm])[0].metadata))
    assert f"--initial-weights={elsewhere}" in job.command(tmp_path)
    assert find_run(Job("cold", DEFAULT_TRAINER, TINY), warm.parent) is None


def test_resumed_warm_start_equals_one_that_was_not_stopped(
    tiny_run: Path, warm: Path, tmp_path: Path
) -> None:
    first = shutil.copytree(tiny_run, tmp_path / "first")
    run = stopped(tmp_path / "runs", at=64, initial_weights=first)
    shutil.rmtree(first)  # it is not needed any more
    main(Args(resume=str(run)))
    assert all(torch.equal(value, weights(warm)[name]) for name, value in weights(run).items())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"hidden_size": 8}, "the agent of that run has hidden_size 16, and that of the new run "),
        ({"scene": "keeper/train"}, "has observation_size"),
    ],
)
def test_weights_that_do_not_fit_are_refused_in_one_sentence(
    tiny_run: Path, tmp_path: Path, arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError) as error:
        trained(tmp_path, initial_weights=tiny_run, **arguments)
    assert f"--initial-weights {tiny_run}: " in said(error)
    assert sentence in said(error)
    assert not list(tmp_path.iterdir())


def test_what_is_no_run_or_is_being_trained_gives_no_weights(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="nowhere: this is not a run folder"):
        trained(tmp_path / "runs", initial_weights="nowhere")
    monkeypatch.setattr(run_folder, "LOCK_SECONDS", 0.0)
    busy = shutil.copytree(tiny_run, tmp_path / "busy")
    holder = lock(busy)
    with pytest.raises(UserError, match="another process trains this run"):
        trained(tmp_path / "runs", initial_weights=busy)
    os.close(holder)


def test_changed_record_of_the_weights_is_noticed(warm: Path, tmp_path: Path) -> None:
    run = shutil.copytree(warm, tmp_path / "run")
    recorded = json.loads((run / "args.json").read_text())
    recorded["initial_weights"]["hash"] = "0" * 16
    (run / "args.json").write_text(json.dumps(recorded))
    with pytest.raises(UserError, match="not of the training that args.json tells of"):
        main(Args(resume=str(run), total_timesteps=192))
    del recorded["initial_weights"]
    (run / "args.json").write_text(json.dumps(recorded))
    with pytest.raises(UserError, match="is damaged"):
        read_training(run)
