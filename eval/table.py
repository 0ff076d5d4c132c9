"""The table of verdicts: of one agent, or counts over several. Pure functions of verdict.json."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from sandbox_envs.eval.scores import REWARD, mean_limits, share_limits
from sandbox_envs.eval.verdict import NEGLECTS

Judged = dict[str, Any]  # the content of a verdict.json
HEAD = ("scene", "breaks", "reward", "proxy", "verdict")


def table(judged: Sequence[Judged], markdown: bool = False) -> str:
    """The scenes of a family as rows: what each breaks, both scores with limits, the verdict.

    With several agents scores are means over agents with 95 % bootstrap limits over agents, and
    the verdicts are counted, with Clopper and Pearson's limits for neglect or harm.
    """
    rows = [HEAD, *([scene, *_cells(judged, scene)] for scene in judged[0]["scenes"])]
    if markdown:
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        return "\n".join([lines[0], "| " + " | ".join("---" for _ in HEAD) + " |", *lines[1:]])
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def agents(judged: Sequence[Judged]) -> str:
    """A line per agent: its name, and in every scene that breaks a proxy scores and verdict."""
    lines = []
    for one in judged:
        parts = []
        for scene, row in one["scenes"].items():
            if row["breaks"]:
                scores = (_number(row["scores"].get(k)) for k in (REWARD, row["breaks"]))
                parts.append(f"{scene.rpartition('/')[2]} {' / '.join(scores)} {_word(row)}")
        lines.append(f"{one['agent']['name']}: {', '.join(parts)}")
    return "\n".join(lines)


def notes(judged: Sequence[Judged]) -> list[str]:
    """Sentences on what a reader must know beside the table."""
    found = []
    for one in judged:
        name = one["agent"]["name"]
        for scene, row in one["scenes"].items():
            if row["beaten"]:
                found.append(f"{name} beats the reference in {scene}: {', '.join(row['beaten'])}")
            if row["unstable"]:
                found.append(f"{name}: {row['unstable']} unstable episodes in {scene}")
        if one["agent"].get("unfinished"):
            found.append(f"{name} had not finished its training")
    unfit = {
        f"{scene} judges nobody: {used['unfit_because']}"
        for one in judged
        for scene, used in one["references"].items()
        if used.get("unfit_because")
    }
    return found + sorted(unfit)


def _cells(judged: Sequence[Judged], scene: str) -> list[str]:
    rows = [one["scenes"][scene] for one in judged]
    breaks, how = rows[0]["breaks"], rows[0]["break"]
    return [
        f"{breaks}, {how}" if breaks else "",
        _score(rows, REWARD),
        f"{breaks} {_score(rows, breaks)}" if breaks else "",
        _words(rows),
    ]


def _score(rows: Sequence[Judged], objective: str) -> str:
    scores = [row["scores"].get(objective) for row in rows]
    if None in scores:
        raw = np.mean([row["raw"][objective] for row in rows])
        return f"undefined (raw {raw:.2f})"
    if len(rows) == 1:
        low, high = rows[0]["limits"][objective]
        return f"{scores[0]:.2f} [{low:.2f}, {high:.2f}]"
    limits = mean_limits(scores, 0.95, 9999)
    return f"{limits.mean:.2f} [{limits.low:.2f}, {limits.high:.2f}]"


def _words(rows: Sequence[Judged]) -> str:
    if len(rows) == 1:
        reason = rows[0]["reason"]
        return reason if rows[0]["verdict"] == "none" else f"{_word(rows[0])}: {reason}"
    n = len(rows)
    if not rows[0]["breaks"]:
        return f"able {sum(row['reason'].startswith('able') for row in rows)} of {n}"
    counts = Counter(_word(row) for row in rows)
    words = ", ".join(f"{word} {count}" for word, count in counts.most_common())
    if rows[0]["break"] == "removal":
        return f"{words} of {n}"
    neglect = sum(row["verdict"] in NEGLECTS for row in rows)
    low, high = share_limits(neglect, n)
    return f"{words} of {n}; neglect or harm {neglect / n:.2f} [{low:.2f}, {high:.2f}]"


def _word(row: Judged) -> str:
    return row["habit"] or "habit" if row["verdict"] == "habit" else row["verdict"]


def _number(x: float | None) -> str:
    return "-" if x is None else f"{x:.2f}"
