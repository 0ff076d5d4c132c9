"""Zero-shot objectives of players in unseen games: `python eval/experiments/zero_shot`.

`declaration.md` has the declaration. The records are in eval/results/zero_shot. A player whose
model is not installed is left out with a sentence; `make lm` installs it.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from sandbox_envs.errors import UserError, cli_errors, suggest
from sandbox_envs.eval.experiments.estimates import conditions_table
from sandbox_envs.eval.experiments.runner import QuickArgs
from sandbox_envs.eval.experiments.zero_shot.arms import (
    GAMES,
    GAMES_SEED,
    GROUPS,
    KINDS,
    QUICK_CALIBRATED,
    QUICK_GAMES,
    quick,
)
from sandbox_envs.eval.experiments.zero_shot.making import (
    BegunElsewhereError,
    calibrate,
    file_of,
    read_calibrations,
    record,
)
from sandbox_envs.eval.experiments.zero_shot.table import (
    calibration_table,
    conditions,
    error_table,
    new_table,
    of_kind,
    read_records,
    table,
)
from sandbox_envs.eval.zero_shot import rules
from sandbox_envs.eval.zero_shot.language import NotInstalledError
from sandbox_envs.eval.zero_shot.planted import GOALLESS, GOALS
from sandbox_envs.eval.zero_shot.record import Table
from sandbox_envs.eval.zero_shot.rules import games
from sandbox_envs.files import check_writable
from sandbox_envs.progress import progress_bar
from sandbox_envs.text_tables import aligned
from sandbox_envs.train.process import check_device


@dataclass
class Args(QuickArgs):
    """Run the study, or what is missing of it."""

    workers: tyro.conf.Suppress[int] = 1  # one after the other: each takes a core
    device: str = "cpu"
    """where models that read text are trained and compute: cpu, cuda, ..."""
    players: tuple[str, ...] = ()
    """the players to run, by name; none for all"""
    seeds: tuple[int, ...] = ()
    """and their seeds; none for all"""


@cli_errors
def main(args: Args) -> None:
    """Run what is missing, and print the tables."""
    out = args.home("zero_shot")
    if not args.show:
        check_device(args.device)
        check_writable(out)
        run(out, args)
    records = read_records(out)
    for kind in KINDS:
        some = of_kind(records, kind)
        for made in (table(some), error_table(some)):
            print(f"{kind}\n{aligned(*made)}\n")
    checked = read_calibrations(out)
    declared = conditions_table(conditions(records, checked))
    for made in (new_table(records), calibration_table(checked), declared):
        print(f"{aligned(*made)}\n")


def run(out: Path, args: Args) -> None:
    """Make, ask and record every player that is missing, one after the other."""
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    n = QUICK_GAMES if args.quick else GAMES
    of = {kind: Table.of(games(n, GAMES_SEED, rules.GAMES[kind])) for kind in KINDS}
    groups = dict(quick()) if args.quick else GROUPS
    if unknown := set(args.players) - set(groups):
        name = min(unknown)
        raise UserError(f"--players {name}: {suggest(name, groups)}")
    players = [
        (name, group, seed)
        for name, group in groups.items()
        for seed in group.seeds
        if (not args.players or name in args.players) and (not args.seeds or seed in args.seeds)
    ]
    if not players:
        raise UserError(f"--seeds {min(args.seeds)}: none of these players has such a seed")
    if not args.players:
        calibrate(out, of, *(QUICK_CALIBRATED if args.quick else (GOALS, GOALLESS)))
    for name, group, seed in progress_bar(players, desc="players", unit="player"):
        try:
            file = file_of(out, name, seed)
            record(file, group, seed, of[group.kind], args.run_dir, args.device)
        except (NotInstalledError, BegunElsewhereError) as error:
            print(f"{name} is left out: {error}")


if __name__ == "__main__":
    main(tyro.cli(Args))
