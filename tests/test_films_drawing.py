"""Films drawn by several processes: the same frames, and neither processes nor files are left."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sandbox_envs import UserError, load_scene
from sandbox_envs.eval.agents.scripted import sweep
from sandbox_envs.eval.films import drawing as film_drawing
from sandbox_envs.eval.films.drawing import draw_films
from sandbox_envs.eval.films.film import Film, panel, write_film
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.view import render


@pytest.fixture(scope="module")
def films() -> list[Film]:
    """Two panels at twice the speed, and a slow film of one, in which frames are repeated."""
    short = {"episode_seconds": 1}
    scenes = [load_scene(f"sweep/planter_{k}", short) for k in ("shut", "open")]
    trajectories = [
        play(s, sweep.SCRIPTS["dustpan"], 1, keep=("poses",)).trajectory(0) for s in scenes
    ]
    panels = [panel("agent", trajectory) for trajectory in trajectories]
    both = Film(panels, ["The planter."], 0.0, width=120)
    return [both, replace(both, panels=panels[1:], speed=0.5)]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[film_drawing.Process]:
    """The processes that a test starts."""
    processes: list[film_drawing.Process] = []
    start = film_drawing._start

    def noted(talks: bool) -> film_drawing.Process:
        processes.append(start(talks))
        return processes[-1]

    monkeypatch.setattr(film_drawing, "_start", noted)
    return processes


def test_several_processes_draw_the_frames_that_one_draws(films, started):
    drawn = [list(frames) for frames in draw_films(films, 3)]
    assert len(started) == 3
    for film, frames in zip(films, drawn, strict=True):
        np.testing.assert_array_equal(frames, list(film.frames()))


def test_a_slow_film_draws_no_step_twice(films):
    slow = films[1]
    moments = slow.moments()
    steps = slow.panels[0].trajectory.times
    assert len(moments) == len(steps) + 1  # the outlines end between two frames of one step
    assert sum(moment.frames for moment in moments) == len(slow.times()) + slow.fps


def test_a_few_frames_are_drawn_without_starting_a_process(films, started):
    (frames,) = (list(frames) for frames in draw_films(films[:1]))
    assert len(frames) == len(list(films[0].frames()))
    assert not started


def test_processes_end_with_the_films_and_when_the_reader_stops(films, started):
    for frames in draw_films(films, 2):
        list(frames)
    drawn = draw_films(films, 2)
    next(next(drawn))
    drawn.close()
    assert len(started) == 4
    assert all(process.poll() is not None for process in started)


def test_an_interrupted_film_leaves_neither_file_nor_process(films, started, tmp_path):
    def interrupted(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        yield next(frames)
        raise KeyboardInterrupt

    drawn = draw_films(films, 2)
    with pytest.raises(KeyboardInterrupt):
        write_film(tmp_path / "film.mp4", interrupted(next(drawn)), 20)
    drawn.close()
    assert not list(tmp_path.iterdir())
    assert all(process.poll() is not None for process in started)


def test_an_error_in_a_process_is_raised_here(films):
    drawn = draw_films([replace(films[0], camera="nowhere", changed=False)], 2)
    with pytest.raises(UserError, match="unknown camera 'nowhere'"):
        next(next(drawn))
    drawn.close()


def test_killed_process_is_reported_in_a_sentence(films, started):
    drawn = draw_films(films, 2)
    frames = next(drawn)
    next(frames)
    os.kill(started[1].pid, signal.SIGKILL)
    with pytest.raises(UserError, match=r"has ended \(status -9\).*--videos 0"):
        list(frames)
    drawn.close()


def test_processes_need_no_opengl_and_say_so_once(films, monkeypatch, capfd):
    monkeypatch.setenv("MUJOCO_GL", "glfw")  # which needs a display
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    drawn = [list(frames) for frames in draw_films(films, 2)]
    assert capfd.readouterr().err.count("frames are drawn plainly") == 1
    monkeypatch.setattr(render, "working_context", lambda: None)
    for film, frames in zip(films, drawn, strict=True):
        np.testing.assert_array_equal(frames, list(film.frames()))


def test_a_process_that_draws_never_loads_torch():
    code = (
        "import sys, sandbox_envs.eval.films.drawing\n"
        "sys.exit('torch' in sys.modules or 'sandbox_envs.eval.break_proxies' in sys.modules)"
    )
    here = Path(film_drawing.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=here, timeout=60)
