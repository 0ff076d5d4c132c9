"""The provenance of a training: library versions, the commit of this very repository, the CPU."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import torch

import sandbox_envs
from sandbox_envs.processor import processor

HERE = Path(__file__).resolve()
SECONDS = 10  # that git may take


def provenance() -> dict[str, Any]:
    """The entries of args.json on code and machine: versions, commit, dirty, processor.

    commit and dirty are None unless this file is tracked by git as part of this repository: a
    package that is installed somewhere inside another repository says nothing of that one. dirty
    says whether tracked files differ from the commit.
    """
    modules = {"mujoco": mujoco, "gymnasium": gymnasium, "numpy": np, "torch": torch}
    versions = {"python": platform.python_version(), "sandbox_envs": sandbox_envs.__version__}
    versions |= {name: module.__version__ for name, module in modules.items()}
    commit = _commit()
    dirty = commit and _git("status", "--porcelain", "--untracked-files=no")
    return {
        "versions": versions,
        "commit": commit,
        "dirty": None if dirty is None else bool(dirty),
        "processor": processor(),
    }


def _commit() -> str | None:
    top = _git("rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != HERE.parents[1]:
        return None
    if _git("ls-files", "--error-unmatch", "--", str(HERE)) is None:
        return None
    return _git("rev-parse", "--verify", "HEAD") or None


def _git(*command: str) -> str | None:
    """The output of a git command in this file's folder; None where it fails, or there is no git.

    Variables such as GIT_DIR, which git sets for hooks, would make it speak of another repository.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(HERE.parent), *command],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.strip()
