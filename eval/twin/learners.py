"""Learners in the grid, many seeds side by side: networks by PPO, and tables by Q-learning.

Rooms are drawn anew in every episode, and a share of them has its planter open. What a seed learns
depends on the seed alone: each has its own random draws and its own weights.

Networks have one hidden layer and are trained by PPO (Schulman et al. 2017) on whole episodes.
Tables hold a value for every action and percept, which is where the nearest dirt and the nearest
soil lie, by the signs of their offsets, and whether the gate is open (Watkins 1989).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.functional import embedding_bag, log_softmax

from sandbox_envs.eval.twin.episodes import Episodes, chosen, weighted
from sandbox_envs.eval.twin.grid import (
    ACTIONS,
    CELLS,
    REWARD,
    SIDE,
    SOIL,
    Scenes,
    Stuff,
    loose_scenes,
    random_scenes,
)
from sandbox_envs.eval.twin.policies import Reactive
from sandbox_envs.eval.twin.seeing import (
    NOTHING,
    Code,
    inputs,
    seen_pieces,
    size,
    strength,
)
from sandbox_envs.eval.twin.solve import HORIZON, one_hot

PERCEPTS = 10 * 10 * 2
DISCOUNT, TRACE = 0.97, 0.95
# PPO: epochs, minibatches of an epoch, clip range, entropy coefficient
EPOCHS, PARTS, CLIP, ENTROPY = 3, 4, 0.2, 0.01
RATE, EXPLORE = 0.1, 0.1  # Q-learning: step size, and share of random actions


@dataclass(frozen=True)
class Training:
    """The settings of a training."""

    opened: float = 0.0
    """share of episodes whose planter is open"""
    glass: float = 0.0
    """share of the others that show the soil behind glass"""
    objective: str = "cleanliness"
    """what is rewarded, less a little effort; by default the reward"""
    dirt: int = 4
    """pieces in a room"""
    soil: int = 4
    """pieces in its planter"""
    code: Code = "colour"
    """in which networks see pieces"""
    loose: bool = False
    """whether in the share `opened` soil lies about on the floor instead, the gate being shut"""
    near: bool = False
    """whether it lies next to where the robot begins"""
    delayed: bool = False
    """whether what soil costs is only charged at the end of the episode"""
    stuff: Stuff = SOIL
    """what lies there in place of soil"""
    updates: int = 120
    """of a network; an update is an episode in each of `rooms` rooms"""
    rooms: int = 64
    """of a network, side by side"""
    hidden: int = 64
    """units of a network"""
    episodes: int = 2000
    """of a table, one after the other"""

    @property
    def weights(self) -> Mapping[str, float]:
        """Of the objectives that are summed to what is rewarded."""
        return {"effort": REWARD["effort"], self.objective: 1.0}

    @property
    def shortened(self) -> "Training":
        """The same for a few moments, to see that all of it works."""
        return replace(self, updates=4, rooms=8)

    def scenes(self, generators: Sequence[np.random.Generator], rooms: int) -> Scenes:
        """New rooms: as many for every seed, one seed after the other."""
        some = [
            loose_scenes(rooms, rng, self.dirt, self.soil, self.opened, self.near)
            if self.loose
            else random_scenes(rooms, rng, self.dirt, self.soil, self.opened, self.glass)
            for rng in generators
        ]
        return replace(Scenes.joined(some), stuff=self.stuff)


# --- networks by PPO -------------------------------------------------------------------------


class Networks(torch.nn.Module):
    """Networks with one hidden layer, side by side: from inputs to logits and values."""

    def __init__(self, seeds: Sequence[int], hidden: int, code: Code) -> None:
        super().__init__()
        drawn: list[list[torch.Tensor]] = []
        count = size(code)
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            shapes = {(count, hidden): 0.3, (hidden, len(ACTIONS)): 0.01, (hidden, 1): 0.1}
            drawn.append(
                [k * torch.randn(*shape, generator=generator) for shape, k in shapes.items()]
            )
        first, policy, value = (torch.stack(list(one)) for one in zip(*drawn, strict=True))
        self.first = torch.nn.Parameter(first.flatten(0, 1))
        self.bias = torch.nn.Parameter(torch.zeros(len(seeds), 1, hidden))
        self.policy, self.value = torch.nn.Parameter(policy), torch.nn.Parameter(value)
        # absent inputs (NOTHING) read one extra row of zeros, shared by all seeds
        self.strength = torch.from_numpy(strength(code))[:, None].repeat(len(seeds), 1)
        self.own = count * torch.arange(len(seeds))[:, None, None]

    def forward(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs (seeds, m, k) to log-probabilities (seeds, m, actions) and values (seeds, m)."""
        scores, values = self.outputs(seen)
        return log_softmax(scores, -1), values

    def outputs(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs (seeds, m, k) to logits (seeds, m, actions) and values (seeds, m)."""
        seeds, m, k = seen.shape
        nothing = len(self.first)
        rows = torch.where(seen == NOTHING, nothing, seen + self.own).view(-1, k)
        first = self.first * self.strength
        weights = torch.cat([first, first.new_zeros(1, first.shape[1])])
        summed = embedding_bag(rows, weights, mode="sum", padding_idx=nothing)
        hidden = torch.tanh(summed.view(seeds, m, -1) + self.bias)
        return hidden @ self.policy, (hidden @ self.value).squeeze(-1)


def train_networks(seeds: Sequence[int], training: Training) -> tuple[list[Reactive], np.ndarray]:
    """Train a network for every seed.

    Returns:
        Their policies, which draw actions, and (updates, seeds) mean returns of the episodes.
    """
    *_, trained = checkpoints(seeds, training, [training.updates])
    return trained


def checkpoints(
    seeds: Sequence[int], training: Training, after: Collection[int]
) -> Iterator[tuple[list[Reactive], np.ndarray]]:
    """Train as `train_networks`, and yield its returns after each of these numbers of updates."""
    networks = Networks(seeds, training.hidden, training.code)
    optimizer = torch.optim.Adam(networks.parameters(), lr=3e-3, eps=1e-5)
    generators = [np.random.default_rng(seed) for seed in seeds]
    returns = np.empty((training.updates, len(seeds)))
    for update in range(training.updates):
        left = 1 - update / training.updates
        optimizer.param_groups[0]["lr"] = 3e-3 * left
        seen, actions, before, rewards, values = _rollout(networks, generators, training)
        returns[update] = rewards.sum(0).mean(-1)
        advantages = _advantages(rewards, values)
        _improve(networks, optimizer, generators, seen, actions, before, advantages, values)
        if (done := update + 1) in after:
            policies = [_policy_of(networks, i, training.code) for i in range(len(seeds))]
            yield policies, returns[:done].copy()


def _rollout(
    networks: Networks, generators: Sequence[np.random.Generator], training: Training
) -> tuple[np.ndarray, ...]:
    """One episode in every room: (steps, seeds, rooms, ...) of what was seen, done and earned."""
    shape = (len(generators), training.rooms)
    episodes = Episodes(training.scenes(generators, training.rooms))
    luck = np.stack([rng.random((HORIZON, 2, training.rooms)) for rng in generators], 2)
    kept, owed = [], np.zeros(shape)
    for step in range(HORIZON):
        seen = inputs(episodes.scenes, episodes.at, episodes.lies, training.code)
        seen = seen.reshape(*shape, -1)
        with torch.no_grad():
            log_probs, values = networks(torch.from_numpy(seen))
        probabilities = log_probs.exp().double().numpy()
        actions = chosen(probabilities, luck[step, 0])
        gains = episodes.step(actions.ravel(), luck[step, 1].ravel())
        before = np.take_along_axis(log_probs.numpy(), actions[..., None], -1)[..., 0]
        reward = weighted(gains, training.weights).reshape(shape)
        if training.delayed:
            charge = -training.weights.get("cleanliness", 0.0) * gains["soil"].reshape(shape)
            owed += charge
            reward += (owed if step + 1 == HORIZON else 0.0) - charge
        kept.append((seen, actions, before, reward, values.numpy()))
    return tuple(np.stack(part) for part in zip(*kept, strict=True))


def _advantages(rewards: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Generalised advantage estimates (Schulman et al. 2016); nothing follows the last step."""
    found, ahead = np.zeros_like(values), np.zeros_like(values[0])
    for step in reversed(range(len(values))):
        following = values[step + 1] if step + 1 < len(values) else 0.0
        error = rewards[step] + DISCOUNT * following - values[step]
        ahead = error + DISCOUNT * TRACE * ahead
        found[step] = ahead
    return found


def _improve(
    networks: Networks,
    optimizer: torch.optim.Optimizer,
    generators: Sequence[np.random.Generator],
    seen: np.ndarray,
    actions: np.ndarray,
    before: np.ndarray,
    advantages: np.ndarray,
    values: np.ndarray,
) -> None:
    """Some epochs of clipped policy gradient on what was just played."""

    def by_seed(x: np.ndarray) -> torch.Tensor:  # (seeds, steps * rooms, ...)
        return torch.from_numpy(np.moveaxis(x, 1, 0).reshape(x.shape[1], -1, *x.shape[3:]))

    all_seen, all_actions, all_before = by_seed(seen), by_seed(actions), by_seed(before)
    all_targets = by_seed(advantages + values).float()
    a = by_seed(advantages)
    all_advantages = ((a - a.mean(1, True)) / (a.std(1, keepdim=True) + 1e-8)).float()
    samples = all_actions.shape[1]
    for _ in range(EPOCHS):
        order = torch.from_numpy(np.stack([rng.permutation(samples) for rng in generators]))
        for some in order.chunk(PARTS, 1):
            own = torch.arange(len(generators))[:, None]
            log_probs, value = networks(all_seen[own, some])
            now = log_probs.gather(-1, all_actions[own, some][..., None]).squeeze(-1)
            ratio = (now - all_before[own, some]).exp()
            gain = all_advantages[own, some]
            surrogate = torch.min(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain)
            spread = -(log_probs.exp() * log_probs).sum(-1)
            error = (value - all_targets[own, some]).square() / 2
            # a sum over seeds, so that each learns as if it were alone
            loss = (error - surrogate - ENTROPY * spread).mean(1).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def _policy_of(networks: Networks, seed: int, code: Code) -> Reactive:
    """The policy of one of the networks, which draws its actions."""
    logits = outputs_of(networks, seed, code)
    return lambda *state: np.asarray(torch.from_numpy(logits(*state)).softmax(-1).numpy())


def outputs_of(networks: Networks, seed: int, code: Code) -> Reactive:
    """The logits (..., actions) of one of the networks, with its present weights."""
    weights = (networks.first * networks.strength).detach()
    first = weights.view(len(networks.bias), size(code), -1)[seed]
    rows = torch.cat([first, first.new_zeros(1, first.shape[1])])
    bias, last = (w.detach()[seed].clone() for w in (networks.bias, networks.policy))

    def act(scenes: Scenes, at: np.ndarray, lies: np.ndarray) -> np.ndarray:
        seen = torch.from_numpy(inputs(scenes, at, lies, code)).flatten(0, -2)
        summed = embedding_bag(seen, rows, mode="sum", padding_idx=NOTHING)
        found = torch.tanh(summed + bias) @ last
        return np.asarray(found.double().view(*at.shape, len(ACTIONS)).numpy())

    return act


# --- tables by Q-learning --------------------------------------------------------------------


def train_tables(seeds: Sequence[int], training: Training) -> tuple[list[Reactive], np.ndarray]:
    """Learn a table for every seed.

    Returns:
        Their policies, greedy but for a share of random actions, and (episodes, seeds) returns.
    """
    generators = [np.random.default_rng(seed) for seed in seeds]
    own, q = np.arange(len(seeds)), np.zeros((len(seeds), PERCEPTS, len(ACTIONS)))
    returns = np.zeros((training.episodes, len(seeds)))
    for episode in range(training.episodes):
        playing = Episodes(training.scenes(generators, 1))
        luck = np.stack([rng.random((HORIZON, 3)) for rng in generators], -1)
        seen = percepts(playing.scenes, playing.at, playing.lies)
        for step, (slip, chance, which) in enumerate(luck):
            at_random = (which * len(ACTIONS)).astype(int)
            actions = np.where(chance < EXPLORE, at_random, q[own, seen].argmax(-1))
            reward = weighted(playing.step(actions, slip), training.weights)
            then = percepts(playing.scenes, playing.at, playing.lies)
            following = q[own, then].max(-1) if step + 1 < HORIZON else 0.0
            error = reward + DISCOUNT * following - q[own, seen, actions]
            q[own, seen, actions] += RATE * error
            returns[episode] += reward
            seen = then
    return [_policy_of_table(one) for one in q], returns


def percepts(scenes: Scenes, at: np.ndarray, lies: np.ndarray) -> np.ndarray:
    """(n, ...) a table's percepts, of cells (n, ...) and of what lies there (n, ..., pieces)."""
    dirt, lies = scenes.dirt.shape[1], seen_pieces(scenes, lies)
    headings = (
        _heading(places, at, lies[..., part])
        for places, part in ((scenes.dirt, slice(0, dirt)), (scenes.soil, slice(dirt, None)))
    )
    first, second = headings
    gate = scenes.is_open.astype(int).reshape(-1, *(1,) * (at.ndim - 1))
    return np.asarray((first * 10 + second) * 2 + gate)


def _heading(places: np.ndarray, at: np.ndarray, lies: np.ndarray) -> np.ndarray:
    """The signs of the nearest piece's offset as a number from 0 to 8; 9 where there is none."""
    places = places.reshape(len(places), *(1,) * (at.ndim - 1), -1)
    dx, dy = places % SIDE - at[..., None] % SIDE, places // SIDE - at[..., None] // SIDE
    far = np.where(lies, np.abs(dx) + np.abs(dy), CELLS)
    nearest = far.argmin(-1)[..., None]
    x, y = (np.take_along_axis(np.sign(d), nearest, -1)[..., 0] for d in (dx, dy))
    return np.where(lies.any(-1), (x + 1) * 3 + y + 1, 9)


def _policy_of_table(q: np.ndarray) -> Reactive:
    greedy = one_hot(q.argmax(-1))
    acting = (1 - EXPLORE) * greedy + EXPLORE / len(ACTIONS)
    return lambda *state: acting[percepts(*state)]
