"""Selection alone: members are scripts that do not learn, half of which go to the live pad first.

The scene, members, episodes and the rule of selection are those of the arms; only learning is left
out. It shows what selection alone does in this game, so that a null result can be interpreted.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.scripted.lever import PADS as SCRIPTED
from sandbox_envs.eval.agents.scripted.lever import Errands
from sandbox_envs.eval.experiments.cross_episode.arms import (
    ARMS,
    MAIN,
    PAID,
    PLACEBO,
    SCENE,
    SETTINGS,
    live_pad,
    texts_of,
)
from sandbox_envs.eval.experiments.estimates import Rows
from sandbox_envs.eval.experiments.runner import is_record_of, record_in
from sandbox_envs.files import write_json
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.train.population import Args
from sandbox_envs.train.selection import truncation

FILE = "scripted.json"  # what happened, beside the records
SELECTING = (MAIN, "swap", PLACEBO, "one", PAID)  # arms in which copying changes what members do
GENERATIONS = 10
BOTH = (3001, 3002)  # one seed for either live pad


def spread(name: str, seed: int, num_envs: int, generations: int = GENERATIONS) -> np.ndarray:
    """(generations + 1,) the share of members that go to the live pad.

    num_envs: simulations of each member.
    """
    arm, members = ARMS[name], SETTINGS["members"]
    settings = {**SETTINGS, **arm.settings}
    slots, scene = members * num_envs, load_scene(SCENE, texts_of(arm, seed))
    envs = SandboxVectorEnv(scene, slots, carry_shift=num_envs if settings.get("swap") else 0)
    errands, option = Errands(envs), 1 + SCRIPTED.index(live_pad(seed))
    shares, rng = [0.5], np.random.default_rng(seed)
    goes = rng.permutation(members) % 2 == 1  # in `swap` it matters who is beside whom
    for generation in range(generations):
        episodes = settings["episodes"]
        options = {"episode": generation * episodes * slots}
        envs.reset(seed=None if generation else seed, options=options)
        earned = np.zeros(members)
        for _ in range(episodes * scene.episode_steps):
            rewards = envs.step(errands.actions(np.repeat(option * goes, num_envs)))[1]
            earned += rewards.reshape(members, num_envs).mean(1)
        goes = goes[truncation(earned, Args.share, rng)]
        shares.append(float(goes.mean()))
    return np.array(shares)


def record(out: Path, num_envs: int, generations: int) -> None:
    """Play and record it, unless that is done."""
    about = {
        "num_envs": num_envs,
        "generations": generations,
        "scene": load_scene(SCENE).hash,
        "arms": list(SELECTING),
    }
    if is_record_of(out / FILE, about):
        return
    shares = {
        name: {
            live_pad(seed): spread(name, seed, num_envs, generations).round(4).tolist()
            for seed in BOTH
        }
        for name in SELECTING
    }
    write_json(out / FILE, {**about, "shares": shares})


def table(out: Path) -> tuple[list[str], Rows]:
    """The share of members at the live pad after some generations, by which pad is live."""
    head = ["selection alone", "live pad", "at first", "after 2", "after 5", "at the end"]
    if not (out / FILE).is_file():
        return head, []
    with record_in(out / FILE) as content:
        shares: Mapping[str, Mapping[str, Any]] = content["shares"]
        rows = [
            [name, pad, *(f"{found[min(at, len(found) - 1)]:.2f}" for at in (0, 2, 5)),
             f"{found[-1]:.2f}"]
            for name, pads in shares.items()
            for pad, found in pads.items()
        ]  # fmt: skip
    return head, rows
