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
SECTIONS = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
EXAMPLES = [
    pytest.param(code, id=section.partition("\n")[0])
    for section in SECTIONS
    for code in re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_examples_run(code: str, tmp_path: Path, tiny_keeper_run: Path) -> None:
    for name in ("stable_baselines3", "sb3_contrib"):
        if name in code and importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    for written, quick in QUICK.items():
        code = code.replace(written, quick)
    code = re.sub(r'folder="judged/(\w+)"', r'folder="judged/\1", videos=0, episodes=2', code)
    file = tmp_path / "example.py"
    file.write_text(code.replace("runs/RUN", str(tiny_keeper_run)))
    run_command(file, cwd=tmp_path)
    for folder in re.findall(r'folder="(\S+?)"', code):
        assert (tmp_path / folder / "report.html").is_file()
