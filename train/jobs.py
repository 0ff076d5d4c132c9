"""Many training runs as a list of jobs: a finished one is never repeated, a stopped one resumes.

A job is identified by what it trains, not by where it lies: any run below the folder that has the
same trainer, hyperparameters and scenes, in the same order and as often, is that job's.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import Field, asdict, dataclass, field, fields
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sandbox_envs.errors import UserError
from sandbox_envs.processor import thread_count
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.catalog import scene_files
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.stopping import sigterm_as_interrupt
from sandbox_envs.train.arguments import OF_THE_CALL, identity_of
from sandbox_envs.train.learned_reward import LearnedReward
from sandbox_envs.train.metrics import last_step
from sandbox_envs.train.reward_ensemble import ensemble_hash
from sandbox_envs.train.run_files import (
    Training,
    progress,
    read_training,
    scenes_asked,
    weights_hash,
)
from sandbox_envs.train.run_folder import CHECKPOINTS
from sandbox_envs.train.signals import PARENT
from sandbox_envs.train.trainers import DEFAULT_SCENES, module_name, trainer_args

# a trainer that was asked to stop, and has saved or not
STOPPED = (130, 143, -signal.SIGINT, -signal.SIGTERM)


class TrainingFailedError(UserError):
    """A trainer ended with an error; the message says which one, and where its log is."""


@dataclass(frozen=True)
class Job:
    """One training run."""

    name: str
    """of its folder and log; unique in a list of jobs"""
    trainer: str
    """a name in `trainers.TRAINERS`"""
    args: Mapping[str, Any] = field(default_factory=dict)
    """the trainer's arguments that differ from its defaults"""

    @property
    def arguments(self) -> Any:
        """All arguments, as the trainer's `Args`; raises UserError where one does not fit."""
        return trainer_args(self.trainer, self.args)

    @property
    def module(self) -> str:
        """The module that trains it, as `python -m` takes it."""
        return module_name(self.trainer)

    @property
    def total_steps(self) -> int:
        """Environment steps that it trains for: those asked for, but at least one update."""
        arguments = self.arguments
        update = arguments.num_envs * getattr(arguments, "num_steps", 1)
        return max(int(arguments.total_timesteps), update)

    @property
    def identity(self) -> str:
        """The text that identifies the training: a run with an equal one is this job's."""
        args = asdict(self.arguments)
        args["scene"] = args.get("scene") or DEFAULT_SCENES.get(self.trainer)
        names, overrides = scenes_asked(args)
        scenes = [(_place(name), tuple(sorted(overrides.items()))) for name in names]
        if initial := args.get("initial_weights"):
            args["initial_weights"] = {"hash": weights_hash(Path(initial))}
        if model := args.get("reward_model"):
            args["reward_model"] = {"hash": ensemble_hash(Path(model))}
            args["wrappers"] = [LearnedReward.__name__]
        return identity_of(self.trainer, args, [_named(*scene) for scene in scenes])

    def trains(self, metadata: Mapping[str, Any]) -> bool:
        """Whether an agent, by its metadata in a verdict, comes from this training."""
        scenes = list(metadata["trained_on"].items())
        return identity_of(metadata["trainer"], metadata["args"], scenes) == self.identity

    def command(self, run_dir: Path) -> list[str]:
        """The command line that trains it."""
        arguments, flags = self.arguments, [f"--run-dir={run_dir}"]
        for argument in fields(arguments):
            value = getattr(arguments, argument.name)
            if argument.name not in OF_THE_CALL and value != argument.default:
                flags += _written(argument, value)
        return [sys.executable, "-m", self.module, *flags]


def _place(scene: str) -> str:
    """A shipped scene's name, or the absolute path of a file, whatever the working directory."""
    return scene if scene in scene_files() else str(Path(scene).absolute())


