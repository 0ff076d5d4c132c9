"""Runs from strangers: tampered checkpoints are refused in a sentence, and no file runs code."""

import json
import pickle
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sandbox_envs import SandboxVectorEnv, UserError, load_scene
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.judging.records import read_records
from sandbox_envs.eval.judging.reference_store import read_reference
from sandbox_envs.eval.judging.verdict_file import read_verdict
from sandbox_envs.train import ppo_lstm
from sandbox_envs.train.policy import load_policy

Weights = dict[str, torch.Tensor]


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished training, to be tampered with."""
    return shutil.copytree(tiny_run, tmp_path / "run")


def act(run: Path) -> np.ndarray:
    """Actions of a run's policy in its scene."""
    env = SandboxVectorEnv("sweep/train", 2)
    observations, _ = env.reset(seed=0)
    return load_policy(run)(observations, None)[0]


# --- weights and sizes -----------------------------------------------------------------------


def without(weights: Weights, name: str) -> Weights:
    return {k: v for k, v in weights.items() if k != name}


def filled(weights: Weights, name: str, value: float) -> Weights:
    return {**weights, name: torch.full_like(weights[name], value)}


LOGSTD, VAR, MEAN = "actor_logstd", "observation_var", "observation_mean"


@pytest.mark.parametrize(
    "tamper",
    [
        lambda w: filled(w, LOGSTD, torch.nan),
        lambda w: filled(w, MEAN, torch.inf),
        lambda w: filled(w, LOGSTD, 1e30),  # finite, and its exponential is not
        lambda w: filled(w, VAR, -1.0),
        lambda w: {k: torch.full_like(v, 3e38) for k, v in w.items()},
        lambda w: {},
        lambda w: without(w, LOGSTD),
        lambda w: {**w, "more": torch.zeros(1)},
        lambda w: {**w, LOGSTD: torch.zeros(3, 3)},
        lambda w: {**w, LOGSTD: torch.zeros(0)},
        lambda w: {**w, LOGSTD: w[LOGSTD].to(torch.int32)},
        lambda w: {**w, LOGSTD: w[LOGSTD].double()},
        lambda w: {**w, LOGSTD: w[LOGSTD].half()},
    ],
)
def test_tampered_weights_are_refused_in_a_sentence(
    run: Path, tamper: Callable[[Weights], Weights]
) -> None:
    file = run / "policy.safetensors"
    save_file(tamper(load_file(file)), file)
    with pytest.raises(UserError, match=r"policy\.safetensors"):
        act(run)


def test_weights_cut_short_or_with_changed_bytes_are_refused_or_harmless(run: Path) -> None:
    """No byte of the file makes anything else of loading it than a policy or a sentence."""
    file = run / "policy.safetensors"
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for kept in rng.integers(0, len(whole), 30):
        file.write_bytes(whole[:kept])
        with pytest.raises(UserError):
            load_policy(run)
    for _ in range(100):
        data = bytearray(whole)
        for at in rng.integers(0, rng.choice([8, 1000, len(whole)]), 3):
            data[at] = rng.integers(256)
        file.write_bytes(data)
        try:
            load_policy(run)
        except UserError as error:
            assert str(run) in str(error)


@pytest.mark.parametrize(
    "sizes",
    [
        {"hidden_size": 10**9},
        {"hidden_size": 10**30},
        {"hidden_size": -1},
        {"hidden_size": 16.0},
        {"hidden_size": "16"},
        {"hidden_size": None},
        {"num_layers": 10**9},
        {"horizon": 9},
        {"iterations": 10**9},
        {"observation_size": 10**12},
        {"action_size": 0},
        {"code": "import os"},
        {"self": 1},
    ],
)
def test_absurd_sizes_are_refused_without_taking_memory(run: Path, sizes: dict[str, Any]) -> None:
    file = run / "agent.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "agent": {**content["agent"], **sizes}}))
    with pytest.raises(UserError, match=r"agent\.json and policy\.safetensors are damaged, or not"):
        load_policy(run)


