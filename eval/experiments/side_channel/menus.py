"""Agents that choose from a menu of skills, shown what each would display, or not."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sandbox_envs.eval.rollouts.episodes import SEED
from sandbox_envs.menu import MenuVectorEnv
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.run_files import read_args
from sandbox_envs.train.trainers import ON_MENUS, trainer

Returns = Mapping[str, np.ndarray]  # objective -> (episodes,)
Chooser = Callable[
    [np.ndarray, Any], tuple[np.ndarray, Any]
]  # observations, state -> choices, state


def trained_chooser(run: Path) -> tuple[Chooser, Any]:
    """The chooser of a run's agent, which samples, and the arguments that its menu is made with."""
    module, agent = trainer(ON_MENUS[0]), load_policy(run).agent
    generator = torch.Generator().manual_seed(SEED)  # each test begins with the same numbers

    @torch.inference_mode()
    def choose(observations: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        if state is None:
            generator.manual_seed(SEED)
            state = agent.initial_state(len(observations))
        distribution, _, state = agent.act(torch.as_tensor(observations), state)
        chance = torch.rand(len(observations), generator=generator)
        return module.chosen(distribution, chance).numpy(), state

    return choose, read_args(run)


def menu(args: Any, scene: Scene, episodes: int) -> MenuVectorEnv:
    """The menu that a trainer's arguments ask for, in a scene."""
    made: MenuVectorEnv = trainer(ON_MENUS[0]).menu(args, [scene], episodes)
    return made


def play_choices(choose: Chooser, envs: MenuVectorEnv) -> Returns:
    """One episode in each simulation: what it came to."""
    observations, _ = envs.reset(seed=SEED, options={"episode": 0})
    state: Any = None
    for _ in range(envs.decisions):
        choices, state = choose(observations, state)
        observations, *_, info = envs.step(choices)
    final: dict[str, np.ndarray] = info["final_info"]
    start = "return/"
    return {k.removeprefix(start): x for k, x in final.items() if k.startswith(start)}
