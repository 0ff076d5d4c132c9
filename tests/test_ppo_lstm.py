"""The trainer: its arithmetic against slow and obvious versions, and its command line for real."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run_command

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.acting import LEAST_ROWS
from sandbox_envs.errors import cli_errors
from sandbox_envs.train import ppo_lstm
from sandbox_envs.train.policy import Policy, load_policy
from sandbox_envs.train.ppo_lstm import (
    Agent,
    Args,
    Rollout,
    RolloutState,
    gae,
    main,
    rollout,
    update,
)
from sandbox_envs.train.resuming import command_line

TRAINER = Path(ppo_lstm.__file__)
UPDATES = 40
TINY = ["--num-envs", "4", "--num-steps", "16", "--num-minibatches", "2", "--hidden-size", "16"]


def train(*arguments: str | int | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    return run_command(TRAINER, *arguments, status=status)


def only_run(folder: Path) -> Path:
    runs = list(folder.iterdir())
    assert len(runs) == 1
    return runs[0]


def metrics(run: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if "second" not in k} for row in rows]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of UPDATES updates by the real command line; its episodes end at different steps."""
    folder = tmp_path_factory.mktemp("runs")
    train(*TINY, "--total-timesteps", 64 * UPDATES, "--run-dir", folder)
    return only_run(folder)


def small_agent(size: int = 5) -> Agent:
    torch.manual_seed(0)
    return Agent(size, 3, 16)


# --- arithmetic ------------------------------------------------------------------------------


def test_gae_bootstraps_at_a_truncation_and_does_not_cross_it():
    """Three steps, the second ends an episode by time; gamma 0.5, lambda 0.5, by hand."""
    column = lambda *numbers: torch.tensor(numbers)[:, None]  # noqa: E731
    data = Rollout(
        obs=torch.empty(3, 1, 1),
        actions=torch.empty(3, 1, 1),
        logprobs=torch.empty(3, 1),
        rewards=column(1.0, 2.0, 3.0),
        values=column(10.0, 20.0, 30.0),
        next_values=column(20.0, 8.0, 40.0),  # 8: the value of the ended episode's last observation
        episode_starts=column(True, False, True),
        dones=column(False, True, False),
        terminated=column(False, False, False),
        state=(),
    )
    advantages, returns = gae(data, gamma=0.5, gae_lambda=0.5)
    # deltas: 1 + 0.5*20 - 10 = 1; 2 + 0.5*8 - 20 = -14; 3 + 0.5*40 - 30 = -7
    assert advantages[:, 0].tolist() == [1 + 0.25 * -14, -14, -7]
    assert returns[:, 0].tolist() == [7.5, 6, 23]


def test_segments_at_once_have_the_gradient_of_stepping():
    """The whole loss, differentiated through the fused call and through single steps."""
    agent, other = small_agent(), small_agent()
    obs, starts = torch.randn(6, 2, 5), torch.zeros(6, 2, dtype=torch.bool)
    starts[2, 0] = starts[5, 1] = True
    state = agent.initial_state(2)
    distribution, values = agent.heads(agent.features(obs, starts, state))
    (distribution.mean.square().sum() + values.square().sum()).backward()
    loss = torch.zeros(())
    for t in range(6):
        keep = ~starts[t][None, :, None]
        state = tuple(part * keep for part in state)
        distribution, value, state = other.act(obs[t], state)
        loss = loss + distribution.mean.square().sum() + value.square().sum()
    loss.backward()
    for a, b in zip(agent.parameters(), other.parameters(), strict=True):
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad)


def test_hooks_on_every_part_see_and_change_what_the_agent_does():
    policy, obs = Policy(small_agent(), "cpu"), np.ones((3, 5), np.float32)
    agent = policy.agent
    assert isinstance(agent, Agent)
    before, state = policy(obs)
    for name in ("encoder", "lstm", "actor", "critic"):
        seen = list[torch.Size]()
        with agent.get_submodule(name).register_forward_hook(
            lambda part, inputs, outputs, seen=seen: seen.append(inputs[0].shape)
        ):
            policy(obs)
        assert seen == [(LEAST_ROWS, 5 if name == "encoder" else 16)]  # most rows are made up
    with agent.lstm.register_forward_hook(lambda lstm, inputs, out: (out[0] + 100, out[1])):
        changed, changed_state = policy(obs)
    assert not np.allclose(before, changed)
    assert torch.equal(state.agent[0], changed_state.agent[0])
    assert np.array_equal(policy(obs)[0], before)


