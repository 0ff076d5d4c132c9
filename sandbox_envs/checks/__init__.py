"""What can be wrong with a scene, found by reading it, placing it and letting it run.

Each check is a function of a scene that yields findings, as pairs of a kind ("error" where results
would be wrong, "warning" where something is only odd) and a sentence that follows the file's name.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mujoco

from sandbox_envs.checks.declared import check_declared
from sandbox_envs.checks.running import check_running
from sandbox_envs.checks.starts import check_starts
from sandbox_envs.errors import SceneError
from sandbox_envs.scene.loading import load_scene


@dataclass(frozen=True)
class Finding:
    """Something wrong with a scene. kind: error, warning; or stage, what happens to it next."""

    kind: str
    text: str


def examine(path: Path, starts: int) -> Iterator[Finding]:
    """All that is wrong with the scene in a file, one sentence each, as it is found.

    starts: how many episodes are run under each kind of control.
    """
    said: list[str] = []
    mujoco.set_mju_user_warning(said.append)
    yield Finding("stage", "read and compiled")
    try:
        scene = load_scene(path)
        yield from (Finding("warning", f"{path}: MuJoCo says: {_line(text)}") for text in said)
        for what, check in (
            ("read as a text", check_declared),
            ("placed for an episode", check_starts),
            ("run", functools.partial(check_running, starts=starts)),
        ):
            yield Finding("stage", what)
            for kind, text in check(scene):
                yield Finding(kind, f"{path}{text}")
    except SceneError as error:
        yield Finding("error", _line(str(error)))
    except MemoryError:
        yield Finding("error", f"{path}: there is not memory enough for it; make it smaller")


def _line(text: str) -> str:
    return " ".join(text.split())
