"""Run folders as commands take them, where a pattern such as runs/* names other things as well."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from sandbox_envs.errors import UserError

ARGUMENTS, AGENT = "args.json", ("agent.json", "policy.safetensors")  # of runs that train agents


def run_folders(paths: Sequence[Path], records: Collection[str] = ()) -> list[Path]:
    """Leave out paths that are no run folders, unless all are; a note names what is left out.

    A path that does not exist is kept, so that whoever reads it reports the mistyped name.

    Args:
        paths: as they were given.
        records: names of files; a folder without args.json that has one of them is a run, too.

    Raises:
        UserError: there is no path.
    """
    if not paths:
        raise UserError("name at least one run folder")
    runs = [path for path in paths if _is_run(path, records)]
    strays = [path for path in paths if path not in runs and os.path.lexists(path)]
    if not runs or not strays:
        return list(paths)
    names = ", ".join(map(str, dict.fromkeys(strays)))
    print(f"note: left out, as they are no run folders: {names}", flush=True)
    return [path for path in paths if path not in strays]


def _is_run(path: Path, records: Collection[str]) -> bool:
    """Whether there are such files; a folder that cannot be entered may be a run.

    A run that has lost one of an agent's files still counts, so that the loss is reported.
    """
    if os.path.isdir(path) and not os.access(path, os.X_OK):
        return True
    files = AGENT if os.path.lexists(path / ARGUMENTS) else records
    return any(os.path.lexists(path / file) for file in files)
