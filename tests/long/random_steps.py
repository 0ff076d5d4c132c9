"""Random control in all scenes, many steps of it: every number must be finite.

    python tests/long/random_steps.py --steps 10000000 --state random_steps.json

prints a line per scene: steps, episodes, unstable ones, the largest observation and reward. A
number that is not finite is named, and the exit status is 1. With --state the figures are kept in
a file as they come, and the same command goes on where it was stopped.
"""

import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from tqdm import tqdm

from sandbox_envs import SandboxVectorEnv, Scene, UserError
from sandbox_envs.errors import cli_errors
from sandbox_envs.files import read_json, write_json
from sandbox_envs.scene.catalog import scene_files

HOLD = 10  # control steps for which some simulations keep an action: they get about in the room


@dataclass
class Args:
    """Step all scenes with random actions and look for numbers that are not finite."""

    steps: int = 10_000_000
    """environment steps, shared out evenly among the scenes"""
    scene: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """a scene's name or file; none for all shipped scenes"""
    num_envs: int = 128
    """simulations of a scene that run side by side"""
    seed: int = 0
    """of the episodes and the actions"""
    state: Path | None = None
    """a file that keeps the figures, so that a stopped run goes on"""
    debug: bool = False
    """show the traceback of an error"""


@dataclass
class Figures:
    """The figures of random control in one scene."""

    rounds: int = 0
    """rounds of `num_envs` episodes that were played"""
    steps: int = 0
    """environment steps"""
    episodes: int = 0
    """that ended"""
    unstable: int = 0
    """of these, because the physics became unstable"""
    observation: float = 0.0
    """the largest number observed, in size"""
    reward: float = 0.0
    """the largest reward of a step, in size"""
    not_finite: str = ""
    """what was not finite, and when; empty if everything was"""


Found = dict[str, Figures]  # by scene


@cli_errors
def main(args: Args) -> None:
    """Play round after round of every scene, print the table, and tell by the exit status."""
    if args.steps < 1 or args.num_envs < 1:
        raise UserError("--steps and --num-envs must be 1 or more")
    names = args.scene or tuple(scene_files())
    share = -(-args.steps // len(names))  # of one scene
    found, began = _read(args, names), time.monotonic()
    before = sum(figures.steps for figures in found.values())
    with tqdm(total=share * len(names), initial=before, unit="step", unit_scale=True) as bar:
        if not bar.disable and not bar.fp.isatty():
            bar.mininterval = 10.0  # seconds; a log file needs no animation
        envs = {name: SandboxVectorEnv(name, args.num_envs, num_threads=1) for name in names}
        while left := [n for n in names if found[n].steps < share and not found[n].not_finite]:
            for name in left:  # in turns, so that a stopped run has seen something of each
                bar.update(play_round(envs[name], found[name], share, args.seed))
                _write(args, found)
    print(_table(found))
    done = sum(figures.steps for figures in found.values())
    seconds = time.monotonic() - began
    print(f"{done:,} steps; {done - before:,} of them now, {(done - before) / seconds:,.0f}/s")
    if bad := [f"{name}: {f.not_finite}" for name, f in found.items() if f.not_finite]:
        sys.exit("not finite: " + "; ".join(bad))


# --- one round -------------------------------------------------------------------------------


def play_round(envs: SandboxVectorEnv, figures: Figures, share: int, seed: int) -> int:
    """One episode in every simulation, at most the scene's share; returns the steps done."""
    scene, rng = envs.scenes[0], np.random.default_rng([seed, figures.rounds])
    # an unstable episode is followed by another one, so the numbers of rounds are far apart
    envs.reset(seed=seed, options={"episode": figures.rounds * 1_000_000})
    figures.rounds += 1
    actions, before = np.zeros(envs.action_space.shape), figures.steps
    for t in range(scene.episode_steps):
        if figures.steps >= share or figures.not_finite:
            break
        _draw(actions, t, rng)
        _note(figures, envs.step(actions), scene)
        figures.steps += envs.num_envs
    return figures.steps - before


def _draw(actions: np.ndarray, t: int, rng: np.random.Generator) -> None:
    """New actions: of a third of the simulations in every step, of the others now and then."""
    actions[0::3] = rng.uniform(-1, 1, actions[0::3].shape)
    if t % HOLD == 0:
        actions[1::3] = rng.uniform(-1, 1, actions[1::3].shape)
        actions[2::3] = rng.choice([-1.0, 1.0], actions[2::3].shape)


def _note(figures: Figures, stepped: tuple[Any, ...], scene: Scene) -> None:
    observations, rewards, _, ended, info = stepped
    numbers = {"observation": observations, "reward": rewards, "return": info["return/reward"]}
    numbers |= {f"measure {name}": info[name] for name in scene.measures}
    if ended.any():
        final = info["final_info"]
        numbers["last observation"] = info["final_obs"]
        numbers |= {f"last measure {name}": final[name] for name in scene.measures}
        figures.episodes += int(ended.sum())
        figures.unstable += int(final["unstable"][ended].sum())
    for name, values in numbers.items():
        if not np.isfinite(values).all() and not figures.not_finite:
            figures.not_finite = f"{name} after {figures.steps} steps (round {figures.rounds - 1})"
    figures.observation = max(figures.observation, float(np.abs(observations).max()))
    figures.reward = max(figures.reward, float(np.abs(rewards).max()))


# --- what is kept and shown ------------------------------------------------------------------


def _read(args: Args, names: tuple[str, ...]) -> Found:
    """The figures of an earlier call, zeros for scenes without any."""
    if args.state is None or not args.state.exists():
        return {name: Figures() for name in names}
    content = read_json(args.state)
    if content.get("seed") != args.seed or content.get("num_envs") != args.num_envs:
        raise UserError(
            f"{args.state}: it was begun with another --seed or --num-envs; name another file"
        )
    try:
        return {name: Figures(**content["scenes"].get(name, {})) for name in names}
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{args.state}: it is damaged, or not of this command") from None


def _write(args: Args, found: Found) -> None:
    if args.state is not None:
        scenes = {name: dataclasses.asdict(figures) for name, figures in found.items()}
        write_json(args.state, {"seed": args.seed, "num_envs": args.num_envs, "scenes": scenes})


def _table(found: Found) -> str:
    head = f"{'scene':28}{'steps':>12}{'episodes':>10}{'unstable':>10}{'|obs|':>12}{'|reward|':>12}"
    rows = [
        f"{name:28}{f.steps:12,}{f.episodes:10,}{f.unstable:10,}{f.observation:12.4g}"
        f"{f.reward:12.4g}"
        for name, f in found.items()
    ]
    return "\n".join([head, *rows])


if __name__ == "__main__":
    main(tyro.cli(Args))
