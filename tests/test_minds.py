"""Agents with different minds: what each remembers, how large it is, and that all train alike.

That every trainer's agent computes many steps at once as one by one, and shares its functions'
text, is in `test_trainers.py`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import run_command, run_here
from conftest import TINY
from torch import Tensor
from trainings import change, said, stopped, trained

from sandbox_envs.errors import UserError
from sandbox_envs.eval import break_proxies
from sandbox_envs.eval.judging.verdict_file import read_verdict
from sandbox_envs.train import capacity
from sandbox_envs.train.arguments import identity_of
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.policy import Agent, load_policy
from sandbox_envs.train.run_files import read_training
from sandbox_envs.train.trainers import DEFAULT_TRAINER, TRAINERS, trainer

OTHERS = [name for name in TRAINERS if name != DEFAULT_TRAINER]
KEEPER = {"scene": ("keeper/train",)}


def agent_of(name: str, **sizes: int) -> Any:
    torch.manual_seed(2)
    given = {"observation_size": 3, "action_size": 1, "hidden_size": 16, **sizes}
    return trainer(name).Agent(**given)


@torch.no_grad()
def played(agent: Agent, obs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """The values of observations (t, n, size), one by one, and the state after them."""
    state, values = agent.initial_state(obs.shape[1]) if state is None else state, []
    for one in obs:
        _, value, state = agent.act(one, state)
        values.append(value)
    return torch.stack(values), state


# --- training --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OTHERS)
def test_stopped_and_resumed_training_equals_one_that_was_not(name: str, tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", name, **KEEPER, total_timesteps=256)
    run = stopped(tmp_path / "stopped", at=128, trainer=name, **KEEPER, total_timesteps=256)
    half = (run / "policy.safetensors").read_bytes()
    run_command(trainer(name).__file__, f"--resume={run}")
    assert (run / "policy.safetensors").read_bytes() == (whole / "policy.safetensors").read_bytes()
    assert (run / "policy.safetensors").read_bytes() != half


@pytest.mark.parametrize("name", OTHERS)
def test_trained_mind_is_judged_and_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"--{k.replace('_', '-')}={v}" for k, v in TINY.items()]
    run_command(trainer(name).__file__, *flags, "--scene=keeper/train", f"--run-dir={tmp_path}")
    (run,) = tmp_path.iterdir()
    break_proxies.main(break_proxies.Args((run,), episodes=2, videos=0))
    assert "keeper/wide" in capsys.readouterr().out
    agent = read_verdict(run).agent
    assert (agent.trainer, agent.steps) == (name, 128)


def test_evenly_spaced_checkpoints_are_kept_of_a_whole_training(tmp_path: Path) -> None:
    run = trained(tmp_path, **KEEPER, total_timesteps=320, checkpoints=3)  # updates of 64 steps
    kept = sorted(int(folder.name) for folder in (run / "checkpoints").iterdir())
    assert kept == [128, 256, 320]


def test_two_ways_to_say_which_checkpoints_are_kept_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        trained(tmp_path, checkpoints=3, keep_every=64)
    assert said(error) == (
        "--checkpoints 3: --keep-every 64 says which policies are kept, too; give one of the two"
    )
    assert not list(tmp_path.iterdir())


def test_width_that_heads_cannot_share_is_refused(tmp_path: Path) -> None:
    done = run_command(
        trainer("ppo_transformer").__file__, "--hidden-size=20", f"--run-dir={tmp_path}", status=1
    )
    assert done.stderr.startswith("error: --hidden-size 20: it must be a multiple of 8")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


# --- foreign files ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", OTHERS)
def test_weights_of_another_architecture_are_refused_in_a_sentence(
    name: str, tiny_keeper_run: Path, tmp_path: Path
) -> None:
    run = trained(tmp_path / "runs", name, **KEEPER)
    foreign = (tiny_keeper_run / "policy.safetensors").read_bytes()
    (run / "policy.safetensors").write_bytes(foreign)
    with pytest.raises(UserError, match="are damaged, or not of one run"):
        load_policy(run)
    resumed = run_command(trainer(DEFAULT_TRAINER).__file__, f"--resume={run}", status=1)
    assert resumed.stderr == f"error: {run}: it is a run of {name}; resume it with that\n"
    begun = run_command(trainer(name).__file__, f"--initial-weights={tiny_keeper_run}",
                        "--hidden-size=16", f"--run-dir={tmp_path / 'new'}", status=1)  # fmt: skip
    assert "the agent of that run has trainer ppo_lstm" in begun.stderr


def test_run_of_before_layers_could_be_chosen_is_read_and_is_the_same_training(
    tmp_path: Path,
) -> None:
    run = trained(tmp_path, **KEEPER)
    job = Job("x", DEFAULT_TRAINER, {**TINY, **KEEPER})
    for file, part in (("args.json", "args"), ("agent.json", "agent")):
        content = json.loads((run / file).read_text())
        del content[part]["num_layers"]
        (run / file).write_text(json.dumps(content))
    assert load_policy(run)(np.zeros(load_policy(run).observation_size))[0].shape == (2,)
    training = read_training(run)
    assert identity_of(training.trainer, training.args, training.scenes) == job.identity
    deeper = Job("x", DEFAULT_TRAINER, {**TINY, **KEEPER, "num_layers": 2})
    assert deeper.identity != job.identity
    change(run / "args.json", "args", "num_layers", to=2)
    with pytest.raises(UserError, match="an argument was changed after the training began"):
        read_training(run)


# --- size ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAINERS)
def test_number_of_parameters_is_recorded_and_grows_with_layers(name: str, tmp_path: Path) -> None:
    run = trained(tmp_path, name, **KEEPER, num_layers=3, total_timesteps=64)
    described = json.loads((run / "agent.json").read_text())
    agent: Any = load_policy(run).agent
    assert described["parameters"] == sum(part.numel() for part in agent.parameters())
    assert described["agent"]["num_layers"] == 3
    fewer = capacity.parameter_count(name, {**described["agent"], "num_layers": 2})
    assert fewer < described["parameters"]


@pytest.mark.parametrize("parameters", [100_000, 176_391, 1_000_000])
def test_matched_widths_have_equal_numbers_of_parameters(parameters: int) -> None:
    for name in TRAINERS:
        width = capacity.matched_width(name, "sweep/train", parameters)
        sizes = capacity.sizes_in(name, "sweep/train", hidden_size=width)
        count = capacity.parameter_count(name, sizes)
        assert abs(count / parameters - 1) < 0.2, name  # widths go in steps of 8


def test_capacity_prints_each_trainers_width() -> None:
    done = run_command(capacity.__file__, "--scene=keeper/train", "--parameters=50000")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == ["trainer", *TRAINERS]
    assert all(40_000 < int(row[3]) < 60_000 for row in rows[1:])
    for parameters in ("10", str(10**12)):
        failed = run_here(capacity, f"--parameters={parameters}", status=1)
        assert "parameters with a width of 8, and" in failed.stderr


# --- memory ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAINERS)
def test_episode_does_not_depend_on_the_one_before(name: str) -> None:
    agent, obs = agent_of(name), torch.randn(70, 2, 3)
    fresh, _ = played(agent, obs)
    _, state = played(agent, torch.randn(600, 2, 3))
    again, _ = played(agent, obs, agent.reset_state(state, torch.tensor([True, True])))
    assert torch.equal(fresh, again)


REMEMBERS: dict[str, Callable[[int], bool]] = {
    "ppo_mlp": lambda age: age == 0,
    "ppo_transformer": lambda age: age < 64 or (age < 512 and (599 - age) % 8 == 0),
}


@pytest.mark.parametrize(("name", "age"), [
    *(("ppo_mlp", age) for age in (0, 1)),
    *(("ppo_transformer", age) for age in (0, 1, 63, 64, 65, 71, 72, 511, 512, 519)),
])  # fmt: skip
def test_steps_that_are_remembered_are_those_that_are_said(name: str, age: int) -> None:
    agent = agent_of(name, num_layers=1)
    obs = torch.randn(600, 1, 3)
    changed = obs.clone()
    changed[599 - age] += 3.0
    last = [played(agent, one)[0][-1] for one in (obs, changed)]
    assert bool(last[0] != last[1]) is REMEMBERS[name](age)


def recalled(agent: Agent, generator: torch.Generator) -> tuple[Tensor, Tensor, Any]:
    """128 episodes with a cue in the first step, up to the last steps before it is asked for."""
    obs = torch.zeros(401, 128, 3)
    obs[:, :, 2] = 0.3 * torch.randn(401, 128, generator=generator)
    cue = torch.randint(0, 2, (128,), generator=generator) * 2.0 - 1
    obs[0, :, 0], obs[400, :, 1] = cue, 1.0
    return obs[384:], cue, played(agent, obs[:384])[1]


def test_transformer_learns_to_recall_a_cue_of_400_steps_ago() -> None:
    """As in training, no gradient reaches the step with the cue, which is another rollout's."""
    agent, generator = agent_of("ppo_transformer"), torch.Generator().manual_seed(2)
    adam = torch.optim.Adam(agent.parameters(), 1e-2)
    none, right = torch.zeros(17, 128, dtype=torch.bool), list[float]()
    for _ in range(15):
        obs, cue, state = recalled(agent, generator)
        with torch.no_grad():
            answers = agent.heads(agent.features(obs, none, state))[1][-1]
        right.append(float((answers.sign() == cue).float().mean()))
        if right[-1] > 0.95:
            break
        for _ in range(16):
            loss = (agent.heads(agent.features(obs, none, state))[1][-1] - cue).square().mean()
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            adam.step()
    assert right[0] < 0.7
    assert right[-1] > 0.95, right


def test_policy_can_go_on_twice_from_one_state(tmp_path: Path) -> None:
    """An agent's writes to its memory do not reach states that were kept."""
    run = trained(tmp_path, "ppo_transformer", **KEEPER)
    policy = load_policy(run)
    first, second = np.random.default_rng(0).normal(size=(2, policy.observation_size))
    _, state = policy(first)
    once = [policy(obs, state)[0] for obs in (first, second, first, second)]
    assert np.array_equal(once[0], once[2])
    assert np.array_equal(once[1], once[3])
    assert not np.array_equal(once[0], once[1])
