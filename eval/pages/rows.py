"""What an agent did in one scene, as a row of a page: its scores, in words, and its films."""

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sandbox_envs.eval.judging.reference import REWARD

COLOURS = 4  # of proxies; the reward has one of its own


@dataclass(frozen=True)
class Span:
    """A mean, and its limits where they are known."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Score:
    """One objective in one scene. score is None where it is undefined, raw where not recorded.

    colour: 0 for the reward, then the number of the proxy.
    """

    name: str
    colour: int
    score: Span | None
    raw: Span | None


@dataclass(frozen=True)
class Film:
    """A film of a scene; addresses are relative to the page. number: among those of its scene."""

    address: str
    poster: str | None
    number: int
    of: int


@dataclass(frozen=True)
class Row:
    """A scene, and what the agent did in it.

    breaks: the proxy, or None. how: what the scene does to it, and where: the same as a clause.
    verdict: its word; label: what to show for it. notes: sentences to be known beside it.
    """

    scene: str
    about: str
    breaks: str | None
    how: str
    where: str
    verdict: str
    label: str
    reason: str
    notes: list[str]
    scores: list[Score]
    films: list[Film]


def row_of(name: str, verdict: dict[str, Any], films: list[Film]) -> Row:
    """What an agent did in the scene of that name, from its verdict."""
    scenes, proxies = part(verdict, "scenes"), list(part(verdict, "proxies"))
    scene = scenes[name]
    breaks, word = scene.get("breaks"), str(scene.get("verdict") or "none")
    twins = [k for k, other in scenes.items() if other.get("twin") == name]
    first = REWARD if score_of(scene, REWARD, 0) else str(verdict.get("intended"))
    broken = [str(scenes[k]["breaks"]) for k in twins if scenes[k].get("breaks")]
    shown = [breaks] if breaks in proxies else broken or proxies
    scores = [score_of(scene, k, colour_of(k, proxies)) for k in dict.fromkeys([first, *shown])]
    return Row(
        scene=stem_of(name),
        about=text_of(scene.get("about")),
        breaks=None if breaks is None else str(breaks),
        how=_how(name, scene, twins),
        where=_where(scene),
        verdict=word,
        label=_label(word, scene),
        reason=text_of(scene.get("reason")),
        notes=_notes(scene, part(part(verdict, "references"), name)),
        scores=[score for score in scores if score],
        films=films,
    )


def colour_of(objective: str, proxies: Sequence[str]) -> int:
    """The number of an objective's colour, the same in the whole page."""
    return 1 + list(proxies).index(objective) % COLOURS if objective in proxies else 0


def stem_of(scene: str) -> str:
    """A scene's name without its family."""
    return scene.rpartition("/")[2]


def _how(name: str, scene: dict[str, Any], twins: Sequence[str]) -> str:
    if scene.get("breaks"):
        how = f", by {scene['break']}" if scene.get("break") else ""
        return f"{scene['breaks']}{how}"
    if twins:
        return f"nothing: the twin of {', '.join(map(stem_of, twins))}"
    return "nothing: the training scene" if stem_of(name) == "train" else "nothing"


def _where(scene: dict[str, Any]) -> str:
    breaks = scene.get("breaks")
    if scene.get("break") == "conflict":
        return f"where {breaks} and the reward conflict"
    if scene.get("break") == "removal":
        return f"where {breaks} or the reward cannot be had"
    return f"which breaks {breaks}"


def _label(word: str, scene: dict[str, Any]) -> str:
    if word == "none":
        return "no verdict" if scene.get("breaks") else "not judged"
    if word == "habit":
        return f"habit: {scene['habit']}" if scene.get("habit") else "habit"
    return word


def _notes(scene: dict[str, Any], reference: dict[str, Any]) -> list[str]:
    notes = []
    if scene.get("unstable"):
        notes.append(f"The physics broke down in {scene['unstable']} of its episodes.")
    if scene.get("beaten"):
        notes.append(f"Beats the best reference known for {', '.join(scene['beaten'])}.")
    if reference.get("fit") is False and (why := text_of(reference.get("exclusion_reason"))):
        notes.append(sentence(f"Not fit to judge by: {why}"))
    return notes


def score_of(scene: dict[str, Any], name: str, colour: int) -> Score | None:
    """The score of an objective in a scene, None where nothing is known of it."""
    score = _span(part(scene, "scores").get(name), part(scene, "limits").get(name))
    raw = _span(part(scene, "raw").get(name), part(scene, "raw_limits").get(name))
    return Score(name, colour, score, raw) if score or raw else None


def _span(mean: Any, limits: Any) -> Span | None:
    if mean is None or not math.isfinite(mean):
        return None
    low, high = limits or (None, None)
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    return Span(mean, low, high) if known else Span(mean, None, None)


def find_films(folder: Path, scene: str, page: Path) -> list[Film]:
    """The films of a scene: STEM.mp4, and STEM-1.mp4, STEM-2.mp4, ... in the order of numbers."""
    stem = re.escape(stem_of(scene))
    found: list[tuple[int, Path]] = []
    for file in folder.glob("*.mp4") if folder.is_dir() else ():
        if match := re.fullmatch(rf"{stem}(?:-(\d+))?", file.stem):
            found.append((int(match[1] or 0), file))
    files = [file for _, file in sorted(found)]
    return [
        Film(_address(file, page), _poster(file, page), i, len(files))
        for i, file in enumerate(files, 1)
    ]


def _poster(film: Path, page: Path) -> str | None:
    poster = film.with_suffix(".png")
    return _address(poster, page) if poster.is_file() else None


def _address(file: Path, page: Path) -> str:
    return quote(os.fsencode(os.path.relpath(file, page.parent)))


# --- parts of a verdict, and words -----------------------------------------------------------


def part(content: dict[str, Any], key: str) -> dict[str, Any]:
    """The object under a key, empty where it is missing or null."""
    found = content.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise TypeError(f"{key} is no object")
    return found


def text_of(value: object) -> str:
    """A value as text, empty for None."""
    return "" if value is None else str(value)


def sentence(clause: str) -> str:
    """A clause with a full stop behind it."""
    clause = clause.strip()
    return clause if not clause or clause[-1] in ".!?" else f"{clause}."


def number(x: float | None) -> str:
    """Two decimals, with a true minus sign."""
    return "–" if x is None else f"{round(x, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")


def interval(span: Span) -> str:
    """A span's limits, or nothing where they are not known."""
    return "" if span.low is None else f"{number(span.low)} to {number(span.high)}"
