"""For other studies: examine agents of this study again, and train those that are missing."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted.asked import acting, planted_agent
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.experiments.planter.agents import jobs
from sandbox_envs.eval.experiments.planter.arms import arms
from sandbox_envs.eval.experiments.runner import Args, file_of, planted_file, train_and_record
from sandbox_envs.files import check_writable, read_json, write_json
from sandbox_envs.train.jobs import Job

Figures = dict[str, Any]  # of one agent, as plain JSON
Look = Callable[[PolicyFactory], Figures]


def look_again(
    out: Path,
    args: Args,
    look: Look,
    planted: Sequence[str],
    agents: Mapping[str, Sequence[int]],
    settings: Mapping[str, Any],
) -> None:
    """Record what is missing: a file for each planted agent, and for each of some arms.

    Args:
        look: what is recorded of an agent.
        planted: names of scripts and reflexes.
        agents: arm of the study planter -> seeds.
        settings: arguments of the trainings that differ from the declared ones.
    """
    check_writable(out)
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    for name in planted:
        _record(planted_file(out, name), look, planted_agent(name))
    wanted = {
        file_of(out, arm, seed): job
        for arm, seeds in agents.items()
        for seed, job in zip(
            seeds, jobs(out, {arm: {**arms()[arm], **settings}}, seeds).values(), strict=True
        )
    }
    missing = {file: job for file, job in wanted.items() if not file.is_file()}

    def record(file: Path, _: Job, run: Path) -> None:
        (agent,) = read_trained_agents([run])
        _record(file, look, acting(agent))

    train_and_record(missing, args, record)


def read_again(
    out: Path, planted: Sequence[str], agents: Mapping[str, Sequence[int]]
) -> dict[str, list[Figures]]:
    """The records so far: arm or planted agent -> figures of each agent."""
    files = {arm: [file_of(out, arm, seed) for seed in seeds] for arm, seeds in agents.items()}
    files |= {name: [planted_file(out, name)] for name in planted}
    return {k: [dict(read_json(f)) for f in some if f.is_file()] for k, some in files.items()}


def _record(file: Path, look: Look, factory: PolicyFactory) -> None:
    if not file.is_file():
        write_json(file, look(factory))
