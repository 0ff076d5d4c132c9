"""Lists of trainings: found, resumed, never repeated, and stopped together."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tyro
from conftest import TINY
from trainings import stopped

from sandbox_envs import UserError, load_scene
from sandbox_envs.eval.experiments.runner import RESULTS
from sandbox_envs.scene.catalog import scenes_folder
from sandbox_envs.train import jobs
from sandbox_envs.train.jobs import Job, find_run, identity, is_finished, run_jobs
from sandbox_envs.train.metrics import last_step
from sandbox_envs.train.run_files import progress, read_training
from sandbox_envs.train.trainers import DEFAULT_TRAINER, trainer

LONG = TINY | {"total_timesteps": 64 * 4000}  # long enough to be stopped midway


def path_of(scene: str) -> str:
    return str(load_scene(scene).path)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 100
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def job(args: Mapping[str, Any], name: str = "x") -> Job:
    return Job(name, DEFAULT_TRAINER, args)


@pytest.fixture(scope="module")
def stopped_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of three updates that was stopped after two."""
    return stopped(tmp_path_factory.mktemp("stopped"), at=128, total_timesteps=192)


@pytest.fixture
def run(stopped_run: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed; `tmp_path` is the folder of the jobs."""
    return shutil.copytree(stopped_run, tmp_path / "one" / stopped_run.name)


# --- which run is a job's --------------------------------------------------------------------


@pytest.mark.usefixtures("forked_trainers")
def test_finished_training_is_found_by_its_arguments_and_not_repeated(tmp_path: Path) -> None:
    todo = [job(TINY, "one"), job(TINY | {"seed": 2}, "two")]
    runs = run_jobs(todo, tmp_path, workers=2)
    assert all(is_finished(run) for run in runs)
    again = run_jobs([replace(todo[1], name="another name")], tmp_path, workers=1)
    assert again == [runs[1]]
    spelled_out = TINY | {
        "scene": (path_of("sweep/train"),),
        "set": ("spawn/planter_gate=gate_shut 0.97, gate_open 0.03",),
        "torch_threads": 2,
    }
    assert find_run(job(spelled_out), tmp_path) == runs[0]
    assert find_run(job(TINY | {"gamma": 0.9}), tmp_path) is None
    assert find_run(job(TINY | {"set": ("episode_seconds=5",)}), tmp_path) is None


@pytest.mark.usefixtures("forked_trainers")
def test_mixture_is_identified_by_scenes_order_and_repetitions(
    tmp_path: Path,
) -> None:
    train, broken = "sweep/train", "sweep/planter_open"
    mixed = TINY | {"scene": (train, path_of(train), broken)}
    (run,) = run_jobs([job(mixed, "mixed")], tmp_path, workers=1)
    for same in ((path_of(train), train, broken), (train, train, path_of(broken))):
        assert find_run(job(TINY | {"scene": same}), tmp_path) == run
    for other in ((train, broken), (train, broken, train), (train, broken, broken)):
        assert find_run(job(TINY | {"scene": other}), tmp_path) is None


def test_trainer_is_part_of_the_identity(tiny_run: Path) -> None:
    training = read_training(tiny_run)
    assert identity(training) == job(TINY).identity
    assert identity(replace(training, trainer="another")) != job(TINY).identity


def test_yes_and_no_are_written_as_command_lines_have_them(tmp_path: Path) -> None:
    command = Job("one", "ppo_planner", {"unsupervised": True}).command(tmp_path)
    assert command[3:] == [f"--run-dir={tmp_path}", "--unsupervised"]


@pytest.mark.usefixtures("forked_trainers")
def test_two_equal_jobs_share_a_run(tmp_path: Path) -> None:
    one, other = run_jobs([job(TINY, "a"), job(TINY | {"debug": True}, "b")], tmp_path, 2)
    assert one == other
    assert len(list(tmp_path.glob("**/args.json"))) == 1


# --- resuming ------------------------------------------------------------------------------


@pytest.mark.usefixtures("forked_trainers")
def test_stopped_training_resumes_at_its_last_step(run: Path, tmp_path: Path) -> None:
    assert not is_finished(run)
    longer = TINY | {"total_timesteps": 192}
    assert run_jobs([job(longer, "one")], tmp_path, workers=1) == [run]
    assert is_finished(run)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [64, 128, 192]


@pytest.mark.usefixtures("forked_trainers")
def test_training_killed_before_its_last_checkpoint_is_resumed(run: Path, tmp_path: Path) -> None:
    """Its log is at the end, and its policy is not."""
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 192, "seconds": 9.0, "episodes": 0}\n')
    assert progress(run) == (128, 192)
    before = (run / "policy.safetensors").read_bytes()
    assert run_jobs([job(TINY | {"total_timesteps": 192}, "one")], tmp_path, 1) == [run]
    assert progress(run) == (192, 192)
    assert (run / "policy.safetensors").read_bytes() != before


@pytest.mark.usefixtures("forked_trainers")
def test_a_scene_that_was_edited_is_trained_on_anew(tmp_path: Path) -> None:
    """Also in the same process, and where only a part of it was edited."""
    folder = shutil.copytree(scenes_folder() / "keeper", tmp_path / "keeper")
    edited = job({**TINY, "scene": (str(folder / "train.xml"),)}, "a")
    (before,) = run_jobs([edited], tmp_path / "runs", 1)
    assert run_jobs([edited], tmp_path / "runs", 1) == [before]
    part = folder / "_rink.xml"
    part.write_text(part.read_text().replace('timestep="0.00625"', 'timestep="0.003125"'))
    (after,) = run_jobs([edited], tmp_path / "runs", 1)
    assert after != before


# --- failing and stopping --------------------------------------------------------------------


@pytest.mark.usefixtures("forked_trainers")
def test_failed_training_is_an_error_that_names_its_log(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training bad failed: .*num-minibatches.*bad\.log"):
        run_jobs([job(TINY | {"num_minibatches": 9}, "bad")], tmp_path, workers=1)


@pytest.mark.usefixtures("forked_trainers")
def test_failed_training_is_raised_when_the_others_have_ended(tmp_path: Path) -> None:
    many = [job(TINY | {"num_minibatches": 9}, "bad"), job(TINY, "good")]
    with pytest.raises(UserError) as error:
        run_jobs(many, tmp_path, workers=1)
    assert str(error.value) == (
        f"1 of 2 trainings failed, the others are kept; their logs are in {tmp_path}: bad.log"
    )
    (good,) = run_jobs(many[1:], tmp_path, workers=1)
    assert is_finished(good)


def test_stopped_training_is_an_error_not_a_finished_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trainer saves on SIGTERM; what it returned is half an agent."""
    started: list[subprocess.Popen[bytes]] = []
    threads: list[str] = []

    class Remembered(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **options: Any) -> None:
            super().__init__(*args, **options)
            started.append(self)
            threads.append(options["env"]["OMP_NUM_THREADS"])

    def stop_it() -> None:
        wait_for(lambda: list(tmp_path.glob("long/*/resume.pt")))
        started[0].terminate()

    monkeypatch.setattr(jobs.subprocess, "Popen", Remembered)
    monkeypatch.setattr(jobs, "thread_count", lambda: 4)
    threading.Thread(target=stop_it).start()
    stopped = r"training long was stopped at \d+ of 256000 steps; run this again to resume"
    with pytest.raises(UserError, match=stopped):
        run_jobs([job(LONG, "long"), job(TINY, "short")], tmp_path, workers=2)
    assert started[0].returncode == 143
    assert threads == ["2", "2"]  # the two share the machine
    assert find_run(job(TINY), tmp_path) is not None  # the other training was not stopped


def test_terminating_a_list_of_trainings_saves_and_ends_each(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from sandbox_envs.errors import cli_errors\n"
        "from sandbox_envs.train.jobs import Job, run_jobs\n"
        f"jobs = [Job(str(seed), {DEFAULT_TRAINER!r}, {LONG} | {{'seed': seed}})"
        " for seed in (1, 2)]\n"
        "cli_errors(lambda _: run_jobs(jobs, Path(sys.argv[1]), 2))(None)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: len(list(tmp_path.glob("*/*/resume.pt"))) == 2)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=100)
    assert said.splitlines()[-1] == "stopped"
    assert process.returncode == 143
    for seed in (1, 2):
        assert "stopped; resume it with --resume" in (tmp_path / f"{seed}.log").read_text()
        stopped = find_run(job(LONG | {"seed": seed}), tmp_path)
        assert stopped is not None
        assert 0 < progress(stopped)[0] < LONG["total_timesteps"]


def test_killing_whoever_started_a_training_saves_and_ends_it(tmp_path: Path) -> None:
    """Nothing trains on in the background, and the next start finds the run free."""
    code = (
        "import sys; from pathlib import Path\n"
        "from sandbox_envs.train.jobs import Job, run_jobs\n"
        f"run_jobs([Job('one', {DEFAULT_TRAINER!r}, {LONG})], Path(sys.argv[1]), 1)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: list(tmp_path.glob("*/*/resume.pt")))
        process.kill()
    log = tmp_path / "one.log"
    wait_for(lambda: "stopped; resume it" in log.read_text())
    assert "stopped; resume it" in log.read_text()


def test_run_of_a_trainer_with_another_default_scene_is_found(tmp_path: Path) -> None:
    few = {"total_timesteps": 16, "num_envs": 4, "num_steps": 4, "num_minibatches": 2}
    menu = trainer("ppo_menu")
    one = Job("menu", "ppo_menu", {**few, "hidden_size": 8, "skills": ("red", "blue")})
    flags = [flag for flag in one.command(tmp_path) if not flag.startswith("--run-dir")][3:]
    assert tyro.cli(menu.Args, args=flags) == one.arguments
    run = menu.main(replace(one.arguments, run_dir=str(tmp_path / "deep" / "er")))
    assert find_run(one, tmp_path) == run
    assert find_run(Job("menu", "ppo_menu", few), tmp_path) is None


def test_last_step_is_that_of_the_last_whole_line(tmp_path: Path) -> None:
    assert last_step(tmp_path) == 0
    log = tmp_path / "metrics.jsonl"
    log.write_text('{"step": 64}')
    assert last_step(tmp_path) == 0
    log.write_text('{"step": 64}\n')
    assert last_step(tmp_path) == 64
    log.write_text('{"step": 64}\n' * 9999 + '{"step": 128}\n{"ste')
    assert last_step(tmp_path) == 128


def test_job_recognises_its_agent_by_the_metadata_in_a_verdict() -> None:
    """So studies keep records without their runs, and still know the training of each."""
    folder = RESULTS / "default_agent" / "sweep" / "s1002"
    metadata = json.loads((folder / "verdict.json").read_text())["agent"]
    assert job({"seed": 1002}).trains(metadata), (
        "no committed record is of today's trainer: give an argument that it gained a value for "
        "its lack in LATER of train/arguments.py"
    )
    assert job({"seed": 1002, "torch_threads": 2}).trains(metadata)
    assert not job({"seed": 1003}).trains(metadata)
    longer = {**metadata, "args": {**metadata["args"], "extended": [[512, 512]]}}
    assert not job({"seed": 1002}).trains(longer)
    assert not job({"seed": 1002, "set": ("spawn/planter_gate=gate_shut",)}).trains(metadata)
