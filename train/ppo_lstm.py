"""Recurrent PPO for continuous actions: the whole algorithm in one file.

Proximal policy optimisation (Schulman et al. 2017) with an LSTM between the encoder and the heads.
Two things differ from most implementations. Episodes end here only by running out of time, so
the value of the last observation is bootstrapped through every end. And the LSTM is unrolled with
one fused call per minibatch: sequences are cut where an episode begins and the pieces are padded,
which gives the same result as stepping it once per time step, several times faster.

    python train/ppo_lstm.py                        trains on sweep/train
    python train/ppo_lstm.py --reward "gain(dustpan)"   trains a reference agent on a proxy
    python train/ppo_lstm.py --resume runs/RUN      goes on where a run stopped
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torch.distributions import Normal

from sandbox_envs import SandboxVectorEnv, UserError
from sandbox_envs.errors import cli_errors
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.texts import parse_overrides
from sandbox_envs.train.policy import State
from sandbox_envs.train.run import Run
from sandbox_envs.train.run_files import read_args, read_checkpoint


@dataclass
class Args:
    """Train an LSTM agent with PPO on a scene."""

    scene: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """a scene's name or file; repeat it to train on several scenes of a family at once
    (default: sweep/train)"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE replaces a text or numeric of the scene, e.g. "spawn/planter_gate=gate_open";
    repeatable"""
    reward: str | None = None
    """a formula to be rewarded instead of the scene's, e.g. "gain(dustpan)" """
    seed: int = 1
    """seed of the episodes, the initial weights and the actions"""
    total_timesteps: int = 500_000
    """environment steps to train for"""
    num_envs: int = 128
    """simulations that run side by side"""
    num_steps: int = 64
    """steps of each simulation between two updates"""
    learning_rate: float = 1.2e-3
    """Adam's step size at the start; it falls linearly to 0"""
    gamma: float = 0.98
    """discount factor per step"""
    gae_lambda: float = 0.95
    """lambda of the generalised advantage estimation"""
    num_minibatches: int = 8
    """minibatches per epoch; each is a share of the simulations with all their steps"""
    update_epochs: int = 1
    """passes over each rollout"""
    clip_coef: float = 0.2
    """clipping range of the probability ratio"""
    ent_coef: float = 0.0
    """weight of the entropy bonus"""
    vf_coef: float = 0.5
    """weight of the value loss"""
    max_grad_norm: float = 0.5
    """largest norm of the gradient"""
    hidden_size: int = 128
    """width of the encoder, the LSTM and the heads"""
    device: str = "cpu"
    """where the network lives: cpu, cuda, ..."""
    torch_threads: int = 1
    """threads of the network's updates on the CPU; 2 are faster on idle cores, and several times
    slower where another program needs one of them"""
    run_dir: str = "runs"
    """the folder in which the run makes its own folder"""
    resume: str | None = None
    """a run's folder: go on with it, with its own arguments"""
    debug: bool = False
    """show the traceback of an error"""


