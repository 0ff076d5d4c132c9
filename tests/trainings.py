"""Tiny trainings in the tests' own process: of two updates, or stopped in their midst."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY

from sandbox_envs.errors import UserError, sentence_of
from sandbox_envs.train.run import Run
from sandbox_envs.train.trainers import DEFAULT_TRAINER
from sandbox_envs.train.trainers import trainer as named


def trained(folder: Path, trainer: str = DEFAULT_TRAINER, **arguments: Any) -> Path:
    """The run of a tiny training below a folder that holds no other."""
    module = named(trainer)
    run: Path = module.main(module.Args(**{**TINY, "run_dir": str(folder), **arguments}))
    assert [run] == list(folder.iterdir())
    return run


def stopped(folder: Path, at: int, **arguments: Any) -> Path:
    """The run of a tiny training that gets SIGTERM in the update that ends at step `at`."""
    log = Run.log

    def log_and_stop(run: Run, step: int, *rest: Any) -> None:
        log(run, step, *rest)
        if step == at:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "log", log_and_stop)
        with pytest.raises(SystemExit) as ended:
            trained(folder, **arguments)
    assert ended.value.code == 128 + signal.SIGTERM
    (run,) = folder.iterdir()
    return run


def said(error: pytest.ExceptionInfo[Exception]) -> str:
    """The sentence with which a training ended."""
    assert isinstance(error.value, UserError | OSError)
    return sentence_of(error.value)


def change(file: Path, *keys: str | int, to: Any) -> None:
    """Replace one value in a file of JSON, which the keys lead to."""
    content = part = json.loads(file.read_text())
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = to
    file.write_text(json.dumps(content))
