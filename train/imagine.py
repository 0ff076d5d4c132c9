"""Learn to imagine: a recurrent latent model of what actions come to, with which an agent plans.

    python train/imagine.py                              learns the scene's own reward
    python train/imagine.py --reward-model runs/RUN      learns what a reward model estimates
    python train/imagine.py --data FILE.npz --rounds 1   learns from files of transitions alone

In each round the agent that plans with the model so far plays some episodes, with noise and random
plans, and the model learns from all episodes. The first round is of random actions, or of what
files hold. `imagination.py` says how the agent plans, `exploration.py` why the noise is needed: the
same holds for files, of which some actions should not follow from what was seen.

A run leaves behind args.json, metrics.jsonl, imagination.json and imagination.safetensors.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from gymnasium.vector import AutoresetMode
from torch import Tensor, nn

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.files import append_line, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.scene import Scene
from sandbox_envs.sensor_sums import needed_sums, sensor_sums
from sandbox_envs.train.arguments import check_ranges, flag
from sandbox_envs.train.divergence import check_loss, finite_loss
from sandbox_envs.train.exploration import exploration
from sandbox_envs.train.imagination import (
    DISCOUNT,
    FILES,
    Imagination,
    ImaginingPolicy,
)
from sandbox_envs.train.learned_reward import asked_model, check_sums
from sandbox_envs.train.prediction import STRIDE
from sandbox_envs.train.process import own_settings, seeded
from sandbox_envs.train.provenance import provenance
from sandbox_envs.train.reward_ensemble import RewardEnsemble, ensemble_hash
from sandbox_envs.train.run_folder import new_run, removed_if_failed
from sandbox_envs.train.run_scenes import asked_scenes
from sandbox_envs.train.transitions import (
    Transitions,
    effort,
    read_transitions,
    transitions_hash,
    wander,
)
from sandbox_envs.vector import observation_space

# observations (T + 1, n, size), actions (T, n, actuators) and sums (T + 1, n, sums) of episodes
Batch = tuple[Tensor, Tensor, Tensor]
WINDOW = 128  # control steps of an episode that are learned from at a time
BURN_IN = 0.25  # of these, after which the recurrent state counts as what it is in an episode
LEAST_SD = 1e-3  # of an observation that hardly ever changes


@dataclass
class Args:
    """Learn a latent model with which an agent plans."""

    scene: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """a scene's name or file, none for sweep/train"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE replaces a text or numeric of the scene, e.g. "spawn/planter_gate=gate_shut" """
    reward: str | None = None
    """a formula to reward instead of the scene's, e.g. "gain(dustpan)" """
    reward_model: str | None = None
    """a run's folder of reward_model.py: imagine what it estimates instead of the true reward"""
    data: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """a file of transitions with observations to learn from, too"""
    seed: int = 1
    """seed of the episodes, the actions, the initial weights and the batches"""
    rounds: int = 2
    """rounds of playing and learning; with --data the first round only learns from the files"""
    num_envs: int = 64
    """episodes that are played in a round"""
    random_share: float = 0.25
    """share of the time in which random plans replace the agent's actions when it plays"""
    noise: float = 0.6
    """standard deviation of what is added to its actions in the rest of it"""
    updates: int = 1500
    """steps of the optimiser in each round"""
    batch_size: int = 64
    """windows of episodes in each update"""
    hidden_size: int = 128
    """width of the recurrent network"""
    learning_rate: float = 2e-3
    """Adam's step size at the start; it falls linearly to 0"""
    max_grad_norm: float = 1.0
    """largest norm of the gradient"""
    torch_threads: int = 1
    """CPU threads of the updates"""
    run_dir: str = "runs"
    """the folder in which the run makes its own folder"""
    debug: bool = False
    """show the traceback of an error"""


def play(
    imagination: Imagination, scene: Scene, names: Sequence[str], args: Args, first: int
) -> Transitions:
    """Episodes of the agent that plans with a model, with noise and random plans.

    first: the number of the first one.
    """
    envs = SandboxVectorEnv(scene, args.num_envs, autoreset_mode=AutoresetMode.DISABLED)
    seen, _ = envs.reset(seed=args.seed, options={"episode": first})
    rng = np.random.default_rng((args.seed, first))
    explored = exploration(
        rng, scene.episode_steps, args.num_envs, scene.model.nu, args.random_share
    )
    policy, mind = ImaginingPolicy(imagination), None
    observations, sums = [seen], [sensor_sums(envs, names)]
    actions, rewards = [], []
    for step in range(scene.episode_steps):
        action, mind = policy(seen, mind)
        action = explored.applied(action, step, args.noise).astype(np.float32)
        mind = mind._replace(action=action)
        seen, reward, *_ = envs.step(action)
        observations.append(seen)
        sums.append(sensor_sums(envs, names))
        actions.append(action)
        rewards.append(reward)
    return Transitions(
        tuple(names), np.stack(sums), np.stack(actions), np.stack(rewards), np.stack(observations)
    )