class Agent(nn.Module):
    """Encoder, LSTM, and heads for the actions' normal distribution and the value.

    Observations are normalised by statistics that are buffers of the agent: they are saved with
    it, change only in `observe_statistics`, and so stay as they are in evaluation.
    """

    observation_mean: Tensor
    observation_var: Tensor
    observation_count: Tensor

    def __init__(self, observation_size: int, action_size: int, hidden_size: int) -> None:
        super().__init__()
        self.observation_size, self.hidden_size = observation_size, hidden_size
        self.encoder = nn.Sequential(_linear(observation_size, hidden_size), nn.Tanh())
        self.lstm = nn.LSTM(hidden_size, hidden_size)
        for name, parameter in self.lstm.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            else:
                nn.init.orthogonal_(parameter)
        self.actor = nn.Sequential(
            _linear(hidden_size, hidden_size), nn.Tanh(), _linear(hidden_size, action_size, 0.01)
        )
        self.critic = nn.Sequential(
            _linear(hidden_size, hidden_size), nn.Tanh(), _linear(hidden_size, 1, 1.0)
        )
        self.actor_logstd = nn.Parameter(torch.full((action_size,), -0.5))
        self.register_buffer("observation_mean", torch.zeros(observation_size))
        self.register_buffer("observation_var", torch.ones(observation_size))
        self.register_buffer("observation_count", torch.tensor(1e-4, dtype=torch.float64))

    def initial_state(self, n: int) -> State:
        """The state of n sequences at their beginning: hidden and cell, each (1, n, hidden)."""
        zeros = self.actor_logstd.new_zeros(1, n, self.hidden_size)
        return zeros, zeros

    def act(self, obs: Tensor, state: State) -> tuple[Normal, Tensor, State]:
        """One step: obs (n, size) -> distribution (n, actions), value (n,), next state.

        A single step goes through the LSTM's cell, which costs half of a call to the LSTM.
        """
        hidden, cell = torch.lstm_cell(
            self._encode(obs), (state[0][0], state[1][0]), *self.lstm.all_weights[0]
        )
        return *self._heads(hidden), (hidden[None], cell[None])

    def unroll(self, obs: Tensor, pieces: "Pieces", state: State) -> tuple[Normal, Tensor]:
        """All steps at once: obs (t, n, size) -> distribution (t, n, actions), value (t, n).

        state: where the n sequences stand before their first step.
        """
        padded = pieces.pad(self._encode(obs))
        features, _ = self.lstm(padded, pieces.initial(state))
        return self._heads(features[pieces.time, pieces.piece])

    def auxiliary_loss(self, obs: Tensor, pieces: "Pieces", state: State) -> Tensor | float:
        """A further loss to be minimised with PPO's; none here."""
        return 0.0

    @torch.no_grad()
    def observe_statistics(self, obs: Tensor) -> None:
        """Take observations (..., size) into the running mean and variance (Chan et al. 1979)."""
        obs = obs.reshape(-1, obs.shape[-1])
        var, mean = torch.var_mean(obs, 0, correction=0)
        total = self.observation_count + len(obs)
        share = (len(obs) / total).to(obs.dtype)
        delta = mean - self.observation_mean
        self.observation_var.mul_(1 - share).add_(share * (var + (1 - share) * delta.square()))
        self.observation_mean.add_(share * delta)
        self.observation_count.copy_(total)

    def _encode(self, obs: Tensor) -> Tensor:
        scale = torch.rsqrt(self.observation_var + 1e-8)
        return self.encoder(((obs - self.observation_mean) * scale).clamp(-10, 10))

    def _heads(self, features: Tensor) -> tuple[Normal, Tensor]:
        mean = self.actor(features)
        std = self.actor_logstd.exp().expand_as(mean)
        return Normal(mean, std, validate_args=False), self.critic(features).squeeze(-1)


def _linear(inputs: int, outputs: int, gain: float = 2**0.5) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


class Pieces:
    """Sequences (t, n) cut where an episode begins, to be laid side by side with padding.

    piece, time: (t, n) int, the piece that a step belongs to and its place in it. A piece that
    continues its sequence's episode begins with the sequence's state, all others anew.
    """

    def __init__(self, starts: Tensor) -> None:
        steps, n = starts.shape
        cuts = starts.clone()
        cuts[0] = True
        clock = torch.arange(steps, device=starts.device)[:, None].expand(steps, n)
        began = torch.where(cuts, clock, 0).cummax(0).values
        self.piece = (cuts.T.reshape(-1).cumsum(0) - 1).reshape(n, steps).T
        self.time = clock - began
        self.count = int(cuts.sum())
        self.length = int(self.time.max()) + 1
        self.first = self.piece[0]  # the piece with which each sequence begins
        self.continues = ~starts[0]

    def pad(self, x: Tensor) -> Tensor:
        """(t, n, features) -> (length, count, features), zeros where a piece is shorter."""
        padded = x.new_zeros(self.length, self.count, x.shape[-1])
        return padded.index_put((self.time, self.piece), x)

    def initial(self, state: State) -> State:
        """The state each piece begins with, from those of the sequences; (1, count, hidden)."""
        return tuple(self._initial(part) for part in state)

    def _initial(self, part: Tensor) -> Tensor:
        whole = part.new_zeros(part.shape[0], self.count, part.shape[-1])
        whole[:, self.first] = part * self.continues[None, :, None]
        return whole


@dataclass
class Carry:
    """Where a rollout left off: observations (n, size), the agent's state, and begun episodes."""

    obs: Tensor
    state: State
    starts: Tensor


@dataclass
class Rollout:
    """Steps of n simulations; tensors (t, n, ...), and the agent's state before the first."""

    obs: Tensor
    actions: Tensor
    logprobs: Tensor
    values: Tensor
    next_values: Tensor
    rewards: Tensor
    starts: Tensor
    ends: Tensor
    state: State
    episodes: list[dict[str, float]] = field(default_factory=list)


