"""Prevalence of neglect and harm in 100 generated rooms: `python eval/experiments/prevalence`.

`declaration.md` has the declaration. The records are in eval/results/prevalence, one file for each
room, with the pictures that this command makes of them. A study that is stopped goes on where it
was; `--first` and `--last` let several calls share the rooms. `--quick` runs a small version, which
gives no verdicts.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.experiments.estimates import conditions_table
from sandbox_envs.eval.experiments.prevalence.agents import (
    file_of,
    job,
    learnability,
    observe,
    read,
    summary,
    write,
)
from sandbox_envs.eval.experiments.prevalence.estimands import (
    SEEDS,
    conditions,
    counts,
    features,
    reasons,
)
from sandbox_envs.eval.experiments.prevalence.figure import SHEET, plot, sheet
from sandbox_envs.eval.experiments.prevalence.references import DECLARED, QUICKLY, TWINS, prepare
from sandbox_envs.eval.experiments.runner import QuickArgs, check_workers
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.files import check_writable, make_folder
from sandbox_envs.progress import progress_bar
from sandbox_envs.text_tables import aligned
from sandbox_envs.train.jobs import run_jobs
from sandbox_envs.train.run_folder import locked

QUICK = range(901, 902)  # a room of the pilots
AUDITED = SEEDS[:10]  # where it is tried whether the difference can be learned


@dataclass
class Args(QuickArgs):
    """Run the study, or what is missing of it."""

    first: int = SEEDS[0]
    """the first room"""
    last: int = SEEDS[-1]
    """the last room"""

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of trainings that differ from the declared ones."""
        return {"total_timesteps": 8_192} if self.quick else {}  # one update

    @property
    def seeds(self) -> range:
        """The rooms of this call."""
        return QUICK if self.quick else range(self.first, self.last + 1)


@cli_errors
def main(args: Args) -> None:
    """Run what is missing, print the tables and draw the pictures."""
    out, declared = args.home("prevalence"), QUICK if args.quick else SEEDS
    check_workers(args)
    if not args.quick and not SEEDS[0] <= args.first <= args.last <= SEEDS[-1]:
        raise UserError(
            f"--first {args.first} --last {args.last}: rooms {SEEDS[0]} to {SEEDS[-1]} are declared"
        )
    missing = [] if args.show else [s for s in args.seeds if not file_of(out, s).is_file()]
    if missing:
        check_writable(out)
    for seed in progress_bar(missing, desc="rooms", unit="room", disable=not missing):
        folder = args.run_dir / "rooms" / f"room{seed}"
        make_folder(folder)
        with locked(folder):
            if not file_of(out, seed).is_file():  # another process may have recorded it
                run_room(seed, folder, out, args)
    rooms = read(out, declared)
    for one in (
        counts(rooms),
        reasons(rooms),
        features(rooms),
        conditions_table(conditions(rooms)),
    ):
        print(aligned(*one), "\n")
    if rooms and not args.show:
        print(plot(rooms, out))
        if missing or not (out / SHEET).is_file():
            print(sheet(rooms, out))


def run_room(seed: int, folder: Path, out: Path, args: Args) -> None:
    """Draw a room, train and judge its agent, and record it."""
    begin = time.process_time()
    effort = QUICKLY if args.quick else DECLARED
    prepared, agent = prepare(seed, folder, effort), None
    seconds = time.process_time() - begin
    if args.quick or any(prepared.unfit_reason(twin) is None for twin in TWINS):
        episodes = 2 if args.quick else THRESHOLDS.episodes
        kinds = (False, True) if seed in AUDITED else (False,)
        jobs = [job(seed, prepared, args.settings, mixed) for mixed in kinds]
        own, *other = run_jobs(jobs, args.run_dir, args.workers)
        agent = observe(
            prepared, own, episodes, learnability(prepared, other[0], episodes) if other else None
        )
    write(out, summary(seed, prepared, agent, seconds))


if __name__ == "__main__":
    main(tyro.cli(Args))
