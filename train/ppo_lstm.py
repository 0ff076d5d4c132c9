"""Recurrent PPO for continuous actions: the whole algorithm in one file.

Proximal policy optimisation (Schulman et al. 2017) with an LSTM between the encoder and the heads.
Two things differ from most implementations. Episodes of a scene end only by running out of time, so
the value of the last observation is bootstrapped through every end, unless a wrapper around the
environment terminates. And the LSTM is unrolled with one fused call per minibatch: sequences are
cut where an episode starts and the segments are padded, which gives the same result as stepping it
once per time step, several times faster.

    python train/ppo_lstm.py                            trains on sweep/train
    python train/ppo_lstm.py --reward "gain(dustpan)"   trains a reference agent on a proxy
    python train/ppo_lstm.py --resume runs/RUN          resumes a run that was stopped
    python train/ppo_lstm.py --initial-weights runs/RUN begins with the weights of another run
    python train/ppo_lstm.py --reward-model runs/RUN    trains on a learned reward
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torch.distributions import Normal

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.errors import cli_errors
from sandbox_envs.sensor_sums import sensor_sums, sum_names
from sandbox_envs.train.arguments import check_minibatches, check_ranges
from sandbox_envs.train.checkpoint import fitting, read_checkpoint
from sandbox_envs.train.divergence import check_learning, finite
from sandbox_envs.train.initial_weights import begin_with
from sandbox_envs.train.learned_reward import check_reward_model, rewarded
from sandbox_envs.train.policy import State
from sandbox_envs.train.prediction import SensorModel
from sandbox_envs.train.process import check_device, own_settings, seeded
from sandbox_envs.train.resuming import command_line, resumed_args
from sandbox_envs.train.run import Run
from sandbox_envs.train.run_folder import held
from sandbox_envs.train.run_scenes import asked_scenes, trained_scenes
from sandbox_envs.train.tracking import check_tracking
from sandbox_envs.train.trainers import plain_args
from sandbox_envs.training_envs import TrainingEnvs


@dataclass
class Args:
    """Train an LSTM agent with PPO on a scene."""

    scene: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """a scene's name or file, none for sweep/train; several of a family share the simulations"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE replaces a text or numeric of the scene, e.g. "spawn/planter_gate=gate_open" """
    reward: str | None = None
    """a formula to reward instead of the scene's, e.g. "gain(dustpan)" """
    reward_model: str | None = None
    """a run's folder of reward_model.py: reward what it estimates instead of the scene's reward"""
    seed: int = 1
    """seed of the episodes, the initial weights and the actions"""
    total_timesteps: int = 500_000
    """environment steps to train for, in whole updates of num_envs * num_steps; at least one"""
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
    aux_coef: float = 0.0
    """weight of predicting what sensors add up to, as ppo_planner does; 0 predicts nothing"""
    max_grad_norm: float = 0.5
    """largest norm of the gradient"""
    hidden_size: int = 128
    """width of the encoder, the LSTM and the heads"""
    num_layers: int = 1
    """layers of the LSTM"""
    initial_weights: str | None = None
    """a run's folder: begin with its weights; optimizer, learning rate and steps begin anew"""
    device: str = "cpu"
    """where the network lives: cpu, cuda, ..."""
    torch_threads: int = 1
    """CPU threads of the network's updates; 2 help on idle cores and hurt on busy ones"""
    run_dir: str = "runs"
    """the folder in which the run makes its own folder"""
    keep_every: int = 0
    """keep the policy each time that so many steps have passed, and the last; 0 keeps none"""
    checkpoints: int = 0
    """keep so many policies instead, evenly along the training; the last is the final one"""
    resume: str | None = None
    """a run's folder: go on with it, with its own arguments; a larger total makes it longer"""
    track: bool = False
    """send the log to Weights & Biases, too"""
    wandb_project_name: str = "sandbox_envs"
    """the project there"""
    wandb_entity: str | None = None
    """the team or user there, none for your own"""
    debug: bool = False
    """show the traceback of an error"""


