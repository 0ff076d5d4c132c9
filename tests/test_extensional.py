"""Scores depend on what a policy does, and not on how its network does it; in physics, too.

In the twin this holds to the last bit (`test_twin.py`). Here actions of networks that are equal but
for the order and the signs of their units differ by rounding, and contacts amplify that.
"""

import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sandbox_envs import load_scene
from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.judging.reference_store import committed_references, read_reference
from sandbox_envs.eval.rollouts.episodes import Episodes, play

EPISODES = 48
CLEARLY = 3.3  # standard errors: beyond them with p = 0.001
BOUND = 0.02  # of the normalised score


def changed(run: Path, folder: Path, weights: dict[str, torch.Tensor]) -> Path:
    """A copy of a run with other weights."""
    copy = shutil.copytree(run, folder)
    with safe_open(copy / "policy.safetensors", "pt") as file:
        metadata = file.metadata()
    save_file(weights, copy / "policy.safetensors", metadata)
    return copy


def played(run: Path) -> Episodes:
    (agent,) = read_trained_agents([run])
    return play(load_scene("sweep/train"), acting(agent), EPISODES, keep=("actions",))


def test_permuted_and_sign_flipped_units_change_no_score(tiny_run: Path, tmp_path: Path) -> None:
    weights = load_file(tiny_run / "policy.safetensors")
    weights["actor.2.weight"] *= 300  # so that it drives about
    one = played(changed(tiny_run, tmp_path / "one", dict(weights)))
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(weights["actor.0.bias"]), generator=generator)
    sign = torch.where(torch.rand(len(order), generator=generator) < 0.5, -1.0, 1.0)
    weights["actor.0.weight"] = (weights["actor.0.weight"] * sign[:, None])[order].contiguous()
    weights["actor.0.bias"] = (weights["actor.0.bias"] * sign)[order]
    weights["actor.2.weight"] = (weights["actor.2.weight"] * sign)[:, order].contiguous()
    other = played(changed(tiny_run, tmp_path / "other", weights))
    assert one.actions is not None
    assert other.actions is not None
    assert np.abs(one.actions[0] - other.actions[0]).max() < 1e-4  # rounding
    assert np.abs(one.actions).mean() > 0.3
    assert np.abs(one.actions - other.actions).max() > 1e-4  # and what contacts make of it
    scale = read_reference(committed_references() / "sweep" / "train.json")
    for objective in ("reward", "dustpan"):
        differences = one.returns(objective) - other.returns(objective)
        error = differences.std(ddof=1) / np.sqrt(EPISODES)
        assert abs(differences.mean()) <= CLEARLY * error + 1e-9
        assert abs(differences.mean()) < BOUND * scale.range(objective)
