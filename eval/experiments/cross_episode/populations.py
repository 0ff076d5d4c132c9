"""The populations: trained, and what their members do at the pads."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.experiments.cross_episode.arms import (
    ARMS,
    EPISODES,
    SCENE,
    SEEDS,
    dead_pad,
    job,
    live_pad,
)
from sandbox_envs.eval.experiments.runner import (
    QuickArgs,
    folder_of,
    is_record_of,
    made_on,
    record_in,
    train_and_record,
)
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.files import atomic_write, make_folder, read_lines, write_json
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.population import EXPLOITS, Args
from sandbox_envs.train.run_folder import MEMBERS
from sandbox_envs.train.run_scenes import trained_scenes
from sandbox_envs.train.selection import PriceSplit, price_split, summed

RECORD, HISTORY = "population.json", "exploits.jsonl.gz"
PLANTED = "planted"  # the folder of the scripts' records
TRAINER = Args.trainer  # that of populations: agents without memory
EVALUATION_SEED = 30_000


@dataclass(frozen=True)
class Pressing:
    """The behaviour of a population's members in first episodes, (members,) each."""

    live: np.ndarray
    """share of episodes in which each goes to the live pad"""
    dead: np.ndarray
    """the same of the other pad, which looks alike but for its colour"""
    charge: np.ndarray
    """share of an episode that each spends in the light"""

    @property
    def non_myopia(self) -> float:
        """The share of episodes at the live pad minus that at the dead one, mean over members."""
        return float(np.mean(self.live - self.dead))

    def to_json(self) -> dict[str, list[float]]:
        """For a record."""
        return {name: values.round(5).tolist() for name, values in vars(self).items()}


def pressing(
    scene: Scene, members: Sequence[PolicyFactory], seed: int, episodes: int = EPISODES
) -> Pressing:
    """Behaviour of policies at the pads of a scene; seed: of the population, sets the live pad."""
    played = [play(scene, member, episodes, EVALUATION_SEED) for member in members]
    names = (live_pad(seed), dead_pad(seed), "charge")
    return Pressing(*(np.array([one.returns(k).mean() for one in played]) for k in names))


@dataclass(frozen=True)
class Population:
    """The record of a population."""

    seed: int
    """of its training"""
    pressing: Pressing
    """what its members do at the end"""
    price: PriceSplit | None
    """the change of how often they went to the live pad, over training; None for scripts"""
    dead_price: PriceSplit | None
    """the same of the other pad"""

    @classmethod
    def read(cls, folder: Path) -> "Population":
        """From its record. Raises UserError where that is damaged."""
        with record_in(folder / RECORD) as content:
            arrays = {name: np.array(values) for name, values in content["pressing"].items()}
            prices = [
                PriceSplit(**content[name]) if content[name] else None
                for name in ("price", "dead_price")
            ]
            return cls(int(content["seed"]), Pressing(**arrays), *prices)


@dataclass(frozen=True)
class Size:
    """The size of the study: which populations are trained, how, and how they are recorded."""

    seeds: tuple[int, ...] = SEEDS
    """of the populations of each arm"""
    episodes: int = EPISODES
    """in which members are recorded"""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """arguments of the populations that differ from the declared ones"""

    @classmethod
    def of(cls, args: QuickArgs) -> "Size":
        """The size that a command asks for."""
        if not args.quick:
            return cls()
        return cls(SEEDS[:1], 8, {**args.settings, "members": 4, "num_envs": 8})

    def job(self, arm: str, seed: int) -> Job:
        """The training of a population."""
        return job(arm, seed, TRAINER, self.settings)


def run(out: Path, args: QuickArgs) -> None:
    """Train and record what is missing."""
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    size = Size.of(args)
    _plant(out, size.episodes)
    jobs = {
        folder_of(out, arm, seed): size.job(arm, seed)
        for seed in size.seeds  # all arms grow at the same time
        for arm in ARMS
    }
    missing = {
        own: one
        for own, one in jobs.items()
        if not is_record_of(own / RECORD, {"identity": one.identity, "episodes": size.episodes})
    }

    def record(own: Path, one: Job, trained: Path) -> None:
        (scene,) = trained_scenes(trained)
        folders = sorted((trained / MEMBERS).iterdir(), key=lambda folder: int(folder.name))
        policies = [load_policy(folder) for folder in folders]
        members = [lambda _envs, policy=policy: policy for policy in policies]
        seed = int(one.args["seed"])
        rows = read_lines(trained / EXPLOITS)
        if [row["generation"] for row in rows] != list(range(len(rows))):
            raise UserError(
                f"{trained / EXPLOITS}: generations are missing; delete the run's folder, and the "
                "study trains it again"
            )
        content = {
            "seed": seed,
            "pressing": pressing(scene, members, seed, size.episodes).to_json(),
            "price": vars(price_of(rows, live_pad(seed))),
            "dead_price": vars(price_of(rows, dead_pad(seed))),
            "generations": len(rows),
            "identity": one.identity,
            "episodes": size.episodes,
            **made_on(trained),
        }
        make_folder(own)
        _keep(rows, own / HISTORY)
        write_json(own / RECORD, content)

    train_and_record(missing, args, record)


def price_of(rows: Sequence[Mapping[str, Any]], measure: str) -> PriceSplit:
    """Price's sums over training for a measure, of the lines of exploits.jsonl.

    Nothing is selected in the first generation, as it is not known how members began.
    """
    splits, start = list[PriceSplit](), None
    for row in rows:
        end = np.array(row["returns"][measure])
        before = np.full(len(end), end.mean()) if start is None else start
        splits.append(price_split(before, end, row["copies"]))
        # there are donors, too, where only learning rates are copied, and everybody stays who it is
        start = end if set(row["copies"]) == {1} else end[row["donors"]]
    return summed(splits)


def _keep(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Keep what happened in each generation, from which Price's equation can be taken again."""
    lines = [json.dumps({k: _rounded(v) for k, v in row.items()}) + "\n" for row in rows]
    with atomic_write(file) as temporary:
        temporary.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if isinstance(value, dict):
        return {k: _rounded(one) for k, one in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _plant(out: Path, episodes: int) -> None:
    """Record what scripts do, where the violet pad is the live one."""
    scene = load_scene(SCENE)
    for name, script in scripts(scene).items():
        own = out / PLANTED / name
        about = {"identity": scene.hash, "episodes": episodes}
        if not is_record_of(own / RECORD, about):
            seed = next(seed for seed in SEEDS if live_pad(seed) == "violet")
            done = pressing(scene, [script], seed, episodes)
            write_json(
                own / RECORD,
                {
                    "seed": seed,
                    **about,
                    "pressing": done.to_json(),
                    "price": None,
                    "dead_price": None,
                },
            )


def read_populations(out: Path) -> Mapping[str, list[Population]]:
    """Arm or script -> what is recorded so far, in the order of the seeds."""
    found: dict[str, list[Population]] = {}
    for folder in sorted((out / PLANTED).glob("*")):
        found[f"script {folder.name}"] = [Population.read(folder)]
    for arm in ARMS:
        folders = [folder_of(out, arm, seed) for seed in SEEDS]
        found[arm] = [Population.read(own) for own in folders if (own / RECORD).is_file()]
    return found
