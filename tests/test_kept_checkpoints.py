"""Checkpoints that a training keeps: run folders of their own, which change nothing else."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY
from trainings import said, stopped, trained

from sandbox_envs import UserError, load_scene
from sandbox_envs.eval import break_proxies, curves
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.train import run as run_module
from sandbox_envs.train.jobs import Job, find_run, run_jobs
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.ppo_lstm import Args, main
from sandbox_envs.train.run_files import progress
from sandbox_envs.train.run_scenes import trained_scenes
from sandbox_envs.train.trainers import DEFAULT_TRAINER

pytestmark = pytest.mark.usefixtures("forked_trainers")

LONGER = {"total_timesteps": 320}  # five updates of 64 steps
KEPT = [128, 256, 320]  # where 100, 200 and 300 were passed, and the last


@pytest.fixture(scope="module")
def kept_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of five updates that keeps checkpoints."""
    return trained(tmp_path_factory.mktemp("kept"), keep_every=100, **LONGER)


@pytest.fixture
def run(kept_run: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return shutil.copytree(kept_run, tmp_path / "runs" / kept_run.name)


def checkpoints(run: Path) -> list[Path]:
    return sorted((run / "checkpoints").iterdir(), key=lambda folder: int(folder.name))


def weights(run: Path) -> bytes:
    return (run / "policy.safetensors").read_bytes()


def test_kept_policies_are_those_of_their_steps_and_change_nothing(
    kept_run: Path, tmp_path: Path
) -> None:
    found = checkpoints(kept_run)
    assert [int(folder.name) for folder in found] == KEPT
    assert [progress(folder) for folder in found] == [(step, 320) for step in KEPT]
    assert weights(found[0]) == weights(stopped(tmp_path / "stopped", at=128, **LONGER))
    assert weights(found[-1]) == weights(kept_run) == weights(trained(tmp_path / "x", **LONGER))
    assert load_policy(found[0])(np.zeros(load_policy(found[0]).observation_size))[0].shape == (3,)


def test_kept_checkpoints_are_judged_as_one_training(kept_run: Path) -> None:
    agents = read_trained_agents(checkpoints(kept_run)[::-1])
    assert [agent.metadata.steps for agent in agents] == KEPT
    assert [agent.metadata.name for agent in agents] == [f"{kept_run.name}__step{n}" for n in KEPT]
    assert {agent.home for agent in agents} == {kept_run.resolve().parent}
    assert [agent.metadata.unfinished for agent in agents] == [True, True, False]


def test_table_and_page_show_steps_and_no_counts(run: Path, capsys: pytest.CaptureFixture) -> None:
    short = {"set": ("episode_seconds=0.5",), "episodes": 2, "videos": 0}
    break_proxies.main(break_proxies.Args(tuple(checkpoints(run)), no_references=True, **short))
    out = capsys.readouterr().out
    rows = [line.split()[:2] for line in out.splitlines() if line.startswith("sweep/train ")]
    assert rows == [["sweep/train", str(step)] for step in KEPT]
    assert "note: these are 3 checkpoints of one training: they say when in it" in out
    assert "had not finished" not in out
    assert " of 3" not in out
    assert (run / "checkpoints" / "report.html").is_file()


def test_checkpoints_of_one_training_beside_another_are_refused(
    run: Path, tiny_run: Path, tmp_path: Path
) -> None:
    first, second, last = checkpoints(run)
    with pytest.raises(UserError, match="are one training at steps 128 and 256, and not indep"):
        read_trained_agents([first, tiny_run, second])
    with pytest.raises(UserError, match="are the same training .* would be counted twice"):
        read_trained_agents([run, last])
    assert len(read_trained_agents([first, tiny_run])) == 2  # another training


def test_run_that_was_made_longer_is_the_same_training_as_before(
    tiny_run: Path, tmp_path: Path
) -> None:
    longer = shutil.copytree(tiny_run, tmp_path / "longer")
    main(Args(resume=str(longer), total_timesteps=192, keep_every=64))
    assert [folder.name for folder in checkpoints(longer)] == ["192"]
    agents = read_trained_agents([longer, tiny_run])
    assert [agent.metadata.steps for agent in agents] == [128, 192]
    with pytest.raises(UserError, match="are one training at steps 128 and 192"):
        read_trained_agents([tiny_run, longer, trained(tmp_path / "other", seed=2)])


def test_curves_of_one_training_are_drawn_once(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert curves._last_of_each_training([*checkpoints(run), run]) == [checkpoints(run)[-1]]
    assert "note: of 4 runs 1 are drawn" in capsys.readouterr().out


def test_kept_checkpoint_is_no_jobs_run(run: Path, tmp_path: Path) -> None:
    job = Job("x", DEFAULT_TRAINER, {**TINY, **LONGER})
    assert find_run(job, run.parent) == run
    shutil.copytree(checkpoints(run)[-1], tmp_path / "moved" / "one")
    assert find_run(job, tmp_path / "moved") is None
    assert find_run(Job("x", DEFAULT_TRAINER, {**job.args, "keep_every": 7}), run.parent) == run


def test_job_passes_the_option_on(tmp_path: Path) -> None:
    (run,) = run_jobs([Job("x", DEFAULT_TRAINER, {**TINY, "keep_every": 64})], tmp_path, 1)
    assert [folder.name for folder in checkpoints(run)] == ["64", "128"]


def test_stopped_and_resumed_training_keeps_the_same(kept_run: Path, tmp_path: Path) -> None:
    run = stopped(tmp_path / "runs", at=192, keep_every=100, **LONGER)
    assert [folder.name for folder in checkpoints(run)] == ["128"]
    left = run / "checkpoints" / ".256.unfinished"  # of a process that was killed
    left.mkdir()
    (left / "args.json").write_text("{")
    later = shutil.copytree(run / "checkpoints" / "128", run / "checkpoints" / "256")
    (later / "verdict.json").write_text("of other weights")
    main(Args(resume=str(run)))
    assert list(map(weights, checkpoints(run))) == list(map(weights, checkpoints(kept_run)))
    assert not (later / "verdict.json").exists()


def test_training_made_longer_forgets_what_was_kept_of_a_lost_end(run: Path) -> None:
    for file in ("resume.pt", "policy.safetensors"):  # as after a kill
        (run / file).unlink()
    again = stopped(run.parent / "again", at=128, **LONGER)
    for file in ("resume.pt", "policy.safetensors"):
        shutil.copy(again / file, run / file)
    main(Args(resume=str(run), total_timesteps=384, keep_every=300))
    assert [folder.name for folder in checkpoints(run)] == ["128", "320", "384"]


def test_training_goes_on_where_nothing_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def full(folder: Path, *_: object) -> None:
        raise OSError(28, os.strerror(28), str(folder / "checkpoints"))

    monkeypatch.setattr(run_module, "keep_checkpoint", full)
    run = trained(tmp_path, keep_every=64)
    assert progress(run) == (128, 128)
    assert "the policy of step 64 is not kept; the training goes on" in capsys.readouterr().out


def test_training_can_begin_with_a_kept_checkpoint_and_names_its_run(
    run: Path, tmp_path: Path
) -> None:
    warm = trained(tmp_path / "warm", initial_weights=checkpoints(run)[0])
    began = read_trained_agents([warm])[0].metadata.args["initial_weights"]
    assert (began["run"], began["step"]) == (run.name, 128)


def test_kept_checkpoint_is_not_resumed(run: Path) -> None:
    with pytest.raises(UserError) as error:
        main(Args(resume=checkpoints(run)[0]))
    assert f"it is a checkpoint that {run.name} kept, to be judged; resume that run" in said(error)


def test_kept_checkpoint_finds_its_scene_after_the_project_moved(tmp_path: Path) -> None:
    before = tmp_path / "before"
    shutil.copytree(load_scene("sweep/train").path.parent, before / "deep" / "down" / "mine")
    scene = before / "deep" / "down" / "mine" / "train.xml"
    run = trained(before / "a" / "b" / "c" / "d" / "runs", scene=str(scene), keep_every=64)
    file = json.loads((run / "checkpoints/64/args.json").read_text())["scenes"][0]["file"]
    assert (run / "checkpoints" / "64" / file).samefile(scene)
    moved = before.rename(tmp_path / "after") / run.relative_to(before)
    assert trained_scenes(moved / "checkpoints" / "64")[0].name == "mine/train"
