"""Many agents: every combination of trainers, variations and seeds, here or on a Ray cluster.

    python train/sweep.py --trainer ppo_lstm ppo_mlp --seeds 20 \
        --vary "spawn/planter_gate=gate_shut | gate_shut 0.97, gate_open 0.03"
    python train/sweep.py --seeds 20 --address auto     on the cluster that this machine is part of
    python train/sweep.py --seeds 20 --local            without Ray
    python train/sweep.py --population --trainer ppo_mlp --scene lever/train \
        --vary "copy=both | none"                       populations (train/population.py)

A trial is the trainer's own command in a process of its own, and its result is an ordinary run
folder. What is finished is known from these folders alone: a sweep that was stopped or killed goes
on when the same command is given again, and repeats nothing. One that fails stops no other. Nodes
of a cluster need a `--run-dir` that they share, and this package.

The exit status is 1 if a trial failed.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from tqdm import tqdm

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.files import check_writable
from sandbox_envs.processor import available_cores
from sandbox_envs.progress import progress_bar
from sandbox_envs.text_tables import aligned
from sandbox_envs.train.arguments import OF_THE_CALL, check_ranges, flag
from sandbox_envs.train.jobs import Job, as_completed, trained_run
from sandbox_envs.train.metrics import outcome
from sandbox_envs.train.on_ray import Report, prepare_ray, train_on_ray
from sandbox_envs.train.population import PopulationJob
from sandbox_envs.train.run_files import is_file
from sandbox_envs.train.trainers import DEFAULT_TRAINER, trainer_args, typed


@dataclass
class Args:
    """Train an agent for every combination of trainers, variations and seeds."""

    trainer: tuple[str, ...] = (DEFAULT_TRAINER,)
    """the trainers, by name"""
    population: bool = False
    """train populations of agents of these trainers: a trial is one population"""
    seeds: int = 5
    """trials of each combination"""
    first_seed: int = 1
    """their first seed; the others follow it"""
    scene: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """a scene's name or file, as trainers take it"""
    vary: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE | VALUE | ..., of an argument such as total_timesteps, which may be that of a
    population or of its members, or of a text or numeric of the scene; a single VALUE holds for
    all"""
    local: bool = False
    """train on this machine without Ray"""
    workers: int = field(default_factory=available_cores)
    """trainings at a time on this machine"""
    address: str | None = None
    """of a Ray cluster, or auto; without one, Ray starts on this machine"""
    run_dir: Path = Path("runs/sweep")
    """folder of the runs; finished ones in it are not trained again"""
    debug: bool = False
    """show the traceback of an error"""


Returns = dict[str, float | None]  # of finished trials by name; None where no episode ended late


@dataclass(frozen=True)
class Arm:
    """Trials that differ in their seed alone."""

    name: str
    """the trainer, and the values that vary"""
    jobs: tuple[Job, ...]
    """one for each seed"""


@cli_errors
def main(args: Args) -> None:
    """Train what is missing, and print what all came to."""
    for name in ("seeds", "workers"):
        if getattr(args, name) < 1:
            raise UserError(f"{flag(name)} {getattr(args, name)}: it must be 1 or more")
    if args.local and args.address is not None:
        raise UserError("--local trains without Ray; leave out --address, or --local")
    check_writable(args.run_dir)  # before anything is trained
    folder, arms = args.run_dir.resolve(), arms_of(args)
    jobs = [job for arm in arms for job in arm.jobs]
    runs = {job.name: run for job in jobs if (run := trained_run(job, folder))}
    returns = {name: _return(run) for name, run in runs.items()}
    waiting: dict[str, list[Job]] = {}  # by identity: values may be written in several ways
    for job in jobs:
        if job.name not in returns:
            waiting.setdefault(job.identity, []).append(job)
    if waiting and not args.local:
        prepare_ray()
    print(f"{len(jobs)} trials, {len(returns)} of them finished")
    failed = train(list(waiting.values()), arms, returns, folder, args) if waiting else {}
    print(table(arms, returns))
    for name, reason in failed.items():
        print(f"{name}: {reason}")
    sys.exit(1 if failed else 0)


# --- what is trained -------------------------------------------------------------------------


def arms_of(args: Args) -> list[Arm]:
    """The trials that are asked for, all checked.

    Raises:
        UserError: a trainer, an argument, a scene or a text is unknown or wrong.
    """
    scenes = tuple(str(Path(name).resolve()) if is_file(name) else name for name in args.scene)
    if args.population and len(scenes) > 1:
        raise UserError("--population: it is trained on one scene; give --scene once")
    given = {"scene": scenes[0] if args.population else scenes} if scenes else {}
    if not args.trainer:
        raise UserError("--trainer: name at least one")
    if twice := [name for name in args.trainer if args.trainer.count(name) > 1]:
        raise UserError(f"--trainer {twice[0]}: it is named twice; name it once")
    choices = [_choices(text) for text in args.vary]
    varied = [pairs[0][0].replace("-", "_") for pairs in choices]
    if repeated := {name for name in varied if varied.count(name) > 1}:
        raise UserError(f"--vary {min(repeated)}: it is given twice; put its values in one, with |")
    if scenes and "scene" in varied:
        raise UserError("--vary scene: --scene is given, too; leave one of them out")
    shown = {pairs[0][0] for pairs in choices if len(pairs) > 1}
    arms = [
        _arm(name, pairs, shown, given, args)
        for name in args.trainer
        for pairs in product(*choices)
    ]
    names = [job.name for arm in arms for job in arm.jobs]
    if len(set(names)) < len(names):  # values may differ in signs that no folder's name has
        arms = [_numbered(arm, number) for number, arm in enumerate(arms, 1)]
    return arms


def _numbered(arm: Arm, number: int) -> Arm:
    jobs = (replace(job, name=f"{number}-{job.name}") for job in arm.jobs)
    return replace(arm, jobs=tuple(jobs))


def _choices(text: str) -> list[tuple[str, str]]:
    """The (name, value) pairs of one `--vary`."""
    name, equals, values = text.partition("=")
    parts = [part.strip() for part in values.split("|")]
    if not (equals and name.strip()) or not all(parts):
        raise UserError(f'--vary "{text}": write NAME=VALUE | VALUE, as "gamma=0.97 | 0.99"')
    if repeated := {part for part in parts if parts.count(part) > 1}:
        raise UserError(f'--vary "{text}": {min(repeated)} stands there twice')
    return [(name.strip(), part) for part in parts]


def _arm(
    trainer: str,
    pairs: Sequence[tuple[str, str]],
    shown: set[str],
    given: Mapping[str, Any],
    args: Args,
) -> Arm:
    """The trials of one trainer with one value of all that varies."""
    kind = PopulationJob if args.population else Job
    defaults, arguments = kind("", trainer).arguments, {**given}
    own = {field.name for field in fields(defaults)}
    of_members = {field.name for field in fields(trainer_args(trainer))} - own
    for name, value in pairs:
        key = name.replace("-", "_")
        if key == "seed":
            raise UserError("--vary seed=...: give --seeds and --first-seed instead")
        if key in OF_THE_CALL:
            raise UserError(f"--vary {name}: it belongs to one call of a trainer, not to a sweep")
        if key in own:
            arguments[key] = typed(f"--vary {name}", value, defaults, key)
        else:
            where = "argument" if key in of_members else "set"
            arguments[where] = (*arguments.get(where, ()), f"{name}={value}")
    values = [f"{name}={value}" for name, value in pairs if name in shown]
    who = f"population of {trainer}" if args.population else trainer
    label = re.sub(r"[^\w.]+", "-", " ".join([who, *values])).strip("-")
    jobs = []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        job = kind(f"{label}-s{seed}"[-200:], trainer, {**arguments, "seed": seed})
        check_ranges(job.arguments)
        jobs.append(job)
    assert jobs[0].identity  # which loads its scenes, so that a wrong one is said before training
    return Arm(", ".join([who, *values]), tuple(jobs))


# --- training --------------------------------------------------------------------------------


def train(
    waiting: Sequence[Sequence[Job]],
    arms: Sequence[Arm],
    returns: Returns,
    folder: Path,
    args: Args,
) -> dict[str, str]:
    """Train what waits; returns why some failed, by name.

    When a trial ends, the line of its arm in the table is printed with the results so far.

    Args:
        waiting: unfinished trials, in groups that are one and the same training.
        arms: all.
        returns: of what is finished; what is trained is added.
        folder: of the runs.
        args: of the command.
    """
    failed: dict[str, str] = {}
    alike = {some[-1].name: some for some in waiting}
    jobs = [some[-1] for some in waiting]
    arm_of = {job.name: arm for arm in arms for job in arm.jobs}
    total = sum(job.total_steps for job in jobs)
    about = f"agents in training ({len(jobs)})"
    with progress_bar(total=total, unit="step", unit_scale=True, desc=about) as bar:

        def report(job: Job, reason: str | None) -> None:
            if reason:
                failed[job.name] = reason
            elif run := trained_run(job, folder / job.name):
                returns.update(dict.fromkeys([one.name for one in alike[job.name]], _return(run)))
            name, finished, mean, least, most = _row(arm_of[job.name], returns)
            tqdm.write(
                f"{job.name}: {'failed' if reason else 'finished'}; {name}: {finished} finished, "
                f"mean return {mean} ({least} to {most})"
            )

        if args.local:
            _train_here(jobs, folder, args.workers, bar, report)
        else:
            train_on_ray(jobs, folder, args.address, args.workers, bar, report)
    return failed


def _train_here(jobs: Sequence[Job], folder: Path, workers: int, bar: tqdm, report: Report) -> None:
    with closing(as_completed(jobs, folder, min(workers, len(jobs)), bar)) as ended:
        for training in ended:
            reason = None
            try:
                training.run()
            except UserError as error:
                reason = str(error)
            report(training.job, reason)


# --- what it came to -------------------------------------------------------------------------


def table(arms: Sequence[Arm], returns: Returns) -> str:
    """A line for each arm: how many trials are finished, and their returns in training."""
    heads = ("arm", "finished", "mean return", "least", "most")
    rows = [_row(arm, returns) for arm in arms]
    lines = aligned(heads, rows, right=range(1, len(heads)), rule=False)
    return f"{lines}\nreturn: of the episodes that end in the last tenth of a training"


def _row(arm: Arm, returns: Returns) -> tuple[str, ...]:
    found = [returns[job.name] for job in arm.jobs if job.name in returns]
    known = [value for value in found if value is not None]
    figures = (np.mean(known), min(known), max(known)) if known else ()
    shown = [f"{figure:.3f}" for figure in figures] or ["-"] * 3
    return (arm.name, f"{len(found)} of {len(arm.jobs)}", *shown)


def _return(run: Path) -> float | None:
    """The objective of a training; None where no episode ended in its last tenth."""
    try:
        return float(outcome(run)["objective"])
    except UserError:
        return None


if __name__ == "__main__":
    main(tyro.cli(Args))
