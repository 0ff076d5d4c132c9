"""The benchmark: its parts against what they must equal, and its command line for real, in small.

No speed is tested here: how fast things are is what the benchmark itself tells, on each machine.
"""

import json
import math
import subprocess
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import tyro
from commands import run_command
from mujoco.batch import Batch

from sandbox_envs import load_scene
from sandbox_envs.eval import benchmark
from sandbox_envs.eval.benchmark import as_json, measure, table
from sandbox_envs.eval.speed import environment, timing
from sandbox_envs.eval.speed.environment import physics, scenes_with_dirt, started, stepping
from sandbox_envs.eval.speed.peers import StaggeredEnv
from sandbox_envs.eval.speed.timing import Contender, Figure, Setting, by_turns, ratio
from sandbox_envs.eval.speed.training import Stepwise
from sandbox_envs.train.ppo_lstm import Agent

BENCHMARK = Path(benchmark.__file__)
TINY = ["--seconds", "0.02", "--repeats", "1", "--num-envs", "8", "--num-steps", "16"]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run_command(BENCHMARK, *arguments)


# --- parts -----------------------------------------------------------------------------------


def test_contenders_alternate_and_ratios_are_within_a_turn():
    calls, ticks = [], []
    contenders = {name: Contender(lambda n=name: calls.append(n), 1) for name in "ab"}
    rates = by_turns(contenders, 3, 0, lambda: ticks.append(1))
    assert calls == [*"ab", *"ababab"]  # the first ones warm up
    assert [len(values) for values in rates.values()] == [3, 3]
    assert len(ticks) == 6
    figure = ratio("name", "what", [2, 12, 30], [1, 2, 3], wanted=7)
    assert list(figure.values) == [2, 6, 10]
    assert (figure.median, figure.reached) == (6, False)


def test_preparation_is_not_timed(monkeypatch: pytest.MonkeyPatch):
    """Three pieces of two seconds each are the fewest that take five."""
    passed = []
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: sum(passed)))
    contender = Contender(lambda: passed.append(2), 10, prepare=lambda: passed.append(100))
    assert contender.rate(5) == 5
    assert passed == [100, 2] * 3


