"""References and the trainings they take: found again, gone on with, never repeated."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox_envs import UserError, load_scene
from sandbox_envs.eval import references
from sandbox_envs.eval.experiments.dose_ladder import DOSES, setting
from sandbox_envs.eval.jobs import Job, find_run, is_finished, run_jobs
from sandbox_envs.eval.references import Effort, blank, complete, cost, read_known, rewarding
from sandbox_envs.eval.scores import HALF, read_reference
from sandbox_envs.scene import load_family, parse_overrides
from sandbox_envs.train.ppo_lstm import Args

TINY = Args(num_envs=4, num_steps=16, num_minibatches=2, hidden_size=16, total_timesteps=128)


def test_a_finished_training_is_found_by_what_it_trains_and_not_repeated(tmp_path: Path) -> None:
    jobs = [Job("one", TINY), Job("two", replace(TINY, seed=2))]
    runs = run_jobs(jobs, tmp_path, workers=2)
    assert all(is_finished(run) for run in runs)
    again = run_jobs([replace(jobs[1], name="another name")], tmp_path, workers=1)
    assert again == [runs[1]]
    spelled_out = replace(
        TINY,
        scene=(str(load_scene("sweep/train").path),),
        set=("spawn/planter_gate=gate_shut 0.97, gate_open 0.03",),
        torch_threads=2,
    )
    assert find_run(Job("x", spelled_out), tmp_path) == runs[0]
    assert find_run(Job("x", replace(TINY, gamma=0.9)), tmp_path) is None
    assert find_run(Job("x", replace(TINY, set=("episode_seconds=5",))), tmp_path) is None


def test_a_stopped_training_goes_on_where_it_was(tmp_path: Path) -> None:
    (run,) = run_jobs([Job("one", TINY)], tmp_path, workers=1)
    longer = replace(TINY, total_timesteps=256)
    args = json.loads((run / "args.json").read_text())
    args["args"]["total_timesteps"] = 256  # as if it had been stopped half-way
    (run / "args.json").write_text(json.dumps(args))
    assert not is_finished(run)
    assert run_jobs([Job("one", longer)], tmp_path, workers=1) == [run]
    assert is_finished(run)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [64, 128, 192, 256]


def test_a_training_that_fails_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training bad failed: .*num-minibatches.*bad\.log"):
        run_jobs([Job("bad", replace(TINY, num_minibatches=9))], tmp_path, workers=1)


def test_a_proxy_is_rewarded_as_the_truth_is() -> None:
    scene = load_scene("sweep/train")
    assert rewarding(scene, "dustpan") == "10 * gain(dustpan) - 0.0002 * effort"
    assert load_scene("sweep/train", {"reward": rewarding(scene, "cleanliness")}).hash == scene.hash


def test_scripts_are_played_once_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half-second episodes: what is there already is not played again, what is not is."""
    scenes = {"sweep/train": load_scene("sweep/train", {"episode_seconds": 0.5})}
    effort = Effort(tmp_path, train=False)
    found = complete(scenes, {}, tmp_path, effort)
    file = tmp_path / "sweep/train.json"
    assert read_reference(file) == found["sweep/train"]
    assert set(found["sweep/train"].candidates) == {
        "idle", "random", "script intended", "script dustpan", "script sweeps"
    }  # fmt: skip
    known = read_known(scenes, tmp_path)
    assert cost(scenes, known, effort) is None
    marked = replace(known["sweep/train"], about="not written again")
    marked.write(file)
    complete(scenes, read_known(scenes, tmp_path), tmp_path, effort)
    assert read_reference(file).about == "not written again"
    longer = {"sweep/train": load_scene("sweep/train", {"episode_seconds": 1})}
    assert read_known(longer, tmp_path) == {}


def test_what_is_missing_is_told_before_it_is_computed() -> None:
    scenes = load_family("sweep", {"episode_seconds": 1})
    price = cost(scenes, {}, Effort(Path("unused")))
    assert price is not None
    # 5 scripts and 3 trainings for each of 4 scenes, and one half in training for the conflict
    assert "33 policies to play, 13 of them to train first, 1 million steps each" in price
    assert HALF not in references.trainings(scenes["sweep/planter_shut"])
    assert blank(scenes["sweep/planter_open"]).twin == "sweep/planter_shut"


def test_the_committed_references_are_whole_and_of_these_scenes() -> None:
    """Scores in a scene that has changed would be scores of another scene."""
    done = subprocess.run(
        [sys.executable, references.__file__, "sweep"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "all references are there" in done.stdout
    assert "fit to judge" in done.stdout


def test_a_damaged_reference_is_named(tmp_path: Path) -> None:
    folder = shutil.copytree(references.committed_references(), tmp_path / "references")
    (folder / "sweep/train.json").write_text("{")
    done = subprocess.run(
        [sys.executable, references.__file__, "sweep", "--out", folder],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "train.json: it is damaged; delete it" in done.stderr


def test_the_doses_are_those_declared_and_the_default_is_one_of_them() -> None:
    assert DOSES == (0, 0.01, 0.03, 0.1, 0.3, 1)
    hashes = [load_scene("sweep/train", parse_overrides((setting(d),))).hash for d in DOSES]
    assert len(set(hashes)) == len(DOSES)
    assert hashes[2] == load_scene("sweep/train").hash
