"""Runs the project's commands as a terminal does, without waiting for their imports each time.

To import torch, scipy and matplotlib takes seconds, and the suite runs some 150 commands. Each is a
process of its own, with its own arguments, folder, streams and exit status, but forked from a
server that has imported these libraries and nothing else: neither MuJoCo, which reads MUJOCO_GL
when it is imported, nor a module of this project. Tests of signals, of other environments and of
what is imported start real interpreters.
"""

import io
import multiprocessing
import os
import runpy
import sys
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from types import ModuleType

import tyro

ROOT = Path(__file__).resolve().parents[1]
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "torch._dynamo",
        "torch.profiler",
        "torch.utils.serialization",
        "torch.utils.tensorboard",
        "safetensors.torch",
        "scipy.stats",
        "scipy.sparse.csgraph",
        "matplotlib.figure",
        "gymnasium.vector",
        "glfw",
        "jinja2",
        "tyro",
    ]
)


def run_command(
    program: str | Path,
    *arguments: object,
    cwd: Path | None = None,
    timeout: float = 300,
    status: int = 0,
) -> CompletedProcess[str]:
    """Run `python program arguments...` and return the completed process; see `subprocess.run`.

    program: a script's file, in the repository where it is relative, or the dotted name of a
    module to be run as with `python -m`.
    status: with which it must end.
    """
    is_script = str(program).endswith(".py")
    line = [str(ROOT / program if is_script else program), *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = CONTEXT.Process(
            target=become, args=(line, out, err, str(cwd or Path.cwd()), environment)
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutExpired(line, timeout)
        printed = [file.read_text() if file.exists() else "" for file in (out, err)]
    return _ended(CompletedProcess(line, process.exitcode, *printed), status)


def run_here(
    module: ModuleType, *arguments: object, cwd: Path | None = None, status: int = 0
) -> CompletedProcess[str]:
    """The same in this process, which saves its start, for tests that are not about a process."""
    line, out, err = [*map(str, arguments)], io.StringIO(), io.StringIO()
    ended: object = 0
    with chdir(cwd or Path.cwd()), redirect_stdout(out), redirect_stderr(err):
        try:
            module.main(tyro.cli(module.Args, args=line))
        except SystemExit as end:
            ended = end.code
    if isinstance(ended, str):  # which an interpreter prints when it ends
        print(ended, file=err)
        ended = 1
    done = CompletedProcess(line, int(ended or 0), out.getvalue(), err.getvalue())
    return _ended(done, status)


def _ended(done: CompletedProcess[str], status: int) -> CompletedProcess[str]:
    assert done.returncode == status, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done


def become(line: list[str], out: Path, err: Path, cwd: str, environment: dict[str, str]) -> None:
    """Become the command, in a forked process."""
    for number, file in ((1, out), (2, err)):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), write_through=True)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    program = line[0]
    sys.argv = line
    if program.endswith(".py"):
        sys.path[0] = str(Path(program).parent)
        runpy.run_path(program, run_name="__main__")
    else:
        sys.path[0] = cwd
        runpy.run_module(program, run_name="__main__", alter_sys=True)
