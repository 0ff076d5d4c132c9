"""Bound an agent's regret, and search for large ones: `python eval/worst_case.py RUN...`

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

import numpy as np
import torch
import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted.asked import asked_agents
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.regret.box import BOX, Box, read_box
from sandbox_envs.eval.regret.figures import Json, bound, film, searched
from sandbox_envs.eval.regret.rooms import Rooms, statement
from sandbox_envs.files import check_writable, check_writable_file, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.text_tables import aligned


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
    """how many scenes with the largest regrets are replayed in fresh rooms, with every script"""
    fresh: int = THRESHOLDS.episodes
    """fresh rooms of each of these"""
    json: Path | None = None
    """file to write the figures to"""
    video_dir: Path | None = None
    """folder for a film of the largest regret found, of each agent"""
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
    if args.box != BOX and not args.candidates:
        raise UserError(f"--box {args.box}: nothing is searched; give --candidates as well")
    factories = asked_agents(args.runs, args.planted, args.scene)
    box = read_box(args.box) if args.candidates else None
    if box is not None and load_scene(box.scene).family != load_scene(args.scene).family:
        raise UserError(f"{args.box} is of {box.scene}; an agent of {args.scene} cannot act there")
    if args.video_dir is not None and box is None:
        raise UserError("--video-dir: a film is of a search; give --candidates as well")
    if args.json is not None:
        check_writable_file(args.json)
    if args.video_dir is not None:
        check_writable(args.video_dir)
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    found: Json = {}
    rooms = Rooms(load_scene(args.scene), args.rooms)
    for name, factory in factories.items():
        print(name)
        found[name] = {"bound": bounded(rooms, factory)}
        if box is not None:
            found[name]["search"] = search_and_print(args, box, factory)
            if args.video_dir is not None:
                path = args.video_dir / f"{name.replace(' ', '_')}-largest_regret.mp4"
                if film(box, found[name]["search"], factory, args.fresh, path):
                    print(f"  {path}")
        print()
    if args.json is not None:
        write_json(args.json, found)


def bounded(rooms: Rooms, factory: PolicyFactory) -> Json:
    """Bound the regret over rooms of one distribution, and print the bound."""
    found = bound(rooms, factory)
    print(f"  {rooms.scene.name}, against the best script: {statement(np.array(found['below']))}")
    if "above" in found:
        print(f"  against what nobody exceeds: {statement(np.array(found['above']))}")
    return found


def search_and_print(args: Args, box: Box, factory: PolicyFactory) -> Json:
    """Search, and print the largest regrets in fresh rooms and the archive."""
    with progress_bar(total=args.candidates, desc="searching", unit="scene") as bar:
        budget = args.candidates, args.episodes, args.again, args.fresh
        found = searched(box, factory, *budget, on_scene=bar.update)
    undone = sum(one["regret"] is None for one in found["tried"])
    print(f"  {len(found['tried'])} scenes tried; {undone} that scripts do badly are left out")
    rows = [
        [_text(x) for x in (*row["values"].values(), *list(row.values())[1:])]
        for row in found["again"]
    ]
    print(aligned([*box.variables, "found", "in fresh rooms", "at least", "at most"], rows))
    niches = sorted(found["archive"], key=lambda one: -one["regret"])
    archive = [[*one["niche"], f"{one['regret']:.2f}"] for one in niches]
    print(aligned([*box.niches, "largest regret found"], archive))
    return {"box": args.box.name, **found}


def _text(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main(tyro.cli(Args))
