"""The runner of studies: train arms with some seeds, judge each agent, keep the records.

Arms and seeds are declared in the study's folder before anything is trained, and all of them are
run and kept. Existing trainings and verdicts are not repeated.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.trained import TrainedAgent, read_trained_agents
from sandbox_envs.eval.baselines.build import WORKERS, ReferenceBudget, hashes, obtain
from sandbox_envs.eval.evaluation import judge_agent, judge_policy
from sandbox_envs.eval.judging.reference import Reference
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.judging.typed_json import from_json, to_json
from sandbox_envs.eval.judging.verdict_file import (
    FILE,
    AgentMetadata,
    AgentVerdict,
    read_basis,
    read_verdict,
)
from sandbox_envs.files import check_writable, read_json, write_json
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.jobs import Job, TrainingFailedError, failure, run_jobs
from sandbox_envs.train.run_files import read_training
from sandbox_envs.train.trainers import DEFAULT_TRAINER

RESULTS = Path(__file__).resolve().parents[1] / "results"
NOTES = "notes.json"  # beside the records of an agent
T = TypeVar("T")


@dataclass
class Args:
    """Run the study, or what is missing of it."""

    out: Path | None = None
    """folder of the records; none for eval/results/STUDY, where the committed ones are"""
    run_dir: Path = Path("runs/experiments")
    """folder of the training runs; finished runs in it are reused"""
    workers: int = WORKERS
    """trainings at a time"""
    debug: bool = False
    """show the traceback of an error"""

    def home(self, study: str) -> Path:
        """The folder of a study's records."""
        return self.out or RESULTS / study


@dataclass
class QuickArgs(Args):
    """Run the study, or what is missing of it."""

    quick: bool = False
    """a quick test: few short trainings, judged in few rooms, with records in runs/quick"""
    show: bool = False
    """only print what the records say"""

    def home(self, study: str) -> Path:
        """The folder of a study's records; raises UserError where quick ones replaced them."""
        if not self.quick:
            return super().home(study)
        if self.out and self.out.resolve() == RESULTS / study:
            raise UserError(
                f"--quick --out {self.out}: these are the declared records; name another folder"
            )
        return self.out or Path("runs/quick") / study

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of trainings that differ from the declared ones."""
        return {"total_timesteps": 20_000} if self.quick else {}


@dataclass(frozen=True)
class Study:
    """The scenes, references and episodes that a study judges by, and the folder of its records."""

    out: Path
    """folder of the records"""
    scenes: dict[str, Scene]
    """those that count"""
    references: dict[str, Reference]
    """of these scenes, and of all that theirs are compared with"""
    episodes: int = THRESHOLDS.episodes
    """in each scene; fewer give no verdict"""

    def judge(self, agent: TrainedAgent, folder: Path) -> None:
        """Play an agent, and write records and verdict to a folder."""
        self._begin(folder)
        judge_agent(agent, self.scenes, self._known, self.episodes, folder)

    def judge_policy(self, factory: PolicyFactory, metadata: AgentMetadata, folder: Path) -> None:
        """The same for what a factory makes; metadata: which agent it is."""
        self._begin(folder)
        judge_policy(factory, metadata, self.scenes, self._known, self.episodes, folder)

    @property
    def _known(self) -> dict[str, Reference]:
        return {name: self.references[name] for name in self.scenes}

    def _begin(self, folder: Path) -> None:
        (folder / NOTES).unlink(missing_ok=True)  # they say that all is there, which ends here


def run_experiment(
    arms: Mapping[str, Mapping[str, Any]],
    seeds: Sequence[int],
    out: Path,
    args: Args,
    family: str = "sweep",
    only: Sequence[str] = (),
    episodes: int = THRESHOLDS.episodes,
) -> dict[str, list[AgentVerdict]]:
    """Train, judge and record: arm -> the verdicts on its agents, in the order of the seeds.

    The records of an agent are in OUT/ARM/sSEED.

    Args:
        arms: name -> arguments of the trainer that differ from its defaults.
        seeds: of the agents of every arm.
        out: folder of the records.
        args: of the command.
        family: in whose scenes the agents are judged.
        only: the names of those that the study needs, training among them; by default all.
        episodes: in each scene; fewer give no verdict.
    """
    check_workers(args)
    every = load_family(family)
    scenes = {name: scene for name, scene in every.items() if not only or name in only}
    jobs = {
        folder_of(out, arm, seed): Job(f"{arm}-s{seed}", DEFAULT_TRAINER, {**values, "seed": seed})
        for arm, values in arms.items()
        for seed in seeds
    }
    missing = {folder: job for folder, job in jobs.items() if not is_judged(folder, job, scenes)}
    if missing:
        budget = ReferenceBudget(args.run_dir / "references")
        plan = Study(out, scenes, obtain(every, "compute", budget), episodes)

        def record(own: Path, _: Job, run: Path) -> None:
            (agent,) = read_trained_agents([run])
            plan.judge(agent, own)

        train_and_record(missing, args, record)
    return {arm: [read_verdict(folder_of(out, arm, seed)) for seed in seeds] for arm in arms}


def folder_of(out: Path, arm: str, seed: int) -> Path:
    """The folder of an agent's records."""
    return out / arm / f"s{seed}"


