"""Whether a planning agent does what weights of outcomes say, and where its model is right.

Two checks, of which `eval/weights.py` has the description.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sandbox_envs.errors import UserError
from sandbox_envs.eval.baselines.build import ReferenceBudget, obtain
from sandbox_envs.eval.judging.reference_store import RUN_DIR
from sandbox_envs.eval.rollouts.steps import Steps
from sandbox_envs.eval.rollouts.sums import play_with_sums
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.policy import Policy, load_policy
from sandbox_envs.train.prediction import LEAST_VAR, STRIDE, outcome_names
from sandbox_envs.train.process import own_settings

REACHED = 0.6  # of what is attainable of an objective, with its weights
LARGEST_ERROR = 1.0  # of the model, in standard deviations
LINEAR = 0.999  # share of a measure's variance that a weighted sum of outcomes must explain
# steps of ascent, and their size, with other weights; its own size was learned with its own weights
AGAIN, STEP_LOGIT = 20, -3.0


@dataclass(frozen=True)
class Played:
    """Episodes of an agent, with what its model predicts."""

    steps: Steps
    """what was kept of them"""
    sums: np.ndarray
    """(T + 1, n, sums)"""


def is_planning(agent: Any) -> bool:
    """Whether an agent plans with weights."""
    return hasattr(agent, "improved")


def planning(run: Path) -> tuple[Policy, Any]:
    """A run's policy and its agent, which plans with weights; UserError of one that has none."""
    policy = load_policy(run)
    agent: Any = policy.agent
    if not is_planning(agent):
        raise UserError(f"{run}: its agent does not plan, so it has no weights to be read")
    return policy, agent


@own_settings()
def findings(
    policy: Policy, agent: Any, scenes: dict[str, Scene], training: str, episodes: int
) -> dict[str, Any]:
    """Everything that is said, as plain JSON."""
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    weights = agent.weights.detach().numpy().copy()
    with progress_bar(scenes.values(), desc="playing", unit="scene") as bar:
        played = {scene.name: _play(policy, agent, scene, episodes) for scene in bar}
    share = np.abs(weights) / max(np.abs(weights).sum(), 1e-12)
    errors = {name: _errors(agent, one) for name, one in played.items()}
    reached = _reached(policy, agent, scenes[training], played[training], episodes)
    return {
        "run": None if policy.run is None else policy.run.name,
        "outcomes": outcome_names(agent.sums),
        "weights": weights.tolist(),
        "reached": reached,
        "loose": bool(agent.loose),
        "plans": not agent.loose and bool(reached) and min(reached.values()) >= REACHED,
        "errors": {name: one.tolist() for name, one in errors.items()},
        "error": {name: float((one * share).sum()) for name, one in errors.items()},
        "episodes": episodes,
    }


def _play(policy: Policy, agent: Any, scene: Scene, episodes: int) -> Played:
    names = () if agent.is_unsupervised else agent.sums
    kept = ("observations", "actions")
    return Played(*play_with_sums(scene, lambda _: policy, episodes, names, kept))


@torch.no_grad()
def _errors(agent: Any, played: Played) -> np.ndarray:
    """The model's error of each outcome, in standard deviations in training, (2 sums,)."""
    observations = torch.as_tensor(played.steps.observations)[:-1]
    actions = torch.as_tensor(played.steps.actions, dtype=torch.float32)
    starts = torch.zeros(observations.shape[:2], dtype=torch.bool)
    starts[0] = True
    features = agent.features(observations, starts, agent.initial_state(starts.shape[1]))
    observed = agent.normalised(observations)
    sums = torch.as_tensor(played.sums)
    if agent.is_unsupervised:
        sums = torch.cat([observed, observed[-1:]]) @ agent.projections
    errors: Tensor = agent.model.errors(features, actions, sums, torch.zeros_like(starts))
    return errors.numpy()


def _reached(
    policy: Policy, agent: Any, scene: Scene, played: Played, episodes: int
) -> dict[str, float]:
    """The score of every measure that is a weighted sum of outcomes, with its weights."""
    if agent.is_unsupervised:
        return {}
    reference = obtain({scene.name: scene}, "stored", ReferenceBudget(RUN_DIR))[scene.name]
    changes = played.sums[STRIDE:] - played.sums[:-STRIDE]
    spread = (agent.model.outcome_var + LEAST_VAR).sqrt().numpy()[: changes.shape[-1]]
    own = agent.weights.detach().clone(), agent.step_logit.detach().clone(), agent.iterations
    found = {}
    for measure, values in played.steps.values.items():
        parts = _parts(changes, values[STRIDE:] - values[:-STRIDE])
        known = all(measure in one for one in reference.candidates.values())
        if parts is None or not known or reference.range(measure) <= 0:
            continue
        weights = np.concatenate([parts * spread, np.zeros_like(parts)])
        weights *= np.linalg.norm(own[0].numpy()) / np.linalg.norm(weights)
        with torch.no_grad():
            agent.weights.copy_(torch.as_tensor(weights))
            agent.step_logit.fill_(STEP_LOGIT)
        agent.iterations = AGAIN
        returns = _play(policy, agent, scene, episodes).steps.returns(measure)
        found[measure] = float(reference.normalized(measure, returns.mean()))
    with torch.no_grad():
        agent.weights.copy_(own[0])
        agent.step_logit.copy_(own[1])
    agent.iterations = own[2]
    return found


def _parts(changes: np.ndarray, gains: np.ndarray) -> np.ndarray | None:
    """The weights of sums' changes in a measure's gains; None where it is no weighted sum."""
    x, y = changes.reshape(-1, changes.shape[-1]), gains.reshape(-1)
    if y.std() < 1e-9:
        return None
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    explained = 1 - (y - x @ weights).var() / y.var()
    return weights if explained > LINEAR else None
