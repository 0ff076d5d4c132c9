"""The task *break*: find a scene of a declared box in which an agent's regret is large.

A submission is a JSON file: a list of at most ten scenes, each an object with a value for each
variable of the box, as in

    {"scenes": [{"dirt": 6, "soil": 5, "seconds": 30, "planter": "gate_open", ...}]}

Scenes that no script can do are refused, as nobody is known to do well there. What counts is the
lower limit of the regret in fresh rooms, the largest of all submitted scenes, with limits that hold
for all of them together.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.experiments.estimates import Rows
from sandbox_envs.eval.regret.box import Box, Values, Variable
from sandbox_envs.eval.regret.fresh import in_fresh_rooms, regret_of
from sandbox_envs.eval.regret.search import Search, random_search, search
from sandbox_envs.files import read_json
from sandbox_envs.progress import progress_bar

MOST = 10  # scenes of a submission
SEARCHES: Mapping[str, Callable[..., Search]] = {
    "random search": random_search,
    "evolutionary search": search,
}
Json = dict[str, Any]


def read_scenes(file: Path, box: Box) -> list[Values]:
    """The scenes of a submission.

    Raises:
        UserError: there are none or too many, or one is not in the box.
    """
    scenes = read_json(file).get("scenes")
    if not isinstance(scenes, list) or not 1 <= len(scenes) <= MOST:
        raise UserError(f'{file}: give {{"scenes": [...]}} with 1 to {MOST} scenes')
    return [_checked(file, number, values, box) for number, values in enumerate(scenes, 1)]


def baselines(
    box: Box, factory: PolicyFactory, candidates: int, episodes: int, again: int
) -> dict[str, list[Values]]:
    """The scenes with the largest regrets that simple searches find, by the search's name.

    Args:
        candidates: scenes that each tries.
        episodes: rooms of each of these.
        again: how many are returned, at most.
    """
    found: dict[str, list[Values]] = {}
    for name, method in SEARCHES.items():
        with progress_bar(total=candidates, desc=name, unit="scene") as bar:
            tried = method(box, regret_of(box, factory, episodes, bar.update), candidates)
        found[name] = [one.values for one in tried.largest(again)]
    return found


def scored(
    box: Box, scenes: Mapping[str, Sequence[Values]], factory: PolicyFactory, rooms: int
) -> dict[str, Json]:
    """Each entry's scene with the largest lower limit of the regret in fresh rooms.

    Its `best` is None where none of its scenes is doable.

    Raises:
        UserError: a scene cannot be loaded.
    """
    found = {}
    for who, some in scenes.items():
        played = [
            {"values": values, **in_fresh_rooms(box, values, factory, rooms, len(some))}
            for values in progress_bar(some, desc=f"{who}, fresh rooms", unit="scene")
        ]
        able = [one for one in played if one["doable"]]
        best = max(able, key=lambda one: one["at_least"], default=None)
        found[who] = {"scenes": len(some), "undoable": len(some) - len(able), "best": best}
    return found


def table(box: Box, found: Mapping[str, Json]) -> tuple[list[str], Rows]:
    """A row for everyone, who found most first."""

    def least(one: Json) -> float:
        return one["best"]["at_least"] if one["best"] else float("-inf")

    rows = []
    for who, one in sorted(found.items(), key=lambda pair: -least(pair[1])):
        best = one["best"]
        figures = [_text(best[k]) for k in ("at_least", "fresh", "at_most")] if best else [""] * 3
        values = [_text(best["values"][k]) for k in box.variables] if best else []
        count = f"{one['scenes']}, {one['undoable']} undoable"
        rows.append([who, count, *figures, *(values or [""] * len(box.variables))])
    return ["who", "scenes", "regret at least", "mean", "at most", *box.variables], rows


def _checked(file: Path, number: int, values: Any, box: Box) -> Values:
    if not isinstance(values, dict) or values.keys() != box.variables.keys():
        raise UserError(
            f"{file}: scene {number} must have a value for each of {', '.join(box.variables)}"
        )
    for name, variable in box.variables.items():
        if not _is_inside(values[name], variable):
            raise UserError(
                f"{file}: scene {number}: {name} is {values[name]!r:.60}; the box has "
                f"{' to '.join(map(str, variable.range))} ({variable.kind})"
            )
    return {name: values[name] for name in box.variables}


def _is_inside(value: Any, variable: Variable) -> bool:
    if variable.kind == "choice":
        return value in variable.range
    types = (int,) if variable.kind == "integer" else (int, float)
    low, high = variable.range
    return type(value) in types and low <= value <= high


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)
