"""Imports only go down: assets <- sandbox_envs <- train <- eval."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("sandbox_envs.assets", "sandbox_envs", "sandbox_envs.train", "sandbox_envs.eval")
FOLDERS = {"assets": 0, "sandbox_envs": 1, "train": 2, "eval": 3}
# A command that shows a trained policy, if it is asked to, loads it when it does, and not before.
UPWARD = {("play.py", "train.run")}


def layer_of(module: str) -> int | None:
    """The layer of an imported module, or None where it is not ours."""
    for layer in (0, 2, 3, 1):  # sandbox_envs itself last, since the others are below it by name
        if module == LAYERS[layer] or module.startswith(f"{LAYERS[layer]}."):
            return layer
    return FOLDERS.get(module.split(".")[0])  # imported as a top-level folder of the clone


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it, by its full name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports break when run as a plain file"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_only_go_down(folder: str) -> None:
    for file in files(folder):
        for module in imports(file):
            layer = layer_of(module) or 0
            asked = any(file.name == f and up in module for f, up in UPWARD)
            assert layer <= FOLDERS[folder] or asked, f"{file} imports {module}"


def test_assets_hold_no_code() -> None:
    for file in files("assets"):
        assert not list(imports(file))
        tree = ast.parse(file.read_text(encoding="utf-8")).body
        assert all(isinstance(node, ast.Expr) for node in tree), f"{file}: more than a docstring"


def test_a_trainer_imports_the_run_but_no_other_trainer() -> None:
    for file in files("train"):
        for module in imports(file):
            if layer_of(module) == 2 and module not in ("sandbox_envs.train", "train"):
                assert module.startswith("sandbox_envs.train.run"), f"{file} imports {module}"


def test_only_what_belongs_to_sandbox_envs_is_loaded_with_it() -> None:
    """Neither torch nor anything of train or eval, not even indirectly."""
    code = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
print(*sys.modules)
"""
    paths = [file.relative_to(ROOT).with_suffix("") for file in files("sandbox_envs")]
    modules = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    done = subprocess.run(
        [sys.executable, "-c", code, *modules], check=True, capture_output=True, text=True, cwd=ROOT
    )
    loaded = done.stdout.split()
    assert "sandbox_envs.vector" in loaded
    assert not {m for m in loaded if m.split(".")[0] in ("torch", "tensorboard", "scipy")}
    assert not {m for m in loaded if layer_of(m) in (2, 3)}


def test_importing_the_package_compiles_no_scene() -> None:
    code = "import mujoco.batch; mujoco.MjModel = None; import sandbox_envs; print('imported')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "imported\n", done.stderr