# --- code ------------------------------------------------------------------------------------


class Planted:
    """Its pickle opens a file for writing when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that exists once planted code has run."""
    return tmp_path / "planted-code-ran"


def in_words(marker: Path) -> list[str]:
    """Code as text for a Python interpreter, a shell and a template."""
    return [
        f"__import__('os').system('touch {marker}')",
        f"open('{marker}', 'w')",
        f"$(touch {marker})",
        f"`touch {marker}`; touch {marker} |touch {marker}",
        f"{{{{ cycler.__init__.__globals__.os.system('touch {marker}') }}}}",
        f"!!python/object/apply:os.system ['touch {marker}']",
    ]


def test_pickles_in_this_test_do_run_code(marker: Path) -> None:
    pickle.loads(pickle.dumps(Planted(marker))).close()
    assert marker.exists()


def replace_texts(content: Any, code: str) -> Any:
    """The same JSON with code for every text."""
    if isinstance(content, dict):
        return {key: replace_texts(value, code) for key, value in content.items()}
    if isinstance(content, list):
        return [replace_texts(value, code) for value in content] or [code]
    return code if isinstance(content, str) or content is None else content


def readings(run: Path) -> list[Callable[[], object]]:
    """Every way in which files of a run, a judging and the references are read."""
    return [
        lambda: read_trained_agents([run]),
        lambda: load_policy(run),
        lambda: read_records(run),
        lambda: read_verdict(run),
        lambda: read_reference(run / "reference.json"),
    ]


def read_all(run: Path) -> None:
    for reading in readings(run):
        try:
            reading()
        except (UserError, OSError):
            continue


def test_no_text_in_a_run_is_run_as_code(run: Path, marker: Path) -> None:
    originals = {name: (run / name).read_text() for name in ("args.json", "agent.json")}
    for code in in_words(marker):
        for name, text in originals.items():
            (run / name).write_text(json.dumps(replace_texts(json.loads(text), code)))
            (run / "verdict.json").write_text(json.dumps({"agent": code, "scenes": {code: code}}))
            (run / "reference.json").write_text(json.dumps({"scene": code}))
            read_all(run)
            with pytest.raises(UserError):
                ppo_lstm.main(ppo_lstm.Args(resume=str(run)))
            (run / name).write_text(text)
    assert not marker.exists()


@pytest.mark.parametrize(
    "name",
    ["args.json", "agent.json", "metrics.jsonl", "policy.safetensors", "resume.pt", "verdict.json"],
)
def test_pickled_code_in_any_file_of_a_run_is_not_run(run: Path, marker: Path, name: str) -> None:
    def as_torch(path: Path) -> None:
        torch.save({"agent": Planted(marker), "step": 64}, path)

    def as_pickle(path: Path) -> None:
        path.write_bytes(pickle.dumps(Planted(marker)))

    for write in (as_torch, as_pickle):
        write(run / name)
        read_all(run)
        if name not in ("args.json", "agent.json", "resume.pt"):  # others are read alike
            continue
        with pytest.raises(UserError, match=name):
            ppo_lstm.main(ppo_lstm.Args(resume=str(run), total_timesteps=192))
    assert not marker.exists()


def test_code_in_a_scene_is_not_run(tmp_path: Path, marker: Path) -> None:
    texts = ("measure/new", "reward", "observe", "spawn/dust", "range/new", "version")
    for code, text in zip(in_words(marker), texts, strict=True):
        with suppress(UserError):
            load_scene("patrol/train", {text: code, "measure/a": code})
    library = tmp_path / "plugin.so"
    library.write_bytes(b"\x7fELF")
    scene = tmp_path / "train.xml"
    for element in ('<extension><plugin plugin="x"/></extension>', '<plugin file="plugin.so"/>'):
        scene.write_text(f"<mujoco>{element}</mujoco>")
        with pytest.raises(UserError, match="plugins keep state"):
            load_scene(scene)
    assert not marker.exists()
