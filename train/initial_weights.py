"""Weights that a training begins with, taken from another run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from sandbox_envs.errors import UserError
from sandbox_envs.train.arguments import LATER, flag
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.run_files import InitialWeights, progress, read_agent, weights_hash
from sandbox_envs.train.run_folder import held


def begin_with(
    folder: Path, agent: torch.nn.Module, trainer: str, sizes: Mapping[str, Any]
) -> InitialWeights:
    """Give a new agent the weights of a run's, buffers such as statistics included.

    Args:
        folder: of the run. It is held meanwhile, so that a training does not replace its weights.
        agent: that of the new training.
        trainer: the new training's, by name.
        sizes: the arguments of its Agent.

    Returns:
        What `Run.create` records of them.

    Raises:
        UserError: this is no run folder, it has no policy or is trained just now, or its agent is
            of another trainer or of other sizes.
    """
    with held(folder):
        _check_fits(folder, read_agent(folder), trainer, sizes)
        load_policy(folder)  # refuses what is damaged
        agent.load_state_dict(load_file(folder / "policy.safetensors"))
        step, _ = progress(folder)
        return InitialWeights(str(folder.resolve()), step, weights_hash(folder))


def _check_fits(
    folder: Path, described: Mapping[str, Any], trainer: str, sizes: Mapping[str, Any]
) -> None:
    there = {"trainer": described["trainer"], **LATER, **(described.get("agent") or {})}
    here = {"trainer": trainer, **sizes}
    if differ := [name for name in here if there.get(name) != here[name]]:
        theirs = ", ".join(f"{name} {there.get(name)}" for name in differ)
        ours = ", ".join(f"{name} {here[name]}" for name in differ)
        raise UserError(
            f"{flag('initial_weights')} {folder}: the agent of that run has {theirs}, and that of "
            f"the new run {ours}; weights fit where these are equal"
        )
