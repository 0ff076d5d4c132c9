"""All checks of one scene file, one after another."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import mujoco

from sandbox_envs.checks.declared import check_declared
from sandbox_envs.checks.finding import Finding
from sandbox_envs.checks.running import check_running
from sandbox_envs.checks.seeing import check_seeing
from sandbox_envs.checks.starts import check_starts
from sandbox_envs.errors import SceneError
from sandbox_envs.scene.loading import load_scene


def examine(path: Path, starts: int, announce: Callable[[str], None]) -> Iterator[Finding]:
    """All that is wrong with the scene in a file, as it is found.

    Args:
        path: the scene file.
        starts: episodes to run under each kind of control.
        announce: called before each stage with words for what happens to the scene in it.
    """
    said: list[str] = []
    mujoco.set_mju_user_warning(said.append)
    announce("read and compiled")
    try:
        scene = load_scene(path)
        yield from (Finding("warning", f"{path}: MuJoCo says: {_line(text)}") for text in said)
        for stage, check in (
            ("checked for its texts", check_declared),
            ("placed for an episode", check_starts),
            ("looked at", check_seeing),
            ("run", functools.partial(check_running, starts=starts)),
        ):
            announce(stage)
            for kind, text in check(scene):
                yield Finding(kind, f"{path}{text}")
    except SceneError as error:
        yield Finding("error", _line(str(error)))
    except MemoryError:
        yield Finding("error", f"{path}: there is not enough memory for it; make it smaller")


def _line(text: str) -> str:
    return " ".join(text.split())
