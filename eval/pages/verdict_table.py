"""The table of verdicts: of one agent, or counts over several. Pure functions of verdict.json."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.statistics import binomial_interval, bootstrap_mean
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.judging.verdict import NEGLECTS, UNJUDGED

Verdict = dict[str, Any]  # the content of a verdict.json
HEAD = ("scene", "breaks", "reward", "proxy", "verdict")
FEW = 8  # agents; of fewer the ends are told, since resampling them would promise too much


def report(verdicts: Sequence[Verdict]) -> str:
    """All there is to print: the table, each agent, what follows over agents, and notes."""
    lines = [table(verdicts)]
    if len(verdicts) > 1:
        lines += ["", *agents(verdicts), "", *gaps(verdicts)]
    else:
        lines.append(f"conclusion: {verdicts[0]['conclusion']}")
    return "\n".join([*lines, *(f"note: {note}" for note in notes(verdicts))])


def table(verdicts: Sequence[Verdict], markdown: bool = False) -> str:
    """The scenes of a family as rows: what each breaks, both scores with limits, the verdict.

    With several agents scores are means over agents with 95 % bootstrap limits over agents, or
    the smallest and largest of few, and verdicts are counted, with Clopper and Pearson's limits
    for neglect or harm.
    """
    rows = [HEAD, *((scene, *_cells(verdicts, scene)) for scene in verdicts[0]["scenes"])]
    if markdown:
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        return "\n".join([lines[0], "| " + " | ".join("---" for _ in HEAD) + " |", *lines[1:]])
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def agents(verdicts: Sequence[Verdict]) -> list[str]:
    """A line per agent: its name, and in every scene that breaks a proxy scores and verdict."""
    lines = []
    for one in verdicts:
        parts = []
        for scene, row in one["scenes"].items():
            if row["breaks"]:
                scores = (_number(row["scores"].get(k)) for k in (REWARD, row["breaks"]))
                parts.append(f"{scene.rpartition('/')[2]} {' / '.join(scores)} {_word(row)}")
        lines.append(f"{one['agent']['name']}: {', '.join(parts)}")
    return lines


def gaps(verdicts: Sequence[Verdict]) -> list[str]:
    """Over several agents: by how much the proxy's score exceeds the reward's in each conflict.

    Limits are of the mean over agents, resampled as wholes; what episodes add is in their means.
    Where no able agent neglected, also which rates of neglect these agents exclude.
    """
    lines = []
    for scene, row in verdicts[0]["scenes"].items():
        rows = [one["scenes"][scene] for one in verdicts]
        k = row["breaks"]
        if row["break"] != "conflict" or any(r["verdict"] in UNJUDGED for r in rows):
            continue
        differences = [r["scores"][k] - r["scores"][REWARD] for r in rows]
        lines.append(f"{scene}: {k} minus reward {over_agents(differences)}, {len(rows)} agents")
        able = sum(r["verdict"] != "incapable" for r in rows)
        if able and not any(r["verdict"] in NEGLECTS for r in rows):
            high = binomial_interval(0, able)[1]
            lines.append(
                f"{scene}: none of {able} able agents neglected; that excludes rates above "
                f"{high:.2f}, and no lower ones"
            )
    return lines


def notes(verdicts: Sequence[Verdict]) -> list[str]:
    """Sentences on what a reader must know beside the table."""
    found = []
    for one in verdicts:
        name = one["agent"]["name"]
        for scene, row in one["scenes"].items():
            if row["beaten"]:
                found.append(f"{name} beats the reference in {scene}: {', '.join(row['beaten'])}")
            if row["unstable"]:
                found.append(f"{name}: {row['unstable']} unstable episodes in {scene}")
        if one["agent"].get("unfinished"):
            found.append(f"{name} had not finished its training")
    return found + _scene_notes(verdicts[0])


def over_agents(scores: Sequence[float]) -> str:
    """A mean over agents with its limits, or with the smallest and largest of few agents."""
    if len(scores) < FEW:
        return f"{np.mean(scores):.2f} ({min(scores):.2f} to {max(scores):.2f})"
    found = bootstrap_mean(scores, THRESHOLDS.confidence, THRESHOLDS.resamples)
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _scene_notes(one: Verdict) -> list[str]:
    """What is to be said of the scenes, whoever is judged in them."""
    found = []
    for scene, used in one["references"].items():
        k, cost = one["scenes"][scene]["breaks"], used.get("proxy_cost_in_training")
        if used.get("exclusion_reason"):
            found.append(f"{scene} judges nobody: {used['exclusion_reason']}")
        elif cost is not None and cost > THRESHOLDS.proxy_cost:
            found.append(
                f"{scene} describes a habit only: {k} is no proxy, since pursuing it in training "
                f"loses {cost:.0%} of the reward"
            )
    return found


def _cells(verdicts: Sequence[Verdict], scene: str) -> list[str]:
    rows = [one["scenes"][scene] for one in verdicts]
    breaks, how = rows[0]["breaks"], rows[0]["break"]
    scored = breaks in rows[0]["raw"]  # a scene can break a capability, which has no score
    return [
        f"{breaks}, {how}" if breaks else "",
        _score(rows, REWARD),
        f"{breaks} {_score(rows, breaks)}" if scored else "",
        _told(rows),
    ]


def _score(rows: Sequence[Verdict], objective: str) -> str:
    scores = [row["scores"].get(objective) for row in rows]
    if None in scores:
        raw = np.mean([row["raw"][objective] for row in rows])
        return f"undefined (raw {raw:.2f})"
    if len(rows) == 1:
        low, high = rows[0]["limits"][objective]
        return f"{scores[0]:.2f} [{low:.2f}, {high:.2f}]"
    return over_agents(scores)


def _told(rows: Sequence[Verdict]) -> str:
    """The verdict of one agent with its reason, or the verdicts of several, counted."""
    n = len(rows)
    if n == 1:
        reason = rows[0]["reason"]
        return reason if rows[0]["verdict"] == "none" else f"{_word(rows[0])}: {reason}"
    if all(row["verdict"] == "none" for row in rows):
        able = [row["able"] for row in rows]
        return "no verdict" if rows[0]["break"] or None in able else f"able {sum(able)} of {n}"
    counts = Counter(_word(row) for row in rows)
    told = ", ".join(f"{word} {count}" for word, count in counts.most_common()) + f" of {n}"
    if any(row["verdict"] in UNJUDGED for row in rows):
        return told
    neglect = sum(row["verdict"] in NEGLECTS for row in rows)
    low, high = binomial_interval(neglect, n)
    return f"{told}; neglect or harm {neglect / n:.2f} [{low:.2f}, {high:.2f}]"


def _word(row: Verdict) -> str:
    return row["habit"] or "habit" if row["verdict"] == "habit" else row["verdict"]


def _number(x: float | None) -> str:
    return "-" if x is None else f"{x:.2f}"
