"""Reward models are learned, agents are made of them and judged; what is missing is completed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.baselines.build import hashes
from sandbox_envs.eval.experiments.reward_learning.arms import (
    ARMS,
    HALF_OPEN,
    IMAGINATION,
    KINDS,
    PLANNED_IN,
    TRAINING,
    TRUE,
    Size,
)
from sandbox_envs.eval.experiments.runner import (
    NOTES,
    Args,
    Study,
    check_workers,
    complete,
    folder_of,
)
from sandbox_envs.eval.judging.reference_store import load_complete
from sandbox_envs.eval.judging.verdict_file import FILE as VERDICT
from sandbox_envs.eval.judging.verdict_file import AgentMetadata, read_basis
from sandbox_envs.eval.reward_learning.bank import Bank, kept_bank
from sandbox_envs.eval.reward_learning.comparison import compare
from sandbox_envs.eval.reward_learning.learning import (
    explored_steps,
    first_labels,
    how_labelled,
    learned_model,
)
from sandbox_envs.eval.reward_learning.planning import LearnedWorth
from sandbox_envs.eval.reward_learning.rivals import cloned, greedy_on_q
from sandbox_envs.eval.reward_learning.spaces import SPACES
from sandbox_envs.eval.rollouts.planning import planned
from sandbox_envs.files import content_hash, read_json, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scene.texts import parse_overrides
from sandbox_envs.sensor_sums import sum_names
from sandbox_envs.train import imagine
from sandbox_envs.train.imagination import FILES as IMAGINED
from sandbox_envs.train.imagination import ImaginingPolicy, load_imagination
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.provenance import provenance
from sandbox_envs.train.reward_ensemble import ensemble_hash, held_out_r2, load_ensemble
from sandbox_envs.train.trainers import DEFAULT_TRAINER
from sandbox_envs.train.transitions import write_transitions

MODEL = "model.json"  # beside the agents of a reward model: how it was learned, how far it is off


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
        """The bank of episodes that models are compared on, kept with the runs."""
        every, names = load_family("sweep"), sum_names(SPACES["A2"].scene)
        scenes = {name: every[name] for name in self.size.compared}
        return kept_bank(self.args.run_dir / "bank", scenes, names, *self.size.bank)

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
        missing = [
            k for k in plan.size.kinds if arm in KINDS[k].arms and not _is_kept(plan, own, k)
        ]
        model = None
        if arm != TRUE and (missing or not (own / MODEL).is_file()):
            model = plan.model(arm, seed)
            _note(plan, own, model)
        trained = [name for name in missing if KINDS[name].settings is not None]
        jobs = {own / name: _job(plan, name, arm, seed, model) for name in trained}
        complete(plan.study, jobs, plan.args)
        for name in missing:
            if name not in trained and model is not None:
                _judge_made(plan, own / name, name, model, seed)


def _note(plan: Plan, own: Path, model: Path) -> None:
    """Write down how a model was learned, and how far it is from the true reward.

    Raises:
        UserError: other agents in this folder are of another model.
    """
    of = ensemble_hash(model)
    if not (own / MODEL).is_file():
        found = compare(load_ensemble(model), plan.bank)
        about = {"model": of, "r2": held_out_r2(model), "labels": how_labelled(model)}
        write_json(own / MODEL, {**about, **_machine(), **found})
    elif read_json(own / MODEL).get("model") != of:
        raise UserError(
            f"{own}: its agents are of a reward model that is not in {plan.args.run_dir}, and one "
            "that is learned again differs; delete the folder and run the study again"
        )


def _is_kept(plan: Plan, own: Path, kind: str) -> bool:
    """Whether there is a whole record of an agent, in these versions of its scenes."""
    if not ((own / kind / NOTES).is_file() and (own / kind / VERDICT).is_file()):
        return False
    basis, (scenes, episodes) = read_basis(own / kind), _played(plan, kind)
    return (basis.hashes, basis.episodes) == (hashes(scenes), episodes)


def _played(plan: Plan, kind: str) -> tuple[dict[str, Scene], int]:
    """In which scenes agents of a kind are judged, and how often each is played."""
    if kind != "planner":
        return plan.study.scenes, plan.size.episodes
    return {k: v for k, v in plan.study.scenes.items() if k in PLANNED_IN}, plan.size.planned


def _machine() -> dict[str, Any]:
    """The code, processor and threads of what is made here, as `made_on` says it of trainings."""
    return {**provenance(), "torch_threads": torch.get_num_threads()}


def _job(plan: Plan, kind: str, arm: str, seed: int, model: Path | None) -> Job:
    settings = {**(KINDS[kind].settings or {}), "seed": seed, **plan.settings}
    if model:
        settings["reward_model"] = str(model)
    name = f"reward_learning-{arm.replace(' ', '_')}-{kind}-s{seed}"
    return Job(name, DEFAULT_TRAINER, settings)


def _judge_made(plan: Plan, own: Path, kind: str, model: Path, seed: int) -> None:
    """Judge an agent that no trainer makes."""
    scenes, episodes = _played(plan, kind)
    judged = replace(plan.study, scenes=scenes, episodes=episodes)
    judged.judge_policy(_made(plan, kind, model, seed), AgentMetadata(kind), own)
    about = {"model": ensemble_hash(model), "seed": seed, **_machine()}
    if kind == IMAGINATION:
        about["latent_model"] = content_hash(_imagined(plan, model, seed) / IMAGINED.weights)
    write_json(own / NOTES, about)  # last: it says that all is there


def _made(plan: Plan, kind: str, model: Path, seed: int) -> PolicyFactory:
    """The policy factory of an agent of a kind."""
    if kind == "planner":
        return planned(LearnedWorth(load_ensemble(model)))
    if kind == IMAGINATION:
        imagined: Policy = ImaginingPolicy(load_imagination(_imagined(plan, model, seed)))
        return lambda _envs: imagined
    scene, names = SPACES["A2"].scene, load_ensemble(model).sums
    first = first_labels(scene, names, seed, plan.size.budget.episodes, observe=True)
    policy = {"cloned": cloned, "q_function": greedy_on_q}[kind](first, seed)
    return lambda _envs: policy


def _imagined(plan: Plan, model: Path, seed: int) -> Path:
    """The run of a latent model of a reward model, learned unless it is there."""
    folder = model.parent / f"imagination-{ensemble_hash(model)}"
    if found := sorted(folder.glob(f"*/{IMAGINED.weights}")):
        return found[0].parent
    given: dict[str, Any] = {"scene": (TRAINING,), "set": (HALF_OPEN,)}
    given |= {"data": (str(_explored(plan, load_ensemble(model).sums, seed)),)}
    given |= {"reward_model": str(model), "seed": seed, "run_dir": str(folder)}
    return imagine.main(imagine.Args(**{**given, **plan.size.imagine}))


def _explored(plan: Plan, names: Sequence[str], seed: int) -> Path:
    """The file of steps from which all latent models of a seed are learned, made unless there."""
    file = plan.args.run_dir / "explored" / f"{plan.size.explored}-s{seed}.npz"
    if not file.is_file():
        overrides = {**SPACES["A2"].overrides, **parse_overrides((HALF_OPEN,))}
        rooms = load_scene(TRAINING, overrides)  # so that the estimate for soil is imagined, too
        steps = explored_steps(rooms, names, seed, plan.size.explored)
        write_transitions(file, steps)
    return file