def learn(
    imagination: Imagination,
    parts: Sequence[Transitions],
    earned: Sequence[np.ndarray],
    args: Args,
    generator: torch.Generator,
    log: Any,
    number: int = 0,
) -> None:
    """Train a model on episodes.

    Args:
        earned: of each part, the rewards (T, n) that are to be imagined.
        number: of the round.
        log: is called with the number of updates done and the loss.
    """
    batches = [_tensors(part, rewards) for part, rewards in zip(parts, earned, strict=True)]
    _standardise(imagination, batches)
    optimizer = torch.optim.Adam(imagination.parameters(), args.learning_rate)
    losses = list[float]()
    # roots, so that few episodes of the agent itself count beside many of others
    weights = torch.tensor([one[0].shape[1] for one in batches]).sqrt()
    for done in range(args.updates):
        passed = (number + done / args.updates) / args.rounds
        optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - passed)
        chosen = batches[int(torch.multinomial(weights, 1, generator=generator))]
        windows = _windows(chosen, args.batch_size, generator)
        loss = _loss(imagination, *windows)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(imagination.parameters(), args.max_grad_norm)
        optimizer.step()
        found = finite_loss(float(loss.detach()))
        log(done + 1, found)
        losses.append(found)
    check_loss(losses[0], float(_loss(imagination, *windows).detach()))


def _windows(part: Batch, count: int, generator: torch.Generator) -> Batch:
    """Random windows of a part's episodes, as many as asked for."""
    observations, actions, sums = part
    steps, n = actions.shape[:2]
    length = min(WINDOW, steps)
    first = torch.randint(steps - length + 1, (count,), generator=generator)
    rows = torch.randint(n, (count,), generator=generator)
    times = first + torch.arange(length + 1)[:, None]
    return observations[times, rows], actions[times[:-1], rows], sums[times, rows]


def _tensors(part: Transitions, rewards: np.ndarray) -> Batch:
    """Observations and actions of some episodes, and sums with what is earned, so far and ahead."""
    so_far = np.concatenate([np.zeros((1, part.rewards.shape[1])), rewards.cumsum(0)])
    sums = np.concatenate([part.sums, np.stack([so_far, _ahead(rewards)], -1)], -1)
    assert part.observations is not None
    arrays = (part.observations, part.actions.clip(-1, 1), sums)
    observations, actions, whole = (torch.as_tensor(a, dtype=torch.float32) for a in arrays)
    return observations, actions, whole


def _ahead(rewards: np.ndarray) -> np.ndarray:
    """Discounted returns (T + 1, n) from each moment of episodes with rewards (T, n).

    After the end as much is counted as is earned on average.
    """
    ahead = np.full((len(rewards) + 1, rewards.shape[1]), rewards.mean() / (1 - DISCOUNT))
    for t in reversed(range(len(rewards))):
        ahead[t] = rewards[t] + DISCOUNT * ahead[t + 1]
    return ahead


def _standardise(imagination: Imagination, batches: Sequence[Batch]) -> None:
    """Set the statistics by which observations and outcomes are standardised."""
    seen = torch.cat([one[0].flatten(0, 1) for one in batches])
    imagination.observation_mean.copy_(seen.mean(0))
    imagination.observation_sd.copy_(seen.std(0).clamp(min=LEAST_SD))
    imagination.model.outcome_count.fill_(1e-4)
    for observations, _, sums in batches:
        dones = torch.zeros(len(observations) - 1, observations.shape[1], dtype=torch.bool)
        imagination.model.observe_outcomes(sums, dones)


def _loss(imagination: Imagination, observations: Tensor, actions: Tensor, sums: Tensor) -> Tensor:
    """The open-loop prediction loss from moments after `BURN_IN`, when the state has settled."""
    before = torch.cat([torch.zeros_like(actions[:1]), actions[:-1]])
    features, _ = imagination.features(observations[:-1], before)
    seen = imagination.normalised(observations[:-1])
    used = slice(int(BURN_IN * len(actions)), None)
    dones = torch.zeros(actions[used].shape[:2], dtype=torch.bool)
    return imagination.model.loss(
        features[used], actions[used], sums[used], seen[used], dones, _weights(sums.shape[-1])
    )


def _weights(sums: int) -> Tensor:
    """Of the outcomes: what is earned in a step and what is ahead count as much as all else."""
    weights = torch.ones(2 * sums)
    weights[[sums - 2, -1]], weights[[sums - 1, -2]] = float(sums), 0
    return weights


