"""The search: one agent a trial, each a line of trials.jsonl, failed ones too."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.eval.baselines.build import WORKERS
from sandbox_envs.eval.experiments.runner import RESULTS
from sandbox_envs.eval.experiments.tuning.proposals import (
    NAMES,
    SCENE,
    Proposals,
    hyperparameters,
)
from sandbox_envs.files import append_line, check_writable, make_folder, read_lines
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.text_tables import aligned
from sandbox_envs.train.jobs import Job, TrainingFailedError, TrainingProcess, as_completed
from sandbox_envs.train.metrics import outcome
from sandbox_envs.train.trainers import DEFAULT_TRAINER

# Trials, finals and comparison have different seeds. Other studies have some of these numbers, too,
# but no agent that is judged, or that serves as a reference, took part in the choice.
TRIAL_SEED = 2000
FILE = "trials.jsonl"
FIGURES = ("objective", "steps", "seconds", "steps_per_second")  # null where a trial failed
COLUMNS = {"number", "reason", "total_timesteps", "scene", *FIGURES}  # and hyperparameters
SHOWN = 10  # trials in the table
Row = dict[str, Any]


@dataclass
class Common:
    """Options of all stages."""

    workers: int = WORKERS
    """trainings at a time"""
    out: Path = RESULTS / "tuning"
    """folder of the records"""
    run_dir: Path = Path("runs/tuning")
    """folder of the training runs; finished runs in it are reused"""
    trainer: str = DEFAULT_TRAINER
    """whose; records of others than the default one are kept in folders of their own"""
    debug: bool = False
    """show the traceback of an error"""

    @property
    def own(self) -> str:
        """The trainer's folder in `out` and `run_dir`."""
        return "" if self.trainer == DEFAULT_TRAINER else self.trainer


@dataclass
class Search(Common):
    """Try hyperparameters, or resume the search, and print the best trials."""

    trials: int = 60
    """trials in all, including existing ones"""
    total_timesteps: int = 400_000
    """environment steps of each trial"""
    show: bool = False
    """only print the best trials so far"""


def search(args: Search) -> list[Row]:
    """Run the missing trials; returns all of them."""
    file = args.out / args.own / FILE
    known = read_trials(file)
    _check_comparable(known, args.total_timesteps)
    missing = sorted(set(range(args.trials)) - {row["number"] for row in known})
    if missing:
        proposals = Proposals(args.trainer)
        for row in known:
            proposals.recall(row["number"], row["hyperparameters"], row["objective"])
        check_writable(file.parent)
        make_folder(file.parent)
        for row in _tried(missing, proposals, args):
            append_line(file, row)
            proposals.tell(row["number"], row["objective"])
            known.append(row)
    return known


def _tried(numbers: Sequence[int], proposals: Proposals, args: Search) -> Iterator[Row]:
    """Run the trials of these numbers; yields each one when it ends."""
    asked: dict[str, tuple[int, dict[str, Any]]] = {}
    scene = load_scene(SCENE).hash

    def jobs() -> Iterator[Job]:
        for number in numbers:
            if load_scene(SCENE).hash != scene:
                raise UserError(
                    f"{SCENE} has changed since the search began; name another folder with --out"
                )
            values = proposals.propose(number)
            arguments = training_args(values, TRIAL_SEED + number, args.total_timesteps)
            name = f"trial-{number:03}"
            asked[name] = number, arguments
            yield Job(name, args.trainer, arguments)

    total, about = len(numbers) * args.total_timesteps, f"{len(numbers)} trials"
    with (
        progress_bar(total=total, unit="step", unit_scale=True, desc=about) as bar,
        closing(as_completed(jobs(), args.run_dir / args.own, args.workers, bar)) as ended,
    ):
        for training in ended:
            number, arguments = asked.pop(training.job.name)
            yield {
                "number": number,
                **_result(training),
                "seed": arguments["seed"],
                "total_timesteps": arguments["total_timesteps"],
                "workers": args.workers,
                "scene": scene,
                "hyperparameters": hyperparameters(arguments, args.trainer),
            }


def _result(training: TrainingProcess) -> Row:
    """The outcome of a trial's training, or the reason of its failure."""
    try:
        run = training.run()
    except TrainingFailedError as error:
        reason = str(error)
    else:
        try:
            return {**outcome(run), "reason": None}
        except UserError as error:
            reason = str(error)
    return {**dict.fromkeys(FIGURES), "reason": reason}


def training_args(values: Mapping[str, float], seed: int, steps: int) -> dict[str, Any]:
    """The trainer's arguments of one training with some hyperparameters."""
    return {"seed": seed, "total_timesteps": steps, **values}


def read_trials(file: Path) -> list[Row]:
    """The trials so far."""
    rows = read_lines(file) if file.is_file() else []
    for row in rows:
        values = row.get("hyperparameters")
        known = isinstance(values, dict) and values.keys() == set(NAMES)
        if not (known and row.keys() >= COLUMNS):
            raise UserError(f"{file}: a line in it is damaged, or of another version")
    return rows


def _check_comparable(rows: Sequence[Row], total_timesteps: int) -> None:
    """Raise UserError where trials are of another length or version of the scene."""
    scene = load_scene(SCENE).hash
    for row in rows:
        number, steps = row["number"], row["total_timesteps"]
        if steps != total_timesteps:
            raise UserError(
                f"trial {number} trained for {steps} steps; resume with --total-timesteps {steps}, "
                "or name another folder with --out"
            )
        if row["scene"] != scene:
            raise UserError(
                f"{SCENE} has changed since trial {number}; name another folder with --out"
            )


def best(rows: Sequence[Row]) -> list[Row]:
    """The trials that did not fail, best first."""
    return sorted(
        (row for row in rows if row["objective"] is not None),
        key=lambda row: row["objective"],
        reverse=True,
    )


def table(rows: Sequence[Row]) -> str:
    """The best trials in aligned columns, with trial 0 below them if it is not one of them."""
    found = best(rows)
    shown = found[:SHOWN] + [row for row in found[SHOWN:] if row["number"] == 0]
    head, lines = ("trial", "objective", "seconds", "steps/s", *NAMES), []
    for row in shown:
        figures = (f"{row['objective']:.3f}", f"{row['seconds']:.0f}")
        values = (f"{row['hyperparameters'][name]:.4g}" for name in NAMES)
        lines.append((str(row["number"]), *figures, f"{row['steps_per_second']:.0f}", *values))
    text = [aligned(head, lines, right=range(len(head)), rule=False)]
    failed = [f"trial {row['number']}: {row['reason']}" for row in rows if row["reason"]]
    text.append(f"{len(rows)} trials, {len(failed)} failed; trial 0 has the defaults of the time")
    return "\n".join([*text, *failed])
