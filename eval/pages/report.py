"""A page about judged runs, as HTML."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.together import SERIES, common_beginning, is_series
from sandbox_envs.eval.judging.statistics import binomial_interval, bounded_rate
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.judging.verdict import NEGLECTS
from sandbox_envs.eval.pages.curves import svg
from sandbox_envs.eval.pages.rows import Row, colour_of, limits, number, sentence
from sandbox_envs.eval.pages.run import AgentPage, read_agent_page
from sandbox_envs.eval.pages.verdict_table import changes
from sandbox_envs.files import atomic_write, make_folder

CONFIDENCE = THRESHOLDS.confidence  # of the intervals of rates over agents
AXIS = (-0.5, 1.2)  # of the graphics of scores
# what each verdict says of an agent, in the order in which verdicts are counted
WORDS = {
    "intended": "still earned the reward",
    "neglect": "pursued {proxy} at the reward's expense",
    "harm": "pursued {proxy} at the reward's expense, and earned less than by doing nothing",
    "mixed": "did neither clearly",
    "cannot tell": "did what policies without a goal do as well, in reward or in {proxy}",
    "incapable": "showed no competence where nothing is broken",
}
HABITS = {
    "persists": "pursued {proxy} as in training",
    "in part": "pursued {proxy} less than in training",
    "stops": "stopped pursuing {proxy}",
    "cannot tell": "could gain no {proxy}, whatever it pursued",
    "incapable": "showed no competence in training",
    "not seen": "did without {proxy} in training",
}


@dataclass(frozen=True)
class Count:
    """The number of agents that got a verdict in a scene, with the interval of the rate."""

    label: str
    """the verdict"""
    n: int
    """the agents that got it"""
    of: int
    """the agents that could get it"""
    low: float
    """lower end of the rate's interval"""
    high: float
    """upper end"""


def _broken_scenes(agents: Sequence[AgentPage]) -> dict[str, list[Row]]:
    """The scenes that break a proxy, each with what every agent did there."""
    rows = [row for agent in agents for row in agent.rows if row.breaks]
    return {s: [r for r in rows if r.scene == s] for s in dict.fromkeys(r.scene for r in rows)}


def _counts(rows: Sequence[Row]) -> list[Count]:
    """Counts of each verdict in a scene; neglect of either kind also where none occurred.

    It is left out where it is known of no competent agent whether it neglects.
    """
    order = [*WORDS, *sorted({row.label for row in rows} - WORDS.keys())]
    labels = Counter(row.label for row in rows)
    pairs = [(label, labels[label]) for label in order if labels[label]]
    counts = [Count(label, n, len(rows), *binomial_interval(n, len(rows))) for label, n in pairs]
    competent, untold = _competent(rows)
    if len(untold) < len(competent):
        n, of = sum(row.verdict in NEGLECTS for row in competent), len(competent)
        more = f" ({len(untold)} more may be)" if untold else ""
        label = f"neglect or harm, of the competent{more}"
        counts.insert(0, Count(label, n, of, *bounded_rate(n, len(untold), of)))
    return counts


def _headline(scene: str, rows: Sequence[Row]) -> str:
    """A sentence on what one agent, or a share of several, did in a scene that breaks a proxy."""
    where = f"In {scene}, {rows[0].where},"
    if len(rows) == 1:
        reason = f" ({rows[0].reason})" if rows[0].reason else ""
        return f"{where} the agent {_deed(rows[0])}{reason}."
    if not any(row.verdict in WORDS for row in rows):
        deeds = Counter((_deed(row), row.verdict != "none") for row in rows).items()
        parts = (
            f"{_share(n, len(rows)) if judged else f'{n} of {len(rows)} agents'} {deed}"
            for (deed, judged), n in deeds
        )
        return f"{where} {'; '.join(parts)}."
    competent, untold = _competent(rows)
    if len(untold) == len(competent):
        return f"{where} the goal of none of {len(rows)} agents shows."
    harm = sum(row.verdict == "harm" for row in rows)
    also = f"; {harm} of them earned less than by doing nothing" if harm else ""
    words = WORDS["neglect"].format(proxy=rows[0].breaks)
    n = sum(row.verdict in NEGLECTS for row in competent)
    silent = f"; of {len(untold)} more it cannot be told" if untold else ""
    share = _share(n, len(competent), len(untold), "competent ")
    return f"{where} {share} {words}{also}{silent}."


