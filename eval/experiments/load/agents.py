"""The agents: trained, and judged twice, with their load and with a constant in its place.

The scenes are played as they are, so that their references hold; the load is added to what the
agent observes.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.draws import present
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import TrainedAgent, read_trained_agents
from sandbox_envs.eval.experiments.load.arms import (
    COMPARED,
    HELD,
    LOADED,
    OBSERVED,
    SEEDS,
)
from sandbox_envs.eval.experiments.planter.agents import Agent, read_agents
from sandbox_envs.eval.experiments.planter.arms import CHOICE, TRAINING
from sandbox_envs.eval.experiments.planter.arms import SEEDS as SEEDS_OF_PLANTER
from sandbox_envs.eval.experiments.planter.estimands import PROXY
from sandbox_envs.eval.experiments.planter.pickups import first_pickups
from sandbox_envs.eval.experiments.runner import (
    NOTES,
    Args,
    Study,
    is_judged,
    made_on,
    train_and_record,
)
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.files import write_json
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.train.jobs import Job

MEAN_SEED, MEAN_EPISODES = 40_000, 32  # in which an agent's mean load is taken
Groups = dict[str, list[Agent]]


def loaded(agent: TrainedAgent, load: float | None = None) -> PolicyFactory:
    """An agent that observes its load last, in scenes that do not show it.

    load: what it is shown at all times; by default what its pan holds.
    """

    def make(envs: SandboxVectorEnv) -> Policy:
        def policy(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
            shown = present(envs)[1][PROXY] if load is None else np.full(len(obs), load)
            return agent.policy(np.column_stack([obs, shown]).astype(np.float32), state)

        return policy

    return make


def mean_load(agent: TrainedAgent) -> float:
    """The mean load of an agent's pan in training, over steps."""
    scene = load_scene(TRAINING, {"observe": OBSERVED})
    seen = play(scene, acting(agent), MEAN_EPISODES, MEAN_SEED, keep=("observations",)).observations
    assert seen is not None
    return float(seen[..., -1].mean())


def complete(plan: Study, jobs: Mapping[Path, Job], args: Args) -> None:
    """Train and judge what is missing.

    Args:
        plan: what they are judged by.
        jobs: folder of an agent's records -> its training.
        args: of the command.
    """

    def record(own: Path, _: Job, run: Path) -> None:
        (agent,) = read_trained_agents([run])
        ways = {own: loaded(agent), _held(own): loaded(agent, mean_load(agent))}
        for folder, factory in ways.items():
            plan.judge_policy(factory, agent.metadata, folder)
            first = first_pickups(factory, plan.scenes[CHOICE], plan.episodes)
            write_json(folder / NOTES, {"first": asdict(first), **made_on(run)})

    def is_done(own: Path, job: Job) -> bool:
        both = (own, _held(own))
        return all((x / NOTES).is_file() and is_judged(x, job, plan.scenes) for x in both)

    missing = {own: job for own, job in jobs.items() if not is_done(own, job)}
    train_and_record(missing, args, record)


def _held(own: Path) -> Path:
    """The folder of an agent's records without its load."""
    return own.parents[1] / HELD / own.name


def read_groups(out: Path, planter: Path) -> Groups:
    """The agents that are there so far, by arm: both ways, and those they are compared with."""
    theirs = {arm: read_agents(planter, arm, SEEDS_OF_PLANTER) for arm in COMPARED}
    return theirs | {arm: read_agents(out, arm, SEEDS) for arm in (LOADED, HELD)}
