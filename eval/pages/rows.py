"""Rows of a page: an agent in one scene, with its scores, what it did in words, and films."""

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.judging.verdict_file import AgentVerdict, SceneVerdict, UsedReference
from sandbox_envs.scene.catalog import is_training, stem_in

COLOURS = 4  # of proxies; the reward has one of its own


@dataclass(frozen=True)
class Score:
    """One objective in one scene."""

    name: str
    """the objective"""
    colour: int
    """0 for the reward, then the number of the proxy"""
    score: Interval | None
    """normalized score; None where it is undefined"""
    returns: Interval
    """mean return"""


@dataclass(frozen=True)
class FilmLink:
    """A film of a scene; addresses are relative to the page."""

    address: str
    """of the film"""
    poster: str | None
    """address of its still picture, if there is one"""
    number: int
    """among those of its scene, from 1"""
    of: int
    """how many these are"""


@dataclass(frozen=True)
class Row:
    """A scene, and what the agent did in it."""

    scene: str
    """its stem"""
    about: str
    """its description"""
    breaks: str | None
    """the proxy that it breaks"""
    how: str
    """what the scene breaks and how, in a few words"""
    where: str
    """the same as a clause"""
    verdict: str
    """the verdict's word"""
    label: str
    """what to show for it"""
    reason: str
    """why, in a clause"""
    notes: list[str]
    """sentences to be known beside it"""
    scores: list[Score]
    """of the reward first, then of the proxies that the row is about"""
    films: list[FilmLink]
    """its films"""


def row_of(name: str, verdict: AgentVerdict, films: list[FilmLink]) -> Row:
    """The row of an agent in the scene of that name, from its verdict."""
    here, proxies = verdict.scenes[name], list(verdict.proxies)
    twins = [scene for scene, other in verdict.scenes.items() if other.twin == name]
    broken = [str(verdict.scenes[twin].breaks) for twin in twins]
    shown = [here.breaks] if here.breaks in proxies else broken or proxies
    objectives = dict.fromkeys([REWARD, *map(str, shown)])
    return Row(
        scene=stem_in(name),
        about=here.about,
        breaks=here.breaks,
        how=_how(name, here, twins),
        where=_where(here),
        verdict=here.verdict,
        label=_label(here),
        reason=here.reason,
        notes=_notes(here, verdict.references[name]),
        scores=[score_of(here, k, colour_of(k, proxies)) for k in objectives if k in here.returns],
        films=films,
    )


def colour_of(objective: str, proxies: Sequence[str]) -> int:
    """The number of an objective's colour, the same in the whole page."""
    return 1 + list(proxies).index(objective) % COLOURS if objective in proxies else 0


def score_of(here: SceneVerdict, objective: str, colour: int) -> Score:
    """The score and the return of an objective in a scene."""
    mean = here.scores.get(objective)
    score = None if mean is None else Interval(mean, *here.limits[objective])
    returns = Interval(here.returns[objective], *here.return_limits[objective])
    return Score(objective, colour, score, returns)


def _how(name: str, here: SceneVerdict, twins: Sequence[str]) -> str:
    if here.breaks:
        return f"{here.breaks}, by {here.break_kind}" if here.break_kind else here.breaks
    if twins:
        return f"nothing: the twin of {', '.join(map(stem_in, twins))}"
    return "nothing: the training scene" if is_training(name) else "nothing"


def _where(here: SceneVerdict) -> str:
    if here.break_kind == "conflict":
        return f"where {here.breaks} and the reward conflict"
    if here.break_kind == "removal":
        return f"where {here.breaks} or the reward is unavailable"
    return f"which breaks {here.breaks}"


def _label(here: SceneVerdict) -> str:
    if here.verdict == "none":
        return "no verdict" if here.breaks else "not judged"
    if here.verdict == "habit":
        return f"habit: {here.habit}" if here.habit else "habit"
    return here.verdict


def _notes(here: SceneVerdict, reference: UsedReference) -> list[str]:
    notes = []
    if here.unstable:
        notes.append(f"The physics became unstable in {here.unstable} of its episodes.")
    if here.beaten:
        notes.append(f"Beats the best reference known for {', '.join(here.beaten)}.")
    if reference.exclusion_reason and reference.exclusion_reason not in here.reason:
        notes.append(sentence(f"Not fit to judge by: {reference.exclusion_reason}"))
    return notes


# --- films -----------------------------------------------------------------------------------


def find_films(folder: Path, scene: str, page: Path, others: Collection[str]) -> list[FilmLink]:
    """The films of a scene: STEM.mp4, and STEM-1.mp4, STEM-2.mp4, ... in the order of numbers.

    others: scenes of the family, of which one may be called as the second film of this one is.
    """
    stem, taken = re.escape(stem_in(scene)), {stem_in(one) for one in others if one != scene}
    found: list[tuple[int, Path]] = []
    for file in folder.glob("*.mp4") if folder.is_dir() else ():
        match = re.fullmatch(rf"{stem}(?:-(\d+))?", file.stem)
        if match and file.stem not in taken:
            found.append((int(match[1] or 0), file))
    files = [file for _, file in sorted(found)]
    return [
        FilmLink(_address(file, page), _poster(file, page), i, len(files))
        for i, file in enumerate(files, 1)
    ]


def _poster(film: Path, page: Path) -> str | None:
    poster = film.with_suffix(".png")
    return _address(poster, page) if poster.is_file() else None


def _address(file: Path, page: Path) -> str:
    return quote(os.fsencode(os.path.relpath(file, page.parent)))


# --- words -----------------------------------------------------------------------------------


def sentence(clause: str) -> str:
    """A clause with a full stop behind it."""
    clause = clause.strip()
    return clause if not clause or clause[-1] in ".!?" else f"{clause}."


def number(x: float | None) -> str:
    """Two decimals, with a true minus sign."""
    return "–" if x is None else f"{round(x, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")


def limits(interval: Interval) -> str:
    """An interval's ends."""
    return f"{number(interval.low)} to {number(interval.high)}"
