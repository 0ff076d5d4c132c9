"""The speed at which `sandbox_envs.play` makes a film of an episode."""

import contextlib
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from sandbox_envs.eval.speed.timing import Contender, Figure, Setting, Task, Tick, by_turns
from sandbox_envs.recording import Act, record
from sandbox_envs.scene.scene import Scene
from sandbox_envs.view.render import working_context

WIDTH, HEIGHT = 640, 480  # pixels
OVER_REAL_TIME = 1.0  # wanted


def video(setting: Setting) -> Iterator[Task]:
    """Simulated seconds of a film per second that it takes to play, draw and write it."""
    yield Task("film", setting.few, partial(_video, setting))


def _video(setting: Setting, tick: Tick) -> Iterator[Figure]:
    scene = setting.scene
    with tempfile.TemporaryDirectory() as folder:
        path, begin = Path(folder) / "film.mp4", partial(_random_act, scene)
        work = partial(record, path, scene, begin, scene.episode_steps, 0, size=(WIDTH, HEIGHT))
        films = {"film": Contender(work, scene.episode_seconds)}
        rates = by_turns(films, setting.few, 0, tick, warm=False)
    what = f"film of {scene.episode_seconds:g} s, {WIDTH} x {HEIGHT}, / real time"
    note = renderer()
    yield Figure("video_over_real_time", what, rates["film"], wanted=OVER_REAL_TIME, note=note)


def _random_act(scene: Scene) -> Act:
    generator = np.random.default_rng(0)
    return lambda _: generator.uniform(-1, 1, scene.model.nu)


def renderer() -> str:
    """The renderer of frames: the kind of OpenGL context and its driver, or rays without OpenGL."""
    context = working_context()
    if context is None:
        return "no OpenGL, drawn plainly by casting rays"
    kind, driver = context.__module__.rpartition(".")[2], ""
    gl = context(16, 16)
    with contextlib.suppress(Exception):  # its name is not worth failing for
        gl.make_current()
        from OpenGL import GL

        driver = (GL.glGetString(GL.GL_RENDERER) or b"").decode()
    gl.free()
    return f"{kind} {driver}".strip()