def test_statistics_cover_all_observations_and_acting_does_not_change_them():
    agent, obs = small_agent(), torch.randn(40, 7, 5) * 3 + 2
    agent.observe_statistics(obs[:10])
    agent.observe_statistics(obs[10:])
    torch.testing.assert_close(agent.observation_mean, obs.mean((0, 1)), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(agent.observation_var, obs.var((0, 1)), rtol=1e-2, atol=1e-2)
    before = agent.observation_mean.clone()
    agent.act(obs[0], agent.initial_state(7))
    assert torch.equal(agent.observation_mean, before)


def first_rollout(steps: int) -> tuple[Agent, Rollout]:
    envs = SandboxVectorEnv("sweep/train", 4, {"episode_seconds": 0.5})
    torch.manual_seed(0)
    agent = Agent(envs.single_observation_space.shape[0], 3, 16)
    obs, _ = envs.reset(seed=0, options={"stagger": True})
    start = RolloutState(
        torch.as_tensor(obs), agent.initial_state(4), torch.ones(4, dtype=torch.bool)
    )
    data, _ = rollout(agent, envs, start, steps, torch.Generator().manual_seed(0))
    return agent, data


def test_rollout_bootstraps_from_the_last_observation_of_the_ended_episode():
    """The next value is that of the next row, except where the episode ended in between."""
    _, data = first_rollout(24)
    inside = ~data.dones[:-1]
    assert torch.equal(data.next_values[:-1][inside], data.values[1:][inside])
    assert not torch.isclose(data.next_values[:-1][~inside], data.values[1:][~inside]).any()
    assert torch.equal(data.episode_starts[1:], data.dones[:-1])
    assert len(data.episodes) == int(data.dones.sum()) > 4


def test_update_recomputes_the_log_probabilities_of_the_rollout():
    """Before any step of the optimiser the ratio is 1, also where episodes end inside."""
    agent, data = first_rollout(24)
    args = Args(num_minibatches=1, update_epochs=1)
    adam = torch.optim.Adam(agent.parameters(), 0.0)
    losses = update(agent, adam, data, args, torch.Generator())
    assert abs(losses["loss/approx_kl"]) < 1e-6
    assert losses["loss/clip_fraction"] == 0


# --- the command line ------------------------------------------------------------------------


def test_training_writes_a_run_folder(finished: Path):
    names = {file.name for file in finished.iterdir() if "tfevents" not in file.name}
    assert names == {
        "args.json", "metrics.jsonl", "agent.json", "policy.safetensors", "resume.pt",
    }  # fmt: skip
    rows = metrics(finished)
    assert [row["step"] for row in rows] == [64 * i for i in range(1, UPDATES + 1)]
    ended = next(row for row in rows if row["episodes"])
    assert {"return/cleanliness", "return/dustpan", "return/sweeps", "return"} <= set(ended)
    described = json.loads((finished / "args.json").read_text())
    assert described["args"]["num_envs"] == 4
    assert [scene["name"] for scene in described["scenes"]] == ["sweep/train"]
    assert finished.name.startswith("sweep-train__ppo_lstm__s1__")


def test_policy_acts_the_same_in_a_fresh_process(finished: Path, tmp_path: Path):
    policy = load_policy(finished)
    obs = np.random.default_rng(0).normal(size=(3, policy.observation_size)).astype(np.float32)
    first, state = policy(obs, None)
    second, _ = policy(obs, state)
    np.save(tmp_path / "obs.npy", obs)
    program = tmp_path / "act.py"
    program.write_text(
        "import sys, numpy as np; from sandbox_envs.train.policy import Policy, load_policy\n"
        "policy = load_policy(sys.argv[1]); obs = np.load(sys.argv[2] + '/obs.npy')\n"
        "first, state = policy(obs, None); second, _ = policy(obs, state)\n"
        "np.save(sys.argv[2] + '/actions.npy', np.stack([first, second]))"
    )
    run_command(program, finished, tmp_path)
    assert np.array_equal(np.load(tmp_path / "actions.npy"), np.stack([first, second]))


def acted(policy: Policy, observations: Iterable[np.ndarray]) -> np.ndarray:
    """(steps, n, actuators) of episodes in which this is observed."""
    state, actions = None, []
    for obs in observations:
        action, state = policy(obs, state)
        actions.append(action)
    return np.stack(actions)


def test_policy_samples_from_its_agents_distribution(finished: Path):
    policy = load_policy(finished)
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(4000, policy.observation_size)).astype(np.float32)
    with torch.inference_mode():
        agent = policy.agent
        distribution, *_ = agent.act(torch.as_tensor(obs), agent.initial_state(len(obs)))
    mean, std = distribution.mean.numpy(), distribution.stddev.numpy()
    actions, _ = policy(obs, None)
    assert (actions < mean).mean() == pytest.approx(0.5, abs=0.03)
    inside = (mean - std > -1) & (mean + std < 1)  # elsewhere they are clipped
    near = np.abs(actions - mean) < std
    assert near[inside].mean() == pytest.approx(0.683, abs=0.03)
    again = acted(policy, [obs, obs])
    correlation = np.corrcoef((again[0] - mean)[:, 0], again[1][:, 0])[0, 1]
    assert abs(correlation) < 0.06  # a step's noise says nothing of the next step's


