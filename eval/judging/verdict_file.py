"""verdict.json: its form, read and written."""

import json
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError

FILE = "verdict.json"


def read_verdict(folder: Path) -> dict[str, Any]:
    """The verdict in a run's folder.

    Raises:
        UserError: there is none, or it is damaged.
    """
    file = folder / FILE
    if not file.is_file():
        raise UserError(f"{folder}: it has no {FILE}; run eval/break_proxies.py on it first")
    try:
        content = json.loads(file.read_text())
        whole = [content["agent"]["name"], content["family"]] and all(
            content["references"][name]["hash"] for name in content["scenes"]
        )
    except (ValueError, TypeError, KeyError):
        whole = False
    if not whole:
        raise UserError(f"{file}: it is damaged; run eval/break_proxies.py again")
    return content
