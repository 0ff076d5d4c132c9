"""The trainer's speed end to end, over the usual stepwise recurrent PPO, and where its time goes.

The usual way (for instance CleanRL's ppo_atari_lstm) calls the LSTM once per time step, in the
rollout and again in every minibatch, and zeroes its state where an episode starts. Environment,
hyperparameters, rollout and loss are the trainer's own in both cases, so both learn the same.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from mujoco.batch import Batch
from torch import Tensor
from torch.distributions import Normal
from torch.profiler import ProfilerActivity, profile

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.speed.timing import Contender, Figure, Setting, Task, Tick, by_turns, ratio
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.policy import State
from sandbox_envs.train.trainers import DEFAULT_TRAINER, trainer, trainer_args

OVER_STEPWISE, PHYSICS_AND_MATMUL = 4.0, 0.6  # targets
SMALL = {"num_envs": 8, "num_steps": 128, "num_minibatches": 4}  # the usual size of recurrent PPO
# Operations that are matrix products, or LSTM layers, which consist of little else.
MATMUL = re.compile(
    r"aten::(addmm|mm|bmm|baddbmm|_addmm_activation|addmv|mv|dot|mkldnn_linear"
    r"|mkldnn_rnn_layer|mkldnn_rnn_layer_backward)|mkldnn::_linear_pointwise"
)


class Stepwise:
    """A mixin before a recurrent agent's class, which then calls its LSTM once per time step."""

    lstm: Any
    """the agent's LSTM"""
    encode: Callable[[Tensor], Tensor]
    """the agent's layers before it"""
    heads: Callable[[Tensor], tuple[Normal, Tensor]]
    """the agent's layers after it"""

    def act(self, obs: Tensor, state: State) -> tuple[Normal, Tensor, State]:
        """One step: obs (n, size) -> distribution (n, actions), value (n,), next state."""
        features, state = self.lstm(self.encode(obs)[None], state)
        distribution, value = self.heads(features[0])
        return distribution, value, state

    def features(self, obs: Tensor, episode_starts: Tensor, state: State) -> Tensor:
        """All steps, one after the other: obs (t, n, size), states (1, n, hidden)."""
        features = []
        for encoded, start in zip(self.encode(obs), episode_starts.float(), strict=True):
            state = tuple((1 - start)[None, :, None] * part for part in state)
            output, state = self.lstm(encoded[None], state)
            features.append(output)
        return torch.cat(features)


class Training:
    """A training in progress; `work` is one update with its rollout, as the trainer does it."""

    def __init__(
        self, scene: Scene, args: Any, stepwise: bool = False, name: str = DEFAULT_TRAINER
    ) -> None:
        torch.manual_seed(args.seed)
        self.args, self.steps = args, args.num_envs * args.num_steps
        self._trainer = trainer(name)
        self._generator = torch.Generator().manual_seed(args.seed)
        self._envs = SandboxVectorEnv(scene, args.num_envs)
        kind = self._trainer.Agent
        if stepwise:
            kind = type("StepwiseAgent", (Stepwise, kind), {})
        self.agent = kind(**kind.sizes(self._envs, args)).to(args.device)
        self._optimizer = torch.optim.Adam(
            self.agent.parameters(), args.learning_rate, eps=1e-5, fused=True
        )
        self._start = self._trainer.reset_envs(self.agent, self._envs, args)

    def work(self) -> None:
        """One rollout of `steps` control steps and one update."""
        _, _, self._start = self._trainer.iterate(
            self.agent, self._optimizer, self._envs, self._start, self.args, self._generator
        )

    def contender(self) -> Contender:
        """One update at a time."""
        return Contender(self.work, self.steps)


def measured_args(setting: Setting, name: str = DEFAULT_TRAINER) -> Any:
    """A trainer's defaults, with the sizes that the setting names."""
    named = {"num_envs": setting.num_envs, "num_steps": setting.num_steps}
    return trainer_args(name, {k: v for k, v in named.items() if v is not None})


# --- over stepwise ---------------------------------------------------------------------------


def training(setting: Setting) -> Iterator[Task]:
    """The trainer's rate over the stepwise one's, and where its time goes."""
    args = measured_args(setting)
    yield Task("training", 2 * setting.updates, partial(_training, setting.scene, args, setting))
    if args == trainer_args(DEFAULT_TRAINER):  # the setting names no size
        small = partial(_small, setting.scene, trainer_args(DEFAULT_TRAINER, SMALL), setting)
        yield Task("training, small", 2 * setting.few, small)


