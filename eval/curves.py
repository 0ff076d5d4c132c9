"""Learning curves of one or several runs, as a picture: `python eval/curves.py RUN... --out FILE`.

Plotted from the runs' metrics.jsonl alone: the mean return of the reward and of each measure over
the episodes that ended in an update, smoothed over a few updates, one line per run. Runs that
differ in nothing but their seed have one colour.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.agents.run_folders import run_folders
from sandbox_envs.eval.pages.curves import Arm, picture
from sandbox_envs.files import atomic_write, check_writable_file
from sandbox_envs.scene.catalog import family_of
from sandbox_envs.train.arguments import FREE_IN_A_GROUP, identity_of, origin_of, without
from sandbox_envs.train.jobs import learned_with
from sandbox_envs.train.metrics import FILE as METRICS
from sandbox_envs.train.metrics import last_step, learning_curves
from sandbox_envs.train.run_files import Training, read_training
from sandbox_envs.train.run_folder import CHECKPOINTS

PICTURES = (".png", ".svg", ".pdf", ".jpg")
NAMES = 3  # of an arm's runs that the legend shows
WIDTH = 90  # characters of a line in the legend


@dataclass
class Args:
    """Plot the learning curves of runs."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """run folders"""
    out: Path = Path("learning_curve.png")
    """the picture to write, .png, .svg, .pdf or .jpg"""
    reference: float | None = None
    """draw a dotted line at this return of the first measure, e.g. that of a scripted policy"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Plot the curves and write the picture."""
    if args.out.suffix.lower() not in PICTURES:
        raise UserError(f"--out {args.out}: give a name that ends in {' or '.join(PICTURES)}")
    if args.reference is not None and not math.isfinite(args.reference):
        raise UserError(f"--reference {args.reference}: it must be a finite number")
    check_writable_file(args.out)
    runs = _last_of_each_training(run_folders(args.runs, (METRICS,)))
    trainings = {run: read_training(run) for run in runs if (run / "args.json").is_file()}
    _check_family(trainings.values())
    figure = picture(_arms(runs, trainings), args.reference)
    with atomic_write(args.out) as temporary:
        figure.savefig(temporary, dpi=110)
    print(args.out)


def _check_family(trainings: Collection[Training]) -> None:
    """Raise UserError where runs are of several families, which share no measure."""
    families = sorted({family_of(name) for one in trainings for name, _ in one.scenes})
    if len(trainings) > 1 and len(families) > 1:
        raise UserError(
            f"these runs are of different families ({', '.join(families)}); draw a picture of each"
        )


def _arms(runs: Sequence[Path], trainings: Mapping[Path, Training]) -> list[Arm]:
    """The runs' curves, those together that differ in nothing but their seed."""
    groups: dict[str, list[Path]] = {}
    for run in runs:
        groups.setdefault(_group_of(run, trainings.get(run)), []).append(run)
    known = [_arguments(training) for training in trainings.values()]
    differ = [k for k in dict.fromkeys(k for one in known for k in one) if _differs(k, known)]
    return [
        Arm(
            _label(members, trainings.get(members[0]), differ),
            [learning_curves(run) for run in members],
        )
        for members in groups.values()
    ]


def _group_of(run: Path, training: Training | None) -> str:
    """The key of a run's arm, equal for all seeds; for a folder with only a log, its path."""
    if training is None:
        return str(run.resolve())
    args = without(learned_with(training), "seed")
    return identity_of(training.trainer, args, training.scenes)


def _arguments(training: Training) -> dict[str, Any]:
    """The arguments by which arms can be told apart, by name."""
    scenes = " ".join(name for name, _ in training.scenes)
    args = {**learned_with(training), "trainer": training.trainer, "scene": scenes}
    return without(args, *FREE_IN_A_GROUP)


def _differs(argument: str, arms: Sequence[Mapping[str, Any]]) -> bool:
    return any(arm.get(argument) != arms[0].get(argument) for arm in arms)


def _label(members: Sequence[Path], training: Training | None, differ: Sequence[str]) -> str:
    """In what an arm differs from others, and the names of its runs, a line each."""
    args = {} if training is None else _arguments(training)
    told = ", ".join(f"{k}={_shown(args[k])}" for k in differ if args.get(k) is not None)
    names = [_name(run) for run in members]
    if len(names) > NAMES:
        names = [*names[: NAMES - 1], f"and {len(names) - NAMES + 1} others"]
    return "\n".join([*wrap(told, WIDTH), *names])


def _shown(value: Any) -> str:
    """An argument's value in a few words."""
    if isinstance(value, Mapping):  # initial weights
        return str(value.get("run"))
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _name(run: Path) -> str:
    """A run's name; of a kept checkpoint also that of the run that kept it."""
    folder = run.resolve()
    kept = folder.parent.name == CHECKPOINTS
    return f"{folder.parents[1].name} at step {folder.name}" if kept else folder.name


def _last_of_each_training(runs: Sequence[Path]) -> list[Path]:
    """The runs without checkpoints that a later one of the same training goes on from.

    The curve of the later one begins with theirs.
    """
    last: dict[str, Path] = {}
    for run in runs:
        key = _training_of(run)
        if key not in last or last_step(run) > last_step(last[key]):
            last[key] = run
    if len(last) < len(runs):
        print(f"note: of {len(runs)} runs {len(last)} are drawn: others are their earlier steps")
    return list(last.values())


def _training_of(run: Path) -> str:
    """The key that checkpoints of one training share; for a folder with only a log, its path."""
    if not (run / "args.json").is_file():
        return str(run.resolve())
    training = read_training(run)
    return origin_of(training.trainer, learned_with(training), training.scenes)


if __name__ == "__main__":
    main(tyro.cli(Args))
