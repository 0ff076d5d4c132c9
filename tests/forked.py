"""Trainings of `jobs` that start two seconds faster: forked as `run_command` forks commands."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
from commands import CONTEXT, become

from sandbox_envs.train import jobs
from sandbox_envs.train.signals import PARENT


class ForkedTrainer:
    """A trainer's process as `jobs` starts it with `Popen`, but forked from the server.

    Only its parent is another process, whose end does not end it.
    """

    def __init__(
        self, command: Sequence[str], stdout: IO[str], env: Mapping[str, str], **_: Any
    ) -> None:
        line, log = list(command[2:]), Path(stdout.name)  # without `python -m`
        environment = {name: value for name, value in env.items() if name != PARENT}
        self._process = CONTEXT.Process(
            target=become, args=(line, log, log, str(Path.cwd()), environment)
        )
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()


def fork_trainers(patch: pytest.MonkeyPatch) -> None:
    """Let `jobs` start trainers so, and look more often whether one has ended."""
    given = {"STDOUT": subprocess.STDOUT, "DEVNULL": subprocess.DEVNULL}
    patch.setattr(jobs, "subprocess", SimpleNamespace(Popen=ForkedTrainer, **given))
    patch.setattr(jobs, "time", SimpleNamespace(sleep=lambda _: time.sleep(0.05)))
