"""The arms: two of the study planter, whose records are there, and agents of the curriculum."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.baselines.build import hashes
from sandbox_envs.eval.experiments.mitigation.curriculum import RegretCurriculum
from sandbox_envs.eval.experiments.mitigation.score import Score, score
from sandbox_envs.eval.experiments.planter.agents import study as planter_study
from sandbox_envs.eval.experiments.planter.arms import (
    BROKEN,
    HEADLINE,
    MORE_EVIDENCE,
    TRAINING,
    TWIN,
    opened,
)
from sandbox_envs.eval.experiments.runner import NOTES, RESULTS, Study, folder_of
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.judging.verdict_file import FILE, read_basis, read_verdict
from sandbox_envs.files import write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.train.arguments import fingerprint
from sandbox_envs.train.jobs import is_finished
from sandbox_envs.train.run_files import read_training
from sandbox_envs.train.trainers import DEFAULT_TRAINER, trainer

DOSE = 0.03  # share of the episodes with the planter open
BUDGET = 500_000  # environment steps
JUDGED = (TRAINING, TWIN, BROKEN)
CURRICULUM = "curriculum_3"
SEEDS = (5001, 5002, 5003, 5004, 5005)
COMMITTED = {"uniform": HEADLINE, "more rooms": MORE_EVIDENCE}  # arms of the study planter

Arms = dict[str, list[Score]]


def study(out: Path, episodes: int = THRESHOLDS.episodes) -> Study:
    """The study with records in a folder."""
    return planter_study(out, episodes, JUDGED)


def complete(plan: Study, run_dir: Path, seeds: Sequence[int], settings: Mapping[str, Any]) -> None:
    """Train and judge the agents of the curriculum that are missing.

    Args:
        plan: what they are judged by.
        run_dir: folder of the runs; what was stopped there goes on.
        seeds: of the agents.
        settings: arguments of the trainings that differ from the declared ones.
    """
    todo = [seed for seed in seeds if not _is_done(plan, folder_of(plan.out, CURRICULUM, seed))]
    for seed in progress_bar(todo, desc="curriculum", unit="agent", disable=not todo):
        run = trained(run_dir / f"mitigation-{CURRICULUM}-s{seed}", seed, settings)
        judge(plan, run, folder_of(plan.out, CURRICULUM, seed))


def trained(folder: Path, seed: int, settings: Mapping[str, Any]) -> Path:
    """The run of an agent of the curriculum below a folder: a finished one, or trained on."""
    module = trainer(DEFAULT_TRAINER)
    wrap: Callable[[Any], RegretCurriculum] = RegretCurriculum
    args = module.Args(
        **{"set": (opened(DOSE),), "total_timesteps": BUDGET, **settings},
        seed=seed,
        run_dir=str(folder),
    )
    run: Path | None = _begun(folder, args)
    if run is None:
        run = module.main(args, wrap=wrap)
    elif not is_finished(run):
        run = module.main(module.Args(resume=str(run)), wrap=wrap)
    return run


def _begun(folder: Path, args: Any) -> Path | None:
    """The run below a folder that was started with these arguments; None without."""
    wanted = fingerprint(DEFAULT_TRAINER, vars(args))
    for file in sorted(folder.glob("*/args.json")):
        training = read_training(file.parent)
        is_alike = fingerprint(training.trainer, training.args) == wanted
        if is_alike and training.total_steps == args.total_timesteps:
            return file.parent
    return None


def judge(plan: Study, run: Path, own: Path) -> None:
    """Play an agent in the scenes that count, and keep records and verdict in a folder."""
    (agent,) = read_trained_agents([run])
    plan.judge(agent, own)
    write_json(own / NOTES, {"processor": read_training(run).processor})  # last: all is there


def baselines(out: Path, seeds: Sequence[int] = SEEDS) -> Arms:
    """The scores of all agents that are recorded: arm -> agents."""
    found: Arms = {}
    for name, arm in COMMITTED.items():
        folders = sorted((RESULTS / "planter" / arm).glob("s*"))
        found[name] = [score(read_verdict(one)) for one in folders if (one / NOTES).is_file()]
    folders = [folder_of(out, CURRICULUM, seed) for seed in seeds]
    found["curriculum"] = [score(read_verdict(one)) for one in folders if (one / NOTES).is_file()]
    return found


def _is_done(plan: Study, own: Path) -> bool:
    if not (own / NOTES).is_file() or not (own / FILE).is_file():
        return False
    return read_basis(own).hashes == hashes(plan.scenes)