def test_stepwise_agent_equals_the_fused_one():
    """Distributions, values and gradients, where episodes begin at all kinds of places."""
    steps, n = 12, 5
    agents = []
    for agent_class in (Agent, type("StepwiseAgent", (Stepwise, Agent), {})):
        torch.manual_seed(0)
        agents.append(agent_class(7, 3, 16))
    obs = torch.randn(steps, n, 7)
    starts = torch.rand(steps, n) < 0.2
    starts[0] = torch.tensor([True, False, False, True, False])
    starts[3, 1] = starts[4, 1] = starts[11, 2] = True
    state = tuple(torch.randn(1, n, 16) for _ in range(2))
    results = [agent.heads(agent.features(obs, starts, state)) for agent in agents]
    for distribution, values in results:
        (distribution.mean.sum() + values.square().sum()).backward()
    (fused, fused_values), (stepwise, stepwise_values) = results
    torch.testing.assert_close(fused.mean, stepwise.mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fused_values, stepwise_values, rtol=1e-5, atol=1e-5)
    for a, b in zip(agents[0].parameters(), agents[1].parameters(), strict=True):
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-5)
    acted = [agent.act(obs[0], state) for agent in agents]
    torch.testing.assert_close(acted[0][0].mean, acted[1][0].mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(acted[0][2], acted[1][2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sensors", [True, False])
def test_bare_physics_reaches_the_environments_states(
    sensors: bool, monkeypatch: pytest.MonkeyPatch
):
    """Both start from the same state and get the same controls, so they end in the same one."""
    scene = load_scene("sweep/train", {"episode_seconds": 1000})
    envs = started(scene, 4)
    made = []
    monkeypatch.setattr(environment, "Batch", lambda *args: made.append(Batch(*args)) or made[-1])
    alone = physics(scene, envs, sensors)
    alone.prepare()
    stepped = stepping(envs)
    for _ in range(20):
        alone.work()
        stepped.work()
    np.testing.assert_allclose(made[0].qpos, envs.batches[0].qpos, atol=1e-9)


def test_pieces_of_dirt_are_set_in_any_file_of_the_family(tmp_path: Path):
    scenes = scenes_with_dirt(load_scene("sweep/train"), [5, 20], tmp_path)
    assert {n: scene.signals["dirt_in_pan"].copies for n, scene in scenes.items()} == {5: 5, 20: 20}


def test_scene_without_dirt_has_no_rows_of_dirt(write_scene: Any):
    setting = Setting(load_scene(write_scene()), 1, 0.001, sizes=(2,), dirt=(5,))
    figures = {figure.name: figure for figure in measure(setting, ["scale"])}
    assert figures["simulations_2"].median
    assert "mini/train has no replicated body 'dirt'" in figures["dirt"].note


def test_gymnasium_environments_start_at_different_steps():
    scene = load_scene("sweep/train", {"episode_seconds": 1})
    env = StaggeredEnv(scene, 15)
    lengths = []
    for _ in range(2):
        env.reset(seed=0)
        over, length = False, 0
        while not over:
            over, length = env.step(np.zeros(3))[3], length + 1
        lengths.append(length)
    assert lengths == [5, 20]


def test_table_shows_targets_and_what_could_not_be_measured():
    figures = [
        Figure("a", "rate", [1234.5], "steps/s"),
        Figure("b", "memory", [20, 30, 40], "kB", 100, at_most=True),
        Figure("c", "ratio of two", [0.5, 0.7, 0.6], wanted=0.92),
        Figure("d", "a peer", note="not installed"),
    ]
    lines = table(figures).splitlines()
    assert lines[0].split() == ["what", "median", "spread", "wanted", "reached"]
    words = [" ".join(line.split()) for line in lines[2:]]
    assert words == [
        "ratio of two 0.60 (0.50 to 0.70) >= 0.92 no",
        "memory 30.0 kB (20.0 to 40.0) <= 100 kB yes",
        "a peer - not installed",
        "rate 1,234 steps/s (1,234 to 1,234)",
    ]
    assert as_json(figures, {})["ratios"] == {"c": 0.6}


# --- the command line ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """JSON and printed output of all sections but scale; its episodes last 5 steps."""
    file = tmp_path_factory.mktemp("benchmark") / "figures.json"
    sections = [name for name in benchmark.SECTIONS if name != "scale"]
    fast = ["--scene=keeper/train", "--set=episode_seconds=0.25"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SB3_LOGDIR", str(file.parent / "logs"))  # else they stay in /tmp
        done = run("--only", *sections, *TINY, *fast, "--json", file)
    return json.loads(file.read_text()), done.stdout


def test_json_holds_machine_ratios_and_raw_figures(written: tuple[dict[str, Any], str]):
    content, printed = written
    assert {"cpu", "cores", "python", "mujoco", "torch", "opengl"} <= set(content["machine"])
    ratios = content["ratios"]
    assert {"env_over_physics", "env_over_physics_64", "env_over_bare_physics_1024"} <= set(ratios)
    assert {"lstm_training_over_stepwise", "physics_and_matmul_share"} <= set(ratios)
    assert all(math.isfinite(value) and value > 0 for value in ratios.values())
    for figure in content["figures"].values():
        assert figure["what"] in printed
        if figure["median"] is None:
            assert figure["note"]
        else:
            assert figure["min"] <= figure["median"] <= figure["max"]
            assert figure["median"] == median(figure["values"])
    assert content["figures"]["memory_per_simulation"]["median"] > 0


@pytest.mark.parametrize(
    ("name", "over", "under"),
    [
        ("env_over_physics_64", "env_64", "physics_64"),
        ("env_over_bare_physics_1024", "env_1024", "bare_physics_1024"),
        ("lstm_training_over_stepwise", "training_fused", "training_stepwise"),
    ],
)
def test_ratios_are_those_of_the_raw_figures(
    written: tuple[dict[str, Any], str], name: str, over: str, under: str
):
    content = written[0]
    figures = content["figures"]
    pairs = zip(figures[over]["values"], figures[under]["values"], strict=True)
    assert figures[name]["values"] == pytest.approx([a / b for a, b in pairs])
    assert content["ratios"][name] == figures[name]["median"]


def test_shares_of_training_time_add_up_to_one(written: tuple[dict[str, Any], str]):
    ratios = written[0]["ratios"]
    parts = ratios["physics_share"] + ratios["matmul_share"] + ratios["other_share"]
    assert parts == pytest.approx(1)
    assert 0 < ratios["physics_and_matmul_share"] < 1
    over = [ratios[f"env_over_physics_{n}"] for n in (64, 1024)]
    assert ratios["env_over_physics"] == min(over)


def test_peers_and_films_are_measured_where_installed(written: tuple[dict[str, Any], str]):
    figures = written[0]["figures"]
    rates = {name: f["median"] for name, f in figures.items() if name.startswith("gymnasium_")}
    assert {"gymnasium_ours", "gymnasium_sync_64", "gymnasium_async_16"} <= set(rates)
    peers = [rate for name, rate in rates.items() if name != "gymnasium_ours"]
    over = written[0]["ratios"]["env_over_gymnasium"]
    assert over == pytest.approx(rates["gymnasium_ours"] / max(peers))
    assert figures["video_over_real_time"]["note"]  # says what draws


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "envs"], "--only envs: unknown section; did you mean 'env'?"),
        (["--repeats", "0"], "--repeats 0: it must be 1 or more"),
        (["--seconds", "nan"], "--seconds nan: it must be more than 0"),
        (["--num-envs", "2"], "--num-envs 2: "),
        (["--scene", "sweep/trian"], "did you mean 'sweep/train'?"),
        (["--set", "episode_second=3"], "did you mean 'episode_seconds'?"),
        (["--json", "nowhere/figures.json"], "there is no folder nowhere"),
    ],
)
def test_bad_input_ends_in_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        benchmark.main(tyro.cli(benchmark.Args, args=arguments))
    assert sentence in str(ended.value.code)
    assert "\n" not in str(ended.value.code)
