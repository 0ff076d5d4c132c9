"""Stable-Baselines3's recurrent PPO with the trainer's hyperparameters; needs the extra `sb3`."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from torch import nn

from sandbox_envs import SandboxEnv
from sandbox_envs.eval.speed.timing import Contender
from sandbox_envs.sb3 import vec_env
from sandbox_envs.scene.scene import Scene


def recurrent_ppo(scene: Scene, args: Any) -> dict[str, Contender]:
    """Recurrent PPO on our vector environment, and on the usual one of single environments."""
    singles: Sequence[Any] = [partial(SandboxEnv, scene)] * args.num_envs
    vector = vec_env(scene, args.num_envs)
    vector.set_options({"stagger": True})
    envs = {"vector": vector, "dummy": DummyVecEnv(list(singles))}
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
