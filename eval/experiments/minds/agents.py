"""The agents: trained, and judged at the end and when they first were competent."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.baselines.build import hashes
from sandbox_envs.eval.calibration.weights import findings, is_planning
from sandbox_envs.eval.experiments import runner
from sandbox_envs.eval.experiments.runner import Args, folder_of, is_judged, train_and_record
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.reference_store import load_complete
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.files import read_json, write_json
from sandbox_envs.scene.family import load_family
from sandbox_envs.train.capacity import matched_width
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.metrics import read_history
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.run_files import read_agent
from sandbox_envs.train.run_folder import kept_checkpoints
from sandbox_envs.train.trainers import DEFAULT_TRAINER, TRAINERS
from sandbox_envs.train.trainers import MINDS as TRAINER_OF

MINDS = TRAINERS
SEEDS = tuple(range(1201, 1211))
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {  # name -> trainer, and what differs
    "lstm_predicting": (DEFAULT_TRAINER, {"aux_coef": 1.0}),
    "planner_loose": (TRAINER_OF["planner"], {"loose": True}),
    "planner_unsupervised": (TRAINER_OF["planner"], {"unsupervised": True}),
}
FEW = SEEDS[:3]  # of each variant
AGENTS = tuple((arm, seed) for arms, seeds in ((MINDS, SEEDS), (VARIANTS, FEW)) for seed in seeds
               for arm in arms)  # fmt: skip
TRAINING = "sweep/train"
CONFLICTS = ("sweep/planter_open", "sweep/garden_near")
JUDGED = (TRAINING, "sweep/planter_glass", CONFLICTS[0], "sweep/garden_near_glass", CONFLICTS[1])
QUOTED = (TRAINING, *CONFLICTS)  # where a planner's weights are quoted if they may be
KEPT = 20  # checkpoints of each training
LEVEL = 0.65  # of the best reference's reward in training, at equal competence
COURSE = "training.json"  # beside an agent's records
WEIGHTS = "weights.json"  # beside a planner's: what it optimises, and whether that may be quoted
TRIED = 64  # episodes in which they are tried
STAGES = ("end", "equal")


@dataclass(frozen=True)
class Study(runner.Study):
    """A study with the return in training that counts as equal competence."""

    share: float = LEVEL
    """of the best reference's return"""

    @property
    def level(self) -> float:
        """The return in training at equal competence."""
        return self.share * self.references[TRAINING].best(REWARD)


def study(out: Path, episodes: int = THRESHOLDS.episodes, share: float = LEVEL) -> Study:
    """The study with records in a folder."""
    every = load_family("sweep")
    known = load_complete(hashes(every), "python eval/references.py sweep")
    return Study(out, {name: every[name] for name in JUDGED}, known, episodes, share)


def complete(
    plan: Study, args: Args, agents: Iterable[tuple[str, int]] = AGENTS, **settings: Any
) -> None:
    """Train and judge what is missing.

    Args:
        agents: arm and seed of each.
        settings: arguments that differ from the declared ones, to try the study out.
    """
    jobs = {folder_of(plan.out, arm, seed): job(arm, seed, **settings) for arm, seed in agents}
    missing = {own: one for own, one in jobs.items() if not _is_done(plan, own, one)}
    train_and_record(missing, args, partial(_judge, plan))


def job(arm: str, seed: int, **settings: Any) -> Job:
    """The training of one agent; arm: a mind or a variant."""
    trainer, own = VARIANTS.get(arm, (arm, {}))
    width = matched_width(trainer, TRAINING, **own)
    arguments = {"seed": seed, "checkpoints": KEPT, "hidden_size": width, **own, **settings}
    return Job(f"minds-{arm}-s{seed}", trainer, arguments)


def _is_done(plan: Study, own: Path, one: Job) -> bool:
    if not (own / COURSE).is_file():
        return False
    stages = STAGES if read_json(own / COURSE)["competent_after"] is not None else STAGES[:1]
    return all(is_judged(own / stage, one, plan.scenes) for stage in stages)


def _judge(plan: Study, own: Path, one: Job, run: Path) -> None:
    """Judge an agent at the end and at equal competence, and write down its training."""
    returns = course(run)
    after = next((step for step, mean in returns if mean >= plan.level), None)
    places = {"end": run}
    if after is not None:
        places["equal"] = kept_checkpoints(run)[after]
    (own / COURSE).unlink(missing_ok=True)  # of an earlier version; it says that all is there
    for stage, place in places.items():
        (agent,) = read_trained_agents([place])
        plan.judge(agent, own / stage)
    policy = load_policy(run)
    if is_planning(policy.agent):
        tried = {name: scene for name, scene in plan.scenes.items() if name in QUOTED}
        write_json(own / WEIGHTS, findings(policy, policy.agent, tried, TRAINING, TRIED))
    content = {
        "parameters": read_agent(run)["parameters"],
        "level": plan.level,
        "competent_after": after,
        "returns": returns,
        "seconds": float(read_history(run).seconds[-1]),
    }
    write_json(own / COURSE, content)  # last: it says that all is there


def course(run: Path) -> list[tuple[int, float]]:
    """The mean return of the episodes that ended between two checkpoints, by the later one's step.

    Raises:
        UserError: the run has kept no checkpoints, or no episode ended before one.
    """
    history = read_history(run)
    steps = list(kept_checkpoints(run))
    if not steps:
        raise UserError(f"{run}: it has kept no checkpoints")
    found, before = [], 0
    for step in steps:
        part = (history.steps > before) & (history.steps <= step)
        if history.episodes[part].any():
            mean = np.average(history.rewards[part], weights=history.episodes[part])
            found.append((step, float(mean)))
        before = step
    return found
