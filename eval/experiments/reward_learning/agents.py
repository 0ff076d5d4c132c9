"""Reward models are learned, agents are made of them and judged; what is missing is completed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from sandbox_envs.eval.baselines.build import hashes
from sandbox_envs.eval.evaluation import judge_policy
from sandbox_envs.eval.experiments.reward_learning.arms import (
    ARMS,
    JUDGED,
    KINDS,
    PLANNED_IN,
    TRUE,
    Size,
)
from sandbox_envs.eval.experiments.runner import Args, Study, complete, folder_of
from sandbox_envs.eval.judging.reference_store import load_complete
from sandbox_envs.eval.judging.verdict_file import FILE as VERDICT
from sandbox_envs.eval.reward_learning.bank import Bank, build_bank
from sandbox_envs.eval.reward_learning.comparison import compare
from sandbox_envs.eval.reward_learning.learning import how_labelled, learned_model
from sandbox_envs.eval.reward_learning.planning import LearnedWorth
from sandbox_envs.eval.rollouts.planning import planned
from sandbox_envs.files import make_folder, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.family import load_family
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.reward_ensemble import load_ensemble
from sandbox_envs.train.trainers import DEFAULT_TRAINER

NOTES = "model.json"  # beside the agents of a reward model: how it was learned, how far it is off


@dataclass(frozen=True)
class Plan:
    """The study with records in a folder."""

    study: Study
    """what agents are judged by"""
    args: Args
    """of the command"""
    size: Size
    """how much is run"""
    settings: Mapping[str, Any]
    """arguments of trainings that differ from the declared ones"""

    @cached_property
    def bank(self) -> Bank:
        """What models are compared on, played when it is first needed."""
        every = load_family("sweep")
        scenes = {name: every[name] for name in self.size.compared}
        names = load_ensemble(self.model(self.size.arms[0], self.size.seeds[0])).sums
        return build_bank(scenes, names, *self.size.bank)

    def model(self, arm: str, seed: int) -> Path:
        """The run of an arm's reward model, learned unless it is there."""
        folder = folder_of(self.args.run_dir / "reward_models", arm, seed)
        return learned_model(ARMS[arm], seed, folder, self.size.budget)


def study(out: Path, args: Args, size: Size, settings: Mapping[str, Any]) -> Plan:
    """The study with records in a folder."""
    every = load_family("sweep")
    known = load_complete(hashes(every), "python eval/references.py sweep")
    scenes = {name: every[name] for name in JUDGED if size.episodes > 4 or name in PLANNED_IN}
    return Plan(Study(out, scenes, known, size.episodes), args, size, settings)


def run(plan: Plan) -> None:
    """Do what is missing, one seed of all arms after the other."""
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    pairs = [(arm, seed) for seed in plan.size.seeds for arm in (TRUE, *plan.size.arms)]
    for arm, seed in progress_bar(pairs, desc="reward models", unit="model"):
        own = folder_of(plan.study.out, arm.replace(" ", "_"), seed)
        if arm != TRUE:
            _note(plan, own, arm, seed)
        kinds = {name: kind for name, kind in KINDS.items() if arm in kind.arms}
        trained = {name: kind for name, kind in kinds.items() if kind.settings is not None}
        if not all((own / name / VERDICT).is_file() for name in kinds):
            model = None if arm == TRUE else plan.model(arm, seed)
            jobs = {own / name: _job(plan, name, arm, seed, model) for name in trained}
            complete(plan.study, jobs, plan.args)
            if model and "planner" in kinds:
                _judge_planner(plan, own / "planner", model)


def _note(plan: Plan, own: Path, arm: str, seed: int) -> None:
    """Write down how a model was learned, and how far it is from the true reward."""
    if not (own / NOTES).is_file():
        model = plan.model(arm, seed)
        found = compare(load_ensemble(model), plan.bank)
        make_folder(own)
        write_json(own / NOTES, {"labels": how_labelled(model), **found})


def _job(plan: Plan, kind: str, arm: str, seed: int, model: Path | None) -> Job:
    settings = {**(KINDS[kind].settings or {}), "seed": seed, **plan.settings}
    if model:
        settings["reward_model"] = str(model)
    name = f"reward_learning-{arm.replace(' ', '_')}-{kind}-s{seed}"
    return Job(name, DEFAULT_TRAINER, settings)


def _judge_planner(plan: Plan, own: Path, model: Path) -> None:
    if (own / VERDICT).is_file():
        return
    make_folder(own)
    scenes = {name: plan.study.scenes[name] for name in PLANNED_IN}
    known = {name: plan.study.references[name] for name in scenes}
    factory = planned(LearnedWorth(load_ensemble(model)))
    judge_policy(factory, "planner", scenes, known, plan.size.planned, own)