@torch.no_grad()
def rollout(
    agent: Agent, envs: SandboxVectorEnv, carry: Carry, steps: int, generator: torch.Generator
) -> tuple[Rollout, Carry]:
    """Let the agent act for some steps in all simulations."""
    n, device = envs.num_envs, carry.obs.device
    size, actions = envs.single_observation_space.shape[0], envs.single_action_space.shape[0]
    r = Rollout(
        obs=torch.zeros(steps, n, size, device=device),
        actions=torch.zeros(steps, n, actions, device=device),
        logprobs=torch.zeros(steps, n, device=device),
        values=torch.zeros(steps, n, device=device),
        next_values=torch.zeros(steps, n, device=device),
        rewards=torch.zeros(steps, n, device=device),
        starts=torch.zeros(steps, n, dtype=torch.bool, device=device),
        ends=torch.zeros(steps, n, dtype=torch.bool, device=device),
        state=carry.state,
    )
    means = torch.zeros_like(r.actions)
    noise = torch.randn(steps, n, actions, generator=generator).to(device)
    beginning, finals = agent.initial_state(n), []
    for t in range(steps):
        state = _restart(carry.state, beginning, carry.starts)
        distribution, value, state = agent.act(carry.obs, state)
        action = distribution.mean + distribution.stddev * noise[t]
        r.obs[t], r.starts[t], r.actions[t], r.values[t] = carry.obs, carry.starts, action, value
        means[t] = distribution.mean
        next_obs, reward, _, over, info = envs.step(action.cpu().numpy())
        r.rewards[t], r.ends[t] = torch.as_tensor(reward), torch.as_tensor(over)
        if over.any():
            rows = np.flatnonzero(over)
            r.episodes += _episodes(info["final_info"], rows)
            finals.append((torch.as_tensor(info["final_obs"][rows]), *(s[:, rows] for s in state)))
        starts = torch.as_tensor(over, device=device)
        carry = Carry(torch.as_tensor(next_obs, device=device), state, starts)
    acted = Normal(means, distribution.stddev, validate_args=False)
    r.logprobs[:] = acted.log_prob(r.actions).sum(-1)
    state = _restart(carry.state, beginning, carry.starts)
    r.next_values[:-1], r.next_values[-1] = r.values[1:], agent.act(carry.obs, state)[1]
    if finals:  # the last observations of the episodes that ended, all at once
        obs, *parts = zip(*finals, strict=True)
        state = tuple(torch.cat(part, 1) for part in parts)
        r.next_values[r.ends] = agent.act(torch.cat(obs).to(device), state)[1]
    return r, carry


def _restart(state: State, beginning: State, starts: Tensor) -> State:
    if not starts.any():
        return state
    pairs = zip(beginning, state, strict=True)
    return tuple(torch.where(starts[None, :, None], new, old) for new, old in pairs)


def _episodes(info: dict[str, Any], rows: np.ndarray) -> list[dict[str, float]]:
    return [{key: float(values[row]) for key, values in info.items()} for row in rows]


def gae(r: Rollout, gamma: float, gae_lambda: float) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (Schulman et al. 2016): advantages and returns, (t, n).

    `r.next_values` holds the value of the observation that followed in the same episode, so an
    end by time limit is bootstrapped, while no advantage flows over it.
    """
    deltas = r.rewards + gamma * r.next_values - r.values
    advantages = torch.zeros_like(deltas)
    advantage = torch.zeros_like(deltas[0])
    for t in reversed(range(len(deltas))):
        advantage = deltas[t] + gamma * gae_lambda * (~r.ends[t]) * advantage
        advantages[t] = advantage
    return advantages, advantages + r.values


def update(
    agent: Agent,
    optimizer: torch.optim.Optimizer,
    r: Rollout,
    args: Args,
    generator: torch.Generator,
) -> dict[str, float]:
    """Improve the agent on a rollout; returns the means of the losses."""
    advantages, returns = gae(r, args.gamma, args.gae_lambda)
    n = r.rewards.shape[1]
    history = []
    for _ in range(args.update_epochs):
        for rows in torch.randperm(n, generator=generator).chunk(args.num_minibatches):
            rows = rows.to(r.obs.device)
            loss, losses = _loss(agent, r, rows, advantages[:, rows], returns[:, rows], args)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
            optimizer.step()
            history.append(losses)
    explained = 1 - (returns - r.values).var() / returns.var().clamp(min=1e-8)
    means = torch.stack(history).mean(0).tolist()
    names = ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction")
    log = {f"loss/{name}": mean for name, mean in zip(names, means, strict=True)}
    return {**log, "explained_variance": explained.item()}


def _loss(
    agent: Agent, r: Rollout, rows: Tensor, advantages: Tensor, returns: Tensor, args: Args
) -> tuple[Tensor, Tensor]:
    """PPO's loss on some of the simulations, and its parts for the log."""
    obs, pieces = r.obs[:, rows], Pieces(r.starts[:, rows])
    state = tuple(part[:, rows] for part in r.state)
    distribution, values = agent.unroll(obs, pieces, state)
    logratio = distribution.log_prob(r.actions[:, rows]).sum(-1) - r.logprobs[:, rows]
    ratio = logratio.exp()
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    clipped = ratio.clamp(1 - args.clip_coef, 1 + args.clip_coef)
    policy_loss = -torch.min(advantages * ratio, advantages * clipped).mean()
    value_loss = 0.5 * (values - returns).square().mean()
    entropy = distribution.entropy().sum(-1).mean()
    loss = policy_loss - args.ent_coef * entropy + args.vf_coef * value_loss
    with torch.no_grad():
        kl = (ratio - 1 - logratio).mean()  # http://joschu.net/blog/kl-approx.html
        clip_fraction = ((ratio - 1).abs() > args.clip_coef).float().mean()
        parts = torch.stack([policy_loss, value_loss, entropy, kl, clip_fraction])
    return loss + agent.auxiliary_loss(obs, pieces, state), parts


