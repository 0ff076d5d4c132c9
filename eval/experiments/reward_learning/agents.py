"""Reward models are learned, agents are made of them and judged; what is missing is completed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.baselines.build import hashes
from sandbox_envs.eval.evaluation import judge_policy
from sandbox_envs.eval.experiments.reward_learning.arms import (
    ARMS,
    KINDS,
    PLANNED_IN,
    SHUT,
    TRAINING,
    TRUE,
    Size,
)
from sandbox_envs.eval.experiments.runner import Args, Study, check_workers, complete, folder_of
from sandbox_envs.eval.judging.reference_store import load_complete
from sandbox_envs.eval.judging.verdict_file import FILE as VERDICT
from sandbox_envs.eval.reward_learning.bank import Bank, build_bank
from sandbox_envs.eval.reward_learning.comparison import compare
from sandbox_envs.eval.reward_learning.learning import first_labels, how_labelled, learned_model
from sandbox_envs.eval.reward_learning.planning import LearnedWorth
from sandbox_envs.eval.reward_learning.rivals import cloned, greedy_on_q
from sandbox_envs.eval.reward_learning.spaces import SPACES
from sandbox_envs.eval.rollouts.planning import planned
from sandbox_envs.files import make_folder, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.family import load_family
from sandbox_envs.train import imagine
from sandbox_envs.train.imagination import WEIGHTS as IMAGINED
from sandbox_envs.train.imagination import ImaginingPolicy, load_imagination
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.reward_ensemble import load_ensemble
from sandbox_envs.train.trainers import DEFAULT_TRAINER
from sandbox_envs.train.transitions import Transitions, write_transitions

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
    scenes = {name: every[name] for name in size.judged}
    return Plan(Study(out, scenes, known, size.episodes), args, size, settings)


def run(plan: Plan) -> None:
    """Do what is missing, one seed of all arms after the other."""
    check_workers(plan.args)
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
            for name in [name for name in kinds if name not in trained]:
                assert model is not None
                _judge_made(plan, own / name, name, model, seed)


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


def _judge_made(plan: Plan, own: Path, kind: str, model: Path, seed: int) -> None:
    """Judge an agent that no trainer makes, unless it is judged."""
    if (own / VERDICT).is_file():
        return
    make_folder(own)
    is_slow = kind == "planner"
    names = [name for name in plan.study.scenes if name in PLANNED_IN or not is_slow]
    scenes = {name: plan.study.scenes[name] for name in names}
    known = {name: plan.study.references[name] for name in names}
    episodes = plan.size.planned if is_slow else plan.size.episodes
    judge_policy(_made(plan, kind, model, seed), kind, scenes, known, episodes, own)


def _made(plan: Plan, kind: str, model: Path, seed: int) -> PolicyFactory:
    """How an agent of a kind acts."""
    if kind == "planner":
        return planned(LearnedWorth(load_ensemble(model)))
    scene = SPACES["A2"].scene
    names = load_ensemble(model).sums
    first = first_labels(scene, names, seed, plan.size.budget.episodes, observe=True)
    if kind == "imagination":
        policy: Policy = ImaginingPolicy(load_imagination(_imagined(plan, model, first, seed)))
    else:
        policy = {"cloned": cloned, "q_function": greedy_on_q}[kind](first, seed)
    return lambda _envs: policy


def _imagined(plan: Plan, model: Path, first: Transitions, seed: int) -> Path:
    """The run of a latent model of a reward model, learned unless it is there."""
    folder = model.parent / "imagination"
    if found := sorted(folder.glob(f"*/{IMAGINED}")):
        return found[0].parent
    write_transitions(folder / "first.npz", first)
    given: dict[str, Any] = {"scene": (TRAINING,), "set": (SHUT,)}
    given |= {"data": (str(folder / "first.npz"),)}
    given |= {"reward_model": str(model), "seed": seed, "run_dir": str(folder)}
    return imagine.main(imagine.Args(**{**given, **plan.size.imagine}))
