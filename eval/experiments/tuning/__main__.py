"""A trainer's hyperparameters, tuned on the training scene's reward and on nothing else.

    python eval/experiments/tuning search     tries hyperparameters (needs Optuna), also of another
                                              trainer with --trainer
    python eval/experiments/tuning finals     trains the most promising ones with several seeds
    python eval/experiments/tuning compare    trains the defaults and the start with fresh seeds

`declaration.md` has the declaration. All three resume where they stopped and repeat nothing; the
records are in eval/results/tuning.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

import tyro

from sandbox_envs.errors import UserError, cli_errors, suggest
from sandbox_envs.eval.experiments.tuning.arms import FINALISTS, START
from sandbox_envs.eval.experiments.tuning.comparison import compare, plot, summary
from sandbox_envs.eval.experiments.tuning.proposals import hyperparameters
from sandbox_envs.eval.experiments.tuning.search import (
    FILE,
    SCENE,
    Common,
    Search,
    best,
    read_trials,
    search,
    table,
    training_args,
)
from sandbox_envs.files import check_writable, write_json
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.train.trainers import DEFAULT_TRAINER, TRAINERS, trainer_args

FINAL_SEED, COMPARISON_SEED = 3000, 101  # of no agent that was judged or referred to


def default_steps() -> int:
    """Environment steps of a training with the trainer's defaults."""
    return int(trainer_args(DEFAULT_TRAINER).total_timesteps)


@dataclass
class Finals(Common):
    """Train with each of the most promising hyperparameters, and print the outcomes.

    Of another trainer than the default one these are its defaults and those of its best trial.
    """

    total_timesteps: int = 300_000
    """environment steps of each training"""
    seeds: int = 3
    """trainings of each finalist"""


@dataclass
class Compare(Common):
    """Train with the trainer's defaults and with those at the search's start; draw the curves."""

    total_timesteps: int = field(default_factory=default_steps)
    """environment steps of each training"""
    seeds: int = 5
    """trainings of each of the two"""
    workers: int = 1
    """trainings at a time; more than one slow each other down, so their seconds mean less"""


def run_search(args: Search) -> None:
    """Search, or with --show only read, and print the best trials."""
    file = args.out / args.own / FILE
    print(table(read_trials(file) if args.show else search(args)))
    print(file)


def run_finals(args: Finals) -> None:
    """Train the finalists, and write their outcomes."""
    arms: dict[str, Mapping[str, float]]
    arms = {name: START | values for name, values in FINALISTS.items()}
    if args.own:
        trials = best(read_trials(args.out / args.own / FILE))
        if not trials:
            raise UserError(f"{args.trainer}: search first; no trial of it has ended well")
        defaults = hyperparameters(trainer=args.trainer)
        arms = {"defaults": defaults, "best": trials[0]["hyperparameters"]}
    _train_arms(arms, FINAL_SEED, args)


def run_compare(args: Compare) -> None:
    """Train the two arms, and write figures and picture."""
    if args.own:
        raise UserError("compare: it draws the default trainer's curves; leave --trainer out")
    arms = _train_arms({"start": START, "tuned": hyperparameters()}, COMPARISON_SEED, args)
    plot(arms, args.out / "learning_curves.png")
    print(args.out / "learning_curves.png")


def _train_arms(
    arms: Mapping[str, Mapping[str, float]], first_seed: int, args: Finals | Compare
) -> dict[str, Any]:
    """Train with several hyperparameters and seeds; returns, writes and prints the outcomes."""
    seeds, steps = range(first_seed, first_seed + args.seeds), args.total_timesteps
    trainers = {
        arm: {seed: training_args(x, seed, steps) for seed in seeds} for arm, x in arms.items()
    }
    folder = args.out / args.own
    check_writable(folder)
    agents = compare(trainers, args.run_dir / args.own, args.workers, args.trainer)
    outcomes = {arm: {"hyperparameters": x, "seeds": agents[arm]} for arm, x in arms.items()}
    about = {"scene": load_scene(SCENE).hash, "total_timesteps": steps, "workers": args.workers}
    file = folder / ("finals.json" if isinstance(args, Finals) else "comparison.json")
    write_json(file, {**about, "arms": outcomes})
    print("\n".join([*summary(outcomes), str(file)]))
    return outcomes


@cli_errors
def main(args: Search | Finals | Compare) -> None:
    """Run one of the three stages."""
    for option in fields(args):
        value = getattr(args, option.name)
        if option.type is int and value < 1:
            raise UserError(f"--{option.name.replace('_', '-')} {value}: it must be 1 or more")
    if args.trainer not in TRAINERS:
        raise UserError(f"--trainer {args.trainer}: {suggest(args.trainer, TRAINERS)}")
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
