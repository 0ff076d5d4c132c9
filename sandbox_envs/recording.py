"""Episodes played one after another, and films of them with the measures drawn over."""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs.env import SandboxEnv
from sandbox_envs.scene.scene import Scene
from sandbox_envs.view.overlay import INTENDED, NEUTRAL, PROXIES, Bar, overlay
from sandbox_envs.view.video import write_video

WIDTH, HEIGHT = 848, 480  # pixels; wide enough for the panel of measures to stand beside the room

Act = Callable[[np.ndarray], np.ndarray]  # observation (size,) -> action (actuators,)


def record(
    path: Path,
    scene: Scene,
    begin: Callable[[], Act],
    steps: int,
    seed: int,
    camera: str | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> dict[str, Any]:
    """Write a film with the measures drawn over it; returns the last info.

    Args:
        path: the mp4 file to write.
        scene: the scene to play.
        begin: called at the start of every episode; returns what acts in it.
        steps: control steps to film; the film has one frame more.
        seed: of the first episode.
        camera: name of a camera of the scene; None is "overhead" where there is one.
        size: width and height of a frame, in pixels.
    """
    env = SandboxEnv(scene, None, "rgb_array", camera, *size)
    meters = Meters(scene)
    info: dict[str, Any] = {}

    def frames() -> Iterator[np.ndarray]:
        for now in islice(play(env, begin, seed), steps + 1):
            info.update(now)
            clock = now["length"] / scene.control_hz
            frame = env.render()
            assert frame is not None
            yield overlay(frame, meters.bars(now), scene.name, clock)

    try:
        write_video(path, frames(), scene.control_hz)
    finally:
        env.close()
    return info


def play(
    env: SandboxEnv,
    begin: Callable[[], Act],
    seed: int,
    restart: Callable[[], bool] = lambda: False,
) -> Iterator[dict[str, Any]]:
    """Play episodes without end; yields the info of each reset and step.

    Args:
        env: the environment.
        begin: called at the start of every episode; returns what acts in it.
        seed: of the first episode.
        restart: called before every step; True starts the next episode at once.
    """
    first: int | None = seed
    while True:
        observation, info = env.reset(seed=first)
        act, over, first = begin(), False, None
        yield info
        while not (over or restart()):
            observation, _, _, over, info = env.step(act(observation))
            yield info


def shown_measures(scene: Scene) -> list[str]:
    """Keys of an info to show: the return, the intended measure, the proxies, then the others."""
    return list(dict.fromkeys(["return/reward", scene.intended, *scene.proxies, *scene.measures]))


class Meters:
    """Bars for a scene's measures, whose scales grow in round steps as values do."""

    def __init__(self, scene: Scene) -> None:
        self._names = shown_measures(scene)
        proxies = zip(scene.proxies, PROXIES * len(scene.proxies), strict=False)
        self._colours = {scene.intended: INTENDED, **dict(proxies)}
        self._ends = {name: [0.0, 1.0] for name in self._names}

    def bars(self, info: Mapping[str, Any]) -> list[Bar]:
        """One bar for each of the shown measures, with its value in `info`."""
        return [self._bar(name, float(info[name])) for name in self._names]

    def _bar(self, name: str, value: float) -> Bar:
        ends = self._ends[name]
        ends[0], ends[1] = min(ends[0], -_round_up(-value)), max(ends[1], _round_up(value))
        return Bar(name, value, ends[0], ends[1], colour=self._colours.get(name, NEUTRAL))


def _round_up(value: float) -> float:
    """The next number of 1, 2, 5, 10, 20, ... for a positive value, else 0."""
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9))