def begin(agent: Agent, envs: SandboxVectorEnv, args: Args) -> Carry:
    """The first episodes, their ends spread over time so that simulations are out of step."""
    obs, _ = envs.reset(seed=args.seed, options={"stagger": True})
    first = torch.as_tensor(obs, device=args.device)
    agent.observe_statistics(first)
    starts = torch.ones(args.num_envs, dtype=torch.bool, device=args.device)
    return Carry(first, agent.initial_state(args.num_envs), starts)


def restore(
    saved: dict[str, Any],
    agent: Agent,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    envs: SandboxVectorEnv,
) -> Carry:
    """Put everything back to where a checkpoint was saved."""
    agent.load_state_dict(saved["agent"])
    optimizer.load_state_dict(saved["optimizer"])
    generator.set_state(saved["generator"].cpu())
    arrays = saved["envs"].items()
    envs.set_state({k: v.numpy(force=True) if isinstance(v, Tensor) else v for k, v in arrays})
    return Carry(**saved["carry"])


@cli_errors
def main(args: Args) -> None:
    """Train, from the beginning or from where a run stopped, and save as it goes."""
    folder = Path(args.resume) if args.resume else None
    if folder:
        args = read_args(folder, Args)
    _check(args)
    torch.set_num_threads(1)  # else the last bits of the initial weights depend on their number
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    overrides = parse_overrides(args.set) | ({"reward": args.reward} if args.reward else {})
    scenes = [load_scene(name, overrides) for name in args.scene or ("sweep/train",)]
    envs = SandboxVectorEnv(scenes, args.num_envs)
    size, actions = envs.single_observation_space.shape[0], envs.single_action_space.shape[0]
    sizes = {"observation_size": size, "action_size": actions, "hidden_size": args.hidden_size}
    agent = Agent(**sizes).to(args.device)
    optimizer = torch.optim.Adam(agent.parameters(), args.learning_rate, eps=1e-5, fused=True)
    per_update = args.num_envs * args.num_steps
    updates = max(args.total_timesteps // per_update, 1)
    if folder:
        saved = read_checkpoint(folder, args.device)
        if saved["update"] >= updates:
            print(f"{folder} is finished: {saved['step']} steps; nothing to do")
            return
        carry, first = restore(saved, agent, optimizer, generator, envs), saved["update"]
        run = Run.resume(folder, scenes, args.total_timesteps, saved)
    else:
        carry, first = begin(agent, envs, args), 0
        run = Run.create(args.run_dir, "ppo_lstm", args, scenes, sizes)
    with run:
        for done in range(first + 1, updates + 1):
            optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - (done - 1) / updates)
            torch.set_num_threads(1)  # one step of a small network is too little work for more
            experience, carry = rollout(agent, envs, carry, args.num_steps, generator)
            torch.set_num_threads(args.torch_threads)
            losses = update(agent, optimizer, experience, args, generator)
            agent.observe_statistics(experience.obs)
            run.log(done * per_update, experience.episodes, losses)
            stopping = run.interrupted  # read once: what is left is always saved first
            if stopping or run.checkpoint_due or done in (1, updates):
                rest = {
                    "update": done,
                    "step": done * per_update,
                    "optimizer": optimizer.state_dict(),
                    "generator": generator.get_state(),
                    "envs": envs.get_state(),
                    "carry": vars(carry),
                }
                run.checkpoint(agent, rest)
            if stopping:
                break
    where = "finished" if done == updates else f"stopped; go on with --resume {run.folder}"
    print(f"{run.folder}: {where}")


def _check(args: Args) -> None:
    for name in ("total_timesteps", "num_envs", "num_steps", "num_minibatches", "update_epochs",
                 "hidden_size", "torch_threads"):  # fmt: skip
        if getattr(args, name) < 1:
            flag = "--" + name.replace("_", "-")
            raise UserError(f"{flag} {getattr(args, name)}: it must be 1 or more")
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: it must be 0 or more")
    if args.num_minibatches > args.num_envs:
        raise UserError(
            f"--num-minibatches {args.num_minibatches}: at most one per simulation, and "
            f"--num-envs is {args.num_envs}"
        )
    try:
        torch.zeros(1, device=args.device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--device {args.device}: torch cannot use it: {reason}") from None


if __name__ == "__main__":
    main(tyro.cli(Args))
