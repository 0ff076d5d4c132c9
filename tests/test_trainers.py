"""Every trainer offers the same names, and a name that two of them share has the same source."""

import ast
import dataclasses
import importlib
import inspect
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Literal

import pytest
import torch
from torch.distributions import Categorical, Normal

import sandbox_envs.train
from sandbox_envs import SandboxVectorEnv
from sandbox_envs.errors import UserError
from sandbox_envs.eval import break_proxies
from sandbox_envs.eval.judging.verdict_file import read_verdict
from sandbox_envs.train import policy
from sandbox_envs.train.arguments import check_ranges
from sandbox_envs.train.run_scenes import trained_scenes
from sandbox_envs.train.trainers import (
    DEFAULT_TRAINER,
    ON_MENUS,
    TRAINERS,
    plain_args,
    trainer,
    trainer_args,
    typed,
)

ROOT = Path(__file__).resolve().parents[1]
OWN = {"Args", "Agent", "main"}  # what makes a trainer another one
MIND = {"__init__", "sizes", "initial_state", "reset_state", "act", "features", "encode"}
PLAN = {"watch", "prediction_loss", "observe_outcomes", "heads"}  # the planner's own, beside these


def definitions(file: Path, of: str = "") -> dict[str, str]:
    """The source of every function and class of a file, or of one of its classes, by name."""
    text = file.read_text(encoding="utf-8")
    body = ast.parse(text).body
    if of:
        (body,) = (n.body for n in body if isinstance(n, ast.ClassDef) and n.name == of)
    nodes = [n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    return {node.name: str(ast.get_source_segment(text, node)) for node in nodes}


def differences(files: list[Path], of: str = "") -> set[str]:
    """The names that some of these files share without sharing their source."""
    found: dict[str, set[str]] = {}
    for file in files:
        for name, source in definitions(file, of).items():
            found.setdefault(name, set()).add(source)
    return {name for name, sources in found.items() if len(sources) > 1} - OWN


def test_same_name_in_two_trainers_has_the_same_source() -> None:
    found = differences([ROOT / "train" / f"{name}.py" for name in TRAINERS])
    assert not found, f"{found}: give the changed one another name, or change it in all trainers"


@pytest.mark.parametrize("name", ON_MENUS)
def test_a_trainer_on_menus_differs_in_what_an_action_is_and_predicts_nothing(name: str) -> None:
    files = [ROOT / "train" / f"{one}.py" for one in (*TRAINERS, name)]
    acting = {"rollout", "_empty_rollout", "_loss"}
    predicting = {"Rollout", "iterate", "update"}
    assert differences(files) == acting | predicting


def test_agents_differ_in_their_minds_and_in_what_a_plan_needs() -> None:
    files = {name: ROOT / "train" / f"{name}.py" for name in TRAINERS}
    assert differences(list(files.values()), "Agent") == MIND | PLAN
    assert differences([f for n, f in files.items() if n != "ppo_planner"], "Agent") == MIND


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
    assert {"initial_state", "act"} <= methods.keys()
    for method, declared in methods.items():
        defined = getattr(trainer(name).Agent, method)
        assert list(inspect.signature(defined).parameters) == list(
            inspect.signature(declared).parameters
        )
    assert all(part.shape[1] == 3 for part in agent.initial_state(3))  # episodes are on axis 1


@pytest.mark.parametrize("name", [*TRAINERS, *ON_MENUS])
def test_all_steps_at_once_equal_stepping_across_episode_ends(name: str) -> None:
    """Episodes begin in one of three sequences, in another in the first, the last and two steps.

    600 steps before them are remembered, more than a Transformer attends to.
    """
    torch.manual_seed(0)
    agent = trainer(name).Agent(observation_size=5, action_size=2, hidden_size=16)
    obs = torch.randn(9, 3, 5)
    starts = torch.zeros(9, 3, dtype=torch.bool)
    starts[4, 0] = starts[0, 1] = starts[3, 1] = starts[4, 1] = starts[8, 1] = True
    with torch.no_grad():
        state = agent.initial_state(3)
        for before in torch.randn(600, 3, 5):
            *_, state = agent.act(before, state)
        distribution, values = agent.heads(agent.features(obs, starts, state))
        for t in range(9):
            step, value, state = agent.act(obs[t], agent.reset_state(state, starts[t]))
            torch.testing.assert_close(_centre(distribution)[t], _centre(step), atol=1e-5, rtol=0)
            torch.testing.assert_close(values[t], value, atol=1e-5, rtol=0)


def _centre(of: Normal | Categorical) -> torch.Tensor:
    return of.probs if isinstance(of, Categorical) else of.mean


def test_given_values_replace_defaults() -> None:
    args = trainer_args(DEFAULT_TRAINER, {"scene": ["keeper/train"], "gamma": 1, "seed": 7})
    assert (args.scene, args.gamma, args.seed) == (("keeper/train",), 1, 7)
    assert args.num_envs == trainer(DEFAULT_TRAINER).Args().num_envs


def test_path_or_single_text_is_taken_at_run_time_where_a_type_checker_wants_another_form() -> None:
    loose = {"scene": "keeper/train", "set": Path("a=b"), "resume": Path("runs/r")}
    args = plain_args(trainer(DEFAULT_TRAINER).Args(**loose, initial_weights=Path("runs/i")))
    assert (args.scene, args.set) == (("keeper/train",), ("a=b",))
    assert (args.resume, args.initial_weights) == ("runs/r", "runs/i")


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


def test_argument_whose_default_is_none_takes_what_its_annotation_names() -> None:
    @dataclasses.dataclass
    class Args:
        target_kl: float | None = None
        told: str | None = None
        folder: Path | None = None
        kind: Literal["a", "b"] | None = None
        names: tuple[str, ...] | None = None
        hidden_size: "int | None" = None

    assert plain_args(Args(), {"target_kl": 1}).target_kl == 1
    assert typed("--vary target_kl", "0.5", Args(), "target_kl") == 0.5
    assert typed("--vary told", "0.5", Args(), "told") == "0.5"
    assert typed("--vary hidden_size", "64", Args(), "hidden_size") == 64
    assert typed("--vary names", "a", Args(), "names") == ("a",)
    given = {"folder": Path("a"), "kind": "b", "names": ["a", "b"], "hidden_size": 3}
    assert plain_args(Args(), given).folder == "a"
    check_ranges(Args())
    with pytest.raises(UserError, match="--vary hidden_size: x must be a whole number or None"):
        typed("--vary hidden_size", "x", Args(), "hidden_size")
    with pytest.raises(UserError, match="target_kl is 'low'; it must be a number or None"):
        plain_args(Args(), {"target_kl": "low"})
    with pytest.raises(UserError, match="told is 3; it must be a text or None"):
        plain_args(Args(), {"told": 3})


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_every_number_of_a_trainer_must_be_finite(value: float) -> None:
    with pytest.raises(UserError, match=r"--target-kl (nan|inf): it must be a finite number"):
        check_ranges(SimpleNamespace(target_kl=value))


def test_unknown_trainer_is_refused_without_importing_it() -> None:
    with pytest.raises(UserError, match="unknown trainer 'os'; valid: ppo_lstm, "):
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


# --- a trainer of one's own -------------------------------------------------------------------

Written = Callable[..., ModuleType]


@pytest.fixture
def reinforce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """Adds the trainer of docs/training.md to the others, with replacements in its text."""
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```python\n(# train/.*?)^```$", page, re.DOTALL | re.MULTILINE)

    def write(**replaced: str) -> ModuleType:
        code = text
        for old, new in replaced.values():
            assert old in code
            code = code.replace(old, new)
        (tmp_path / "train").mkdir()
        (tmp_path / "train" / "reinforce.py").write_text(code)
        return importlib.import_module("sandbox_envs.train.reinforce")

    paths = [*sandbox_envs.train.__path__, str(tmp_path / "train")]
    monkeypatch.setattr(sandbox_envs.train, "__path__", paths)
    monkeypatch.setattr("sandbox_envs.train.trainers.TRAINERS", (*TRAINERS, "reinforce"))
    yield write
    sys.modules.pop("sandbox_envs.train.reinforce", None)
    vars(sandbox_envs.train).pop("reinforce", None)


def fast(folder: Path) -> dict[str, object]:
    """Two updates of one episode each."""
    steps = 2 * 4 * SandboxVectorEnv("keeper/train").scenes[0].episode_steps
    return {"num_envs": 4, "total_timesteps": steps, "run_dir": str(folder)}


def test_trainer_on_the_page_trains_and_its_agent_is_judged(
    reinforce: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = reinforce()
    module.main(module.Args(**fast(tmp_path / "runs")))
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("keeper-train__reinforce__s1__")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["episodes"] for row in rows] == [4, 4]
    break_proxies.main(
        break_proxies.Args((run,), episodes=2, videos=0, references="none", video_dir=tmp_path)
    )
    assert "keeper/train" in capsys.readouterr().out
    agent = read_verdict(run).agent
    assert (agent.trainer, list(agent.trained_on)) == ("reinforce", ["keeper/train"])


@pytest.mark.parametrize(
    "replaced",
    [
        {
            "scene": ('scene: str = "keeper/train"', "scene: tuple[str, ...] = ()"),
            "use": ("SandboxVectorEnv(args.scene,", 'SandboxVectorEnv("keeper/train",'),
        },
        {
            "scene": ('    scene: str = "keeper/train"\n', ""),
            "use": ("SandboxVectorEnv(args.scene,", 'SandboxVectorEnv("keeper/train",'),
        },
        {
            "scene": ('scene: str = "keeper/train"', 'reward: str = "dense"'),
            "use": (
                "SandboxVectorEnv(args.scene,",
                'SandboxVectorEnv("keeper/train", overrides={"episode_seconds": 1}, num_envs=',
            ),
        },
    ],
    ids=["a default of its own", "no scene among its arguments", "changed in the code"],
)
def test_scenes_of_a_run_are_those_it_was_trained_on_whatever_its_arguments_say(
    reinforce: Written, tmp_path: Path, replaced: dict[str, tuple[str, str]]
) -> None:
    module = reinforce(**replaced)
    module.main(module.Args(**fast(tmp_path / "runs")))
    (run,) = (tmp_path / "runs").iterdir()
    (scene,) = trained_scenes(run)
    assert scene.name == "keeper/train"
    assert scene.overrides == ({"episode_seconds": "1"} if "reward" in vars(module.Args()) else {})


@pytest.mark.parametrize(
    ("replaced", "sentence"),
    [
        (
            {"field": ("    seed: int = 1\n", ""), "use": ("args.seed", "1")},
            "reinforce: its Args has no field 'seed', which every run needs",
        ),
        (
            {"field": ("    total_timesteps: int", "    steps: int"),
             "use": ("args.total_timesteps", "args.steps")},
            "reinforce: its Args has no field 'total_timesteps', which every run needs",
        ),
        (
            {"field": ("seed: int = 1", "seed: float = 1.5"), "use": ("(args.seed)", "(1)"),
             "reset": ("seed=args.seed", "seed=1")},
            "reinforce: seed is 1.5; it must be a whole number",
        ),
        (
            {"field": ('run_dir: str = "runs"', 'run_dir: str = "runs"\n    at: object = Path()')},
            "reinforce: at is PosixPath('.'), which args.json cannot keep; take a text, a number",
        ),
        (
            {"sizes": ("args, envs, sizes,", 'args, envs, {"sizes": torch.zeros(1)},')},
            "reinforce: agent.json cannot keep the arguments of its Agent (Object of type Tensor",
        ),
        (
            {"name": ("Path(__file__).stem", '"renforce"')},
            "the trainer 'renforce' is not among TRAINERS in train/trainers.py",
        ),
    ],
)  # fmt: skip
def test_trainer_that_breaks_the_contract_is_told_at_once_and_leaves_nothing(
    reinforce: Written, tmp_path: Path, replaced: dict[str, tuple[str, str]], sentence: str
) -> None:
    module = reinforce(**replaced)
    args = {k: v for k, v in fast(tmp_path / "runs").items() if hasattr(module.Args, k)}
    with pytest.raises(UserError) as error:
        module.main(module.Args(**args))
    assert str(error.value).startswith(sentence)
    assert not (tmp_path / "runs").exists()


def test_start_that_fails_leaves_no_half_run(
    reinforce: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    module = reinforce()
    monkeypatch.setattr("sandbox_envs.train.run.Log", full)
    with pytest.raises(OSError, match="No space left"):
        module.main(module.Args(**fast(tmp_path / "runs")))
    assert not list((tmp_path / "runs").iterdir())


def test_folder_that_cannot_be_written_is_named_with_its_argument(reinforce: Written) -> None:
    module = reinforce()
    with pytest.raises(UserError, match="^--run-dir /proc/runs: "):
        module.main(module.Args(**fast(Path("/proc/runs"))))
