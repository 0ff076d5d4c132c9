"""The trainer's hyperparameters, tuned on the training scene's reward and on nothing else.

    python eval/experiments/tuning search     tries out hyperparameters (needs Optuna)
    python eval/experiments/tuning finals     the most promising ones, with several seeds each
    python eval/experiments/tuning compare    the defaults against those tuning began with

The search trains one agent per trial, the first with the trainer's defaults, the others as Optuna's
tree-structured Parzen estimator proposes. Its objective is the mean return of the training
episodes that end in the last tenth of a training; no agent is ever shown another scene, and none is
judged. Every trial is a line of trials.jsonl, failed ones too. As the best of many trials with one
seed each owes much to its seed, the finals train the most promising hyperparameters and their
cheaper relatives with several. The comparison trains with the defaults and with what the search
began with, on seeds that neither had, and draws the learning curves. The records are in
eval/results/tuning.

All go on where they stopped, and repeat nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from tqdm import tqdm

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.baselines.build import WORKERS
from sandbox_envs.eval.experiments.runner import RESULTS
from sandbox_envs.eval.experiments.tuning.comparison import compare, draw, summary
from sandbox_envs.eval.experiments.tuning.proposals import NAMES, Proposals, hyperparameters
from sandbox_envs.files import append_line, read_lines, write_json
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.train.jobs import Job, TrainingFailedError, TrainingProcess, as_completed
from sandbox_envs.train.metrics import outcome
from sandbox_envs.train.ppo_lstm import Args as TrainerArgs

SCENE = "sweep/train"  # the trainer's default
# What the search began with, whatever the trainer's defaults have become since.
START: dict[str, float] = {
    "learning_rate": 5e-4,
    "num_envs": 128,
    "num_steps": 64,
    "num_minibatches": 4,
    "update_epochs": 3,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "clip_coef": 0.2,
    "hidden_size": 128,
}
# Where the finals differ from the start: two of the best trials as they were (few, narrow), and
# what is common to the best at sizes that simulate faster: smaller minibatches, fewer epochs.
FINALISTS: dict[str, dict[str, float]] = {
    "start": {},
    "few": {"num_envs": 32, "num_minibatches": 8, "update_epochs": 2, "learning_rate": 4.5e-4,
            "clip_coef": 0.3},
    "narrow": {"num_envs": 256, "num_steps": 32, "num_minibatches": 8, "learning_rate": 7e-4,
               "gamma": 0.97, "gae_lambda": 0.9, "clip_coef": 0.3, "hidden_size": 64},
    "small_batches": {"num_minibatches": 16, "update_epochs": 2, "learning_rate": 4.5e-4,
                      "clip_coef": 0.3},
    "one_epoch": {"num_minibatches": 8, "update_epochs": 1, "learning_rate": 1.2e-3,
                  "gamma": 0.98},
    "long": {"num_envs": 64, "num_steps": 128, "update_epochs": 1, "learning_rate": 1.5e-3,
             "gamma": 0.97, "gae_lambda": 0.9},
}  # fmt: skip
# Of trials, finals and the comparison: apart from one another and from those of all other results,
# so that no agent that is judged, or that others are measured by, was among those chosen from.
TRIAL_SEED, FINAL_SEED, SEED = 2000, 3000, 101
FILE = "trials.jsonl"
FIGURES = ("objective", "steps", "seconds", "steps_per_second")  # null where a trial failed
COLUMNS = {"number", "reason", "total_timesteps", "scene", *FIGURES}  # and hyperparameters
SHOWN = 10  # trials in the table

Row = dict[str, Any]


@dataclass
class Common:
    """What the stages share."""

    workers: int = WORKERS
    """trainings at a time"""
    out: Path = RESULTS / "tuning"
    """folder of the records"""
    run_dir: Path = Path("runs/tuning")
    """folder of the training runs; finished ones that are found in it are used"""
    debug: bool = False
    """show the traceback of an error"""


@dataclass
class Search(Common):
    """Try out hyperparameters, or go on doing so, and print the best trials."""

    trials: int = 60
    """trials in all, with those that are there already"""
    total_timesteps: int = 400_000
    """environment steps of each trial"""
    show: bool = False
    """train nothing, only print the best trials so far"""


@dataclass
class Finals(Common):
    """Train with each of the most promising hyperparameters, and print what came of them."""

    total_timesteps: int = 300_000
    """environment steps of each training"""
    seeds: int = 3
    """trainings of each"""


@dataclass
class Compare(Common):
    """Train with the trainer's defaults and with those tuning began with, and draw the curves."""

    total_timesteps: int = TrainerArgs.total_timesteps
    """environment steps of each training"""
    seeds: int = 5
    """trainings of each"""
    workers: int = 1
    """trainings at a time; with more than one the seconds are those of trainings that share a
    machine"""


# --- the search ------------------------------------------------------------------------------


def search(args: Search) -> list[Row]:
    """Run the trials that are missing; returns all of them."""
    file = args.out / FILE
    known = read_trials(file)
    _check_comparable(known, args.total_timesteps)
    missing = sorted(set(range(args.trials)) - {row["number"] for row in known})
    if missing:
        proposals = Proposals()
        for row in known:
            proposals.recall(row["number"], row["hyperparameters"], row["objective"])
        args.out.mkdir(parents=True, exist_ok=True)
        for row in _tried(missing, proposals, args):
            append_line(file, row)
            proposals.tell(row["number"], row["objective"])
            known.append(row)
    return known


