"""The table of verdicts: of one agent, or counts over several. Pure functions of verdicts."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from sandbox_envs.eval.agents.together import SERIES, common_beginning, is_series
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.statistics import (
    bootstrap_mean,
    bounded_rate,
    detectable_mean,
    detectable_rate,
)
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.judging.verdict import NEGLECTS, UNJUDGED
from sandbox_envs.eval.judging.verdict_file import AgentVerdict, Evaluation, SceneVerdict
from sandbox_envs.scene.catalog import stem_in
from sandbox_envs.text_tables import aligned, markdown, number
from sandbox_envs.train.arguments import environment

HEAD = ("scene", "breaks", "reward", "proxy", "verdict")
FEW = 8  # agents; below, minimum and maximum: a bootstrap interval would be overconfident


def report(verdicts: Sequence[AgentVerdict]) -> str:
    """All there is to print: the table, each agent, what follows over agents, and notes."""
    if is_series([one.agent for one in verdicts]):
        verdicts = sorted(verdicts, key=lambda one: one.agent.steps or 0)
        found = [SERIES.format(len(verdicts)), *notes(verdicts, unfinished=False)]
        return "\n".join([series(verdicts), *(f"note: {note}" for note in found)])
    lines = [table(verdicts)]
    if len(verdicts) > 1:
        lines += ["", *agents(verdicts), "", *gaps(verdicts)]
    else:
        lines.append(f"conclusion: {verdicts[0].conclusion}")
    return "\n".join([*lines, *(f"note: {note}" for note in notes(verdicts))])


def table(verdicts: Sequence[AgentVerdict], as_markdown: bool = False) -> str:
    """The scenes of a family as rows: what each breaks, both scores with limits, the verdict.

    With several agents scores are means over agents with 95 % bootstrap limits over agents, or
    minimum and maximum of few, and verdicts are counted, with Clopper and Pearson's limits for the
    rate of neglect or harm among the competent ones. Those of whom it cannot be told may belong to
    it or not, so that the rate is known between two bounds.
    """
    rows = [(scene, *_cells(verdicts, scene)) for scene in verdicts[0].scenes]
    return (markdown if as_markdown else aligned)(HEAD, rows)


def series(verdicts: Sequence[AgentVerdict]) -> str:
    """The checkpoints of one training as rows below each scene, in the order given; no counts."""
    rows = [
        (scene, str(one.agent.steps), *_cells([one], scene))
        for scene in verdicts[0].scenes
        for one in verdicts
    ]
    return aligned((HEAD[0], "step", *HEAD[1:]), rows)


def agents(verdicts: Sequence[AgentVerdict]) -> list[str]:
    """A line per agent: its name, and in every scene that breaks a proxy scores and verdict."""
    lines = []
    for one in verdicts:
        parts = []
        for scene, here in one.scenes.items():
            if here.breaks:
                scores = (number(here.scores.get(k)) for k in (REWARD, here.breaks))
                parts.append(f"{stem_in(scene)} {' / '.join(scores)} {_word(here)}")
        lines.append(f"{one.agent.name}: {', '.join(parts)}")
    return lines


def gaps(verdicts: Sequence[AgentVerdict]) -> list[str]:
    """Over several agents: by how much the proxy's score exceeds the reward's in each conflict.

    Limits are of the mean over agents in these rooms, which all of them met; for other rooms see
    `statistics.crossed_mean`. If no competent agent neglected, also which rates of neglect that
    excludes, and which would have shown.
    """
    lines = []
    for scene, first in verdicts[0].scenes.items():
        rows = [one.scenes[scene] for one in verdicts]
        k = first.breaks
        if first.break_kind != "conflict" or any(row.verdict in UNJUDGED for row in rows):
            continue
        pairs = [(row.scores[str(k)], row.scores[REWARD]) for row in rows]
        differences = [x - y for x, y in pairs if x is not None and y is not None]
        lines.append(
            f"{scene}: {k} minus reward {over_agents(differences)}, {len(rows)} agents"
            f"{_null(differences)}"
        )
        if null := _no_neglect(rows):
            lines.append(f"{scene}: {null}")
    return lines


def _null(differences: Sequence[float]) -> str:
    """A clause on the least mean that so many agents show; "" if the interval excludes 0."""
    n = len(differences)
    found = bootstrap_mean(differences)
    if n >= FEW and (found.low > 0 or found.high < 0):
        return ""
    least = detectable_mean(float(np.std(differences, ddof=1)), n)
    return f" (a mean of {least:.2f} would have shown with 80 % power)"


def _no_neglect(rows: Sequence[SceneVerdict]) -> str:
    """A clause on which rates of neglect are excluded if no agent neglected; else ""."""
    neglect, untold, n = _competent(rows)
    if neglect or untold == n:
        return ""
    high = bounded_rate(0, untold, n)[1]
    silent = f", and of {untold} it cannot be told" if untold else ""
    return (
        f"none of {n} competent agents was found to neglect{silent}; that excludes rates above "
        f"{high:.2f}, and no lower ones (a rate of {detectable_rate(n - untold):.2f} would have "
        "shown with 80 % power)"
    )


def _competent(rows: Sequence[SceneVerdict]) -> tuple[int, int, int]:
    """Numbers of agents: neglecting, impossible to tell, and competent (these two included)."""
    words = [row.verdict for row in rows if row.verdict != "incapable"]
    return sum(word in NEGLECTS for word in words), words.count("cannot tell"), len(words)


def notes(verdicts: Sequence[AgentVerdict], unfinished: bool = True) -> list[str]:
    """Sentences that a reader must know beside the table; unfinished: also which agents are."""
    change = changes(verdicts[0].evaluation)
    found = [change] if change else []
    for one in verdicts:
        name = one.agent.name
        for scene, here in one.scenes.items():
            if here.beaten:
                found.append(f"{name} beats the reference in {scene}: {', '.join(here.beaten)}")
            if here.unstable:
                found.append(f"{name}: {here.unstable} unstable episodes in {scene}")
        if one.is_mostly_unstable:
            found.append(f"most episodes of {name} were unstable: it is judged by their remains")
        if one.agent.unfinished and unfinished:
            found.append(f"{name} had not finished its training")
        if wrappers := one.agent.args.get("wrappers"):
            found.append(f"{name} was trained in {environment(wrappers)}")
    metadata = [one.agent for one in verdicts]
    if not is_series(metadata) and (begun := common_beginning(metadata)):
        found.append(begun)
    return found + _scene_notes(verdicts[0])


def changes(evaluation: Evaluation) -> str | None:
    """A clause on what was changed in the scenes for the evaluation; None if nothing was."""
    changed = [f"{name}={value}" for name, value in (evaluation.overrides or {}).items()]
    return f"all scenes were changed for this evaluation: {', '.join(changed)}" if changed else None


def over_agents(scores: Sequence[float]) -> str:
    """A mean over agents with its limits, or with minimum and maximum of few agents."""
    if len(scores) == 1:
        return f"{scores[0]:.2f}"
    if len(scores) < FEW:
        return f"{np.mean(scores):.2f} ({min(scores):.2f} to {max(scores):.2f})"
    return str(bootstrap_mean(scores))


def _scene_notes(one: AgentVerdict) -> list[str]:
    """Limits of the scenes, the same for every agent."""
    found = []
    for scene, used in one.references.items():
        k, regret = one.scenes[scene].breaks, used.largest_reward_regret_in_training
        if used.exclusion_reason:
            found.append(f"{scene} gives no verdicts: {used.exclusion_reason}")
        elif regret is not None and regret.mean > THRESHOLDS.reward_regret:
            found.append(
                f"{scene} describes a habit only: {k} is no proxy, since pursuing it in training "
                f"loses {regret.mean:.0%} of the reward"
            )
    return found


def _cells(verdicts: Sequence[AgentVerdict], scene: str) -> list[str]:
    rows = [one.scenes[scene] for one in verdicts]
    breaks, kind = rows[0].breaks, rows[0].break_kind
    is_scored = breaks in rows[0].returns  # a scene can break a capability, which has no score
    return [
        f"{breaks}, {kind}" if breaks else "",
        _score(rows, REWARD),
        f"{breaks} {_score(rows, str(breaks))}" if is_scored else "",
        _verdicts(rows),
    ]


def _score(rows: Sequence[SceneVerdict], objective: str) -> str:
    scores = [row.scores.get(objective) for row in rows]
    defined = [score for score in scores if score is not None]
    if len(defined) < len(scores):
        mean = np.mean([row.returns[objective] for row in rows])
        return f"undefined (return {mean:.2f})"
    if len(rows) == 1:
        low, high = rows[0].limits[objective]
        return f"{defined[0]:.2f} [{low:.2f}, {high:.2f}]"
    return over_agents(defined)


def _verdicts(rows: Sequence[SceneVerdict]) -> str:
    """The verdict on one agent with its reason, or the verdicts on several, counted."""
    n = len(rows)
    if n == 1:
        reason = rows[0].reason
        return reason if rows[0].verdict == "none" else f"{_word(rows[0])}: {reason}"
    if all(row.verdict == "none" for row in rows):
        competent = [row.competent for row in rows]
        if rows[0].break_kind or None in competent:
            return "no verdict"
        return f"competent {sum(map(bool, competent))} of {n}"
    counts = Counter(_word(row) for row in rows)
    counted = ", ".join(f"{word} {count}" for word, count in counts.most_common()) + f" of {n}"
    if any(row.verdict in UNJUDGED for row in rows):
        return counted
    neglect, untold, k = _competent(rows)
    if untold == k:
        return f"{counted}; nobody's goal shows"
    low, high = bounded_rate(neglect, untold, k)
    upto = f" to {(neglect + untold) / k:.2f}" if untold else ""
    of = f" of {k}" * (k < n)
    return f"{counted}; neglect or harm {neglect / k:.2f}{upto} [{low:.2f}, {high:.2f}]{of}"


def _word(row: SceneVerdict) -> str:
    return row.habit or "habit" if row.verdict == "habit" else row.verdict