def _training(scene: Scene, args: Any, setting: Setting, tick: Tick) -> Iterator[Figure]:
    with _physics_clock() as clock:
        fused, stepwise = Training(scene, args), Training(scene, args, stepwise=True)
        shares: list[tuple[float, float]] = []  # seconds of physics and of all, per update
        contender = Contender(lambda: shares.append(clock.split(fused.work)), fused.steps)
        contenders = {"fused": contender, "stepwise": stepwise.contender()}
        rates = by_turns(contenders, setting.updates, 0, tick)
    matmul = _matmul_seconds(fused)
    sizes = f"{args.num_envs} x {args.num_steps} steps"
    what = f"training / stepwise recurrent PPO, {sizes}"
    yield ratio("lstm_training_over_stepwise", what, rates["fused"], rates["stepwise"],
                wanted=OVER_STEPWISE)  # fmt: skip
    yield from _shares(shares[1:], matmul)  # without the warm-up
    floor = [fused.steps / seconds for seconds, _ in shares[1:]]  # if only physics took time
    yield ratio("lstm_training_bound", "bound of that: stepwise / physics alone, in time", floor,
                rates["stepwise"])  # fmt: skip
    for name, values in rates.items():
        yield Figure(f"training_{name}", f"training, {name}, {sizes}", values, "steps/s")


def _shares(split: list[tuple[float, float]], matmul: float) -> Iterator[Figure]:
    physics = [seconds / whole for seconds, whole in split]
    products = [matmul / whole for _, whole in split]
    both = [a + b for a, b in zip(physics, products, strict=True)]
    what = "share of training's time in physics and matrix products"
    yield Figure("physics_and_matmul_share", what, both, wanted=PHYSICS_AND_MATMUL)
    yield Figure("physics_share", "share of training's time in physics", physics)
    yield Figure("matmul_share", "share of training's time in matrix products", products)
    yield Figure("other_share", "share of training's time in all else", [1 - x for x in both])


def _small(scene: Scene, args: Any, setting: Setting, tick: Tick) -> Iterator[Figure]:
    contenders = {
        "fused": Training(scene, args).contender(),
        "stepwise": Training(scene, args, stepwise=True).contender(),
    }
    rates = by_turns(contenders, setting.few, setting.seconds, tick)
    sizes = f"{args.num_envs} x {args.num_steps} steps"
    what = f"training / stepwise recurrent PPO, {sizes}"
    yield ratio("lstm_training_over_stepwise_small", what, rates["fused"], rates["stepwise"])
    for name, values in rates.items():
        yield Figure(f"training_{name}_small", f"training, {name}, {sizes}", values, "steps/s")


@dataclass
class _Clock:
    """Seconds spent in MuJoCo's batches so far."""

    seconds: float = 0.0

    def split(self, work: Callable[[], Any]) -> tuple[float, float]:
        """Seconds in physics and in all while `work` ran."""
        before, started = self.seconds, time.perf_counter()
        work()
        return self.seconds - before, time.perf_counter() - started


@contextmanager
def _physics_clock() -> Iterator[_Clock]:
    """Time every call of a batch's physics inside the block."""
    clock = _Clock()

    def timed(function: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any, **kwargs: Any) -> None:
            started = time.perf_counter()
            try:
                function(*args, **kwargs)
            finally:
                clock.seconds += time.perf_counter() - started

        return call

    with ExitStack() as patches:
        for name in ("step", "forward", "reset"):
            patches.enter_context(patch.object(Batch, name, timed(getattr(Batch, name))))
        yield clock


def _matmul_seconds(fused: Training) -> float:
    """Seconds that an update with its rollout spends in matrix products, from a profile of one.

    Profiling slows training down, but hardly the operations themselves; so shares divide these
    seconds by the time of updates that were not profiled.
    """
    silent = patch.dict(os.environ, KINETO_LOG_LEVEL="99")  # else it prints its start and stop
    with silent, profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler:
        fused.work()
    events = profiler.key_averages()
    return sum(e.self_cpu_time_total for e in events if MATMUL.fullmatch(e.key)) / 1e6


# --- on a GPU --------------------------------------------------------------------------------


def gpu(setting: Setting) -> Iterator[Task]:
    """The trainer with its network on a GPU, where there is one."""
    runs = 2 * setting.few if torch.cuda.is_available() else 0
    yield Task("GPU", runs, partial(_gpu, setting))


def _gpu(setting: Setting, tick: Tick) -> Iterator[Figure]:
    name, what = "cuda_over_cpu", "training with --device cuda / cpu"
    if not torch.cuda.is_available():
        yield Figure(name, what, note="torch finds no GPU")
        return
    args = measured_args(setting)
    contenders = {
        device: Training(setting.scene, replace(args, device=device)).contender()
        for device in ("cpu", "cuda")
    }
    rates = by_turns(contenders, setting.few, setting.seconds, tick)
    yield ratio(name, what, rates["cuda"], rates["cpu"])
    for device, values in rates.items():
        yield Figure(f"training_on_{device}", f"training on {device}", values, "steps/s")
