"""Every trainer offers the same names, and a name that two of them share has the same source."""

import ast
import dataclasses
import inspect
from pathlib import Path

import pytest
import torch

from sandbox_envs.errors import UserError
from sandbox_envs.train import policy
from sandbox_envs.train.trainers import DEFAULT_TRAINER, TRAINERS, trainer, trainer_args

ROOT = Path(__file__).resolve().parents[1]
OWN = {"Args", "Agent", "main"}  # what makes a trainer another one


def definitions(file: Path) -> dict[str, str]:
    """The source of every function and class of a file, by name."""
    text = file.read_text(encoding="utf-8")
    nodes = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    return {node.name: str(ast.get_source_segment(text, node)) for node in nodes}


def differences(files: list[Path]) -> set[str]:
    """The names that some of these files share without sharing their source."""
    found: dict[str, set[str]] = {}
    for file in files:
        for name, source in definitions(file).items():
            found.setdefault(name, set()).add(source)
    return {name for name, sources in found.items() if len(sources) > 1} - OWN


def test_same_name_in_two_trainers_has_the_same_source() -> None:
    assert not differences([ROOT / "train" / f"{name}.py" for name in TRAINERS])


def test_changed_function_in_a_second_trainer_is_found(tmp_path: Path) -> None:
    first = ROOT / "train" / f"{DEFAULT_TRAINER}.py"
    second = tmp_path / "ppo_other.py"
    text = first.read_text(encoding="utf-8")
    second.write_text(text.replace("class Agent(nn.Module):", "class Agent(nn.Module):\n    x = 1"))
    assert not differences([first, second])
    second.write_text(text.replace("gamma * gae_lambda", "gae_lambda * gamma"))
    assert differences([first, second]) == {"gae"}


@pytest.mark.parametrize("name", TRAINERS)
def test_trainer_file_has_arguments_agent_and_command(name: str) -> None:
    module = trainer(name)
    assert {"Args", "Agent", "main"} <= vars(module).keys()
    assert {"scene", "set", "reward", "seed", "total_timesteps", "num_envs", "device", "resume",
            "run_dir"} <= {field.name for field in dataclasses.fields(module.Args)}  # fmt: skip


@pytest.mark.parametrize("name", TRAINERS)
def test_agent_has_the_interface_that_the_protocol_declares(name: str) -> None:
    agent = trainer(name).Agent(observation_size=5, action_size=2, hidden_size=16)
    assert agent.observation_size == 5
    methods = {k: v for k, v in vars(policy.Agent).items() if inspect.isfunction(v) and k[0] != "_"}
    assert {"initial_state", "act", "unroll"} <= methods.keys()
    for method, declared in methods.items():
        defined = getattr(trainer(name).Agent, method)
        assert list(inspect.signature(defined).parameters) == list(
            inspect.signature(declared).parameters
        )
    assert all(part.shape[1] == 3 for part in agent.initial_state(3))  # episodes are on axis 1


@pytest.mark.parametrize("name", TRAINERS)
def test_unrolling_equals_stepping_across_episode_ends(name: str) -> None:
    """Two sequences: one continues its episode and ends it after 3 steps, one starts a new one."""
    torch.manual_seed(0)
    agent = trainer(name).Agent(observation_size=5, action_size=2, hidden_size=16)
    obs = torch.randn(6, 2, 5)
    starts = torch.zeros(6, 2, dtype=torch.bool)
    starts[3, 0] = starts[0, 1] = True
    first = tuple(torch.randn_like(part) for part in agent.initial_state(2))
    with torch.no_grad():
        distribution, values = agent.unroll(obs, starts, first)
        state = first
        for t in range(6):
            pairs = zip(agent.initial_state(2), state, strict=True)
            state = tuple(torch.where(starts[t][None, :, None], a, b) for a, b in pairs)
            step, value, state = agent.act(obs[t], state)
            torch.testing.assert_close(distribution.mean[t], step.mean, atol=1e-5, rtol=0)
            torch.testing.assert_close(values[t], value, atol=1e-5, rtol=0)


def test_given_values_replace_defaults() -> None:
    args = trainer_args(DEFAULT_TRAINER, {"scene": ["keeper/train"], "gamma": 1, "seed": 7})
    assert (args.scene, args.gamma, args.seed) == (("keeper/train",), 1, 7)
    assert args.num_envs == trainer(DEFAULT_TRAINER).Args().num_envs


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gama": 0.9}, "ppo_lstm has no argument 'gama'; did you mean 'gamma'?"),
        ({"num_envs": "many"}, "ppo_lstm: num_envs is 'many'; it must be like 128"),
        ({"num_envs": True}, "ppo_lstm: num_envs is True; it must be like 128"),
    ],
)
def test_unknown_argument_or_wrong_type_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as error:
        trainer_args("ppo_lstm", values)
    assert str(error.value) == message


def test_unknown_trainer_is_refused_without_importing_it() -> None:
    with pytest.raises(UserError, match="unknown trainer 'os'; valid: ppo_lstm"):
        trainer("os")


def test_no_module_of_eval_names_a_trainer() -> None:
    """They are found by name in the table of trainers; a usage line in a docstring is no code."""
    for file in (ROOT / "eval").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        docstrings = {ast.get_docstring(tree, clean=False)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = any(name in node.value for name in TRAINERS)
                assert not named or node.value in docstrings, f"{file}:{node.lineno}"
            elif isinstance(node, ast.Import | ast.ImportFrom):
                modules = [alias.name for alias in node.names] + [f"{getattr(node, 'module', '')}"]
                assert not any(name in module for name in TRAINERS for module in modules), file
            elif isinstance(node, ast.Name | ast.Attribute):
                assert ast.unparse(node).rpartition(".")[2] not in TRAINERS, file
