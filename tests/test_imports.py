"""Imports form a graph without circles, go down between layers and rooms, and load little.

Layers: assets <- sandbox_envs <- train <- eval. A room is a folder with an `__init__.py` below one
of them, such as eval/judging. Imports inside functions and under TYPE_CHECKING count as well.
"""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from sandbox_envs.train.trainers import TRAINERS

ROOT = Path(__file__).resolve().parents[1]
LAYERS = {"sandbox_envs/assets": 0, "sandbox_envs": 1, "sandbox_envs/train": 2}
LAYERS |= {"sandbox_envs/eval": 3}
FOLDERS = {"assets": "sandbox_envs.assets", "sandbox_envs": "sandbox_envs"}
FOLDERS |= {"train": "sandbox_envs.train", "eval": "sandbox_envs.eval"}
# `play` shows a trained policy if asked to, and only then imports it
UPWARD = {
    ("sandbox_envs.play", f"sandbox_envs.train.{module}") for module in ("policy", "run_scenes")
}
# what needs an extra, and is imported by functions that say so
EXTRA = {"sandbox_envs.sb3_adapter"}
LIBRARY = ("sandbox_envs.eval", "sandbox_envs.eval.evaluation")  # in eval/*.py, but no commands

Graph = dict[str, set[str]]  # module or room -> those that it imports


@cache
def files() -> dict[str, Path]:
    """Every module of the package, by its full name."""
    found = {}
    for folder, package in FOLDERS.items():
        top = ROOT / folder
        for file in sorted(top.rglob("*.py")):
            relative = file.relative_to(top)
            if folder == "sandbox_envs" and relative.parts[0] in ("assets", "train", "eval"):
                continue  # links to the other folders
            parts = [package, *relative.with_suffix("").parts]
            found[".".join(parts).removesuffix(".__init__")] = file
    return found


def imported(file: Path) -> Iterator[str]:
    """Every module of the package that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports break when run as a plain file"
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in files() else str(node.module) for name in below]
        else:
            continue
        for name in names:
            assert name.split(".")[0] not in ("assets", "train", "eval"), f"{file} imports {name}"
            if name in files():
                yield name


@cache
def graph() -> Graph:
    """The modules of the package that each module imports."""
    return {name: set(imported(file)) for name, file in files().items()}


def layer_of(module: str) -> int:
    path = module.replace(".", "/")
    return max(n for folder, n in LAYERS.items() if f"{path}/".startswith(f"{folder}/"))


def is_package(module: str) -> bool:
    return files()[module].name == "__init__.py"


def room_of(module: str) -> str:
    """The room that a module is in; a module directly in a layer stands for itself."""
    package = module if is_package(module) else module.rpartition(".")[0]
    return module if package in FOLDERS.values() else package


def circle(edges: Graph) -> list[str]:
    """A circle in a graph, or nothing."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def modules_loaded(*modules: str) -> list[str]:
    """All modules that a new interpreter has loaded after importing some."""
    code = "import sys\nfrom importlib import import_module\n"
    code += "for name in sys.argv[1:]: import_module(name)\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *modules], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def heavy(loaded: Iterable[str]) -> set[str]:
    """Libraries among some modules that take long to load."""
    names = {module.split(".")[0] for module in loaded}
    return names & {"mujoco", "torch", "tensorboard", "scipy", "matplotlib", "PIL", "dm_control"}


# --- the graph -------------------------------------------------------------------------------


def test_imports_go_down_between_layers() -> None:
    up = {
        (name, other)
        for name, others in graph().items()
        for other in others
        if layer_of(other) > layer_of(name)
    }
    assert up == UPWARD


def test_modules_import_in_no_circle() -> None:
    edges = {n: {o for o in others if (n, o) not in UPWARD} for n, others in graph().items()}
    assert circle(edges) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []  # one would be found


def test_rooms_import_in_no_circle() -> None:
    rooms: Graph = {}
    for name, others in graph().items():
        for other in others:
            if (name, other) not in UPWARD and room_of(name) != room_of(other):
                rooms.setdefault(room_of(name), set()).add(room_of(other))
    assert circle(rooms) == []


def test_rooms_of_eval_import_no_command() -> None:
    top = "sandbox_envs.eval"
    commands = {m for m in files() if m.rpartition(".")[0] == top and not is_package(m)}
    commands |= {m for m in files() if m.endswith(".__main__")}
    commands -= set(LIBRARY)
    assert "sandbox_envs.eval.break_proxies" in commands
    for name, others in graph().items():
        assert not others & commands, f"{name} imports a command"


def test_trainers_import_no_other_trainer() -> None:
    trainers = {f"sandbox_envs.train.{name}" for name in TRAINERS}
    for name in trainers:
        assert not graph()[name] & trainers - {name}


def test_assets_hold_no_code() -> None:
    for name, file in files().items():
        if layer_of(name) == 0:
            tree = ast.parse(file.read_text(encoding="utf-8")).body
            assert all(isinstance(node, ast.Expr) for node in tree), f"{file}: not just a docstring"


# --- what importing loads --------------------------------------------------------------------


@pytest.mark.parametrize("module", ["sandbox_envs", "sandbox_envs.scene.catalog"])
def test_package_and_catalogue_of_scenes_load_quickly(module: str) -> None:
    """Scenes are registered with Gymnasium, but neither compiled nor read by MuJoCo."""
    loaded = modules_loaded(module)
    assert module in loaded
    assert heavy(loaded) == set()


def test_sandbox_envs_loads_neither_torch_nor_modules_above_it() -> None:
    names = [name for name in files() if layer_of(name) == 1 and name not in EXTRA]
    loaded = modules_loaded(*names)
    assert "sandbox_envs.vector" in loaded
    assert heavy(loaded) <= {"mujoco", "PIL", "dm_control"}
    assert not [name for name in loaded if name in files() and layer_of(name) > 1]