@cache  # the jobs of many seeds have the same scenes; run_jobs looks at their files again
def _named(scene: str, overrides: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    """Name and hash of a scene."""
    loaded = load_scene(scene, dict(overrides))
    return loaded.name, loaded.hash


def _written(argument: Field[Any], value: Any) -> list[str]:
    """An argument as a command line has it."""
    name = argument.name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if not isinstance(value, tuple):
        return [f"--{name}={value}"]
    if hasattr(argument.type, "__metadata__"):  # UseAppendAction
        return [f"--{name}={one}" for one in value]
    return [f"--{name}", *value]


def identity(training: Training) -> str:
    """A text that identifies a training: trainings with equal texts have equal agents."""
    return identity_of(training.trainer, learned_with(training), training.scenes)


def learned_with(training: Training) -> dict[str, Any]:
    """A training's arguments; its wrappers; where it was made longer, from which totals and when.

    `initial_weights` are a dict of "run", the name of the folder they are from, "step" and "hash",
    and `reward_model` is one of "run" and "hash".

    A training that was made longer is another one than a training that was as long from the
    beginning, as the learning rate fell differently.
    """
    learned = dict(training.args)
    if training.extended:
        learned["extended"] = [list(pair) for pair in training.extended]
    if training.wrappers:
        learned["wrappers"] = list(training.wrappers)
    if initial := training.initial_weights:
        folder = Path(initial.run)
        name = folder.parts[-3] if folder.parent.name == CHECKPOINTS else folder.name
        learned["initial_weights"] = {**asdict(initial), "run": name}
    if model := training.reward_model:
        learned["reward_model"] = {**asdict(model), "run": Path(model.run).name}
    return learned


def find_run(job: Job, folder: Path) -> Path | None:
    """The job's run below a folder, a finished one before a resumable one; None without."""
    wanted = job.identity
    mine = [run for run in _runs_below(folder) if _matches(run, wanted)]
    usable = [run for run in mine if is_finished(run) or (run / "resume.pt").is_file()]
    return max(usable, key=lambda run: progress(run)[0], default=None)


def _runs_below(folder: Path) -> Iterator[Path]:
    """The run folders in a folder; other trainings make and remove some of them meanwhile."""
    for place, inside, files in os.walk(folder):  # which passes over what is gone
        if "args.json" in files:
            inside.clear()  # the policies that a run keeps are no job's
            yield Path(place)


def is_finished(run: Path) -> bool:
    """Whether a run has trained for all of its steps."""
    done, total = progress(run)
    return done >= total


def run_jobs(
    jobs: Sequence[Job],
    folder: Path,
    workers: int,
    failed: dict[str, TrainingFailedError] | None = None,
) -> list[Path]:
    """Train what is not trained yet, `workers` at a time, and return the run of every job.

    Args:
        jobs: what is trained.
        folder: of their runs.
        workers: trainings at a time.
        failed: takes the errors of trainings that fail, by the jobs' names; their runs are left
            out. Without it they are raised, when all others have ended.

    Raises:
        UserError: trainings failed, and where their logs are; or one was stopped before its end.
    """
    _named.cache_clear()
    waiting = {job.identity: job for job in jobs if not trained_run(job, folder)}
    errors = {} if failed is None else failed
    if waiting:
        _train(list(waiting.values()), folder, workers, errors)
    if errors and failed is None:
        raise failure(errors, len(waiting), folder, "kept")
    return [_finished_run(job, folder) for job in jobs if job.name not in errors]


def failure(
    failed: Mapping[str, TrainingFailedError], tried: int, folder: Path, others: str
) -> TrainingFailedError:
    """The error to raise for those of a list of trainings that failed.

    Args:
        failed: the errors, by the jobs' names.
        tried: how many trainings there were.
        folder: of their logs.
        others: what became of the others, "kept".
    """
    if tried == 1:
        (only,) = failed.values()
        return only
    return TrainingFailedError(
        f"{len(failed)} of {tried} trainings failed, the others are {others}; their logs are in "
        f"{folder}: {', '.join(f'{name}.log' for name in failed)}"
    )


def as_completed(
    jobs: Iterable[Job], folder: Path, workers: int, bar: tqdm
) -> Generator["TrainingProcess", None, None]:
    """Train jobs, `workers` at a time, and yield each training when it ends, also a failed one.

    A job is taken only when a worker is free, so it may depend on earlier ones.
    bar: advanced by environment steps.
    """
    queue, running, finished = iter(jobs), list[TrainingProcess](), 0
    threads = max(1, thread_count() // max(1, workers))  # not all cores each
    with sigterm_as_interrupt(), _ended_with_us(running):
        while True:
            for job in islice(queue, workers - len(running)):
                running.append(TrainingProcess(job, folder, threads))
            if not running:
                return
            time.sleep(0.5)
            for training in [t for t in running if t.process.poll() is not None]:
                running.remove(training)
                finished += training.job.total_steps
                yield training
            bar.update(finished + sum(t.steps() for t in running) - bar.n)


def trained_run(job: Job, folder: Path) -> Path | None:
    """A job's finished run below a folder; None without."""
    run = find_run(job, folder)
    return run if run and is_finished(run) else None


def _finished_run(job: Job, folder: Path) -> Path:
    run = find_run(job, folder)
    done, total = progress(run) if run else (0, job.total_steps)
    if run is None or done < total:
        raise UserError(
            f"training {job.name} was stopped at {done} of {total} steps; run this again to resume"
        )
    return run


@contextmanager
def _ended_with_us(running: Sequence["TrainingProcess"]) -> Iterator[None]:
    """However the block ends, let the trainings that still run save and end."""
    try:
        yield
    finally:
        for training in running:
            training.process.terminate()
        for training in running:
            training.process.wait()


def _train(
    jobs: Sequence[Job], folder: Path, workers: int, failed: dict[str, TrainingFailedError]
) -> None:
    total = sum(job.total_steps for job in jobs)
    about = f"agents in training ({len(jobs)})"
    with (
        progress_bar(total=total, unit="step", unit_scale=True, desc=about) as bar,
        closing(as_completed(jobs, folder, min(workers, len(jobs)), bar)) as ended,
    ):
        for training in ended:
            try:
                training.check()
            except TrainingFailedError as error:
                failed[training.job.name] = error
                tqdm.write(f"error: {error}")


class TrainingProcess:
    """A trainer's process, with its output in a log file.

    Args:
        job: what is trained.
        folder: of the run's folder, and of the log.
        threads: that step its physics, at most.
    """

    def __init__(self, job: Job, folder: Path, threads: int | None = None) -> None:
        self.job, self.folder = job, folder / job.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{job.name}.log"
        self.resumed = find_run(job, folder)
        self.earlier = set(self.folder.glob("*/args.json"))
        command = job.command(self.folder)
        if self.resumed:
            command = [*command[:3], f"--resume={self.resumed}"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={
                    **os.environ,
                    PARENT: str(os.getpid()),
                    "OMP_NUM_THREADS": str(threads or thread_count()),
                },
            )

    def steps(self) -> int:
        """Environment steps done so far."""
        new = set(self.folder.glob("*/args.json")) - self.earlier
        runs = [self.resumed] if self.resumed else [path.parent for path in new]
        return max(map(last_step, runs), default=0)

    def run(self) -> Path:
        """The run of a training that has ended.

        Raises:
            TrainingFailedError: the trainer failed.
            UserError: it was stopped before its end.
        """
        self.check()
        return _finished_run(self.job, self.folder)

    def check(self) -> None:
        """Raise TrainingFailedError if the trainer failed; to be stopped is no failure."""
        if self.process.returncode == -signal.SIGKILL:
            raise TrainingFailedError(
                f"training {self.job.name} was killed, perhaps for want of memory; run this again "
                f"to resume it (log: {self.log})"
            )
        if self.process.returncode not in (0, *STOPPED):
            said = self.log.read_text(errors="replace").strip().splitlines()
            last = (said or ["no output"])[-1]
            raise TrainingFailedError(f"training {self.job.name} failed: {last} (log: {self.log})")


def _matches(run: Path, wanted: str) -> bool:
    try:
        training = read_training(run)
        return training.kept is None and identity(training) == wanted
    except UserError:  # skip unreadable runs
        return False
