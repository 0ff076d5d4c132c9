"""Frames of films, drawn by several processes at once: of n of them each draws every n-th.

The processes are started once for all films. They draw with an OpenGL of their own, import neither
torch nor the program that started them (a process pool would), and write no files, so that they
can be ended at any time. How many there are changes no frame.
"""

import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Generator, Iterator, Sequence
from itertools import cycle, repeat
from typing import Any, BinaryIO

import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.eval.films.film import Film
from sandbox_envs.processor import available_cores
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene

CORES = available_cores()
MOST = 8  # processes; then the one process that writes the film is the slowest
WORTHWHILE = 50  # frames, which take about as long as to start a process

Process = subprocess.Popen[bytes]


def draw_films(
    films: Sequence[Film], processes: int | None = None
) -> Generator[Iterator[np.ndarray], None, None]:
    """The frames of each film in turn; those of one are to be taken before the next.

    processes: how many draw; by default as many as there are cores and worthwhile work for.

    Raises:
        UserError: a process was ended from outside, or as any of the films' own frames do.
    """
    if processes is None:
        frames = sum(len(film.moments()) for film in films)
        processes = min(CORES, MOST, frames // WORTHWHILE)
    if processes < 2:
        yield from (film.frames() for film in films)
        return
    painters: list[Process] = []
    try:
        for k in range(processes):
            painters.append(_start(talks=k == 0))
        for k, painter in enumerate(painters):  # all are started by now, and none waits for others
            _send(painter, (films, k, processes))
        for film in films:
            yield _frames(film, painters)
    finally:
        _end(painters)


def _start(talks: bool) -> Process:
    """A process that draws. talks: whether its messages are shown; all have the same ones."""
    path = os.pathsep.join(map(os.path.abspath, sys.path))  # so that it imports what we have
    return subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if talks else subprocess.DEVNULL,
        start_new_session=True,  # an interruption from the keyboard is for the first process
    )


def _end(painters: Sequence[Process]) -> None:
    for painter in painters:
        with painter:  # waits for its end, and closes its pipes
            painter.kill()


def _frames(film: Film, painters: Sequence[Process]) -> Iterator[np.ndarray]:
    for moment, painter in zip(film.moments(), cycle(painters)):
        yield from repeat(_receive(painter), moment.frames)


def _send(painter: Process, work: tuple[Sequence[Film], int, int]) -> None:
    assert painter.stdin is not None
    try:
        with painter.stdin as pipe:
            _Pickler(pipe).dump(work)
    except BrokenPipeError:
        pass  # the missing frame's error says why


def _receive(painter: Process) -> np.ndarray:
    """The next frame of a process, or the error that it met, raised."""
    assert painter.stdout is not None
    try:
        found = pickle.load(painter.stdout)
    except (EOFError, pickle.UnpicklingError):
        raise UserError(
            f"a process that draws films has ended (status {painter.wait()}), perhaps for lack of "
            "memory; free some and try again, or make no films, with --videos 0"
        ) from None
    if isinstance(found, Exception):
        raise found
    return found


class _Pickler(pickle.Pickler):
    """Sends scenes as their files and overrides: their formulas are functions, which cannot be."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, Scene):
            return load_scene, (str(thing.path), thing.overrides)
        return NotImplemented


# --- in the other process --------------------------------------------------------------------


def _paint(films: Sequence[Film], k: int, n: int, out: BinaryIO) -> None:
    """Write every n-th frame of each film, from the k-th on."""
    for film in films:
        for frame in film.draw(film.moments()[k::n]):
            pickle.dump(frame, out, pickle.HIGHEST_PROTOCOL)


def _main() -> None:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # keep what a library prints out of the frames
    try:
        films, k, n = pickle.load(sys.stdin.buffer)
        _paint(films, k, n, out)
    except BrokenPipeError:
        os._exit(1)  # the reader has gone, so nothing is left to flush
    except Exception as error:
        error.add_note(traceback.format_exc())  # where it was, which pickle forgets
        pickle.dump(error, out)
    out.flush()


if __name__ == "__main__":
    _main()