def _competent(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The competent agents, and those among them whose goal cannot be told."""
    competent = [row for row in rows if row.verdict in WORDS and row.verdict != "incapable"]
    return competent, [row for row in competent if row.verdict == "cannot tell"]


def _deed(row: Row) -> str:
    """A predicate on what an agent did in a scene that breaks a proxy."""
    words = WORDS.get(row.verdict) or HABITS.get(row.label.removeprefix("habit: "))
    return words.format(proxy=row.breaks) if words else f"got {row.label}"


def _share(n: int, of: int, unknown: int = 0, which: str = "") -> str:
    low, high = bounded_rate(n, unknown, of)
    interval = f"{percent(CONFIDENCE)} interval {percent(low)} to {percent(high)}"
    return f"{n} of {of} {which}agents ({interval})"


def _cautions(agents: Sequence[AgentPage], series: bool) -> list[str]:
    """Sentences on why not to trust these agents' results, or not to count them together."""
    keys = dict.fromkeys(k for agent in agents for k in agent.alike)
    if series:
        keys = {k: None for k in keys if k not in ("steps", "total_timesteps", "extended")}
    differ = [k for k in keys if len({json.dumps(a.alike.get(k)) for a in agents}) > 1]
    cautions = [
        f"Most episodes of {agent.name} ended because the physics became unstable, so that it is "
        "judged by what they were until then."
        for agent in agents
        if agent.is_mostly_unstable
    ]
    changed = dict.fromkeys(change for a in agents if (change := changes(a.evaluation)))
    cautions += [_as_sentence(change) for change in changed]
    if series:
        cautions.append(_as_sentence(SERIES.format(len(agents))))
    begun = common_beginning([agent.metadata for agent in agents])
    if begun and not series:
        cautions.append(_as_sentence(begun))
    if differ:
        cautions.append(
            f"These agents were not trained and judged alike: they differ in {', '.join(differ)}. "
            "What is said of them together describes this collection only."
        )
    seeds = [agent.seed for agent in agents if agent.metadata.trainer]
    if len(set(seeds)) < len(seeds) and not differ and not series:
        cautions.append(
            "Some of these agents have the same seed, so they are not independent of each other."
        )
    return cautions


def percent(x: float) -> str:
    """A rate in per cent."""
    return f"{100 * x:.0f}\N{NO-BREAK SPACE}%"


def _at(x: float) -> str:
    """A score's position on the graphics' axis, which is cut at its ends; 100 to the unit."""
    return f"{100 * min(max(x, AXIS[0]), AXIS[1]):.1f}"


def _as_sentence(clause: str) -> str:
    return sentence(clause[0].upper() + clause[1:])


def _by_step(agents: Sequence[AgentPage]) -> list[tuple[Row, list[tuple[int, Row]]]]:
    """Of each scene its row, for what it breaks, and what was done there after how many steps."""
    found: dict[str, list[tuple[int, Row]]] = {}
    for agent in agents:
        for row in agent.rows:
            found.setdefault(row.scene, []).append((agent.metadata.steps or 0, row))
    firsts = ((some[0][1], some) for some in found.values())
    return [(first, some) for first, some in firsts if first.breaks or first.scores]


def _drawings(agents: Sequence[AgentPage]) -> list[dict[str, Any]]:
    """The learning curves of each measure, one line per agent that has them."""
    curves = [agent.curves for agent in agents if agent.curves]
    if not curves:
        return []
    names = [name for name in curves[0].returns if all(name in run.returns for run in curves)]
    return [
        {
            "name": name,
            "colour": colour_of(name, list(agents[0].proxies)),
            "ends": [(number(x[0]), number(x[-1])) for x in (run.returns[name] for run in curves)],
            "svg": Markup(svg(curves, name, f"curve{i}")),  # holds nothing but numbers
        }
        for i, name in enumerate(names)
    ]


def render(agents: Sequence[AgentPage]) -> str:
    """The page about agents of one family, as HTML."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {"number": number, "limits": limits, "percent": percent, "at": _at}
    environment.filters.update(filters)
    series = is_series([agent.metadata for agent in agents])
    if series:
        agents = sorted(agents, key=lambda agent: agent.metadata.steps or 0)
    broken = {} if series else _broken_scenes(agents)
    return environment.get_template("report.html.j2").render(
        agents=agents,
        headlines=[_headline(scene, rows) for scene, rows in broken.items()],
        counts=[(scene, rows[0].how, _counts(rows)) for scene, rows in broken.items()],
        series=series,
        trained=all(agent.metadata.trainer for agent in agents),
        by_step=_by_step(agents) if series else [],
        cautions=_cautions(agents, series),
        # the curves of earlier steps are the beginning of the last one
        drawings=_drawings([agent for agent in agents if agent.curves][-1:] if series else agents),
        curveless=[one.name for one in agents if one.metadata.trainer and not one.curves],
        scored=any(s.score for a in agents for row in a.rows for s in row.scores),
        least=binomial_interval(n := 1 if series else len(agents), n)[0],
        confidence=CONFIDENCE,
        axis=AXIS,
    )


def default_page(runs: Sequence[Path]) -> Path:
    """The default path of a page: in the run's folder, or for several the one they are all in."""
    folders = [run.resolve() for run in runs]
    return (runs[0] if len(runs) == 1 else Path(os.path.commonpath(folders))) / "report.html"


def write_report(runs: Sequence[Path], video_dir: Path, out: Path) -> None:
    """Write the page about judged runs of one family to `out`, whole or not at all.

    runs: at least one. Films are looked for in `video_dir`/(the run's name).

    Raises:
        UserError: a run is not judged, damaged, given twice, or of another family.
    """
    out = Path(os.path.abspath(out))
    agents = [read_agent_page(run, video_dir, out) for run in runs]
    names = Counter(agent.name for agent in agents)
    if twice := [name for name, n in names.items() if n > 1]:
        raise UserError(f"{twice[0]}: this run is given twice, and would be counted twice")
    if len(families := {agent.family for agent in agents}) > 1:
        raise UserError(
            f"these runs are of different families ({', '.join(sorted(families))}); "
            "write a page for each"
        )
    page = render(agents)
    make_folder(out.parent)
    with atomic_write(out) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")
