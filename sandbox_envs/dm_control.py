"""A scene as a dm_control environment, for those whose agents and tools speak dm_env.

    import sandbox_envs
    env = sandbox_envs.dm_control.load("sweep", "planter_open", seed=0)
    time_step = env.reset()
    time_step = env.step(env.action_spec().minimum)
    env.task.info()["dustpan"]

The physics is dm_control's own, over the same compiled scene: what one does to `env.physics`
counts, the viewer's mouse included. Starts, reward, observation and measures come from what
computes them for Gymnasium, which is given the state of that physics after each step. With the
same seed and the same actions both go through the same episodes.

`dm_control.viewer.launch(env)` takes a display. `env.physics.render()` takes none: `load` lets
dm_control draw with what works here, unless MUJOCO_GL names something, or dm_control was imported
before and has made its choice.

dm_control is imported by `load` and not before. (Inside this package `dm_control` is the library,
as imports are absolute; this module is `sandbox_envs.dm_control`.)
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox_envs.errors import SceneError, UserError
from sandbox_envs.scene.catalog import families, scene_files
from sandbox_envs.scene.loading import load_scene


def load(
    family: str | Path,
    scene: str = "train",
    seed: int | None = None,
    overrides: Mapping[str, str | float] | None = None,
    environment_kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """A `dm_control.rl.control.Environment` over a scene.

    Actions are (actuators,) in [-1, 1], mapped to the control ranges as in Gymnasium. An
    observation holds an entry for each term of the scene's text `observe`, or with
    `environment_kwargs={"flat_observation": True}` the one entry "observations" of Gymnasium's
    size and order. Episodes end by the time limit alone, with discount 1. An unstable simulation
    raises dm_control's PhysicsError.

    Args:
        family: the name of a shipped family, or a folder of scenes.
        scene: the name of a scene in it, a file without its ".xml".
        seed: of the episodes, which are numbered from 0; None draws one.
        overrides: texts and numerics of the scene to replace, by name.
        environment_kwargs: further arguments of `control.Environment`.

    Raises:
        UserError: dm_control is missing. SceneError: the scene is wrong, or there is none.
    """
    _check_apart(Path(family), scene)
    try:
        with _working_backend():
            from sandbox_envs.dm_task import make
    except ModuleNotFoundError as error:
        raise UserError(
            f"this takes dm_control, and '{error.name}' is missing; pip install dm-control "
            "(it has no wheels beyond Python 3.12)"
        ) from None
    shipped = f"{family}/{scene}"
    file = Path(family) / f"{scene}.xml"
    name = str(file) if file.parent.is_dir() and shipped not in scene_files() else shipped
    return make(load_scene(name, overrides), seed, environment_kwargs or {})


def _check_apart(family: Path, scene: str) -> None:
    """Raise SceneError where a whole scene is given for the family, or a file for the scene."""
    if family.is_dir() or str(family) in families():
        folder, stem = family, scene.removesuffix(".xml")
        whole = stem != scene
    else:
        folder, stem = family.parent, family.stem if family.suffix == ".xml" else family.name
        is_file = family.suffix == ".xml" or Path(f"{family}.xml").is_file()
        whole = is_file or str(family) in scene_files()
    if whole:
        given = family / scene if folder == family else family
        raise SceneError(
            f"'{given}': the family and the scene in it are given apart; "
            f'call load("{folder}", "{stem}")'
        )


@contextlib.contextmanager
def _working_backend() -> Iterator[None]:
    """Lets dm_control, which reads MUJOCO_GL when it is imported, draw with what works here.

    By itself it takes the first library that can be imported, which fails without a display, and
    cannot be imported where the library that MUJOCO_GL names is missing.
    """
    import mujoco

    from sandbox_envs.view.render import working_context
    from sandbox_envs.view.window import has_display

    chosen = os.environ.get("MUJOCO_GL", "").strip()
    works = hasattr(mujoco, "GLContext") if chosen else has_display()
    if works or "dm_control._render" in sys.modules:
        yield
        return
    context, before = working_context(), os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = context.__module__.rpartition(".")[2] if context else "disable"
    try:
        yield
    finally:
        del os.environ["MUJOCO_GL"]
        if before is not None:
            os.environ["MUJOCO_GL"] = before