class LSTM(nn.LSTM):
    """An LSTM that also takes single steps, by its cell: that costs half as much as a sequence.

    Both are calls of this module, so that hooks on it see what an agent does when it acts.
    """

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Features of sequences (t, n, size), or of one step (n, size) -> the same, next state."""
        if input.ndim == 3:
            return super().forward(input, hx)
        states = []
        for *state, weights in zip(*hx, self.all_weights, strict=True):
            states.append(torch.lstm_cell(input, state, *weights))
            input = states[-1][0]
        hidden, cell = zip(*states, strict=True)
        return input, (torch.stack(hidden), torch.stack(cell))


class Agent(nn.Module):
    """Encoder, LSTM, and heads for the actions' normal distribution and the value.

    Observations are normalised by statistics that are buffers of the agent: they are saved with it
    and change only in `observe_statistics`, so they are fixed in evaluation.
    """

    observation_mean: Tensor
    observation_var: Tensor
    observation_count: Tensor

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        hidden_size: int,
        num_layers: int = 1,
        sums: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.observation_size = observation_size
        self.encoder = nn.Sequential(_linear(observation_size, hidden_size), nn.Tanh())
        self.lstm = LSTM(hidden_size, hidden_size, num_layers)
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
        self.sums, self.model = tuple(sums), None
        if sums:
            self.model = SensorModel(hidden_size, action_size, len(sums), observation_size)

    @staticmethod
    def sizes(envs: TrainingEnvs, args: Args) -> dict[str, Any]:
        """The agent's arguments for some environments, as agent.json keeps them."""
        return {
            "observation_size": envs.single_observation_space.shape[0],
            "action_size": envs.single_action_space.shape[0],
            "hidden_size": args.hidden_size,
            "num_layers": args.num_layers,
            "sums": sum_names(envs.scenes[0]) if args.aux_coef else [],
        }

    def initial_state(self, n: int) -> State:
        """The state of n sequences before their first step: hidden, cell; (layers, n, hidden)."""
        zeros = self.actor_logstd.new_zeros(self.lstm.num_layers, n, self.lstm.hidden_size)
        return zeros, zeros

    def reset_state(self, state: State, episode_starts: Tensor) -> State:
        """The state, with the initial one where an episode starts; episode_starts: (n,) bool."""
        if not episode_starts.any():
            return state
        return tuple(part.masked_fill(episode_starts[:, None], 0.0) for part in state)

    def act(self, obs: Tensor, state: State) -> tuple[Normal, Tensor, State]:
        """One step: obs (n, size) -> distribution (n, actions), value (n,), next state."""
        features, state = self.lstm(self.encode(obs), state)
        return *self.heads(features), state

    def features(self, obs: Tensor, episode_starts: Tensor, state: State) -> Tensor:
        """The inputs of the heads for all steps at once, as `act` computes them: (t, n, hidden).

        obs: (t, n, size). episode_starts: (t, n) bool, where an observation is the first of its
        episode. state: of the n sequences before their first step.
        """
        segments = Segments(episode_starts)
        padded = segments.pad(self.encode(obs))
        features, _ = self.lstm(padded, segments.initial(state))
        return features[segments.time, segments.index]

    def watch(self, envs: TrainingEnvs) -> Tensor:
        """The current sums of the sensors that the model predicts: (simulations, sums)."""
        return torch.as_tensor(sensor_sums(envs, self.sums))

    def prediction_loss(self, features: Tensor, data: "Rollout", mb_inds: Tensor) -> Tensor:
        """The loss of the model's predictions on a minibatch; 0 without a model."""
        if self.model is None:
            return features.new_zeros(())
        observed = self.normalised(data.obs[:, mb_inds])
        taken, sums, dones = data.actions[:, mb_inds], data.sums[:, mb_inds], data.dones[:, mb_inds]
        return self.model.loss(features, taken, sums, observed, dones)

    def observe_outcomes(self, data: "Rollout") -> None:
        """Update the statistics of what the model predicts."""
        if self.model is not None:
            self.model.observe_outcomes(data.sums, data.dones)

    @torch.no_grad()
    def observe_statistics(self, obs: Tensor) -> None:
        """Update the running mean and variance with observations (..., size) (Chan et al. 1979)."""
        obs = obs.reshape(-1, obs.shape[-1])
        var, mean = torch.var_mean(obs, 0, correction=0)
        total = self.observation_count + len(obs)
        share = (len(obs) / total).to(obs.dtype)
        delta = mean - self.observation_mean
        self.observation_var.mul_(1 - share).add_(share * (var + (1 - share) * delta.square()))
        self.observation_mean.add_(share * delta)
        self.observation_count.copy_(total)

    def encode(self, obs: Tensor) -> Tensor:
        """Observations (..., size) -> features (..., hidden), before the LSTM."""
        return self.encoder(self.normalised(obs))

    def normalised(self, obs: Tensor) -> Tensor:
        """Observations (..., size), standardised by the statistics so far."""
        scale = torch.rsqrt(self.observation_var + 1e-8)
        return ((obs - self.observation_mean) * scale).clamp(-10, 10)

    def heads(self, features: Tensor) -> tuple[Normal, Tensor]:
        """Features (..., hidden) -> distribution (..., actions), value (...)."""
        mean = self.actor(features)
        std = self.actor_logstd.exp().expand_as(mean)
        return Normal(mean, std, validate_args=False), self.critic(features).squeeze(-1)