def _tried(numbers: Sequence[int], proposals: Proposals, args: Search) -> Iterator[Row]:
    """The trials of these numbers, each when it ends."""
    asked: dict[str, tuple[int, TrainerArgs]] = {}
    scene = load_scene(SCENE).hash

    def jobs() -> Iterator[Job]:
        for number in numbers:
            if load_scene(SCENE).hash != scene:
                raise UserError(f"{SCENE} has changed since the search began; begin anew")
            values = proposals.propose(number)
            trainer = _trainer(values, TRIAL_SEED + number, args.total_timesteps)
            name = f"trial-{number:03}"
            asked[name] = number, trainer
            yield Job(name, trainer)

    total, about = len(numbers) * args.total_timesteps, f"{len(numbers)} trials"
    with (
        tqdm(total=total, unit="step", unit_scale=True, desc=about) as bar,
        closing(as_completed(jobs(), args.run_dir, args.workers, bar)) as ended,
    ):
        for training in ended:
            number, trainer = asked.pop(training.job.name)
            yield {
                "number": number,
                **_result(training),
                "seed": trainer.seed,
                "total_timesteps": trainer.total_timesteps,
                "workers": args.workers,
                "scene": scene,
                "hyperparameters": hyperparameters(trainer),
            }


def _result(training: TrainingProcess) -> Row:
    """What a trial's training came to, or why it came to nothing."""
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


def _trainer(values: Mapping[str, float], seed: int, steps: int) -> TrainerArgs:
    return replace(TrainerArgs(seed=seed, total_timesteps=steps), **values)


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
                f"trial {number} trained for {steps} steps; go on with --total-timesteps {steps}, "
                "or name another folder with --out"
            )
        if row["scene"] != scene:
            raise UserError(
                f"{SCENE} has changed since trial {number}; name another folder with --out"
            )


def best(rows: Sequence[Row]) -> list[Row]:
    """The trials that did not fail, from the best on."""
    return sorted(
        (row for row in rows if row["objective"] is not None),
        key=lambda row: row["objective"],
        reverse=True,
    )


def table(rows: Sequence[Row]) -> str:
    """The best trials in aligned columns, and the defaults' where it is not among them."""
    found = best(rows)
    shown = found[:SHOWN] + [row for row in found[SHOWN:] if row["number"] == 0]
    lines = [("trial", "objective", "seconds", "steps/s", *NAMES)]
    for row in shown:
        figures = (f"{row['objective']:.3f}", f"{row['seconds']:.0f}")
        values = (f"{row['hyperparameters'][name]:.4g}" for name in NAMES)
        lines.append((str(row["number"]), *figures, f"{row['steps_per_second']:.0f}", *values))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(str.rjust, line, widths)) for line in lines]
    failed = [f"trial {row['number']}: {row['reason']}" for row in rows if row["reason"]]
    text.append(f"{len(rows)} trials, {len(failed)} failed; 0 is what the search began with")
    return "\n".join([*text, *failed])


# --- the command -----------------------------------------------------------------------------


def run_search(args: Search) -> None:
    """Search, or only look, and print the best trials."""
    print(table(read_trials(args.out / FILE) if args.show else search(args)))
    print(args.out / FILE)


def run_finals(args: Finals) -> None:
    """Train the finalists, and write what came of them."""
    _train_arms({name: START | values for name, values in FINALISTS.items()}, FINAL_SEED, args)


def run_compare(args: Compare) -> None:
    """Compare, and write the figures and the picture."""
    arms = _train_arms({"start": START, "tuned": hyperparameters(TrainerArgs())}, SEED, args)
    draw(arms, args.out / "learning_curves.png")
    print(args.out / "learning_curves.png")


def _train_arms(
    arms: Mapping[str, Mapping[str, float]], first_seed: int, args: Finals | Compare
) -> dict[str, Any]:
    """Train with several hyperparameters and seeds; returns, writes and prints what came of it."""
    seeds, steps = range(first_seed, first_seed + args.seeds), args.total_timesteps
    trainers = {arm: {seed: _trainer(x, seed, steps) for seed in seeds} for arm, x in arms.items()}
    agents = compare(trainers, args.run_dir, args.workers)
    told = {arm: {"hyperparameters": x, "seeds": agents[arm]} for arm, x in arms.items()}
    about = {"scene": load_scene(SCENE).hash, "total_timesteps": steps, "workers": args.workers}
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / ("finals.json" if isinstance(args, Finals) else "comparison.json")
    write_json(file, {**about, "arms": told})
    print("\n".join([*summary(told), str(file)]))
    return told


@cli_errors
def main(args: Search | Finals | Compare) -> None:
    """Search, choose or compare."""
    for field in fields(args):
        value = getattr(args, field.name)
        if field.type is int and value < 1:
            raise UserError(f"--{field.name.replace('_', '-')} {value}: it must be 1 or more")
    runs: dict[type, Callable[[Any], None]] = {
        Search: run_search,
        Finals: run_finals,
        Compare: run_compare,
    }
    runs[type(args)](args)


if __name__ == "__main__":
    main(
        tyro.cli(
            Annotated[Search, tyro.conf.subcommand("search")]
            | Annotated[Finals, tyro.conf.subcommand("finals")]
            | Annotated[Compare, tyro.conf.subcommand("compare")]
        )
    )
