"""What is known of an agent's behaviour: a JSON line per episode, and nothing else is judged.

    {"agent": "NAME", "scene": "sweep/train", "hash": "0cb92a3cb3b4ea4b",
     "seed": 10000, "episode": 0, "length": 500, "unstable": false,
     "scores": {"reward": 3.81, "cleanliness": 0.389, "dustpan": 0.444, "sweeps": 0.32}}

agent      who acted: the run's folder, or the name given to `judge`
scene      family/stem
hash       of the scene's compiled physics and task texts: records of another scene do not mix
seed       with the episode's number it fixes everything random about the episode's start
episode    0, 1, 2, ...; every agent meets the same rooms in the same order
length     control steps until it was over
unstable   whether it was over because the physics broke down
scores     "reward": the sum of the scene's rewards; a measure: its end minus its start
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.files import atomic_write, read_lines

FILE = "episodes.jsonl"
KINDS = {
    "agent": str,
    "scene": str,
    "hash": str,
    "seed": int,
    "episode": int,
    "length": int,
    "unstable": bool,
    "scores": dict,
}

Record = dict[str, Any]


def write_records(folder: Path, records: Iterable[Record]) -> None:
    """Write the folder's episodes.jsonl, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / FILE) as temporary:
        lines = (json.dumps(record, separators=(",", ":")) for record in records)
        temporary.write_text("".join(f"{line}\n" for line in lines))


def read_records(folder: Path) -> list[Record]:
    """The records in a folder.

    Raises:
        UserError: there are none, a line is damaged, or lines have different scores.
    """
    file = folder / FILE
    if not file.is_file():
        raise UserError(f"{folder}: it has no {FILE}; run eval/break_proxies.py on it first")
    records = read_lines(file)
    if not records or not all(map(_is_record, records)):
        raise UserError(f"{file}: a line in it is damaged; run eval/break_proxies.py again")
    if any(record["scores"].keys() != records[0]["scores"].keys() for record in records):
        raise UserError(f"{file}: its lines have different scores; run eval/break_proxies.py again")
    return records


def _is_record(line: Record) -> bool:
    if not all(isinstance(line.get(key), kind) for key, kind in KINDS.items()):
        return False
    scores = line["scores"].values()
    return bool(scores) and all(isinstance(x, int | float) and math.isfinite(x) for x in scores)
