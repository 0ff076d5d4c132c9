"""The display of the reward, rewritten: `python eval/experiments/side_channel`.

`declaration.md` has the declaration. The records are in eval/results/side_channel. The tables are
of the agents that are there; a study that is stopped goes on where it was. `--quick` trains six
short agents and plays few episodes, to see that all of it works.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.experiments.estimates import conditions_table
from sandbox_envs.eval.experiments.runner import (
    QuickArgs,
    file_of,
    is_record_of,
    made_on,
    planted_file,
    train_and_record,
)
from sandbox_envs.eval.experiments.side_channel.arms import (
    ARMS,
    EPISODES,
    FIRST,
    MENU,
    MINDS,
    PARTS,
    QUICK,
    SECOND,
    TRAINING,
    Arm,
    agents_of,
    seeds_of,
)
from sandbox_envs.eval.experiments.side_channel.estimands import (
    Agents,
    conditions,
    halves,
    no_verdict,
    table,
    tests,
)
from sandbox_envs.eval.experiments.side_channel.figure import plot
from sandbox_envs.eval.experiments.side_channel.film import FILMED, film
from sandbox_envs.eval.experiments.side_channel.measure import (
    choices_of,
    controls_of,
    measure,
    read_measured,
    tested_in,
    write_measured,
)
from sandbox_envs.eval.experiments.side_channel.planted import PLANTED
from sandbox_envs.text_tables import aligned
from sandbox_envs.train.jobs import Job

FEW = 16  # episodes of a quick version
FEW_CHOICES = 2_000  # of a quick training on menus


@dataclass
class Args(QuickArgs):
    """Run the study, or what is missing of it."""

    parts: tuple[int, ...] = tuple(PARTS)
    """the parts of the declaration to run, in this order"""


@cli_errors
def main(args: Args) -> None:
    """Run what is missing, print the tables, draw the picture and make the film."""
    if unknown := set(args.parts) - set(PARTS):
        raise UserError(f"--parts {min(unknown)}: the declaration has parts 1 to {len(PARTS)}")
    out = args.home("side_channel")
    if not args.show:
        run(out, args)
    agents = read(out)
    declared = conditions_table(conditions(agents, read(out, SECOND)))
    for shown in (table(agents), tests(agents), halves(agents), declared):
        print(aligned(*shown), "\n")
    if any(agents.values()) and not args.show:
        plot(agents, out / "side_channel.png")
        print(out / "side_channel.png")
        if args.quick or not no_verdict(agents, FILMED):  # else nothing is said of following
            seeds = FIRST[:2] if args.quick else seeds_of(FILMED.name)
            jobs = [job(FILMED, seed, args) for seed in seeds]
            found = read(out, seeds)[FILMED.name]
            film(found, jobs, out / "median.gif", args.run_dir, _episodes(args))


def run(out: Path, args: Args) -> None:
    """Play the planted agents; train and play the agents that are missing."""
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    episodes = _episodes(args)
    for name, factory in PLANTED.items():
        about = {"agent": name, "tested": tested_in(FILMED), "episodes": episodes}
        if not is_record_of(file := planted_file(out, name), about):
            write_measured(file, measure(controls_of(factory), FILMED, episodes), **about)
    for part in args.parts[:1] if args.quick else args.parts:
        wanted = [(file_of(out, arm.name, seed), arm, seed) for arm, seed in _agents(part, args)]
        jobs = {file: job(arm, seed, args) for file, arm, seed in wanted}
        arms = {file: arm for file, arm, _ in wanted}

        def record(file: Path, one: Job, run: Path, arms: dict[Path, Arm] = arms) -> None:
            (agent,) = read_trained_agents([run])
            arm = arms[file]
            plays = choices_of(run) if arm.mind == MENU else controls_of(acting(agent))
            found = measure(plays, arm, episodes)
            about = about_agent(one, arm, episodes)
            write_measured(file, found, **about, training=dict(one.args), **made_on(run))

        missing = {
            file: one
            for file, one in jobs.items()
            if not is_record_of(file, about_agent(one, arms[file], episodes))
        }
        train_and_record(missing, args, record)


def about_agent(one: Job, arm: Arm, episodes: int) -> dict[str, Any]:
    """The entries that a record of this training and of these tests must contain."""
    return {
        "agent": one.name,
        "identity": one.identity,
        "tested": tested_in(arm),
        "episodes": episodes,
    }


def _episodes(args: Args) -> int:
    """Episodes of each test."""
    return FEW if args.quick else EPISODES


def _agents(part: int, args: Args) -> Iterator[tuple[Arm, int]]:
    if args.quick:
        return ((arm, seed) for seed in FIRST[:2] for arm in QUICK)
    return agents_of(part)


def job(arm: Arm, seed: int, args: Args) -> Job:
    """The training of one agent."""
    few = {"total_timesteps": FEW_CHOICES} if args.quick and arm.mind == MENU else {}
    given: dict[str, Any] = {
        "scene": (TRAINING,),
        "set": tuple(f"{name}={text}" for name, text in arm.texts.items()),
        **arm.settings,
        **args.settings,
        **few,
        "seed": seed,
    }
    return Job(f"side_channel-{arm.name}-s{seed}", MINDS[arm.mind], given)


def read(out: Path, only: Sequence[int] = (*FIRST, *SECOND)) -> Agents:
    """The records so far, with some seeds: planted agents by name, others by arm."""
    files = {name: [planted_file(out, name)] for name in PLANTED}
    files |= {
        name: [file_of(out, name, seed) for seed in seeds_of(name) if seed in only] for name in ARMS
    }
    return {k: [read_measured(f) for f in some if f.is_file()] for k, some in files.items()}


if __name__ == "__main__":
    main(tyro.cli(Args))