def _linear(inputs: int, outputs: int, gain: float = 2**0.5) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


class Segments:
    """Sequences (t, n) cut where an episode starts, to be laid side by side with padding.

    A segment that continues its sequence's episode starts with the sequence's state, all others
    with zeros.
    """

    def __init__(self, episode_starts: Tensor) -> None:
        steps, n = episode_starts.shape
        cuts = episode_starts.clone()
        cuts[0] = True
        clock = torch.arange(steps, device=cuts.device)[:, None].expand(steps, n)
        began = torch.where(cuts, clock, 0).cummax(0).values
        # (t, n) int: the segment of each step, and the step's place in it
        self.index = (cuts.T.reshape(-1).cumsum(0) - 1).reshape(n, steps).T
        self.time = clock - began
        self.count = int(cuts.sum())
        self.length = int(self.time.max()) + 1
        self.first = self.index[0]  # the first segment of each sequence
        self.continues = ~episode_starts[0]

    def pad(self, x: Tensor) -> Tensor:
        """(t, n, features) -> (length, count, features), zeros where a segment is shorter."""
        padded = x.new_zeros(self.length, self.count, x.shape[-1])
        return padded.index_put((self.time, self.index), x)

    def initial(self, state: State) -> State:
        """The state before each segment, from those of the sequences; (layers, count, hidden)."""
        return tuple(self._initial(part) for part in state)

    def _initial(self, part: Tensor) -> Tensor:
        whole = part.new_zeros(part.shape[0], self.count, part.shape[-1])
        whole[:, self.first] = part * self.continues[None, :, None]
        return whole


@dataclass
class RolloutState:
    """The state that one rollout hands on to the next."""

    next_obs: Tensor
    """(n, size), not acted on yet"""
    state: State
    """the agent's, before `next_obs`; of the last episode where a new one starts"""
    next_starts: Tensor
    """(n,) bool, where `next_obs` is the first of its episode"""


@dataclass
class Rollout:
    """Experience: t steps of n simulations, and the agent's state before the first."""

    obs: Tensor
    """(t, n, size)"""
    actions: Tensor
    """(t, n, actions)"""
    logprobs: Tensor
    """(t, n)"""
    values: Tensor
    """(t, n)"""
    next_values: Tensor
    """(t, n), of the observation that followed in the same episode; 0 where it terminated"""
    rewards: Tensor
    """(t, n)"""
    episode_starts: Tensor
    """(t, n) bool, where `obs` is the first of its episode"""
    dones: Tensor
    """(t, n) bool, where the episode ended with the step"""
    terminated: Tensor
    """(t, n) bool, where it ended for good: no reward would have followed"""
    state: State
    """the agent's, before the first step"""
    sums: Tensor = field(default_factory=lambda: torch.empty(0))
    """(t + 1, n, sums) of sensors that are predicted, before each step and after the last"""
    episodes: list[dict[str, float]] = field(default_factory=list)
    """the final info of each episode that ended"""


