"""A population of agents that learn side by side, of which the worst become copies of the best.

Population-based training (Jaderberg et al. 2017), synchronous, in one process: every member is an
agent with an optimizer and simulations of its own, and learns by the update of its trainer. After
some episodes, as many for each, an *exploit* gives the worst the weights, the hyperparameters, or
both, of the best. It selects for the return that was *received*, also where an episode pays in the
next one (`carry/NAME` in a scene), which no member's own update counts.

    python train/population.py --scene lever/train                copies weights and learning rates
    python train/population.py --scene lever/train --copy none    a control: nobody is copied
    python train/population.py --scene lever/train --swap         a control: what an episode leaves
                                                                  pays the next member
    python train/population.py --resume runs/RUN

Each generation begins with new episodes that inherit nothing: a copy does not benefit from what
the replaced member did. With `--episodes 1` no member ever benefits, which is another control.

A run folder is as a trainer's, with the policy of the fittest member, and beside it

    members/NUMBER     all members at the end, each a run folder without resume.pt
    exploits.jsonl     a line for each generation: fitness, returns of all measures, whom each
                       member is a copy of then, and how much of a trait's change is selected and
                       how much learned (`selection`)
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
from copy import deepcopy
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np
import torch
import tyro
from torch import Tensor
from torch.distributions import Normal

from sandbox_envs import SandboxVectorEnv, UserError
from sandbox_envs.errors import cli_errors, suggest
from sandbox_envs.files import append_line
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.arguments import OF_THE_MACHINE, check_ranges
from sandbox_envs.train.checkpoint import fitting, read_checkpoint
from sandbox_envs.train.divergence import check_learning, finite
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.log import cut
from sandbox_envs.train.policy import State
from sandbox_envs.train.process import own_settings, seeded
from sandbox_envs.train.resuming import command_line, resumed_args
from sandbox_envs.train.run import Run
from sandbox_envs.train.run_folder import held
from sandbox_envs.train.run_scenes import asked_scenes, trained_scenes
from sandbox_envs.train.selection import price_split, truncation
from sandbox_envs.train.tracking import check_tracking
from sandbox_envs.train.trainers import ON_MENUS, plain_args, trainer, trainer_args, typed

Copied = Literal["both", "weights", "hyperparameters", "none"]
COPIES = get_args(Copied)
EXPLOITS = "exploits.jsonl"
CHANGES = (0.8, 1.25)  # of a learning rate that was copied, either with the same probability
NEEDED = ("rollout", "update", "RolloutState", "_check")  # of a trainer, as those for PPO share
# arguments of a trainer that are decided here
DECIDED = ("num_steps", "initial_weights", *OF_THE_MACHINE)  # beside those that are here, too
REWARD = "reward"
REWARD_MODEL = "reward_model"  # an argument of some trainers, which members cannot have


@dataclass
class Args:
    """Train a population on a scene; after some episodes its worst become copies of its best."""

    trainer: str = "ppo_mlp"
    """the members' trainer, by name"""
    argument: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE of the trainer's arguments, e.g. "learning_rate=3e-4" """
    scene: str | None = None
    """a scene's name or file, none for sweep/train"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE replaces a text or numeric of the scene, e.g. "carry/boost=0" """
    reward: str | None = None
    """a formula to reward instead of the scene's, e.g. "gain(dustpan)" """
    seed: int = 1
    """seed of the episodes, the initial weights, the actions, and who copies whom"""
    total_timesteps: int = 2_400_000
    """environment steps to train for, of all members together"""
    members: int = 8
    """agents in the population"""
    num_envs: int = 64
    """simulations of each member"""
    episodes: int = 4
    """episodes of each simulation in a generation, that is between two exploits"""
    window: int = 0
    """how many of the last of these episodes count as fitness; 0 counts all"""
    updates: int = 1
    """of each member in an episode, the steps of which are shared out evenly"""
    copy: Copied = "both"
    """what the worst take over; of hyperparameters the learning rate, which is then changed"""
    share: float = 0.25
    """share of the members that are replaced, and of those that are copied"""
    swap: bool = False
    """let what an episode leaves go to the next member's simulations: a control"""
    trait: str | None = None
    """a measure whose return is followed through selection; none for the intended one"""
    device: str = "cpu"
    """where the networks live: cpu, cuda, ..."""
    torch_threads: int = 1
    """CPU threads of the networks' updates"""
    run_dir: str = "runs"
    """the folder in which the run makes its own folder"""
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


