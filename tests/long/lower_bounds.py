"""The lowest versions that setup.cfg allows, installed together and tested.

    python tests/long/lower_bounds.py                 prints them, as pip's constraints
    python tests/long/lower_bounds.py --venv FOLDER   installs them there and runs the tests

The versions are those that `uv` finds with `--resolution lowest-direct`: of every dependency that
setup.cfg names the lowest, of all that these need themselves the newest. uv is looked for on the
path (`pip install uv`). Where a test fails, raise the bound that it is due to.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from sandbox_envs import UserError
from sandbox_envs.errors import cli_errors

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Args:
    """Find the lowest allowed versions; with a folder for them, test with them."""

    venv: Path | None = None
    """the folder of a virtual environment: it is made if missing, and gets these versions"""
    extra: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """an extra of setup.cfg whose dependencies count, too; none for "test" alone"""
    python: str = f"{sys.version_info.major}.{sys.version_info.minor}"
    """the version of Python, or its program"""
    tests: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """what pytest runs, such as tests/test_env.py; none for everything"""
    find_links: str | None = None
    """a folder of wheels to use beside the package index"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Resolve, and with a folder install and test; the exit status is that of the tests."""
    if shutil.which("uv") is None:
        raise UserError("there is no uv on the path; install it with `pip install uv`")
    versions = resolved(args)
    print(versions, end="")
    if args.venv is None:
        return
    if not (args.venv / "bin" / "python").exists():
        _uv("venv", "--python", args.python, args.venv)
    python = args.venv / "bin" / "python"
    _uv("pip", "install", "--python", python, *_links(args), "-r", "-", given=versions)
    _uv("pip", "install", "--python", python, "--no-deps", "--editable", ROOT)
    sys.exit(_test(args.venv.resolve(), args.tests))


def resolved(args: Args) -> str:
    """The versions, one a line as NAME==VERSION."""
    extras = [part for name in args.extra or ("test",) for part in ("--extra", name)]
    fixed = ("--resolution", "lowest-direct", "--no-annotate", "--no-header", "--quiet")
    call = ("pip", "compile", "--python-version", args.python, *fixed, *_links(args), *extras)
    return _uv(*call, ROOT / "setup.cfg")


def _links(args: Args) -> tuple[str, ...]:
    return ("--find-links", args.find_links) if args.find_links else ()


def _uv(*arguments: str | Path, given: str | None = None) -> str:
    """Run uv and return its stdout; its messages are shown."""
    call = ["uv", *map(str, arguments)]
    done = subprocess.run(call, input=given, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise UserError(f"uv {arguments[0]} failed with status {done.returncode}; see above")
    return done.stdout


def _test(venv: Path, tests: tuple[str, ...]) -> int:
    path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    parallel = ("-n", "auto", "--dist", "worksteal")
    call = [str(venv / "bin" / "python"), "-m", "pytest", "-q", *parallel, *tests]
    return subprocess.run(call, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    main(tyro.cli(Args))
