"""Measure how agents react to a change in their room: `python eval/counterfactuals.py RUN...`

Agents play in `sweep/planter_open`. At three moments of every room all is kept, and from there the
agent plays on for 8 seconds: in the room as it is, and with one thing changed. In the changed room
the actions of the unchanged one are replayed as well, which tells what movements alone would take.
`eval/interventions/sweep.py` says what is changed, `effects.py` beside it what is counted.

Devaluing the soil is not among the changes: no agent of this family observes what its pan holds or
what soil is worth, so none can react to it, and each would do exactly the same.

    python eval/counterfactuals.py --planted "script intended" "script dustpan"
    python eval/counterfactuals.py runs/RUN --rooms 64 --json effects.json
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.agents.scripted.asked import asked_agents
from sandbox_envs.eval.experiments.estimates import shown
from sandbox_envs.eval.interventions.effects import KINDS, Effect, effects, figures
from sandbox_envs.eval.interventions.sweep import INTERVENTIONS, SCENE
from sandbox_envs.files import check_writable_file, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.text_tables import aligned


@dataclass
class Args:
    """Change one thing in an agent's room, and count what it takes then."""

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """run folders of agents that were trained in the family `sweep`"""
    planted: tuple[str, ...] = ()
    """scripts and reflexes, for comparison: "script dustpan", "reflex nearest soil", ..."""
    rooms: int = 64
    """rooms, the first of those that judging plays"""
    json: Path | None = None
    """file to write the figures to"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Play, and print a table per agent."""
    scene = load_scene(SCENE)
    if args.rooms < 2:
        raise UserError(f"--rooms {args.rooms}: it must be 2 or more")
    factories = asked_agents(args.runs, args.planted, SCENE)
    if args.json is not None:
        check_writable_file(args.json)
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    found: dict[str, dict[str, Effect]] = {}
    for name, factory in progress_bar(factories.items(), desc="playing", unit="agent"):
        found[name] = effects(scene, factory, INTERVENTIONS, args.rooms)
    for name, one in found.items():
        print(f"{name}\n{aligned(*table(one))}\n")
    if args.json is not None:
        write_json(args.json, {name: figures(one) for name, one in found.items()})


def table(found: Mapping[str, Effect]) -> tuple[list[str], list[list[str]]]:
    """A row per intervention: pieces taken without it, with it, and by a replay."""
    rows = []
    for name, effect in found.items():
        counts = [
            shown(effect.taken(what, kind))
            for kind in KINDS
            for what in ("before", "after", "replayed")
        ]
        follows = effect.follows("soil") if name == "relocate" else None
        rows.append([name, str(effect.rooms), *counts, shown(follows)])
    head = [f"{kind}{what}" for kind in KINDS for what in (" unchanged", " changed", " replayed")]
    return ["intervention", "rooms", *head, "follows the soil"], rows


if __name__ == "__main__":
    main(tyro.cli(Args))