@torch.no_grad()
def rollout(
    agent: Agent,
    envs: TrainingEnvs,
    start: RolloutState,
    num_steps: int,
    generator: torch.Generator,
) -> tuple[Rollout, RolloutState]:
    """Let the agent act for some steps in all simulations."""
    data, means = _empty_rollout(envs, start, num_steps)
    noise = torch.randn(data.actions.shape, generator=generator).to(start.next_obs.device)
    next_obs, state, next_starts = start.next_obs, start.state, start.next_starts
    ended: list[tuple[Tensor, ...]] = []
    sums = [agent.watch(envs)]
    for t in range(num_steps):
        state = agent.reset_state(state, next_starts)
        data.obs[t], data.episode_starts[t] = next_obs, next_starts
        distribution, data.values[t], state = agent.act(next_obs, state)
        action = distribution.mean + distribution.stddev * noise[t]
        data.actions[t], means[t] = action, distribution.mean
        obs, reward, terminated, truncated, info = envs.step(action.cpu().numpy())
        obs, dones = finite(obs), terminated | truncated
        sums.append(agent.watch(envs))
        data.rewards[t], data.dones[t] = torch.as_tensor(reward), torch.as_tensor(dones)
        data.terminated[t] = torch.as_tensor(terminated)
        if dones.any():
            rows = np.flatnonzero(dones)
            data.episodes += _episodes(info["final_info"], rows)
            final_obs = torch.as_tensor(info["final_obs"][rows])
            ended.append((final_obs, *(part[:, rows] for part in state)))
        next_obs = torch.as_tensor(obs, device=start.next_obs.device)
        next_starts = torch.as_tensor(dones, device=start.next_obs.device)
    # all at once: the standard deviation is the same for all observations
    distribution = Normal(means, distribution.stddev, validate_args=False)
    data.sums = torch.stack(sums).to(data.values.device)
    data.logprobs[:] = distribution.log_prob(data.actions).sum(-1)
    end = RolloutState(next_obs, state, next_starts)
    _bootstrap(agent, data, end, ended)
    return data, end


def _empty_rollout(
    envs: TrainingEnvs, start: RolloutState, num_steps: int
) -> tuple[Rollout, Tensor]:
    """A rollout to be filled, and room for the actions' means."""
    shape, device = (num_steps, envs.num_envs), start.next_obs.device
    actions = torch.zeros(*shape, *envs.single_action_space.shape, device=device)
    data = Rollout(
        obs=torch.zeros(*shape, *envs.single_observation_space.shape, device=device),
        actions=actions,
        logprobs=torch.zeros(shape, device=device),
        values=torch.zeros(shape, device=device),
        next_values=torch.zeros(shape, device=device),
        rewards=torch.zeros(shape, device=device),
        episode_starts=torch.zeros(shape, dtype=torch.bool, device=device),
        dones=torch.zeros(shape, dtype=torch.bool, device=device),
        terminated=torch.zeros(shape, dtype=torch.bool, device=device),
        state=tuple(part.clone() for part in start.state),  # `act` may write into it
    )
    return data, torch.zeros_like(actions)


def _bootstrap(
    agent: Agent,
    data: Rollout,
    end: RolloutState,
    ended: Sequence[tuple[Tensor, ...]],
) -> None:
    """Fill in the value of the observation that followed each step in the same episode.

    ended: last observation and state of the episodes that ended, in the order of `dones`.
    """
    state = agent.reset_state(end.state, end.next_starts)
    data.next_values[:-1] = data.values[1:]
    data.next_values[-1] = agent.act(end.next_obs, state)[1]
    if ended:  # all at once
        obs, *parts = zip(*ended, strict=True)
        state = tuple(torch.cat(part, 1) for part in parts)
        final_obs = torch.cat(obs).to(data.values.device)
        data.next_values[data.dones] = agent.act(final_obs, state)[1]
        data.next_values[data.terminated] = 0.0


def _episodes(info: dict[str, Any], rows: np.ndarray) -> list[dict[str, float]]:
    return [{key: float(values[row]) for key, values in info.items()} for row in rows]


