"""A training that cannot go on ends in a sentence, and what it had learned stays."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from trainings import said, trained

from sandbox_envs import SandboxVectorEnv, UserError
from sandbox_envs.train import ppo_lstm
from sandbox_envs.train.checkpoint import read_checkpoint
from sandbox_envs.train.divergence import are_finite
from sandbox_envs.train.ppo_lstm import Args, main


@pytest.fixture(autouse=True)
def checkpoint_at_every_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox_envs.train.run.CHECKPOINT_SECONDS", 0.0)


def ended(folder: Path, **arguments: Any) -> tuple[Path, str]:
    """The run and the last sentence of a training that cannot go on."""
    with pytest.raises(UserError) as error:
        trained(folder, **arguments)
    (run,) = folder.iterdir()
    return run, said(error)


def rows(run: Path) -> list[dict[str, Any]]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def test_diverged_training_says_when_and_why_and_keeps_the_last_good_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, numbers = ppo_lstm.update, iter(range(100))

    def diverging(agent: Any, *rest: Any) -> dict[str, float]:
        losses = update(agent, *rest)
        if next(numbers) == 2:
            agent.critic[0].weight.data[0] = math.nan
        return losses

    monkeypatch.setattr(ppo_lstm, "update", diverging)
    run, sentence = ended(tmp_path, total_timesteps=640)
    assert "the training ended at step 192 of 640: a weight is not finite; " in sentence
    assert "lower --learning-rate; the policy of step 128 is kept" in sentence
    assert are_finite(load_file(run / "policy.safetensors"))
    assert read_checkpoint(run, "cpu")["step"] == 128
    assert [row["step"] for row in rows(run)] == [64, 128]
    main(Args(resume=str(run)))  # this time its update is sound
    assert [row["step"] for row in rows(run)] == [64 * i for i in range(1, 11)]


def test_far_too_large_learning_rate_is_named_as_the_reason(tmp_path: Path) -> None:
    run, sentence = ended(tmp_path, learning_rate=1e30, max_grad_norm=1e9)
    assert "probably too large; lower --learning-rate; the policy of step 0 is kept" in sentence
    assert are_finite(load_file(run / "policy.safetensors"))
    with pytest.raises(UserError) as error:
        main(Args(resume=str(run)))
    assert said(error) == sentence


def test_huge_rewards_are_named_as_the_reason(tmp_path: Path) -> None:
    _, sentence = ended(tmp_path, reward="10**25 + gain(cleanliness)")
    assert "rewards are as large as 1e+25; scale the reward down" in sentence


def test_observation_that_is_not_finite_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, numbers = SandboxVectorEnv.step, iter(range(100))

    def damaged(envs: SandboxVectorEnv, actions: np.ndarray) -> Any:
        obs, *rest = step(envs, actions)
        if next(numbers) == 20:
            obs[1, 3] = np.inf
        return obs, *rest

    monkeypatch.setattr(SandboxVectorEnv, "step", damaged)
    _, sentence = ended(tmp_path)
    assert "ended at step 128 of 128: number 3 of the observation is not finite" in sentence
    assert "the policy of step 64 is kept" in sentence


@pytest.mark.parametrize(("share", "ends"), [(1.0, True), (0.5, False)])
def test_unstable_episodes_are_told_and_end_a_training_when_nearly_all_are(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    share: float,
    ends: bool,
) -> None:
    def unstable(info: dict[str, Any], rows: np.ndarray) -> list[dict[str, float]]:
        episodes = [{key: float(values[row]) for key, values in info.items()} for row in rows]
        return [{**e, "unstable": float(i % 2 < 2 * share)} for i, e in enumerate(episodes)]

    monkeypatch.setattr(ppo_lstm, "_episodes", unstable)
    short = {"num_envs": 64, "num_steps": 4, "total_timesteps": 1024, "set": "episode_seconds=0.2"}
    if ends:
        run, sentence = ended(tmp_path, **short)
        assert "100% of the last 64 episodes were unstable" in sentence
        assert "make the scene's timestep shorter" in sentence
    else:
        run = trained(tmp_path, **short)
        said = capsys.readouterr().out
        assert said.count("% of the last") == 1
        assert "128 of 256 episodes were unstable" in said
    assert sum(row["unstable"] for row in rows(run) if row["episodes"]) >= 64 * share