def to_imagine(part: Transitions, ensemble: RewardEnsemble | None) -> np.ndarray:
    """The rewards (T, n) that are learned: true ones, or a reward model's mean estimate."""
    if ensemble is None:
        return part.rewards
    known = part.sums[..., [part.names.index(name) for name in ensemble.sums]]
    changes = known - known[0]
    found: np.ndarray = ensemble.estimate(changes[:-1], changes[1:], effort(part.actions)).mean(0)
    return found


@own_settings()
def main(args: Args) -> Path:
    """Play and learn, and save.

    Returns:
        The run's folder. A run that fails or is stopped leaves none.

    Raises:
        UserError: an argument is wrong. OSError: a file cannot be written.
    """
    _check(args)
    (scene,) = asked_scenes(vars(args))
    names = needed_sums(scene, "imagine; name one in a measure")
    if ensemble := asked_model(vars(args)):
        check_sums(ensemble, scene)
    parts = [_read(Path(file), scene, names) for file in args.data]
    folder = new_run(Path(args.run_dir), [scene], Path(__file__).stem, args.seed)
    with removed_if_failed(folder):
        write_json(folder / "args.json", _described(args, scene, parts))
        imagination = train(args, scene, names, parts, ensemble, folder)
        FILES.write(folder, imagination, imagination.sizes)
    print(f"{folder}: finished")
    return folder


def train(
    args: Args,
    scene: Scene,
    names: Sequence[str],
    parts: list[Transitions],
    ensemble: RewardEnsemble | None,
    folder: Path,
) -> Imagination:
    """Rounds of playing and learning; returns the model."""
    torch.set_num_threads(args.torch_threads)
    generator = torch.Generator().manual_seed(args.seed)
    total = args.rounds * args.updates
    with progress_bar(total=total, unit="update") as bar, seeded(args.seed):
        size = observation_space(scene).shape[0]
        imagination = Imagination(size, scene.model.nu, names, args.hidden_size)

        def log(done: int, loss: float) -> None:
            bar.update(1)
            if done % 10 == 0 or done == args.updates:
                row = {"round": number, "update": done, "loss": loss, "return": earned}
                append_line(folder / "metrics.jsonl", row)

        for number in range(args.rounds):
            if number:
                parts = [*parts, play(imagination, scene, names, args, number * args.num_envs)]
            elif not parts:
                steps, n = scene.episode_steps, args.num_envs
                parts = [wander(scene, names, steps, n, args.seed, observe=True)]
            earned = float(parts[-1].rewards.sum(0).mean())
            wanted = [to_imagine(part, ensemble) for part in parts]
            learn(imagination, parts, wanted, args, generator, log, number)
    return imagination


def _read(file: Path, scene: Scene, names: list[str]) -> Transitions:
    part = read_transitions(file)
    if list(part.names) != names or part.observations is None:
        raise UserError(
            f"--data {file}: it must have observations, and sums of {', '.join(names)}, as "
            f"{scene.name} has"
        )
    seen, taken = part.observations.shape[2:], part.actions.shape[2:]
    if (seen, taken) != (observation_space(scene).shape, (scene.model.nu,)):
        raise UserError(f"--data {file}: its observations or actions are not those of {scene.name}")
    steps = min(len(part.actions), WINDOW)
    if steps - int(BURN_IN * steps) < STRIDE:
        raise UserError(
            f"--data {file}: it has {steps} steps in a row, too few to learn from; give longer "
            "episodes"
        )
    return part


def _described(args: Args, scene: Scene, parts: Sequence[Transitions]) -> dict[str, Any]:
    model = {"reward_model": ensemble_hash(Path(args.reward_model))} if args.reward_model else {}
    return {
        "args": dataclasses.asdict(args),
        "scenes": [{"name": scene.name, "hash": scene.hash}],
        "data": [{"steps": one.rewards.size, "hash": transitions_hash(one)} for one in parts],
        **model,
        **provenance(),
    }


def _check(args: Args) -> None:
    check_ranges(args)
    if len(args.scene) > 1:
        raise UserError("--scene: the model is learned in one scene; give one")
    for name, least in (("rounds", 1), ("updates", 1), ("batch_size", 1), ("noise", 0)):
        if not least <= getattr(args, name) < float("inf"):
            raise UserError(f"{flag(name)} {getattr(args, name)}: it must be {least} or more")
    if not 0 <= args.random_share <= 1:
        raise UserError(f"--random-share {args.random_share}: it must be between 0 and 1")


if __name__ == "__main__":
    cli_errors(main)(tyro.cli(Args))
