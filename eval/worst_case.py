"""How bad it can get: `python eval/worst_case.py RUN...`

Rooms are drawn from a scene's own distribution, and an agent's regret in each is what the best
script earns there beyond it. 59 rooms tell, with 95 % confidence, what at most 5 % of rooms exceed,
and 299 what at most 1 % do.

With `--candidates N` a declared box of scenes is searched for large regrets as well. The largest
are played anew in fresh rooms. That is the largest regret found, and no worst case.

    python eval/worst_case.py runs/RUN --rooms 59
    python eval/worst_case.py --planted "script dustpan" --candidates 60 --json found.json
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted.asked import asked_agents
from sandbox_envs.eval.judging.statistics import bootstrap_mean
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.pages.text_tables import aligned
from sandbox_envs.eval.regret.box import Box, Values, read_box
from sandbox_envs.eval.regret.rooms import QUICKLY, SEED, regrets, statement
from sandbox_envs.eval.regret.search import Candidate, Search, search
from sandbox_envs.files import check_writable_file, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.loading import load_scene

BOX = Path(__file__).resolve().parent / "regret" / "sweep.json"
FRESH = SEED + 1  # of the rooms in which the largest regrets are played anew
Json = dict[str, Any]


@dataclass
class Args:
    """Bound an agent's regret over rooms, and search for rooms where it is large."""

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """run folders of agents of one family"""
    planted: tuple[str, ...] = ()
    """scripts and reflexes, for comparison: "script dustpan", "reflex nearest soil", ..."""
    scene: str = "sweep/train"
    """the scene whose distribution of rooms the bound is about"""
    rooms: int = 299
    """rooms that are drawn from it"""
    box: Path = BOX
    """file that declares the scenes to search; `eval/regret/box.py` says how"""
    candidates: int = 0
    """scenes of the box to try; 0 searches none"""
    episodes: int = 16
    """rooms of each scene that is tried"""
    again: int = 10
    """of the largest regrets, how many are played anew in fresh rooms, with every script"""
    fresh: int = THRESHOLDS.episodes
    """fresh rooms of each of these"""
    json: Path | None = None
    """file to write the figures to"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Play, and print."""
    for name in ("rooms", "episodes", "fresh"):
        if getattr(args, name) < 2:
            raise UserError(f"--{name} {getattr(args, name)}: it must be 2 or more")
    if args.candidates < 0 or args.again < 1:
        raise UserError("--candidates must be 0 or more, and --again 1 or more")
    factories = asked_agents(args.runs, args.planted, args.scene)
    box = read_box(args.box) if args.candidates else None
    if box is not None and load_scene(box.scene).family != load_scene(args.scene).family:
        raise UserError(f"{args.box} is of {box.scene}; an agent of {args.scene} cannot act there")
    if args.json is not None:
        check_writable_file(args.json)
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    found: Json = {}
    for name, factory in factories.items():
        print(name)
        found[name] = {"bound": bound(args, factory)}
        if box is not None:
            found[name]["search"] = searched(args, box, factory)
        print()
    if args.json is not None:
        write_json(args.json, found)


def bound(args: Args, factory: PolicyFactory) -> Json:
    """What rooms of one distribution say, printed."""
    found = regrets(load_scene(args.scene), factory, args.rooms)
    print(f"  {args.scene}, against the best script: {statement(found.below)}")
    content: Json = {"scene": args.scene, "rooms": args.rooms, "below": found.below.tolist()}
    if found.above is not None:
        print(f"  against what nobody exceeds: {statement(found.above)}")
        content["above"] = found.above.tolist()
    return content


def searched(args: Args, box: Box, factory: PolicyFactory) -> Json:
    """What a search found, printed: the largest regrets in fresh rooms, and the archive."""
    with progress_bar(total=args.candidates, desc="searching", unit="scene") as bar:

        def evaluate(values: Values) -> float | None:
            found = regrets(box.load(values), factory, args.episodes, compared=QUICKLY)
            bar.update()
            return float(found.below.mean()) if found.is_doable else None

        found = search(box, evaluate, args.candidates)
    undone = sum(one.regret is None for one in found.tried)
    print(f"  {len(found.tried)} scenes tried; {undone} that scripts do badly are left out")
    largest = progress_bar(found.largest(args.again), desc="playing anew", unit="scene")
    again = [_again(args, box, one, factory) for one in largest]
    rows = [[_text(x) for x in (*row["values"].values(), *list(row.values())[1:])] for row in again]
    print(aligned([*box.variables, "found", "in fresh rooms", "at least", "at most"], rows))
    print(aligned([*box.niches, "largest regret found"], _archive_rows(found)))
    return {
        "box": args.box.name,
        "tried": [{"values": one.values, "regret": one.regret} for one in found.tried],
        "again": again,
    }


def _again(args: Args, box: Box, one: Candidate, factory: PolicyFactory) -> Json:
    """A scene in fresh rooms: between which limits its regret is, by Bonferroni over all such."""
    fresh = regrets(box.load(one.values), factory, args.fresh, FRESH)
    confidence = 1 - (1 - THRESHOLDS.confidence) / args.again
    below, above = (
        None if found is None else bootstrap_mean(found.tolist(), confidence, THRESHOLDS.resamples)
        for found in (fresh.below, fresh.above)
    )
    assert below is not None
    return {
        "values": one.values,
        "found": one.regret,
        "fresh": below.mean,
        "at_least": below.low,
        "at_most": None if above is None else above.high,
    }


def _archive_rows(found: Search) -> list[list[str]]:
    return [
        [*niche, f"{one.regret:.2f}"]
        for niche, one in sorted(found.archive.items(), key=lambda pair: -(pair[1].regret or 0))
    ]


def _text(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main(tyro.cli(Args))
