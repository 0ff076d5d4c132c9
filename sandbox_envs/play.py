"""Drive a scene by hand, watch a policy in it, or film either.

    python -m sandbox_envs.play sweep/train                       a window, and the keyboard
    python -m sandbox_envs.play sweep/train --policy runs/RUN     a window, and a policy
    python -m sandbox_envs.play sweep/train --video room.mp4      a film, without any window

Without a display the command always writes a film.
"""

import math
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from sandbox_envs.env import SandboxEnv
from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.keyboard import KEYS, Keyboard, to_action
from sandbox_envs.recording import HEIGHT, WIDTH, Act, play, record, shown_measures
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scene.texts import parse_overrides
from sandbox_envs.view.video import check_video_path
from sandbox_envs.view.window import Viewer, has_display

LONGEST = 1e9  # simulated seconds


@dataclass
class Args:
    """Drive a scene with the keyboard, watch a policy in it, or film either.

    Keys: arrows drive and turn, in steps; space stops; B or 1 switches the brush (2 to 9 switch
    further actuators); R starts a new episode.
    """

    scene: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="SCENE")] = "sweep/train"
    """a shipped scene (family/stem), or the path of an MJCF file"""
    policy: Path | None = None
    """folder of a training run whose policy acts; without one you drive, or a blind script does"""
    video: Path | None = None
    """mp4 file to write instead of opening a window; without a display videos/FAMILY-STEM.mp4"""
    seconds: float | None = None
    """simulated seconds; by default a film is one episode long, and a window stays open"""
    seed: int = 0
    """seed of the first episode; the same seed gives the same episodes"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE replaces a text or numeric of the scene"""
    camera: str | None = None
    """a camera of the scene; by default overhead in a film, and a free one in a window"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Open a window or write a film, as `args` say, and print the last values of the measures."""
    if args.seconds is not None and not 0 < args.seconds < LONGEST:
        raise UserError(
            f"--seconds {args.seconds:g}: it must be more than 0, and less than {LONGEST:g}"
        )
    if not 0 <= args.seed < 2**63:
        raise UserError(f"--seed {args.seed}: it must be 0 or more, and less than 2^63")
    scene = load_scene(args.scene, parse_overrides(args.set))
    policy = None if args.policy is None else _load_policy(args.policy, scene)
    if args.video is None and has_display():
        info = show(scene, policy, args)
    else:
        info = film(scene, policy, args)
    print(", ".join(f"{name} {info[name]:.3f}" for name in shown_measures(scene) if name in info))


# --- in a film or in a window ----------------------------------------------------------------


def film(scene: Scene, policy: Any, args: Args) -> dict[str, Any]:
    """Write a film of the scene, with its measures drawn over it; returns the last info."""
    default = Path("videos") / f"{scene.family}-{scene.stem}.mp4"
    path = check_video_path(args.video or default)
    if args.video is None:
        print(f"there is no display, so this is written to {path}", flush=True)
    begin = _beginning(policy) if policy else (lambda: wander(scene))
    steps = _steps(args.seconds or scene.episode_seconds, scene)
    info = record(path, scene, begin, steps, args.seed, args.camera, (WIDTH, HEIGHT))
    driver = args.policy or "a script that wanders about blindly"
    print(f"{path}: {steps / scene.control_hz:g} s of {scene.name}, driven by {driver}")
    return info


def show(scene: Scene, policy: Any, args: Args) -> dict[str, Any]:
    """Run in a window, in real time, until it is closed or time is over; returns the last info."""
    keyboard = Keyboard(scene.model)
    begin = _beginning(policy) if policy else keyboard.begin
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
            rows |= {name: info[name] for name in shown_measures(scene)}
            viewer.show(env.data, "\n".join(rows), "\n".join(f"{v:.2f}" for v in rows.values()))
            _status("  ".join(f"{name} {value:.2f}" for name, value in rows.items()))
    except KeyboardInterrupt:
        pass  # a normal way to end it
    finally:
        viewer.close()
        env.close()
        _status("")
    return info


def _steps(seconds: float, scene: Scene) -> int:
    return max(1, round(seconds * scene.control_hz))


def _status(line: str) -> None:
    """Rewrite the terminal's last line; does nothing if the output is a file or a pipe."""
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns - 1
        print("\r" + line[:columns].ljust(columns), end="\r", flush=True)


# --- scripts and policies --------------------------------------------------------------------


def wander(scene: Scene) -> Act:
    """Three seconds ahead in a slow curve, one second back while turning, and so on."""
    commands, time = np.ones(scene.model.nu), 0.0

    def act(_: np.ndarray) -> np.ndarray:
        nonlocal time
        ahead = time % 4 < 3
        commands[:2] = ((0.5, 0.15 * math.sin(time)) if ahead else (-0.4, 0.5))[: len(commands)]
        time += 1 / scene.control_hz
        return to_action(scene.model, commands)

    return act


def _beginning(policy: Any) -> Callable[[], Act]:
    """A function that starts an episode: the policy with an empty memory."""

    def begin() -> Act:
        state = None

        def act(observation: np.ndarray) -> np.ndarray:
            nonlocal state
            actions, state = policy(observation[None], state)
            return np.asarray(actions)[0]

        return act

    return begin


def _load_policy(folder: Path, scene: Scene) -> Any:
    """The policy of a run, tried once on an empty observation of the scene."""
    try:  # imported here, so that nothing else of the package needs torch
        from sandbox_envs.train.policy import load_policy
        from sandbox_envs.train.run_scenes import check_control_rate
    except ModuleNotFoundError as error:
        raise UserError(
            f"loading a policy needs the trainers, and '{error.name}' is missing; install the "
            "project with its dependencies (pip install -e .)"
        ) from None
    policy = load_policy(folder)
    size = sum(term.size for term in scene.terms)
    actions, _ = policy(np.zeros((1, size), np.float32), None)
    if np.shape(actions) != (1, scene.model.nu):
        raise UserError(
            f"{folder}: this policy has {np.shape(actions)[-1]} actions and {scene.name} takes "
            f"{scene.model.nu}; use a policy that was trained on this family"
        )
    check_control_rate(folder, scene, "give the same --set control_hz=... as in its training")
    return policy


if __name__ == "__main__":
    main(tyro.cli(Args))
