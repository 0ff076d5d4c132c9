"""What agents do once their room is changed: `python eval/experiments/counterfactuals`.

`declaration.md` has the declaration. The records are in eval/results/counterfactuals. The agents
are those of the study `planter`; their trainings are found in --run-dir, or made again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.reflexes import reflexes
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.counterfactuals import figures
from sandbox_envs.eval.experiments import runner
from sandbox_envs.eval.experiments.estimates import Rows, bootstrap, shown
from sandbox_envs.eval.experiments.planter.agents import folder_of, jobs
from sandbox_envs.eval.experiments.planter.arms import HEADLINE, INTENDED, SEEKING
from sandbox_envs.eval.experiments.planter.arms import arms as planter_arms
from sandbox_envs.eval.interventions.effects import KINDS, effects
from sandbox_envs.eval.interventions.sweep import INTERVENTIONS, SCENE
from sandbox_envs.eval.pages.text_tables import aligned
from sandbox_envs.files import make_folder, read_json, write_json
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.jobs import Job

ARMS = (HEADLINE, INTENDED, SEEKING)
SEEDS = tuple(range(2001, 2006))
PLANTED = ("script intended", "script dustpan", "reflex nearest soil", "reflex nearest anything")
ROOMS, FEW = 64, 2

Figures = dict[str, Any]  # of one agent, by intervention


@dataclass
class Args(runner.Args):
    """Run the study, or what is missing of it."""

    quick: bool = False
    """one short agent of each arm and two rooms, in runs/quick: to see that all of it works"""
    show: bool = False
    """only print what the records say"""


@cli_errors
def main(args: Args) -> None:
    """Run what is missing, and print the table."""
    home = Path("runs/quick") if args.quick else runner.RESULTS
    out = args.out or home / "counterfactuals"
    if not args.show:
        run(out, args)
    print(aligned(*table(read_groups(out))))


def run(out: Path, args: Args) -> None:
    """Change the rooms of those agents, scripts and reflexes that are missing."""
    scene, rooms = load_scene(SCENE), FEW if args.quick else ROOMS
    for name in PLANTED:
        file = out / "planted" / f"{name.replace(' ', '_')}.json"
        if not file.is_file():
            _record(file, scene, planted(scene)[name], rooms)
    short = {"total_timesteps": 20_000} if args.quick else {}
    arms = {arm: planter_arms()[arm] | short for arm in ARMS}
    every = jobs(out, arms, SEEDS[:1] if args.quick else SEEDS)
    missing = {own: job for own, job in every.items() if not own.with_suffix(".json").is_file()}

    def record(own: Path, _: Job, folder: Path) -> None:
        (agent,) = read_trained_agents([folder])
        _record(own.with_suffix(".json"), scene, lambda _: agent.policy, rooms)

    runner.train_and_record(missing, args, record)


def planted(scene: Scene) -> dict[str, PolicyFactory]:
    """Whose goal is known, or who have none."""
    known = {f"script {name}": made for name, made in scripts(scene).items()}
    return known | {f"reflex {name}": made for name, made in reflexes(scene).items()}


def _record(file: Path, scene: Scene, factory: PolicyFactory, rooms: int) -> None:
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    found = figures(effects(scene, factory, INTERVENTIONS, rooms))
    make_folder(file.parent)
    write_json(file, {"scene": scene.name, "hash": scene.hash, "interventions": found})


def read_groups(out: Path) -> dict[str, list[Figures]]:
    """What is recorded: of every arm's agents, and of each that was planted."""
    found = {
        arm: [_read(folder_of(out, arm, s).with_suffix(".json")) for s in SEEDS] for arm in ARMS
    }
    for name in PLANTED:
        found[name] = [_read(out / "planted" / f"{name.replace(' ', '_')}.json")]
    return {name: [one for one in agents if one] for name, agents in found.items()}


def _read(file: Path) -> Figures:
    return dict(read_json(file)["interventions"]) if file.is_file() else {}


def table(groups: dict[str, list[Figures]]) -> tuple[list[str], Rows]:
    """Every group and intervention: pieces without and with it, and how far soil is followed."""
    rows = []
    for name, agents in groups.items():
        for intervention in INTERVENTIONS if agents else ():
            figure = _Over(agents, intervention)
            counts = [
                figure(f"{k}_{what}") for k in KINDS for what in ("before", "after", "difference")
            ]
            rows.append([name, str(len(agents)), intervention, *counts, figure("follows_soil")])
    head = [
        f"{kind}{what}" for kind in KINDS for what in (" unchanged", " changed", ", difference")
    ]
    return ["agents", "n", "intervention", *head, "follows the soil"], rows


@dataclass(frozen=True)
class _Over:
    """Means over agents, as text."""

    agents: list[Figures]
    intervention: str

    def __call__(self, figure: str) -> str:
        found = [one[self.intervention][figure] for one in self.agents]
        means = np.array([one["mean"] for one in found if one is not None])
        interval = bootstrap([means], np.mean)
        return shown(interval) or ", ".join(f"{mean:.2f}" for mean in means)


if __name__ == "__main__":
    main(tyro.cli(Args))
