"""Peers to compare with: Gymnasium's vector environments and Stable-Baselines3's trainer."""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from sandbox_envs import SandboxEnv
from sandbox_envs.eval.speed.environment import SEED, USUAL, started, stepping
from sandbox_envs.eval.speed.timing import Figure, Setting, Task, Tick, by_turns, ratio
from sandbox_envs.eval.speed.training import Training, measured_args
from sandbox_envs.processor import available_cores
from sandbox_envs.scene.scene import Scene

CORES = available_cores()
OVER_GYMNASIUM = 3.0  # wanted


# --- Gymnasium -------------------------------------------------------------------------------


class StaggeredEnv(SandboxEnv):
    """An environment whose first episode starts at control step `ahead`."""

    def __init__(self, scene: Scene, ahead: int) -> None:
        super().__init__(scene)
        self._ahead = ahead

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; the clock of the first one starts at `ahead`."""
        options = {**(options or {}), "clock": self._ahead}
        self._ahead = 0
        return super().reset(seed=seed, options=options)


def gymnasium_envs(setting: Setting) -> Iterator[Task]:
    """The environment's rate over the best of Gymnasium's vector environments."""
    runs = (2 + len(_processes())) * setting.repeats
    yield Task("Gymnasium", runs, partial(_gymnasium_envs, setting))


def _gymnasium_envs(setting: Setting, tick: Tick) -> Iterator[Figure]:
    peers: dict[str, gymnasium.vector.VectorEnv[Any, Any, Any]] = {}
    same_step = AutoresetMode.SAME_STEP
    try:
        for n in _processes():  # first: forking is unsafe once there are threads
            makers = _makers(setting.scene, n)
            peers[f"async_{n}"] = AsyncVectorEnv(makers, autoreset_mode=same_step)
        makers = _makers(setting.scene, USUAL)
        peers[f"sync_{USUAL}"] = SyncVectorEnv(makers, autoreset_mode=same_step)
        for envs in peers.values():
            envs.reset(seed=SEED)
        contenders = {name: stepping(envs) for name, envs in peers.items()}
        contenders["ours"] = stepping(started(setting.scene, USUAL))
        rates = by_turns(contenders, setting.repeats, setting.seconds, tick)
    finally:
        for envs in peers.values():
            envs.close()
    ours = rates.pop("ours")
    best = max(rates, key=lambda name: median(rates[name]))
    what = f"environment / best of Gymnasium's, {_title(best)}"
    yield ratio("env_over_gymnasium", what, ours, rates[best], wanted=OVER_GYMNASIUM)
    yield Figure(
        "gymnasium_ours", f"environment in that comparison, {USUAL} simulations", ours, "steps/s"
    )
    for name, values in rates.items():
        yield Figure(f"gymnasium_{name}", _title(name), values, "steps/s")


def _title(name: str) -> str:
    kind, _, n = name.partition("_")
    return f"{kind.capitalize()}VectorEnv of {n}"


def _processes() -> list[int]:
    """Numbers of processes to try: two per core, and a common one."""
    return sorted({2 * CORES, 16})


def _makers(scene: Scene, n: int) -> list[Callable[[], SandboxEnv]]:
    ahead = [i * scene.episode_steps // n for i in range(n)]
    return [partial(StaggeredEnv, scene, steps) for steps in ahead]


# --- Stable-Baselines3 -----------------------------------------------------------------------


def sb3(setting: Setting) -> Iterator[Task]:
    """The trainer's rate over that of sb3-contrib's RecurrentPPO, where it is installed."""
    is_installed = importlib.util.find_spec("sb3_contrib") is not None
    yield Task("RecurrentPPO", 3 * setting.few if is_installed else 0, partial(_sb3, setting))


def _sb3(setting: Setting, tick: Tick) -> Iterator[Figure]:
    name, what = "lstm_training_over_sb3", "training / Stable-Baselines3's RecurrentPPO"
    try:  # an extra
        from sandbox_envs.eval.speed.sb3 import recurrent_ppo
    except ModuleNotFoundError:
        yield Figure(name, what, note='not installed (pip install "sandbox_envs[sb3]")')
        return
    args = measured_args(setting)
    contenders = {"ours": Training(setting.scene, args).contender()}
    contenders |= recurrent_ppo(setting.scene, args)
    rates = by_turns(contenders, setting.few, 0, tick)
    ours, vector, dummy = rates["ours"], rates["vector"], rates["dummy"]
    yield ratio(name, f"{what}, on our vector environment", ours, vector)
    yield ratio(f"{name}_dummy", f"{what}, on DummyVecEnv", ours, dummy)
    yield Figure("training_sb3_ours", "training in that comparison", ours, "steps/s")
    yield Figure("training_sb3_vector", "RecurrentPPO, our vector environment", vector, "steps/s")
    yield Figure("training_sb3_dummy", "RecurrentPPO, DummyVecEnv", dummy, "steps/s")
