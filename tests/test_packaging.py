"""Both distributions, source and wheel, install what the repository holds."""

import configparser
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox_envs.__main__ import commands

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"sandbox_envs": "sandbox_envs", "assets": "sandbox_envs/assets"}
FOLDERS |= {"train": "sandbox_envs/train", "eval": "sandbox_envs/eval"}
BUILD = """
import sys
from setuptools import build_meta
print(getattr(build_meta, sys.argv[1])(sys.argv[2]))
"""


def run(*command: str | Path, cwd: Path) -> str:
    """The output of a command that must succeed, without this clone on its path."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "OMP_NUM_THREADS": "1"
    }
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(what: str, source: Path, out: Path) -> Path:
    return out / run(sys.executable, "-c", BUILD, what, out, cwd=source).splitlines()[-1]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A wheel built from the tracked files, and one from their source distribution."""
    folder = tmp_path_factory.mktemp("packaging")
    clone, out = folder / "clone", folder / "out"
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).splitlines()
    for name in filter(lambda name: (ROOT / name).is_symlink() or (ROOT / name).is_file(), listed):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, clone / name, follow_symlinks=False)
    shutil.unpack_archive(build("build_sdist", clone, out), folder, filter="data")
    (unpacked,) = folder.glob("sandbox_envs-*")
    return build("build_wheel", clone, out), build("build_wheel", unpacked, folder / "again")


def expected_files() -> set[str]:
    """Everything that a wheel holds of the repository, by its installed place."""
    files = set()
    for folder, place in FOLDERS.items():
        for file in (ROOT / folder).rglob("*"):
            kept = file.suffix in (".py", ".j2", ".typed") or folder == "assets"
            kept |= file.is_relative_to(ROOT / "eval" / "references")
            kept |= file.suffix == ".json" and file.is_relative_to(ROOT / "eval" / "regret")
            if kept and file.is_file() and "__pycache__" not in file.parts:
                files.add(f"{place}/{file.relative_to(ROOT / folder).as_posix()}")
    return files


def test_wheel_from_clone_and_from_source_distribution_hold_the_same_whole_package(
    distributions: tuple[Path, Path],
) -> None:
    for wheel in distributions:
        with zipfile.ZipFile(wheel) as archive:
            names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert names == expected_files()


def test_packages_listed_are_the_folders_with_code() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    listed = settings["options"]["packages"].split()
    folders = [
        (f"{place}/{file.parent.relative_to(ROOT / folder).as_posix()}").removesuffix("/.")
        for folder, place in FOLDERS.items()
        for file in (ROOT / folder).rglob("__init__.py")
    ]
    assert sorted(listed) == sorted(folder.replace("/", ".") for folder in folders)


def requirements(*extras: str) -> list[Requirement]:
    """The requirements in setup.cfg: those of every installation, and of some extras."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    texts = [settings["options"]["install_requires"]]
    texts += [settings["options.extras_require"][name] for name in extras]
    return [Requirement(line) for text in texts for line in text.splitlines() if line.strip()]


def test_every_dependency_has_a_lowest_version_and_the_tested_one_is_allowed() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    every = requirements(*settings["options.extras_require"])
    without = [str(r) for r in every if not any(s.operator == ">=" for s in r.specifier)]
    assert without == []
    pinned = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()
              if not line.startswith("#")]  # fmt: skip
    tested = {canonicalize_name(r.name): next(iter(r.specifier)).version for r in pinned}
    for needed in requirements("test", "docs"):
        assert needed.specifier.contains(tested[canonicalize_name(needed.name)]), needed


SMOKE = """
import gymnasium, sandbox_envs
from importlib.metadata import version
from importlib.resources import files
from sandbox_envs.eval.judging.reference_store import committed_references
from sandbox_envs.scene.catalog import families

for family in families():
    sandbox_envs.load_scene(f"{family}/train")
assert (files("sandbox_envs") / "py.typed").is_file()

env = gymnasium.make("sandbox/sweep-train-v0")
env.reset(seed=1)
env.step(env.action_space.sample())
assert (committed_references() / "sweep" / "train.json").is_file()
print(sandbox_envs.__file__, version("sandbox_envs"))
"""
# all in one process, as each alone would import torch again
HELP = """
import contextlib, io, runpy, sys
from sandbox_envs.__main__ import commands

for name, _ in commands():
    sys.argv, shown = [name, "--help"], io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        runpy.run_module(name, run_name="__main__")
    if "usage: " in shown.getvalue():
        print(name)
"""


def test_installed_wheel_works_outside_of_a_clone(
    distributions: tuple[Path, Path], tmp_path: Path
) -> None:
    """Its dependencies are those of this environment; the package itself is only the wheel's."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    site = Path(
        run(python, "-c", "import site; print(site.getsitepackages()[0])", cwd=tmp_path).strip()
    )
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index")
    run(*pip, "--ignore-installed", distributions[1], cwd=tmp_path)
    where, _version = run(python, "-c", SMOKE, cwd=tmp_path).split()
    assert Path(where).is_relative_to(site)
    assert "sweep" in run(python, "-m", "sandbox_envs.scenes", "sweep", cwd=tmp_path)
    assert run(python, "-c", HELP, cwd=tmp_path).split() == [name for name, _ in commands()]
    trained = (
        "--scene",
        "keeper/train",
        "--total-timesteps",
        "1024",
        "--num-envs",
        "16",
        "--num-steps",
        "8",
    )
    run(python, "-m", "sandbox_envs.train.ppo_lstm", *trained, cwd=tmp_path)
    (folder,) = (tmp_path / "runs").iterdir()
    line = ("-m", "sandbox_envs.eval.break_proxies", folder, "--episodes", "2", "--videos", "0")
    run(python, *line, "--no-references", cwd=tmp_path)
    assert (folder / "report.html").is_file()