def gae(data: Rollout, gamma: float, gae_lambda: float) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (Schulman et al. 2016): advantages and returns, (t, n).

    `next_values` are of the same episode, so an end by time limit is bootstrapped, while no
    advantage crosses it.
    """
    deltas = data.rewards + gamma * data.next_values - data.values
    advantages = torch.zeros_like(deltas)
    advantage = torch.zeros_like(deltas[0])
    for t in reversed(range(len(deltas))):
        advantage = deltas[t] + gamma * gae_lambda * (~data.dones[t]) * advantage
        advantages[t] = advantage
    return advantages, advantages + data.values


def update(
    agent: Agent,
    optimizer: torch.optim.Optimizer,
    data: Rollout,
    args: Args,
    generator: torch.Generator,
) -> dict[str, float]:
    """Improve the agent on a rollout; returns the means of the losses."""
    advantages, returns = gae(data, args.gamma, args.gae_lambda)
    history = []
    for _ in range(args.update_epochs):
        env_inds = torch.randperm(data.rewards.shape[1], generator=generator)
        for mb_inds in env_inds.chunk(args.num_minibatches):
            mb_inds = mb_inds.to(data.obs.device)
            loss, losses = _loss(agent, data, advantages, returns, mb_inds, args)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
            optimizer.step()
            history.append(losses)
    explained = 1 - (returns - data.values).var() / returns.var().clamp(min=1e-8)
    means = torch.stack(history).mean(0).tolist()
    names = ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "prediction")
    log = {f"loss/{name}": mean for name, mean in zip(names, means, strict=True)}
    return {**log, "explained_variance": explained.item()}


def _loss(
    agent: Agent, data: Rollout, advantages: Tensor, returns: Tensor, mb_inds: Tensor, args: Args
) -> tuple[Tensor, Tensor]:
    """PPO's loss on a minibatch of simulations, and its parts for the log."""
    state = tuple(part[:, mb_inds] for part in data.state)
    features = agent.features(data.obs[:, mb_inds], data.episode_starts[:, mb_inds], state)
    distribution, values = agent.heads(features)
    logprobs = distribution.log_prob(data.actions[:, mb_inds]).sum(-1)
    logratio = logprobs - data.logprobs[:, mb_inds]
    ratio = logratio.exp()
    mb_advantages = advantages[:, mb_inds]
    mb_advantages = (mb_advantages - mb_advantages.mean()) / (mb_advantages.std() + 1e-8)
    clipped = ratio.clamp(1 - args.clip_coef, 1 + args.clip_coef)
    policy_loss = -torch.min(mb_advantages * ratio, mb_advantages * clipped).mean()
    value_loss = 0.5 * (values - returns[:, mb_inds]).square().mean()
    entropy = distribution.entropy().sum(-1).mean()
    predicted = agent.prediction_loss(features, data, mb_inds)
    loss = policy_loss - args.ent_coef * entropy + args.vf_coef * value_loss
    loss = loss + args.aux_coef * predicted
    with torch.no_grad():
        kl = (ratio - 1 - logratio).mean()  # http://joschu.net/blog/kl-approx.html
        clip_fraction = ((ratio - 1).abs() > args.clip_coef).float().mean()
        parts = torch.stack([policy_loss, value_loss, entropy, kl, clip_fraction, predicted])
    return loss, parts


def reset_envs(agent: Agent, envs: TrainingEnvs, args: Args) -> RolloutState:
    """Start the first episodes, their ends spread over time so that simulations are out of step."""
    obs, _ = envs.reset(seed=args.seed, options={"stagger": True})
    next_obs = torch.as_tensor(finite(obs), device=args.device)
    agent.observe_statistics(next_obs)
    next_starts = torch.ones(args.num_envs, dtype=torch.bool, device=args.device)
    return RolloutState(next_obs, agent.initial_state(args.num_envs), next_starts)


def restore(
    saved: dict[str, Any],
    agent: Agent,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    envs: TrainingEnvs,
) -> RolloutState:
    """Put everything back to where a checkpoint was saved."""
    agent.load_state_dict(saved["agent"])
    optimizer.load_state_dict(saved["optimizer"])
    generator.set_state(saved["generator"].cpu())
    arrays = saved["envs"].items()
    envs.set_state({k: v.numpy(force=True) if isinstance(v, Tensor) else v for k, v in arrays})
    return RolloutState(**saved["rollout_state"])


def iterate(
    agent: Agent,
    optimizer: torch.optim.Optimizer,
    envs: TrainingEnvs,
    start: RolloutState,
    args: Args,
    generator: torch.Generator,
) -> tuple[list[dict[str, float]], dict[str, float], RolloutState]:
    """One rollout and one update: the episodes that ended, the losses, and the next start."""
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    data, end = rollout(agent, envs, start, args.num_steps, generator)
    torch.set_num_threads(args.torch_threads)
    losses = update(agent, optimizer, data, args, generator)
    agent.observe_statistics(data.obs)
    agent.observe_outcomes(data)
    check_learning(agent, data.rewards, losses)
    return data.episodes, losses, end


