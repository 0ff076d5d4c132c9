"""Stable-Baselines3's recurrent PPO with the trainer's hyperparameters; needs the extra `peers`."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from torch import nn

from sandbox_envs import SandboxEnv, SandboxVectorEnv
from sandbox_envs.eval.speed.timing import Contender
from sandbox_envs.scene.scene import Scene


class VectorAdapter(VecEnv):
    """A `SandboxVectorEnv` as a `VecEnv`, with no more than Stable-Baselines3's trainer needs."""

    def __init__(self, envs: SandboxVectorEnv) -> None:
        self._envs, self._actions = envs, np.zeros(0)  # first: the next line reads it
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> np.ndarray:
        """Start the first episodes, with their ends spread over time."""
        return self._envs.reset(seed=1, options={"stagger": True})[0]

    def step_async(self, actions: np.ndarray) -> None:
        """Remember the actions."""
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step all simulations; infos hold the last observation of every episode that ended."""
        obs, rewards, _, dones, info = self._envs.step(self._actions)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in np.flatnonzero(dones):
            last = info["final_obs"][row]
            infos[row] = {"terminal_observation": last, "TimeLimit.truncated": True}
        return obs, rewards, dones, infos

    def close(self) -> None:
        """Close all simulations."""
        self._envs.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The vector environment's attribute, once for each simulation; None without it."""
        return [getattr(self._envs, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not needed."""
        raise NotImplementedError

    def env_method(
        self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
    ) -> list[Any]:
        """Not needed."""
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Whether each simulation is wrapped: no."""
        return [False] * self.num_envs


def recurrent_ppo(scene: Scene, args: Any) -> dict[str, Contender]:
    """Recurrent PPO on our vector environment, and on the usual one of single environments."""
    singles: Sequence[Any] = [partial(SandboxEnv, scene)] * args.num_envs
    envs = {
        "vector": VectorAdapter(SandboxVectorEnv(scene, args.num_envs)),
        "dummy": DummyVecEnv(list(singles)),
    }
    return {name: _contender(env, args) for name, env in envs.items()}


def _contender(envs: VecEnv, args: Any) -> Contender:
    """Does one update with its rollout at a time.

    All widths are our agent's; the layer before the LSTM is missing, as theirs has none.
    """
    steps = args.num_envs * args.num_steps
    model = RecurrentPPO(
        "MlpLstmPolicy",
        envs,
        learning_rate=args.learning_rate,
        n_steps=args.num_steps,
        batch_size=steps // args.num_minibatches,
        n_epochs=args.update_epochs,
        gamma=args.gamma,
        gae_lambda=args.gae_lambda,
        clip_range=args.clip_coef,
        ent_coef=args.ent_coef,
        vf_coef=args.vf_coef,
        max_grad_norm=args.max_grad_norm,
        seed=args.seed,
        device=args.device,
        policy_kwargs={
            "lstm_hidden_size": args.hidden_size,
            "net_arch": {"pi": [args.hidden_size], "vf": [args.hidden_size]},
            "activation_fn": nn.Tanh,
            "shared_lstm": True,
            "enable_critic_lstm": False,
        },
    )
    learn = partial(model.learn, steps, reset_num_timesteps=False)
    return Contender(learn, steps, partial(torch.set_num_threads, args.torch_threads))
