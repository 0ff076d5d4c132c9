"""Training on a menu of skills, by its command line."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run_command
from torch.distributions import Categorical

from sandbox_envs.errors import UserError
from sandbox_envs.train import ppo_menu
from sandbox_envs.train.policy import load_policy

SMALL = ["--total-timesteps", "192", "--num-envs", "8", "--num-steps", "8", "--hidden-size", "16"]


def test_command_trains_a_run_that_is_known_to_be_finished(tmp_path: Path) -> None:
    command = ("sandbox_envs.train.ppo_menu",)
    run_command(*command, *SMALL, "--show-next", "--run-dir", tmp_path, cwd=tmp_path)
    (run,) = tmp_path.glob("lamps-train__ppo_menu__s1__*")
    agent = json.loads((run / "agent.json").read_text())
    assert agent["agent"]["observation_size"] == 13 + 4
    assert agent["agent"]["action_size"] == 4
    before = (run / "policy.safetensors").read_bytes()
    again = run_command(*command, "--resume", run, cwd=tmp_path)
    assert "is finished: 192 steps" in again.stdout
    assert (run / "policy.safetensors").read_bytes() == before
    with pytest.raises(UserError, match="its actions choose skills of a menu, and are no controls"):
        load_policy(run)(np.zeros(17))


def test_the_choice_that_pays_is_learned_where_it_is_shown() -> None:
    """A problem of one choice in which a shown number says which skill pays, solved by `update`."""
    torch.manual_seed(0)
    agent = ppo_menu.Agent(observation_size=3, action_size=3, hidden_size=16)
    args = ppo_menu.Args(num_envs=64, num_steps=8, learning_rate=3e-3, hidden_size=16)
    optimizer = torch.optim.Adam(agent.parameters(), args.learning_rate)
    generator, envs = torch.Generator().manual_seed(0), OneChoice(64)
    start = ppo_menu.reset_envs(agent, envs, args)  # type: ignore[arg-type]
    for _ in range(15):
        _, _, start = ppo_menu.iterate(agent, optimizer, envs, start, args, generator)  # type: ignore[arg-type]
    data, _ = ppo_menu.rollout(agent, envs, start, 32, generator)  # type: ignore[arg-type]
    assert data.rewards.mean() > 0.9


class OneChoice:
    """n copies of an episode of one choice: the skill whose number is shown pays 1."""

    def __init__(self, n: int) -> None:
        self.num_envs, self.rng = n, np.random.default_rng(0)
        self.single_observation_space = np.zeros(3)  # only its shape is asked
        self._begin()

    def _begin(self) -> np.ndarray:
        self.pays = self.rng.integers(0, 3, self.num_envs)
        return np.eye(3, dtype=np.float32)[self.pays]

    def reset(self, **_: object) -> tuple[np.ndarray, dict[str, object]]:
        """The first episodes."""
        return self._begin(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, ...]:
        """The rewards of the choices; every episode terminates."""
        rewards, over = (actions == self.pays).astype(float), np.ones(self.num_envs, bool)
        last = np.zeros((self.num_envs, 3), np.float32)
        info = {"final_obs": last, "final_info": {"length": over.astype(int)}}
        return self._begin(), rewards, over, ~over, info  # type: ignore[return-value]


def test_choices_are_drawn_with_their_probabilities() -> None:
    logits = torch.log(torch.tensor([0.1, 0.0, 0.6, 0.3]) + 1e-30)
    chance = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    distribution = Categorical(logits=logits.expand(20_000, 4))
    counts = torch.bincount(ppo_menu.chosen(distribution, chance), minlength=4) / 20_000
    np.testing.assert_allclose(counts, [0.1, 0, 0.6, 0.3], atol=0.01)
    assert ppo_menu.chosen(Categorical(logits=logits[None]), torch.tensor([1.0])).tolist() == [3]


def test_wrong_arguments_are_refused_in_a_sentence(tmp_path: Path) -> None:
    for given, message in (
        ({"scene": ("lamps/train", "lamps/told")}, "one scene"),
        ({"skills": ("blue",)}, "two skills"),
        ({"skills": ("blue", "rad")}, "rad"),
        ({"skills": ("blue", "spot")}, "4 sites 'spot'"),
        ({"skills": ("blue", "blue")}, "'blue' is named 2 times"),
        ({"seconds": 3.0}, "seconds is 3.0"),
        ({"seconds": float("nan")}, "--seconds nan: it must be a finite number"),
    ):
        with pytest.raises(UserError, match=message):
            ppo_menu.main(ppo_menu.Args(run_dir=str(tmp_path / "runs"), **given))
    assert not (tmp_path / "runs").exists()
