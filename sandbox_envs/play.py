"""Drive a scene by hand, watch a policy in it, or film either.

    python -m sandbox_envs.play sweep/train                       a window, and the keyboard
    python -m sandbox_envs.play sweep/train --policy runs/RUN     the same, to watch
    python -m sandbox_envs.play sweep/train --video room.mp4      a film, without any window

Where there is no display, a film is made in any case.
"""

import math
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import mujoco
import numpy as np
import tyro

from sandbox_envs.env import SandboxEnv
from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scene.texts import parse_overrides
from sandbox_envs.view.render import (
    INTENDED,
    NEUTRAL,
    PROXIES,
    Bar,
    Viewer,
    has_display,
    overlay,
    write_video,
)
from sandbox_envs.view.video import check_video_path

WIDTH, HEIGHT = 848, 480  # pixels; wide enough for the panel of measures to stand beside the room

Act = Callable[[np.ndarray], np.ndarray]  # observation (size,) -> action (actuators,)


@dataclass
class Args:
    """Drive a scene with the keyboard, watch a policy in it, or film either.

    Keys: arrows drive and turn, in steps; space stops; B or 1 switches the brush (2 to 9 switch
    further actuators); R begins a new episode.
    """

    scene: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="SCENE")] = "sweep/train"
    """a shipped scene (family/stem), or the path of an MJCF file"""
    policy: Path | None = None
    """folder of a training run, whose policy then acts; without one you drive, or, in a film, a
    script that sees nothing: it wanders about slowly, with the brush (all further actuators) on"""
    video: Path | None = None
    """write this mp4 instead of opening a window; without a display the default is
    videos/FAMILY-STEM.mp4"""
    seconds: float | None = None
    """how long, in simulated seconds; by default a film is one episode, a window stays open"""
    seed: int = 0
    """of the rooms: the same seed gives the same episodes"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE, a text or numeric of the scene to replace; may be repeated"""
    camera: str | None = None
    """name of a camera of the scene; by default overhead in a film, a free one in a window"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Open a window or write a film, as `args` say, and print how it ended."""
    if args.seconds is not None and not (args.seconds > 0 and math.isfinite(args.seconds)):
        raise UserError(f"--seconds {args.seconds:g}: it must be more than 0")
    if not 0 <= args.seed < 2**63:
        raise UserError(f"--seed {args.seed}: it must be 0 or more, and less than 2^63")
    scene = load_scene(args.scene, parse_overrides(args.set))
    policy = None if args.policy is None else _load_policy(args.policy, scene)
    if args.video is None and has_display():
        info = show(scene, policy, args)
    else:
        info = film(scene, policy, args)
    print(", ".join(f"{name} {info[name]:.3f}" for name in _names(scene) if name in info))


def film(scene: Scene, policy: Any, args: Args) -> dict[str, Any]:
    """Write a film of the scene, with its measures drawn over it; returns the last info."""
    default = Path("videos") / f"{scene.family}-{scene.path.stem}.mp4"
    path = check_video_path(args.video or default)
    if args.video is None:
        print(f"there is no display, so this is written to {path}", flush=True)
    begin = (lambda: _policy_act(policy)) if policy else (lambda: _wander(scene))
    steps = _steps(args.seconds or scene.episode_seconds, scene)
    info = record(path, scene, begin, steps, args.seed, args.camera)
    who = args.policy or "a script that wanders about blindly"
    print(f"{path}: {steps / scene.control_hz:g} s of {scene.name}, driven by {who}")
    return info


