"""Resumed runs: which arguments may change, how they are made longer, and what is refused."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from commands import run_command
from safetensors.torch import load_file
from trainings import change, said, stopped, trained

from sandbox_envs import UserError
from sandbox_envs.train import arguments, ppo_lstm, run_folder
from sandbox_envs.train.arguments import fingerprint
from sandbox_envs.train.checkpoint import checksum, read_checkpoint
from sandbox_envs.train.jobs import identity
from sandbox_envs.train.ppo_lstm import Args, main
from sandbox_envs.train.resuming import command_line
from sandbox_envs.train.run_files import progress, read_args, read_training
from sandbox_envs.train.run_folder import lock


@pytest.fixture(scope="module")
def halfway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of four updates that was stopped after two."""
    return stopped(tmp_path_factory.mktemp("halfway"), at=128, total_timesteps=256)


@pytest.fixture
def run(halfway: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed and resumed."""
    return shutil.copytree(halfway, tmp_path / "runs" / "run")


def files(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in run.iterdir()}


def steps(run: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


# --- arguments beside --resume ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--learning-rate=0.1"], "--learning-rate 0.1: {} was started with 0.0012"),
        (["--seed=7"], "--seed 7: {} was started with 1, and a resumed run keeps its arguments"),
        (["--num-envs=128"], "--num-envs 128: {} was started with 4"),  # which is the default
        (["--reward=gain(dustpan)"], "--reward gain(dustpan): {} was started with none"),
        (["--set=episode_seconds=5"], "--set episode_seconds=5: {} was started with none"),
        (["--total-timesteps=192"], "--total-timesteps 192: {} is a training of 256 steps, and"),
        (["--total-timesteps=300"], "made longer, by whole updates of 64 steps"),
        (["--run-dir=elsewhere"], "--run-dir elsewhere: a resumed run stays in its folder, {}"),
        (
            ["--scene=keeper/train"],
            "--scene keeper/train: {} was trained on sweep/train, and --scene",
        ),
        (["--initial-weights=runs/X"], "--initial-weights runs/X: {} was started with none, and"),
        (["--scene=sweep/train"] * 2, "--scene was given 2 times, and the run was trained on 1"),
    ],
)
def test_argument_that_contradicts_the_run_is_refused(
    halfway: Path, arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(halfway)
    monkeypatch.setattr("sys.argv", ["ppo_lstm", f"--resume={halfway}", *arguments])
    with pytest.raises(UserError) as error:
        main(*command_line(Args))
    assert sentence.format(halfway) in said(error)
    assert files(halfway) == before


def test_contradiction_from_python_is_refused_like_one_on_the_command_line(halfway: Path) -> None:
    with pytest.raises(UserError) as error:
        main(Args(resume=str(halfway), learning_rate=0.1))
    assert "--learning-rate 0.1" in said(error)


def test_argument_that_repeats_the_runs_own_is_accepted(run: Path) -> None:
    again = ["--num-envs=4", "--seed=1", "--total-timesteps=256", "--scene=sweep/train"]
    run_command(ppo_lstm.__file__, f"--resume={run}", *again, f"--run-dir={run.parent}")
    assert progress(run) == (256, 256)
    assert "extended" not in (run / "args.json").read_text()


def test_finished_run_can_be_made_longer_and_says_so(tiny_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "runs" / "run")
    main(Args(resume=str(run), total_timesteps=192))
    assert progress(run) == (192, 192)
    assert steps(run) == [64, 128, 192]
    longer, plain = read_training(run), read_training(tiny_run)
    assert longer.extended == ((128, 128),)
    change(run / "args.json", "extended", to=[])
    assert identity(read_training(run)) != identity(plain)
    assert identity(longer) != identity(read_training(run))  # it learned at other rates


# --- a run whose files do not belong together -------------------------------------------------


def resaved(**changes: Any) -> Callable[[Path], None]:
    """Content that is changed after it was loaded; a function changes what is there."""

    def damage(run: Path) -> None:
        saved = torch.load(run / "resume.pt", weights_only=True)
        for key, value in changes.items():
            saved[key] = value(saved[key]) if callable(value) else value
        torch.save(saved, run / "resume.pt")

    return damage


def lost(key: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        saved = torch.load(run / "resume.pt", weights_only=True)
        del saved[key]
        torch.save(saved, run / "resume.pt")

    return damage


def of_all(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Any], Any]:
    return lambda tensors: {name: change(tensor) for name, tensor in tensors.items()}


def written(content: bytes) -> Callable[[Path], object]:
    return lambda run: (run / "resume.pt").write_bytes(content)


def truncated(run: Path) -> None:
    os.truncate(run / "resume.pt", (run / "resume.pt").stat().st_size // 2)


def pipe(run: Path) -> None:
    (run / "resume.pt").unlink()
    os.mkfifo(run / "resume.pt")


def flipped(run: Path) -> None:
    content = bytearray((run / "resume.pt").read_bytes())
    content[len(content) // 2] ^= 255
    (run / "resume.pt").write_bytes(content)


def has(file: str, *keys: str, to: Any) -> Callable[[Path], None]:
    return lambda run: change(run / file, *keys, to=to)


# what follows the run's folder in the sentence about each damage
CUT = "/resume.pt: it is damaged and cannot be read; start a new run"
FOREIGN = "/resume.pt: resume.pt is of another version of the trainer; start a new run"
CHANGED = "/resume.pt: its content was changed after it was saved; start a new run"
OTHER = "/resume.pt: it is not of the training that args.json tells of; put back the files of one"
NO_CHECKPOINT = ": it has no resume.pt, so it ended before its first checkpoint"
EDITED = "/args.json: an argument was changed after the training began; undo that, or train again"
OUT_OF_RANGE = "/args.json: --torch-threads 1000000: it must be 1024 or less"
UNREADABLE = "/args.json: it is damaged, or of another version"

DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (written(b""), CUT),
    "text": (written(b"half"), CUT),
    "cut in half": (truncated, CUT),
    "one byte is another": (flipped, CHANGED),
    "missing": (lambda run: (run / "resume.pt").unlink(), NO_CHECKPOINT),
    "a pipe": (pipe, NO_CHECKPOINT),
    "a list": (lambda run: torch.save([1, 2], run / "resume.pt"), FOREIGN),
    "no content": (lambda run: torch.save({}, run / "resume.pt"), FOREIGN),
    **{f"without {key}": (lost(key), FOREIGN) for key in ("agent", "step", "episodes", "checksum")},
    "without envs": (lost("envs"), CHANGED),
    "other keys": (resaved(more=1), CHANGED),
    "weights of NaN": (resaved(agent=of_all(lambda t: t * torch.nan)), CHANGED),
    "weights of other shapes": (resaved(agent=of_all(lambda t: t[None])), CHANGED),
    "weights of another type": (resaved(agent=of_all(torch.Tensor.double)), CHANGED),
    "other weights": (resaved(agent=of_all(lambda t: t + 1)), CHANGED),
    "no weights": (resaved(agent={}), CHANGED),
    "an optimiser without moments": (resaved(optimizer=lambda o: {**o, "state": {}}), CHANGED),
    "another optimiser": (resaved(optimizer=3), CHANGED),
    "another generator": (resaved(generator=torch.zeros(3)), CHANGED),
    "a generator in another state": (resaved(generator=lambda g: g.roll(1)), CHANGED),
    "other simulations": (resaved(envs={}), CHANGED),
    "simulations of NaN": (
        resaved(envs=lambda e: {**e, "0/state": e["0/state"] * torch.nan}),
        CHANGED,
    ),
    "other observations": (
        resaved(rollout_state=lambda r: {**r, "next_obs": r["next_obs"][:1]}),
        CHANGED,
    ),
    "another step": (resaved(step=64), CHANGED),
    "a negative step": (resaved(step=-64), CHANGED),
    "a text for a step": (resaved(step="128"), CHANGED),
    "another update": (resaved(update=1), CHANGED),
    "other episodes": (resaved(episodes=[{"return": 1.0}]), CHANGED),
    "numbers for episodes": (resaved(episodes=3), CHANGED),
    "another total": (resaved(total_timesteps=512), CHANGED),
    "another training": (resaved(training={}), CHANGED),
    "arguments with another seed": (has("args.json", "args", "seed", to=2), EDITED),
    "arguments with another gamma": (has("args.json", "args", "gamma", to=0.9), EDITED),
    "arguments with a gamma beyond 1": (has("args.json", "args", "gamma", to=7.0), EDITED),
    "arguments with a million threads": (
        has("args.json", "args", "torch_threads", to=10**6),
        OUT_OF_RANGE,
    ),
    "arguments with another total": (has("args.json", "args", "total_timesteps", to=512), OTHER),
    "arguments with an endless number": (has("args.json", "args", "num_envs", to=10**400), EDITED),
    "arguments of another version": (
        lambda run: (run / "args.json").write_text('{"args": {"n_envs": 4}}'),
        UNREADABLE,
    ),
    "an agent of another size": (has("agent.json", "agent", "hidden_size", to=32), OTHER),
    "another trainer": (has("agent.json", "trainer", to="ppo_mlp"), EDITED),
}


# --- a trainer that gained an argument since -------------------------------------------------


def lacking(run: Path, name: str) -> None:
    """Make a run one of a version whose trainer had not this argument."""
    recorded = json.loads((run / "args.json").read_text())
    del recorded["args"][name]
    (run / "args.json").write_text(json.dumps(recorded))
    described = json.loads((run / "agent.json").read_text())
    described["arguments"] = fingerprint(described["trainer"], recorded["args"])
    (run / "agent.json").write_text(json.dumps(described))
    saved = torch.load(run / "resume.pt", weights_only=True)
    saved["training"]["arguments"] = read_training(run).marks["arguments"]
    del saved["checksum"]
    torch.save({**saved, "checksum": checksum(saved)}, run / "resume.pt")


def test_run_that_lacks_an_argument_goes_on_with_what_stands_for_its_lack(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(run, "vf_coef")
    with pytest.raises(UserError) as refusal:
        read_args(run)
    assert str(refusal.value) == (
        f"{run / 'args.json'}: it has no 'vf_coef', an argument that was added since; say at the "
        "end of LATER in train/arguments.py which value changes nothing, or train again"
    )
    monkeypatch.setitem(cast(dict[str, Any], arguments.LATER), "vf_coef", 0.25)
    assert read_args(run).vf_coef == 0.25  # and not the default
    main(Args(resume=str(run)))
    assert progress(run) == (256, 256)


def test_runs_made_before_an_argument_was_declared_neutral_are_read_and_go_on(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_training(run).marks
    monkeypatch.setitem(cast(dict[str, Any], arguments.LATER), "vf_coef", 0.5)  # its default
    assert read_training(run).marks != before
    main(Args(resume=str(run)))
    assert progress(run) == (256, 256)
    change(run / "args.json", "args", "vf_coef", to=0.7)
    with pytest.raises(UserError, match="an argument was changed after the training began"):
        read_training(run)


@pytest.mark.parametrize(("damage", "sentence"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_edited_or_foreign_run_is_refused_in_a_sentence(
    run: Path, damage: Callable[[Path], object], sentence: str
) -> None:
    damage(run)
    names = sorted(run.iterdir())
    before = {file: file.read_bytes() for file in names if file.is_file()}
    with pytest.raises(UserError) as refusal:  # what `main` does first, without the simulations
        args = ppo_lstm.resumed_args(Args(resume=str(run)), "ppo_lstm", ())
        ppo_lstm._check(args)
        read_checkpoint(run, "cpu")
    assert str(refusal.value).startswith(f"{run}{sentence}")
    assert "\n" not in str(refusal.value)
    assert {file: file.read_bytes() for file in names if file.is_file()} == before


def test_checkpoint_of_another_run_is_refused(run: Path, tmp_path: Path) -> None:
    other = trained(tmp_path / "other", seed=2)
    shutil.copy(other / "resume.pt", run)
    with pytest.raises(UserError) as error:
        main(Args(resume=str(run)))
    assert "resume.pt: it is not of the training that args.json tells of" in said(error)


def test_run_of_a_changed_scene_is_not_resumed(run: Path) -> None:
    change(run / "args.json", "scenes", 0, "hash", to="0" * 16)
    before = files(run)
    with pytest.raises(UserError, match="the scene sweep/train has changed since it was trained"):
        main(Args(resume=str(run)))
    assert files(run) == before


def test_edited_arguments_of_a_judged_run_are_noticed(run: Path) -> None:
    change(run / "args.json", "args", "seed", to=5)
    with pytest.raises(UserError, match=r"args\.json: an argument was changed after the training"):
        read_training(run)


# --- a log that is not as the checkpoint left it ----------------------------------------------


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (lambda lines: lines[0] + lines[1][:20], [64]),
        (lambda lines: lines[0] + b"\0" * 40 + b"\n" + lines[1], [64]),
        (lambda lines: b"", []),
        (lambda lines: lines[0] + lines[1] + lines[1] + b'{"step": 192', [64, 128]),
    ],
    ids=["a line short, and half", "with zeros", "empty", "longer"],
)
def test_log_of_another_length_is_cut_to_whole_lines_and_goes_on(
    run: Path,
    content: Callable[[list[bytes]], bytes],
    kept: list[int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = run / "metrics.jsonl"
    log.write_bytes(content(log.read_bytes().splitlines(keepends=True)))
    main(Args(resume=str(run)))
    assert steps(run) == [*kept, 192, 256]
    assert progress(run) == (256, 256)
    said = "metrics.jsonl has lost its lines after step" in capsys.readouterr().out
    assert said == (len(kept) < 2)


def test_resumed_weights_do_not_depend_on_the_log(run: Path, tmp_path: Path) -> None:
    (run / "metrics.jsonl").unlink()
    main(Args(resume=str(run)))
    whole = trained(tmp_path / "whole", total_timesteps=256)
    one, other = (load_file(folder / "policy.safetensors") for folder in (run, whole))
    assert all(torch.equal(one[name], other[name]) for name in other)


# --- two processes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "sentence"),
    [(192, "--total-timesteps 192: {} is a training of 320 steps, and can only be"), (384, None)],
)
def test_who_waits_for_another_process_goes_on_from_what_that_one_has_left(
    run: Path, tmp_path: Path, total: int, sentence: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = shutil.copytree(run, tmp_path / "longer")
    main(Args(resume=str(longer), total_timesteps=320))
    waits, errors = threading.Event(), list[Exception]()

    def sleep(_: float) -> None:
        waits.set()
        time.sleep(0.02)

    def resume() -> None:
        try:
            main(Args(resume=str(run), total_timesteps=total))
        except UserError as error:
            errors.append(error)

    monkeypatch.setattr(run_folder, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    held, second = lock(run), threading.Thread(target=resume)
    try:
        second.start()
        assert waits.wait(60)
        for file in longer.iterdir():  # what the first process has done meanwhile
            shutil.copy(file, run)
        before = files(run)
    finally:
        os.close(held)
        second.join()
    if sentence:
        assert [str(error).startswith(sentence.format(run)) for error in errors] == [True]
        assert files(run) == before
    else:
        assert not errors
        assert steps(run) == [64, 128, 192, 256, 320, 384]
        assert progress(run) == (384, 384)


def test_two_commands_that_resume_at_once_leave_one_whole_run(run: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, ppo_lstm.__file__, f"--resume={run}", "--total-timesteps"]
    started = [
        subprocess.Popen([*command, total], env=environment, stderr=subprocess.PIPE, text=True)
        for total in ("640", "320")
    ]
    said = [process.communicate(timeout=240)[1] for process in started]
    assert started[0].returncode == 0, said
    assert started[1].returncode == 0 or "can only be made longer" in said[1], said
    assert progress(run) == (640, 640)
    assert steps(run) == list(range(64, 641, 64))