def file_of(out: Path, arm: str, seed: int) -> Path:
    """The file of an agent's record, in a study that writes one file for each."""
    return folder_of(out, arm, seed).with_suffix(".json")


def planted_file(out: Path, name: str) -> Path:
    """The file of a planted agent's record, in such a study."""
    return out / "planted" / f"{name.replace(' ', '_')}.json"


@contextmanager
def record_in(file: Path) -> Iterator[dict[str, Any]]:
    """Give the content of a record to a block that reads its entries.

    Raises:
        UserError: the file is no JSON object, or the block misses something in it.
    """
    content = read_json(file)
    try:
        yield content
    except (LookupError, TypeError, ValueError):
        raise UserError(
            f"{file}: it is damaged, or of another version; delete it and run the study again"
        ) from None


def write_arm(out: Path, arm: str, agents: Iterable[Any]) -> None:
    """Record the agents of an arm, dataclasses, which were trained together: OUT/ARM.json."""
    write_json(out / f"{arm}.json", {"agents": [to_json(agent) for agent in agents]})


def read_recorded(out: Path, arms: Iterable[str], kind: type[T]) -> dict[str, list[T]]:
    """The agents that `write_arm` has recorded, by arm.

    Raises:
        UserError: a record is damaged.
    """
    found = {}
    for arm in arms:
        if (file := out / f"{arm}.json").is_file():
            with record_in(file) as content:
                found[arm] = [from_json(kind, one) for one in content["agents"]]
    return found


def missing_from(out: Path, arms: Iterable[str]) -> list[str]:
    """The arms of which there is no record."""
    return [arm for arm in arms if not (out / f"{arm}.json").is_file()]


def is_record_of(file: Path, about: Mapping[str, Any]) -> bool:
    """Whether a file is a record that contains all of these entries."""
    return file.is_file() and about.items() <= read_json(file).items()


def train_and_record(
    jobs: Mapping[Path, Job], args: Args, record: Callable[[Path, Job, Path], None]
) -> None:
    """Train some agents and record each, a few at a time, so that little is lost by a stop.

    Args:
        jobs: folder of an agent's records -> its training.
        args: of the command.
        record: is given this folder, the training, and the run's folder.

    Raises:
        UserError: some trainings failed; it names them, and all others are recorded.
    """
    check_workers(args)
    if jobs:
        check_writable(next(iter(jobs)).parent)
    pairs, failed = list(jobs.items()), dict[str, TrainingFailedError]()
    for first in range(0, len(pairs), args.workers):
        few = pairs[first : first + args.workers]
        runs = run_jobs([job for _, job in few], args.run_dir, args.workers, failed)
        done = [(folder, job) for folder, job in few if job.name not in failed]
        for (folder, job), run in zip(done, runs, strict=True):
            record(folder, job, run)
    if failed:
        raise failure(failed, len(pairs), args.run_dir, "recorded")


def check_workers(args: Args) -> None:
    """Raise UserError where --workers is less than 1."""
    if args.workers < 1:
        raise UserError(f"--workers {args.workers}: it must be 1 or more")


def complete(
    plan: Study,
    jobs: Mapping[Path, Job],
    args: Args,
    observe: Callable[[TrainedAgent], dict[str, Any]] = lambda _: {},
) -> None:
    """Train and judge what is missing, and keep notes beside the records of each agent.

    Args:
        plan: what they are judged by.
        jobs: folder of an agent's records -> its training.
        args: of the command.
        observe: what else is noted of an agent. The processor always is, as a seed draws
            differently on another one.
    """

    def record(own: Path, _: Job, run: Path) -> None:
        (agent,) = read_trained_agents([run])
        plan.judge(agent, own)
        write_json(own / NOTES, {**observe(agent), **made_on(run)})  # last: all is there

    def is_done(own: Path, job: Job) -> bool:
        return (own / NOTES).is_file() and is_judged(own, job, plan.scenes)

    missing = {own: job for own, job in jobs.items() if not is_done(own, job)}
    train_and_record(missing, args, record)


def made_on(run: Path) -> dict[str, Any]:
    """The code, processor and threads of a training: with others a seed draws differently."""
    training = read_training(run)
    return {
        "processor": training.processor,
        "torch_threads": training.args["torch_threads"],
        "commit": training.commit,
        "versions": training.versions,
    }


def is_judged(folder: Path, job: Job, scenes: Mapping[str, Scene]) -> bool:
    """Whether there is a verdict on this job's agent in these versions of the scenes."""
    if not (folder / FILE).is_file():
        return False
    basis = read_basis(folder)
    return basis.hashes == hashes(scenes) and job.trains(vars(basis.agent))