def record(
    path: Path,
    scene: Scene,
    begin: Callable[[], Act],
    steps: int,
    seed: int,
    camera: str | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> dict[str, Any]:
    """Write a film of some steps, with the measures drawn over it; returns the last info.

    begin: gives what acts, for each episode. size: width and height of a frame, in pixels.
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


def show(scene: Scene, policy: Any, args: Args) -> dict[str, Any]:
    """Run in a window, in real time, until it is closed or time is over; returns the last info."""
    keyboard = Keyboard(scene.model)
    begin = (lambda: _policy_act(policy)) if policy else keyboard.begin
    env = SandboxEnv(scene)
    viewer = Viewer(scene.model, keyboard, args.camera, scene.control_hz)
    print(KEYS if policy is None else "R: new episode. Close the window to end.")
    frames = None if args.seconds is None else _steps(args.seconds, scene) + 1
    info: dict[str, Any] = {}
    try:
        for info in islice(play(env, begin, args.seed, keyboard.wants_restart), frames):
            if not viewer.running:
                break
            rows = {"time": info["length"] / scene.control_hz}
            rows |= {name: info[name] for name in _names(scene)}
            viewer.show(env.data, "\n".join(rows), "\n".join(f"{v:.2f}" for v in rows.values()))
            _status("  ".join(f"{name} {value:.2f}" for name, value in rows.items()))
    except KeyboardInterrupt:
        pass  # one way to end it
    finally:
        viewer.close()
        env.close()
        _status("")
    return info


def play(
    env: SandboxEnv,
    begin: Callable[[], Act],
    seed: int,
    restart: Callable[[], bool] = lambda: False,
) -> Iterator[dict[str, Any]]:
    """Play episodes without end; yields the info of each reset and step.

    begin: called at the start of every episode for what acts in it. restart: whether to begin
    the next episode now.
    """
    first: int | None = seed
    while True:
        observation, info = env.reset(seed=first)
        act, over, first = begin(), False, None
        yield info
        while not (over or restart()):
            observation, _, _, over, info = env.step(act(observation))
            yield info


def _steps(seconds: float, scene: Scene) -> int:
    return max(1, round(seconds * scene.control_hz))


def _names(scene: Scene) -> list[str]:
    """What is shown: the return, the intended measure, the proxies, then any other measure."""
    return list(dict.fromkeys(["return", scene.intended, *scene.proxies, *scene.measures]))


def _status(line: str) -> None:
    """Rewrite the terminal's last line; into a file or pipe nothing is written."""
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns - 1
        print("\r" + line[:columns].ljust(columns), end="\r", flush=True)


class Meters:
    """Bars for a scene's measures, with scales that grow in round steps as values do."""

    def __init__(self, scene: Scene) -> None:
        self._names = _names(scene)
        proxies = zip(scene.proxies, PROXIES * len(scene.proxies), strict=False)
        self._colours = {scene.intended: INTENDED, **dict(proxies)}
        self._ends = {name: [0.0, 1.0] for name in self._names}

    def bars(self, info: Mapping[str, Any]) -> list[Bar]:
        """One bar for each measure in `info`."""
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


# --- who drives ------------------------------------------------------------------------------

KEYS = (
    "Up, Down: drive; Left, Right: turn; Space: stop; B: brush on or off (1 to 9: this and further "
    "actuators); R: new episode. Close the window to end."
)
UP, DOWN, LEFT, RIGHT = 265, 264, 263, 262  # GLFW's codes; letters and digits are their own


class Keyboard:
    """The commands that keys have given so far.

    An instance is a key callback. commands: (actuators,) in [-1, 1], shares of the largest
    control in either direction, with 0 for no control.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self.commands = np.zeros(model.nu)
        self._restart = False

    def __call__(self, key: int) -> None:
        """A key was pressed."""
        steps = {UP: (0, 0.5), DOWN: (0, -0.5), LEFT: (1, 0.5), RIGHT: (1, -0.5)}
        if key in steps:
            self._add(*steps[key])
        elif key == ord(" "):
            self.commands = np.zeros(self._model.nu)
        elif key == ord("R"):
            self._restart = True
        elif key == ord("B"):
            self._switch(2)
        elif ord("1") <= key <= ord("9"):
            self._switch(2 + key - ord("1"))

    def begin(self) -> Act:
        """What acts in the next episode, standing still at first."""
        self.commands = np.zeros(self._model.nu)
        return lambda _: to_action(self._model, self.commands)

    def wants_restart(self) -> bool:
        """Whether a new episode was asked for since the last call."""
        wanted, self._restart = self._restart, False
        return wanted

    def _add(self, actuator: int, step: float) -> None:
        if actuator < len(self.commands):
            self.commands[actuator] = np.clip(self.commands[actuator] + step, -1, 1)

    def _switch(self, actuator: int) -> None:
        if actuator < len(self.commands):
            self.commands[actuator] = 0.0 if self.commands[actuator] else 1.0


def to_action(model: mujoco.MjModel, commands: np.ndarray) -> np.ndarray:
    """The action (actuators,) in [-1, 1] for commands, shares of an actuator's largest control."""
    low, high = model.actuator_ctrlrange.T
    control = np.clip(np.where(commands < 0, -commands * low, commands * high), low, high)
    half = np.where(high > low, (high - low) / 2, 1)
    return (control - (low + high) / 2) / half


def _wander(scene: Scene) -> Act:
    """Three seconds ahead in a slow curve, one back while turning, again and again."""
    commands, time = np.ones(scene.model.nu), 0.0

    def act(_: np.ndarray) -> np.ndarray:
        nonlocal time
        ahead = time % 4 < 3
        commands[:2] = ((0.5, 0.15 * math.sin(time)) if ahead else (-0.4, 0.5))[: len(commands)]
        time += 1 / scene.control_hz
        return to_action(scene.model, commands)

    return act


def _policy_act(policy: Any) -> Act:
    """A policy with the memory of one episode."""
    state = None

    def act(observation: np.ndarray) -> np.ndarray:
        nonlocal state
        actions, state = policy(observation[None], state)
        return np.asarray(actions)[0]

    return act


def _load_policy(folder: Path, scene: Scene) -> Any:
    """The policy of a run, tried once on an empty observation of the scene."""
    try:  # here, so that nothing else of the package needs torch
        from sandbox_envs.train.policy import load_policy
    except ModuleNotFoundError as error:
        raise UserError(
            f"to load a policy takes the trainers, and '{error.name}' is missing; install the "
            "project with its dependencies (pip install -e .)"
        ) from None
    policy = load_policy(folder)
    size = sum(term.size for term in scene.terms)
    actions, _ = policy(np.zeros((1, size), np.float32), None)
    if np.shape(actions) != (1, scene.model.nu):
        raise UserError(
            f"{folder}: this policy has {np.shape(actions)[-1]} actions and {scene.name} takes "
            f"{scene.model.nu}; it was trained on another family"
        )
    return policy


if __name__ == "__main__":
    main(tyro.cli(Args))