@dataclass(frozen=True)
class PopulationJob(Job):
    """The training of a population in a list of jobs; `trainer` is the members'."""

    @property
    def arguments(self) -> Args:
        """All arguments; raises UserError where one does not fit."""
        return plain_args(Args(trainer=self.trainer), self.args, "population: ")

    @property
    def module(self) -> str:
        """The module that trains it."""
        return "sandbox_envs.train.population"


# --- the members -----------------------------------------------------------------------------


@dataclass
class Member:
    """One agent of the population."""

    agent: Any
    """of the trainer's class"""
    optimizer: torch.optim.Optimizer
    """of its own"""
    learning_rate: float
    """at the start of the training; it falls linearly to 0"""

    def copy_weights(self, other: "Member") -> None:
        """Become as another one, with what the optimizer and the observations' statistics know."""
        self.agent.load_state_dict(other.agent.state_dict())
        self.optimizer.load_state_dict(deepcopy(other.optimizer.state_dict()))

    def copy_hyperparameters(self, other: "Member", rng: np.random.Generator) -> None:
        """Take over the learning rate, and change it."""
        self.learning_rate = other.learning_rate * float(rng.choice(CHANGES))


class Together:
    """The members as one agent, of which each acts in simulations of its own.

    The last part of its state says whose each row is, so that the rows may come in any order.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.agents = [member.agent for member in members]

    def initial_state(self, n: int) -> State:
        """The state of n episodes before their first step, shared out in blocks."""
        own = n // len(self.agents)
        states = zip(*[agent.initial_state(own) for agent in self.agents], strict=True)
        whose = torch.arange(len(self.agents)).repeat_interleave(own)[None]
        return *(torch.cat(parts, 1) for parts in states), whose

    def reset_state(self, state: State, episode_starts: Tensor) -> State:
        """The state, with the initial one where an episode starts, which is the same for all."""
        *parts, whose = state
        return *self.agents[0].reset_state(tuple(parts), episode_starts), whose

    def act(self, obs: Tensor, state: State) -> tuple[Normal, Tensor, State]:
        """One step, as of any agent."""
        *parts, whose = state
        rows = [torch.nonzero(whose[0] == k)[:, 0] for k in range(len(self.agents))]
        back = torch.argsort(torch.cat(rows))
        acted = [
            agent.act(obs[own], tuple(part[:, own] for part in parts))
            for agent, own in zip(self.agents, rows, strict=True)
        ]
        mean = torch.cat([one.mean for one, _, _ in acted])[back]
        std = torch.cat([one.stddev for one, _, _ in acted])[back]
        values = torch.cat([value for _, value, _ in acted])[back]
        states = zip(*[new for _, _, new in acted], strict=True)
        state = *(torch.cat(part, 1)[:, back] for part in states), whose
        return Normal(mean, std, validate_args=False), values, state

    def watch(self, envs: SandboxVectorEnv) -> Tensor:
        """The current sums of the sensors that the members predict: (simulations, sums)."""
        return torch.as_tensor(self.agents[0].watch(envs))


def own_part(data: Any, number: int, members: int) -> Any:
    """One member's part of a rollout of all members, as the trainer's `Rollout`."""
    own = data.rewards.shape[1] // members
    block = slice(number * own, (number + 1) * own)
    parts = {f.name: getattr(data, f.name) for f in fields(data)}
    cut_out = {name: part[:, block] for name, part in parts.items() if isinstance(part, Tensor)}
    return replace(data, **cut_out, state=tuple(part[:, block] for part in data.state[:-1]))


class Tally:
    """Sums of each member's returns in this generation, over episodes that count."""

    def __init__(self, args: Args, measures: Collection[str]) -> None:
        self._args, self._names = args, [REWARD, *measures]
        self.counts = np.zeros(args.members)
        self.sums = np.zeros((len(self._names), args.members))

    def add(self, episodes: Sequence[Mapping[str, float]], generation: int) -> None:
        """Count episodes that have ended, given by their final infos."""
        args = self._args
        slots = args.members * args.num_envs
        first = args.episodes - (args.window or args.episodes)
        for episode in episodes:
            index = int(episode["episode_index"])
            if index // slots - generation * args.episodes >= first:
                member = index % slots // args.num_envs
                self.counts[member] += 1
                self.sums[:, member] += [episode[f"return/{name}"] for name in self._names]

    @property
    def returns(self) -> dict[str, np.ndarray]:
        """(members,) mean return of each measure, and of the reward."""
        means = self.sums / np.maximum(self.counts, 1)
        return dict(zip(self._names, means, strict=True))

    def memory(self) -> dict[str, np.ndarray]:
        """The counts and sums so far: the arrays themselves, so that they can be written to."""
        return {"counts": self.counts, "sums": self.sums}


