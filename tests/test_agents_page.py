"""Every example on the page for agents is executed, in smaller: in keeper, on a tiny training."""

import importlib.util
import re
from pathlib import Path

import pytest
from commands import run_command

PAGE = Path(__file__).resolve().parents[1] / "docs" / "agents.md"
QUICK = {
    "500_000": "128",
    "num_envs=64": "num_envs=4",
    "n_steps=64, batch_size=1024": "n_steps=16, batch_size=64, n_epochs=1",
    '"MlpPolicy", envs,': '"MlpPolicy", envs, policy_kwargs={"net_arch": [8]},',
    '"MlpLstmPolicy", envs,': '"MlpLstmPolicy", envs, policy_kwargs={"lstm_hidden_size": 8},',
    "range(100)": "range(3)",
    '"sweep", ': '"keeper", ',
    '"sweep/train"': '"keeper/train"',
    "sweep-planter_open": "keeper-wide",
    "return/dustpan": "return/touches",
}
# the end of CleanRL's script, in place of the script: its wrappers, and an agent called as its is
SCRIPT = """
import gymnasium as gym
import numpy as np
import sandbox_envs
import torch


def make_env():
    env = gym.wrappers.FlattenObservation(gym.make("sandbox_envs:sandbox/keeper-train-v0"))
    env = gym.wrappers.ClipAction(gym.wrappers.RecordEpisodeStatistics(env))
    env = gym.wrappers.NormalizeObservation(env)
    CHANGED
    env = gym.wrappers.NormalizeReward(env, gamma=0.99)
    return gym.wrappers.TransformReward(env, lambda reward: np.clip(reward, -10, 10))


class Agent(torch.nn.Linear):
    def get_action_and_value(self, x):
        return self(x), None, None, None


envs, agent, device = gym.vector.SyncVectorEnv([make_env] * 2), Agent(260, 2), "cpu"
envs.reset(seed=1)
for _ in range(3):
    envs.step(envs.action_space.sample())
"""
SECTIONS = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
EXAMPLES = [
    pytest.param(code, id=section.partition("\n")[0])
    for section in SECTIONS
    for code in re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_examples_run(
    code: str, tmp_path: Path, tiny_keeper_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stable_baselines3", "sb3_contrib", "torchrl"):
        if name in code and importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    monkeypatch.setenv("SB3_LOGDIR", str(tmp_path / "logs"))
    run(code, tmp_path, tiny_keeper_run)


def test_what_is_changed_and_added_in_the_script_of_cleanrl_runs(
    tmp_path: Path, tiny_keeper_run: Path
) -> None:
    (section,) = [section for section in SECTIONS if section.startswith("CleanRL")]
    changed, added = re.findall(r"^```py\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    run(SCRIPT.replace("CHANGED", changed.strip()) + added, tmp_path, tiny_keeper_run)


def run(code: str, tmp_path: Path, tiny_keeper_run: Path) -> None:
    """Run an example in smaller, and look for the page that it leaves."""
    for written, quick in QUICK.items():
        code = code.replace(written, quick)
    code = re.sub(r'folder="judged/(\w+)"', r'folder="judged/\1", videos=0, episodes=2', code)
    file = tmp_path / "example.py"
    file.write_text(code.replace("runs/RUN", str(tiny_keeper_run)))
    run_command(file, cwd=tmp_path)
    for folder in re.findall(r'folder="(\S+?)"', code):
        assert (tmp_path / folder / "report.html").is_file()
