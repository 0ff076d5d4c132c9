"""Training and acting with the network on a GPU; skipped where torch finds none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_resuming import files
from trainings import stopped, trained

from sandbox_envs import sb3
from sandbox_envs.train.checkpoint import read_checkpoint
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.ppo_lstm import Args, main

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")


@pytest.fixture(scope="module")
def on_gpu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("gpu"), device="cuda")


def weights(run: Path) -> dict[str, torch.Tensor]:
    agent: dict[str, torch.Tensor] = read_checkpoint(run, "cpu")["agent"]
    return agent


def assert_close(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        torch.testing.assert_close(value, b[name], rtol=1e-3, atol=1e-4)


def test_a_gpu_trains_the_agent_that_a_cpu_trains(on_gpu: Path, tmp_path: Path) -> None:
    assert_close(weights(on_gpu), weights(trained(tmp_path, device="cpu")))


@pytest.mark.parametrize("first", ["cpu", "cuda"])
@pytest.mark.parametrize("then", ["cpu", "cuda"])
def test_a_stopped_run_is_resumed_on_either(
    first: str, then: str, on_gpu: Path, tmp_path: Path
) -> None:
    run = stopped(tmp_path, at=64, device=first)
    main(Args(resume=str(run), device=then), {"device"})
    assert_close(weights(run), weights(on_gpu))


def test_the_same_training_on_the_same_gpu_is_the_same(on_gpu: Path, tmp_path: Path) -> None:
    again = trained(tmp_path, device="cuda")
    assert files(on_gpu)["policy.safetensors"] == files(again)["policy.safetensors"]


def test_a_policy_acts_on_a_gpu_as_on_a_cpu(on_gpu: Path) -> None:
    policies = [load_policy(on_gpu, device) for device in ("cpu", "cuda")]
    rng = np.random.default_rng(1)
    states: list[Any] = [None, None]
    for _ in range(20):
        observations = rng.normal(size=(3, policies[0].observation_size)).astype(np.float32)
        steps = [
            policy(observations, state) for policy, state in zip(policies, states, strict=True)
        ]
        states = [state for _, state in steps]
        np.testing.assert_allclose(steps[0][0], steps[1][0], atol=1e-5)


def test_a_stable_baselines3_model_on_a_gpu_draws_actions_of_its_own() -> None:
    stable_baselines3 = pytest.importorskip("stable_baselines3", reason="the extra sb3 is missing")
    envs = sb3.vec_env("keeper/train", 2)
    model = stable_baselines3.PPO("MlpPolicy", envs, n_steps=8, batch_size=16, device="cuda")
    policy = sb3.policy(model.learn(16), deterministic=False)
    observations = envs.reset()
    torch.manual_seed(7)
    before = torch.cuda.get_rng_state()
    first, _ = policy(observations)
    assert torch.equal(torch.cuda.get_rng_state(), before)
    torch.manual_seed(8)
    np.testing.assert_array_equal(policy(observations)[0], first)