class Population:
    """Members, their simulations, and where they are in the training."""

    def __init__(self, args: Args, envs: SandboxVectorEnv) -> None:
        self.args, self.envs = args, envs
        self.module: ModuleType = trainer(args.trainer)
        self.own = member_args(args, envs.scenes[0])
        self.sizes = self.module.Agent.sizes(envs, self.own)
        self.members = [self._new(number) for number in range(args.members)]
        self.together = Together(self.members)
        self.generator = torch.Generator().manual_seed(args.seed)
        self.trait = args.trait or envs.scenes[0].intended
        if self.trait not in envs.scenes[0].measures:
            raise UserError(f"--trait {self.trait}: {suggest(self.trait, envs.scenes[0].measures)}")
        self.tally = Tally(args, envs.scenes[0].measures)
        self.trait_before = np.full(args.members, np.nan)  # of this generation, at its start
        self.fittest = 0
        self.generation = self.updated = 0  # how many have ended, and updates in this one
        self.start: Any = None

    def _new(self, number: int) -> Member:
        entropy = np.random.SeedSequence([self.args.seed, number])
        with seeded(int(entropy.generate_state(1, np.uint32)[0])):
            agent = self.module.Agent(**self.sizes).to(self.args.device)
        rate = self.own.learning_rate
        optimizer = torch.optim.Adam(agent.parameters(), rate, eps=1e-5, fused=True)
        return Member(agent, optimizer, rate)

    def begin_generation(self) -> None:
        """Start new episodes in all simulations, to which nothing is left by earlier ones."""
        args = self.args
        first = self.generation * args.episodes * self.envs.num_envs
        seed = None if self.generation else args.seed
        obs, _ = self.envs.reset(seed=seed, options={"episode": first})
        next_obs = torch.as_tensor(finite(obs), device=args.device)
        if not self.generation:
            for member, own in zip(self.members, next_obs.chunk(args.members), strict=True):
                member.agent.observe_statistics(own)
        starts = torch.ones(len(next_obs), dtype=torch.bool, device=args.device)
        state = self.together.initial_state(len(next_obs))
        self.start = self.module.RolloutState(next_obs, state, starts)
        self.tally, self.updated = Tally(args, self.envs.scenes[0].measures), 0

    @property
    def is_over(self) -> bool:
        """Whether the generation has had all of its episodes."""
        return self.updated == self.args.episodes * self.args.updates

    def iterate(self, left: float) -> tuple[list[dict[str, float]], dict[str, float]]:
        """One rollout of all, and an update of each: the episodes that ended, the mean losses.

        left: the share of the training that is left, by which learning rates have fallen.
        """
        torch.set_num_threads(1)  # as in a trainer's `iterate`, which this is for many members
        steps = self.own.num_steps
        data, self.start = self.module.rollout(
            self.together, self.envs, self.start, steps, self.generator
        )
        torch.set_num_threads(self.args.torch_threads)
        history = []
        for number, member in enumerate(self.members):
            own = own_part(data, number, len(self.members))
            member.optimizer.param_groups[0]["lr"] = member.learning_rate * left
            losses = self.module.update(
                member.agent, member.optimizer, own, self.own, self.generator
            )
            member.agent.observe_statistics(own.obs)
            member.agent.observe_outcomes(own)
            check_learning(member.agent, own.rewards, losses)
            history.append(losses)
        self.tally.add(data.episodes, self.generation)
        self.updated += 1
        means = {name: float(np.mean([one[name] for one in history])) for name in history[0]}
        return data.episodes, means

    def end_generation(self, last: bool) -> dict[str, Any]:
        """Copy the best over the worst, unless it is the last one; what exploits.jsonl says."""
        args, returns = self.args, self.tally.returns
        fitness, trait = returns[REWARD], returns[self.trait]
        if np.isnan(self.trait_before).any():
            # before the first generation it is not known of anybody, so nothing in it is selected
            self.trait_before = np.full(args.members, trait.mean())
        rng = np.random.default_rng([args.seed, self.generation])
        donors = np.arange(args.members)
        if args.copy != "none" and not last:
            donors = truncation(fitness, args.share, rng)
        whose = donors if args.copy in ("both", "weights") else np.arange(args.members)
        copies = np.bincount(whose, minlength=args.members)
        split = price_split(self.trait_before, trait, copies)
        row = {
            "generation": self.generation,
            "fitness": fitness.tolist(),
            "donors": donors.tolist(),
            "copies": copies.tolist(),
            "learning_rates": [member.learning_rate for member in self.members],
            "trait": self.trait,
            "start": self.trait_before.tolist(),
            "end": trait.tolist(),
            "returns": {name: found.tolist() for name, found in returns.items() if name != REWARD},
            **asdict(split),
        }
        self._copy(donors, rng)
        self.fittest, self.trait_before = int(fitness.argmax()), trait[whose]
        self.generation += 1
        return row

    def _copy(self, donors: np.ndarray, rng: np.random.Generator) -> None:
        for number in np.flatnonzero(donors != np.arange(len(donors))):
            member, donor = self.members[number], self.members[donors[number]]
            if self.args.copy in ("both", "weights"):
                member.copy_weights(donor)
            if self.args.copy in ("both", "hyperparameters"):
                member.copy_hyperparameters(donor, rng)

    def snapshot(self) -> dict[str, Any]:
        """The training state that a checkpoint holds besides the fittest agent, for `restore`."""
        return {
            "members": [
                {
                    "agent": member.agent.state_dict(),
                    "optimizer": member.optimizer.state_dict(),
                    "learning_rate": member.learning_rate,
                }
                for member in self.members
            ],
            "generator": self.generator.get_state(),
            "envs": self.envs.get_state(),
            "rollout_state": vars(self.start),
            "tally": self.tally.memory(),
            "trait_before": self.trait_before,
            "generation": self.generation,
            "updated": self.updated,
            "fittest": self.fittest,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Put everything back to where a checkpoint was saved."""
        for member, one in zip(self.members, saved["members"], strict=True):
            member.agent.load_state_dict(one["agent"])
            member.optimizer.load_state_dict(one["optimizer"])
            member.learning_rate = float(one["learning_rate"])
        self.generator.set_state(saved["generator"].cpu())
        self.envs.set_state(_arrays(saved["envs"]))
        self.start = self.module.RolloutState(**saved["rollout_state"])
        self.generation, self.updated = int(saved["generation"]), int(saved["updated"])
        self.fittest = int(saved["fittest"])
        for name, array in self.tally.memory().items():
            array[:] = _arrays(saved["tally"])[name]
        self.trait_before = saved["trait_before"].numpy(force=True)


def _arrays(saved: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.numpy(force=True) if isinstance(v, Tensor) else v for k, v in saved.items()}


# --- training --------------------------------------------------------------------------------


def train(args: Args, scene: Scene, folder: Path | None) -> Path:
    """Train from the beginning, or from where the run in `folder`, which is held, stopped.

    Returns the run's folder.
    """
    torch.set_num_threads(1)  # else the last bits of the initial weights depend on their number
    slots = args.members * args.num_envs
    envs = SandboxVectorEnv(scene, slots, carry_shift=args.num_envs if args.swap else 0)
    population = Population(args, envs)
    steps = slots * population.own.num_steps  # of an update of all
    updates = max(args.total_timesteps // steps, 1)
    if folder:
        saved = read_checkpoint(folder, args.device)
        if saved["step"] >= updates * steps:
            print(f"{folder} is finished: {saved['step']} steps; nothing to do")
            return folder
        run = Run.resume(folder, envs, args, saved)
        with fitting(folder):
            first = int(saved["update"])
            population.restore(saved)
        cut(folder / EXPLOITS, saved["step"], (first - population.updated) * steps)
    else:
        first = 0
        population.begin_generation()
        agent = args.trainer, args, envs, population.sizes
        run = Run.create(args.run_dir, *agent, steps, called="population")
    waiting: list[dict[str, Any]] = []  # for exploits.jsonl, which may be full for a while
    with run:
        if not folder:
            _save(run, population, 0, steps)
        for done in range(first + 1, updates + 1):
            run.log(done * steps, *population.iterate(1 - (done - 1) / updates))
            if population.is_over:
                row = population.end_generation(last=done == updates)
                waiting.append({"step": done * steps, **row})
                population.begin_generation()
            stopping = run.interrupted  # read once, so that a late Ctrl-C still saves this update
            with nullcontext() if stopping or done == updates else suppress(OSError):
                _append(run.folder / EXPLOITS, waiting)
            if done == updates:
                run.keep_members(population.together.agents, done * steps)
            if stopping or run.checkpoint_due or done in (1, updates):
                _save(run, population, done, steps)
            if stopping:
                break
    run.conclude(finished=done == updates)
    return run.folder


def _append(file: Path, waiting: list[dict[str, Any]]) -> None:
    """Append the rows that wait; those that cannot be written wait on."""
    while waiting:
        append_line(file, waiting[0])
        del waiting[0]


def _save(run: Run, population: Population, done: int, steps: int) -> None:
    progress = {"update": done, "step": done * steps}
    agent = population.members[population.fittest].agent
    run.checkpoint(agent, progress | population.snapshot())


def member_args(args: Args, scene: Scene) -> Any:
    """The members' arguments, as their trainer's `Args`.

    Raises:
        UserError: one is unknown or wrong, or steps of an episode cannot be shared out.
    """
    defaults, values = trainer_args(args.trainer), dict[str, Any]()
    decided = {*DECIDED, *vars(args)}
    known = [f.name for f in fields(defaults) if f.name not in {*decided, REWARD_MODEL}]
    for text in args.argument:
        name, equals, value = text.partition("=")
        key = name.strip().replace("-", "_")
        if not equals:
            raise UserError(f'--argument "{text}": write NAME=VALUE, as in "gamma=0.99"')
        if key in decided:
            raise UserError(f"--argument {name}: the population decides it; leave this one out")
        if key == REWARD_MODEL:
            raise UserError(
                f"--argument {name}: members learn the scene's own reward; leave this one out"
            )
        if key in values:
            raise UserError(f"--argument {name}: it is given twice; give it once")
        if key not in known:
            raise UserError(f"--argument {name}: {suggest(key, known)}")
        values[key] = typed(f"--argument {name}", value.strip(), defaults, key)
    if scene.episode_steps % args.updates:
        raise UserError(
            f"--updates {args.updates}: an episode of {scene.name} has {scene.episode_steps} "
            "control steps, which so many updates cannot share evenly"
        )
    steps = scene.episode_steps // args.updates
    shared = {"num_envs": args.num_envs, "num_steps": steps, "seed": args.seed}
    machine = {"device": args.device, "torch_threads": args.torch_threads}
    own = trainer_args(args.trainer, {**values, **shared, **machine})
    trainer(args.trainer)._check(own)
    return own


@own_settings()
def main(args: Args, given: Collection[str] | None = None) -> Path:
    """Train, from the beginning or from where a run stopped, and save as it goes.

    Args:
        args: the arguments.
        given: those that count beside `resume`, as in trainers.

    Returns:
        The run's folder.

    Raises:
        UserError: an argument is wrong, or the training cannot go on. OSError: a file cannot be
            written. SystemExit: the training was stopped by a signal, and has saved.
    """
    args = plain_args(args)
    if not args.resume:
        _check(args)
        (scene,) = asked_scenes(vars(args))
        return train(args, scene, None)
    folder, places = Path(args.resume), args.scene or ()
    with held(folder):
        args = resumed_args(args, Path(__file__).stem, given)
        _check(args)
        (scene,) = trained_scenes(folder, places)
        return train(args, scene, folder)


def _check(args: Args) -> None:
    check_ranges(args)
    check_tracking(args)
    if args.copy not in COPIES:
        raise UserError(f"--copy {args.copy}: {suggest(args.copy, COPIES)}")
    if int(args.members * args.share) < 1 and args.copy != "none":
        raise UserError(
            f"--share {args.share}: of {args.members} members that is nobody; take a larger share, "
            "or --copy none"
        )
    if args.window > args.episodes:
        raise UserError(
            f"--window {args.window}: a generation has only {args.episodes} episodes, by --episodes"
        )
    if args.trainer in ON_MENUS:
        raise UserError(
            f"--trainer {args.trainer}: its actions choose skills, and members act by controls; "
            "take another trainer"
        )
    if lacking := [name for name in NEEDED if not hasattr(trainer(args.trainer), name)]:
        raise UserError(
            f"--trainer {args.trainer}: a population updates its members by functions that this "
            f"trainer lacks: {', '.join(lacking)}"
        )


if __name__ == "__main__":
    cli_errors(main)(*command_line(Args))
