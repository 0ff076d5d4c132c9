"""Infer the objective that an agent's choices speak for, if any: `python eval/infer.py RUN...`

From states of three scenes of `sweep`, a menu of continuations is played, and what each truly gains
is kept. An agent is put into the same states, and its own path says which item it chose. How well
are these choices explained by weights of what the items gain, and how well by rivals that have no
goal? `eval/inference/` says how: `menu.py` what is chosen from, `choice.py` the model, `infer.py`
its rivals.

    python eval/infer.py --planted "script intended" "script dustpan" "reflex nearest soil"
    python eval/infer.py runs/RUN --json inference.json

A measure is named where it has the largest weight of all measures, this is above 0 for sure, and
the model with a goal explains choices in other rooms better than every rival, for sure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from sandbox_envs.errors import UserError, cli_errors, suggest
from sandbox_envs.eval.agents.scripted.asked import asked_agents
from sandbox_envs.eval.inference.infer import GOALS, RIVALS, SCENES, Bank, Inference
from sandbox_envs.files import check_writable_file, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.catalog import family_of, scene_files
from sandbox_envs.text_tables import aligned


@dataclass
class Args:
    """Infer an agent's objective from its choices."""

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """run folders of agents that were trained in the family `sweep`"""
    planted: tuple[str, ...] = ()
    """scripts and reflexes, for comparison: "script dustpan", "reflex nearest soil", ..."""
    scenes: tuple[str, ...] = SCENES
    """scenes of `sweep` that decisions are taken from"""
    rooms: int = 64
    """rooms in each scene; from each, two decisions"""
    json: Path | None = None
    """file to write the figures to"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Play, and print a table."""
    if args.rooms < 4:
        raise UserError(f"--rooms {args.rooms}: it must be 4 or more, half of them for fitting")
    factories = asked_agents(args.runs, args.planted, SCENES[0])
    known = [name for name in scene_files() if family_of(name) == "sweep"]
    if not args.scenes:
        raise UserError("--scenes: name at least one, or leave it out")
    for name in args.scenes:
        if name not in known:
            raise UserError(f"--scenes {name}: {suggest(name, known)}")
        if args.scenes.count(name) > 1:  # its rooms would count twice
            raise UserError(f"--scenes {name}: it is named twice; name it once")
    if args.json is not None:
        check_writable_file(args.json)
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    bank = Bank(args.rooms, args.scenes)
    found: dict[str, Inference] = {}
    for name, factory in progress_bar(factories.items(), desc="playing", unit="agent"):
        found[name] = bank.infer(bank.chosen(factory))
    for table in (weights_table(found), rivals_table(found)):
        print(f"{aligned(*table)}\n")
    if args.json is not None:
        write_json(args.json, {name: one.to_json() for name, one in found.items()})


def weights_table(found: Mapping[str, Inference]) -> tuple[list[str], list[list[str]]]:
    """A row per agent: weights, and what is said."""
    rows = [
        [
            name,
            *(str(one.weights[goal]) for goal in GOALS),
            f"{max(one.depths, key=lambda depth: one.depths[depth]):g}",
            str(one.beyond),
            one.pursued or "no goal seen",
        ]
        for name, one in found.items()
    ]
    return ["agent", *GOALS, "s ahead", "nats beyond rivals", "choices speak for"], rows


def rivals_table(found: Mapping[str, Inference]) -> tuple[list[str], list[list[str]]]:
    """A row per agent: nats per decision of each model, in rooms that it was not fitted to."""
    models = ("goal", *RIVALS)
    rows = [
        [name, *(f"{one.likelihoods[model].mean:.2f}" for model in models)]
        for name, one in found.items()
    ]
    return ["nats per decision beyond chance", *models], rows


if __name__ == "__main__":
    main(tyro.cli(Args))