def test_actions_do_not_depend_on_other_episodes_in_the_batch(finished: Path):
    policy = load_policy(finished)
    shape = (600, 3, policy.observation_size)  # more steps than noise is drawn at a time
    obs = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    beside = acted(policy, obs)
    np.testing.assert_allclose(acted(policy, obs[:, 1:2]), beside[:, 1:2], atol=1e-4)
    assert len(np.unique(beside[:, :, 0].round(4))) > 1500
    other = obs.copy()
    other[1] += 1
    here, there = acted(policy, obs[:4]), acted(policy, other[:4])
    assert np.array_equal(here[0], there[0])
    assert not np.allclose(here[2:], there[2:], atol=1e-4)  # it remembers what was different


def test_training_does_not_depend_on_the_number_of_threads(tmp_path: Path):
    trained = []
    for threads in ("1", "2"):
        flags = ["--num-envs=8", "--num-steps=8", "--total-timesteps=64"]
        command = [sys.executable, str(TRAINER), *flags, f"--run-dir={tmp_path / threads}"]
        environment = {**os.environ, "OMP_NUM_THREADS": threads}
        subprocess.run(command, check=True, env=environment, capture_output=True, timeout=300)
        trained.append((only_run(tmp_path / threads) / "policy.safetensors").read_bytes())
    assert trained[0] == trained[1]


def start_and_signal(folder: Path, number: int) -> tuple[Path, str]:
    """Start the run of the fixture `finished`, and send a signal in its midst."""
    command = [
        sys.executable,
        TRAINER,
        *TINY,
        "--total-timesteps",
        64 * UPDATES,
        "--run-dir",
        folder,
    ]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        lines = [f.read_text().count("\n") for f in folder.glob("*/metrics.jsonl")]
        if lines and lines[0] >= 3:
            os.kill(process.pid, number)
            break
        time.sleep(0.005)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    return only_run(folder), output


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "ctrl-c"])
def test_interrupted_and_resumed_equals_uninterrupted(finished: Path, tmp_path: Path, number: int):
    run, output = start_and_signal(tmp_path, number)
    assert len(metrics(run)) < UPDATES
    if number == signal.SIGINT:
        assert f"--resume {run}" in output
        load_policy(run)
    train("--resume", run)
    assert metrics(run) == metrics(finished)
    for name in ("policy.safetensors", "resume.pt"):
        assert (run / name).read_bytes() == (finished / name).read_bytes()


def test_resuming_a_finished_run_reports_that_it_is_finished(finished: Path):
    again = train("--resume", finished)
    assert "is finished" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--scene", "sweep/trian"], "unknown scene 'sweep/trian'; did you mean 'sweep/train'?"),
        (["--scene", "nowhere.xml"], "nowhere.xml: there is no such file"),
        (["--reward", "gain(dirtpan)"], "--reward gain(dirtpan): unknown 'dirtpan'; did you mean"),
        (["--reward", "0", "--set", "reward=1"], "--reward 0: --set reward=1 replaces the reward"),
        (["--reward", "__import__('os').system('true')"], "is not part of the formula language"),
        (["--set", "episode_second=3"], "did you mean 'episode_seconds'?"),
        (["--set", "episode_seconds"], "write it as NAME=VALUE"),
        (["--num-envs", "-4"], "--num-envs -4: it must be 1 or more"),
        (["--seed", "-1"], "--seed -1: it must be 0 or more"),
        (["--num-envs", "2"], "at most one per simulation"),
        (["--resume", "nowhere"], "this is not a run folder"),
        (["--resume", ""], "resume: its text is empty; give one, or leave it out"),
        (["--reward", " "], "reward: its text is empty"),
        (["--device", "gpu"], "--device gpu"),
    ],
)
def test_bad_input_ends_in_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    line = [*arguments, f"--run-dir={tmp_path / 'runs'}", "--total-timesteps", "64"]
    monkeypatch.setattr("sys.argv", ["ppo_lstm", *line])
    with pytest.raises(SystemExit) as ended:
        cli_errors(main)(*command_line(Args))
    assert str(ended.value.code).startswith("error: ")
    assert sentence in str(ended.value.code)
    assert "\n" not in str(ended.value.code)
    assert not (tmp_path / "runs").exists()


def test_process_with_bad_input_prints_the_sentence_alone(tmp_path: Path):
    done = train("--num-envs", "-4", "--run-dir", tmp_path / "runs", status=1)
    assert done.stderr == "error: --num-envs -4: it must be 1 or more\n"
    assert not (tmp_path / "runs").exists()


def test_debug_shows_the_traceback(tmp_path: Path):
    done = train("--scene", "sweep/trian", "--debug", "--run-dir", tmp_path, status=1)
    assert "Traceback" in done.stderr


def test_full_disk_ends_in_one_sentence_and_leaves_no_partial_file(tmp_path: Path):
    """A limit on the size of files stands in for the disk: the checkpoint does not fit."""
    command = f"ulimit -f 60; exec {sys.executable} {TRAINER} {' '.join(TINY)}"
    command += f" --hidden-size 64 --total-timesteps 64 --run-dir {tmp_path}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "error: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(only_run(tmp_path).glob("*.pt")) + list(only_run(tmp_path).glob(".*"))
