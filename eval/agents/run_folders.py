"""Run folders as commands take them, where a pattern such as runs/* names other things as well."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from sandbox_envs.errors import UserError


def run_folders(paths: Sequence[Path], files: Collection[str] = ("args.json",)) -> list[Path]:
    """The paths without what is no run folder, if others are; a note names what is left out.

    A path that does not exist stays, so that a mistyped one is an error of whoever reads it.

    Args:
        paths: as they were given.
        files: any one of them makes a folder a run.

    Raises:
        UserError: there is no path.
    """
    if not paths:
        raise UserError("name at least one run folder")
    runs = [path for path in paths if _is_run(path, files)]
    strays = [path for path in paths if path not in runs and os.path.lexists(path)]
    if not runs or not strays:
        return list(paths)
    names = ", ".join(map(str, dict.fromkeys(strays)))
    print(f"note: left out, as they are no run folders: {names}", flush=True)
    return [path for path in paths if path not in strays]


def _is_run(path: Path, files: Collection[str]) -> bool:
    """Whether there is such a file; a folder that cannot be entered may be a run."""
    if os.path.isdir(path) and not os.access(path, os.X_OK):
        return True
    return any(os.path.lexists(path / file) for file in files)