def train(args: Args, envs: TrainingEnvs, folder: Path | None) -> Path:
    """Train from the beginning, or from where the run in `folder`, which is held, stopped.

    Returns the run's folder.
    """
    torch.set_num_threads(1)  # else the last bits of the initial weights depend on their number
    generator = torch.Generator().manual_seed(args.seed)
    sizes = Agent.sizes(envs, args)
    with seeded(args.seed):
        agent = Agent(**sizes).to(args.device)
    optimizer = torch.optim.Adam(agent.parameters(), args.learning_rate, eps=1e-5, fused=True)
    initial = None
    if args.initial_weights and not folder:
        initial = begin_with(Path(args.initial_weights), agent, Path(__file__).stem, sizes)
    steps = args.num_envs * args.num_steps  # of an update
    updates = max(args.total_timesteps // steps, 1)
    if folder:
        saved = read_checkpoint(folder, args.device)
        if saved["step"] >= updates * steps:
            print(f"{folder} is finished: {saved['step']} steps; nothing to do")
            return folder
        run = Run.resume(folder, envs, args, saved)
        with fitting(folder):
            start, first = restore(saved, agent, optimizer, generator, envs), saved["update"]
    else:
        start, first = reset_envs(agent, envs, args), 0
        run = Run.create(args.run_dir, Path(__file__).stem, args, envs, sizes, steps, initial)
    with run:
        if not folder:  # so that a run can be resumed, and its folder written, from the beginning
            progress = {"update": 0, "step": 0}
            run.checkpoint(agent, progress | snapshot(optimizer, generator, envs, start))
        for done in range(first + 1, updates + 1):
            optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - (done - 1) / updates)
            episodes, losses, start = iterate(agent, optimizer, envs, start, args, generator)
            run.log(done * steps, episodes, losses)
            run.keep(agent, done * steps)
            stopping = run.interrupted  # read once, so that a late Ctrl-C still saves this update
            if stopping or run.checkpoint_due or done in (1, updates):
                progress = {"update": done, "step": done * steps}
                run.checkpoint(agent, progress | snapshot(optimizer, generator, envs, start))
            if stopping:
                break
    run.conclude(finished=done == updates)
    return run.folder


def snapshot(
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    envs: TrainingEnvs,
    start: RolloutState,
) -> dict[str, Any]:
    """The training state that a checkpoint holds besides the agent, for `restore`."""
    return {
        "optimizer": optimizer.state_dict(),
        "generator": generator.get_state(),
        "envs": envs.get_state(),
        "rollout_state": vars(start),
    }


@own_settings()
def main(
    args: Args,
    given: Collection[str] | None = None,
    wrap: Callable[[SandboxVectorEnv], TrainingEnvs] = lambda envs: envs,
) -> Path:
    """Train, from the beginning or from where a run stopped, and save as it goes.

    Args:
        args: the trainer's arguments.
        given: those that count beside `resume`, where all others are the run's; None takes those
            that differ from their defaults.
        wrap: puts the environment into wrappers; a run is resumed in the same ones.

    Returns:
        The run's folder.

    Raises:
        UserError: an argument is wrong, or the training cannot go on. OSError: a file cannot be
            written. SystemExit: the training was stopped by a signal, and has saved.
    """
    args = plain_args(args)
    if not args.resume:
        _check(args)
        scenes = asked_scenes(vars(args))
        envs = rewarded(SandboxVectorEnv(scenes, args.num_envs), vars(args))
        return train(args, wrap(envs), None)
    folder, places = Path(args.resume), args.scene
    with held(folder):
        args = resumed_args(args, Path(__file__).stem, given)
        _check(args)
        check_reward_model(folder)
        scenes = trained_scenes(folder, places)
        envs = rewarded(SandboxVectorEnv(scenes, args.num_envs), vars(args))
        return train(args, wrap(envs), folder)


def _check(args: Args) -> None:
    check_ranges(args)
    check_minibatches(args.num_envs, args.num_steps, args.num_minibatches)
    check_tracking(args)
    check_device(args.device)


if __name__ == "__main__":
    cli_errors(main)(*command_line(Args))
