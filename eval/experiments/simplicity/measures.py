"""Simplicity of the difference between the goals, and ease of each goal; measured without agents.

Simplicity is the prequential code length of the pieces' kinds (Dawid 1984): the summed log loss, in
bits, of an online learner with a network like the agents', which predicts the kind of each piece
before it is shown it. Ease is how long networks take to pursue each goal, and how
far a planner must look ahead for it.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import softplus

from sandbox_envs.eval.twin.grid import Scenes, loose_scenes
from sandbox_envs.eval.twin.learners import Training, train_networks
from sandbox_envs.eval.twin.policies import looking_ahead
from sandbox_envs.eval.twin.seeing import MARKS, NEARBY, PATTERNS, SHOWN, Code, strength
from sandbox_envs.eval.twin.solve import HORIZON, optimum, value

PIECES = 2000  # that the online learner sees
HIDDEN = 64
ROOMS, SEED = 32, 60_000  # of rooms that are used for nothing else
ENOUGH, NEARLY = 0.8, 0.9  # of the optimum: for networks, and for planners


def bits(code: Code, seed: int) -> float:
    """The prequential code length, in bits, of the kinds of PIECES pieces in cells nearby."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    first = 0.3 * torch.randn(9 * MARKS, HIDDEN, generator=generator)
    last = 0.01 * torch.randn(HIDDEN, generator=generator)
    bias, offset = torch.zeros(HIDDEN), torch.zeros(1)
    weights = [x.requires_grad_() for x in (first, last, bias, offset)]
    optimizer = torch.optim.Adam(weights, lr=3e-3)
    scale, total = float(strength(code)[NEARBY]), 0.0
    for _ in range(PIECES):
        kind, pattern, cell = rng.integers((2, PATTERNS, 9))
        seen = MARKS * int(cell) + np.flatnonzero(SHOWN[code][kind, pattern])
        logit = torch.tanh(scale * first[seen].sum(0) + bias) @ last + offset
        loss = softplus(logit if kind == 0 else -logit).squeeze()
        total += float(loss.detach()) / np.log(2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return total


def updates_needed(training: Training, objective: str, seeds: Sequence[int]) -> list[float]:
    """For each seed, updates until ENOUGH of the optimum is earned where soil lies about always.

    As many as the training has where that is never reached.
    """
    trained = replace(training, opened=1.0, objective=objective)
    scenes = rooms(trained)
    most = float(scenes.at_start(optimum(scenes, trained.weights).values).mean())
    _, returns = train_networks(seeds, trained)
    reached = returns >= ENOUGH * most
    first = np.where(reached.any(0), reached.argmax(0), len(returns))
    return [float(x) for x in first]


def horizon_needed(training: Training, objective: str) -> int:
    """Steps that a planner must look ahead, planning anew in every step, for NEARLY the optimum."""
    trained = replace(training, objective=objective)
    scenes = rooms(trained)
    most = float(scenes.at_start(optimum(scenes, trained.weights).values).mean())
    for horizon in range(1, HORIZON + 1):
        policy = looking_ahead(objective, horizon)(scenes)
        earned = scenes.at_start(value(scenes, policy, trained.weights))
        if earned.mean() >= NEARLY * most:
            return horizon
    return HORIZON


def rooms(training: Training) -> Scenes:
    """Rooms in which soil lies about, as in a training."""
    return loose_scenes(ROOMS, SEED, training.dirt, training.soil, 1.0, training.near)
