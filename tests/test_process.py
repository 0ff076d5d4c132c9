"""Trainings as part of a process: called from Python, from a thread, stopped, short of space."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY
from safetensors.torch import load_file
from trainings import said, trained

import sandbox_envs.train.log
from sandbox_envs import UserError
from sandbox_envs.train import run as run_module
from sandbox_envs.train import run_folder
from sandbox_envs.train.checkpoint import read_checkpoint, save_checkpoint
from sandbox_envs.train.ppo_lstm import Args, main
from sandbox_envs.train.run_files import progress
from sandbox_envs.train.run_folder import lock


def test_training_in_a_thread_finishes(tmp_path: Path) -> None:
    worker = threading.Thread(target=lambda: trained(tmp_path / "runs"))
    worker.start()
    worker.join()
    (run,) = (tmp_path / "runs").iterdir()
    assert progress(run) == (128, 128)


def test_arguments_from_python_may_be_paths_texts_and_numbers_of_numpy(tmp_path: Path) -> None:
    given: dict[str, Any] = {"scene": "keeper/train", "run_dir": tmp_path, "seed": np.int64(3)}
    run = trained(tmp_path, **given)
    assert run.name.startswith("keeper-train__ppo_lstm__s3__")


def test_settings_of_torch_are_as_before(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    trained(tmp_path / "runs")
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.rand(3), expected)
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"learning_rate": float("nan")}, "--learning-rate nan: it must be a finite number"),
        ({"learning_rate": -1.0}, "--learning-rate -1.0: it must be 0 or more"),
        ({"max_grad_norm": float("inf")}, "--max-grad-norm inf: it must be a finite number"),
        ({"gamma": 1.5}, "--gamma 1.5: it must be 1 or less"),
        ({"seed": 10**20}, "--seed 100000000000000000000: it must be 9223372036854775807 or less"),
        ({"torch_threads": 10**6}, "--torch-threads 1000000: it must be 1024 or less"),
        ({"num_envs": "many"}, "num_envs is 'many'; it must be like 128"),
        ({"num_envs": 8, "num_steps": 1, "num_minibatches": 8}, "a minibatch has only one sample"),
        ({"num_envs": 9, "num_steps": 1, "num_minibatches": 5}, "a minibatch has only one sample"),
        ({}, "too little memory"),
        ({"device": "meta"}, "--device meta: torch cannot use it"),
    ],
)
def test_absurd_argument_is_refused_before_anything_is_made(
    arguments: dict[str, Any], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "memory" in sentence:  # without using up the machine's

        def lacking(*_: object, **__: object) -> None:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

        monkeypatch.setattr("sandbox_envs.train.ppo_lstm.SandboxVectorEnv", lacking)
    with pytest.raises(UserError) as error:
        main(Args(**{**TINY, "run_dir": str(tmp_path / "runs"), **arguments}))
    assert sentence in said(error)
    assert not (tmp_path / "runs").exists()


def test_signal_ends_a_training_that_hangs_in_one_step() -> None:
    """A main thread that does not come back to Python cannot handle a signal itself."""
    code = (
        "import hashlib, os, signal, threading\n"
        "from sandbox_envs.train import signals\n"
        "signals.GRACE = 0.2\n"
        "with signals.StopRequests():\n"
        "    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 143
    assert "stopped without saving" in done.stderr


def test_a_job_waits_for_its_step_however_many_signals_its_parents_end_sends() -> None:
    code = (
        "import hashlib, os, signal, threading\n"
        "from sandbox_envs.train import signals\n"
        "os.environ[signals.PARENT] = str(os.getppid())\n"
        "sent = []\n"
        "def send(seconds):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    sent.append(seconds)\n"
        "with signals.StopRequests() as requests:\n"
        "    for seconds in (0.2, 0.3, 0.4):\n"
        "        threading.Timer(seconds, send, (seconds,)).start()\n"
        "    while len(sent) < 3:\n"
        "        hashlib.pbkdf2_hmac('sha256', b'', b'', 4 * 10**6)\n"
        "    print(requests.number)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(int(signal.SIGTERM))


def test_run_that_another_process_trains_is_left_to_it(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_folder, "LOCK_SECONDS", 0.1)
    held = lock(tiny_run)
    try:
        with pytest.raises(UserError, match="another process trains this run; wait for it, or end"):
            lock(tiny_run)
    finally:
        os.close(held)
    os.close(lock(tiny_run))


# --- a disk that is full ---------------------------------------------------------------------


def full(function: Callable[..., Any], calls: range) -> Callable[..., Any]:
    """The same function, for which the disk is full in some of its calls."""
    number = iter(range(1000))

    def limited(*arguments: Any) -> Any:
        if next(number) in calls:
            raise OSError(errno.ENOSPC, "No space left on device", str(arguments[0]))
        return function(*arguments)

    return limited


@pytest.mark.parametrize(
    "name", ["run.save_checkpoint", "log.append", "log.SummaryWriter.add_scalar"]
)
def test_training_goes_on_while_the_disk_is_full_and_loses_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sandbox_envs.train.run.CHECKPOINT_SECONDS", 0.0)
    function: Any = sandbox_envs.train
    for part in name.split("."):
        function = getattr(function, part)
    calls = range(40, 60) if "scalar" in name else range(2, 4)
    monkeypatch.setattr(f"sandbox_envs.train.{name}", full(function, calls))
    run = trained(tmp_path, total_timesteps=320)
    assert progress(run) == (320, 320)
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 5
    notes = [line for line in capsys.readouterr().out.splitlines() if "note: No space" in line]
    assert 1 <= len(notes) == len(set(notes)) <= 2


@pytest.mark.parametrize(("calls", "kept"), [(range(1), None), (range(2, 9), 64)])
def test_disk_that_stays_full_ends_a_training_where_the_last_checkpoint_is(
    calls: range, kept: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox_envs.train.run.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(run_module, "save_checkpoint", full(save_checkpoint, calls))
    with pytest.raises(OSError, match="No space left on device"):
        trained(tmp_path, total_timesteps=192)
    (run,) = tmp_path.iterdir()
    monkeypatch.undo()
    assert (run / "resume.pt").exists() == (kept is not None)
    if kept:
        assert read_checkpoint(run, "cpu")["step"] == kept


def test_trainings_in_threads_get_the_weights_of_their_seeds(tmp_path: Path) -> None:
    """Torch has one generator for the process, which the trainings share by turns."""
    alone = [trained(tmp_path / f"alone-{seed}", seed=seed) for seed in (1, 2, 3, 4)]
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(trained, tmp_path / f"beside-{s}", seed=s) for s in (1, 2, 3, 4)]
            beside = [job.result() for job in jobs]
    finally:
        sys.setswitchinterval(switching)
    for one, other in zip(alone, beside, strict=True):
        weights = [load_file(run / "policy.safetensors") for run in (one, other)]
        assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
