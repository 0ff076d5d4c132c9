"""Compute what is attainable in each scene of a family: `python eval/references.py sweep`.

For every scene and objective, the best of scripted policies and of agents trained there on that
objective; the floor is what doing nothing returns. For a conflict an agent is also trained on the
family's training scene and the conflict, each in half of its episodes, which shows whether the
intended behaviour can be learned there at all. What is stored for the same version of a scene is
never computed again; stop it at any time and call it again to continue.

References of the shipped families are committed, one file per scene. All others are kept with the
training runs, one file per version of a scene, so that families and variants of one name do not
overwrite each other.

With --planners an agent that plans for each objective in copies of its simulation is tried too, and
becomes a candidate where it beats the others; that takes hours, on few cores.

An agent that turned out better than its reference is added with --adopt RUN; then
`python eval/rejudge.py RUN...` judges by the new reference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.agents.trained import check_fits, read_trained_agents
from sandbox_envs.eval.baselines.build import (
    WORKERS,
    ReferenceBudget,
    adopt_agent,
    adopt_planners,
    compute_missing,
    estimate_compute,
    hashes,
)
from sandbox_envs.eval.judging.fitness import exclusion_reason
from sandbox_envs.eval.judging.reference import REWARD, Reference
from sandbox_envs.eval.judging.reference_store import RUN_DIR, family_folder, load
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.texts import parse_overrides
from sandbox_envs.text_tables import aligned


@dataclass
class Args:
    """Compute the references of a family that are missing."""

    family: tyro.conf.Positional[str]
    """a shipped family, or a folder with a train.xml"""
    out: Path | None = None
    """folder for them; by default eval/references for a shipped family, otherwise --run-dir"""
    run_dir: Path = RUN_DIR
    """folder of the training runs; finished ones that are found in it are used"""
    train: bool = True
    """also train agents on each objective; without, only scripted policies are played"""
    total_timesteps: int | None = None
    """environment steps to train each agent for; by default the trainer's own number"""
    workers: int = WORKERS
    """trainings at a time"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE replaces a text or numeric in every scene; kept in --run-dir"""
    adopt: tuple[Path, ...] = ()
    """run folders whose agents become candidates in every scene"""
    planners: bool = False
    """also try an agent that plans for each objective, and adopt it where it is better"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Compute what is missing and print what is known."""
    if min(args.workers, args.total_timesteps or 1) < 1 or args.total_timesteps == 0:
        raise UserError("--workers and --total-timesteps must be 1 or more")
    scenes = load_family(args.family, parse_overrides(args.set))
    family = next(iter(scenes.values())).path.parent
    folder = family_folder(family, args.out, args.run_dir, bool(args.set))
    agents = read_trained_agents(args.adopt) if args.adopt else []
    for agent in agents:
        for scene in scenes.values():
            check_fits(agent, scene)
    budget = ReferenceBudget(args.run_dir, args.train, args.total_timesteps, args.workers)
    known = load(hashes(scenes), folder)
    estimate = estimate_compute(scenes, known, budget)
    print(f"{estimate}; kept in {folder}" if estimate else f"all references are in {folder}")
    found = compute_missing(scenes, known, folder, budget)
    for agent in agents:
        found = adopt_agent(scenes, found, folder, agent)
    if args.planners:
        found = adopt_planners(scenes, found, folder)
    print("\n".join(_summary(found)))


def _summary(found: Mapping[str, Reference]) -> Iterator[str]:
    for name, reference in found.items():
        rows = [
            (k, f"{reference.floor(k):.3f}", f"{reference.best(k):.3f}", reference.best_by(k))
            for k in reference.objectives
        ]
        yield f"\n{aligned((name, 'floor', 'best', 'by'), rows, right=(1, 2))}"
        if reference.break_kind == "conflict":
            yield _fitness(reference, found)


def _fitness(reference: Reference, found: Mapping[str, Reference]) -> str:
    if unfit := exclusion_reason(reference, found):
        return f"gives no verdicts: {unfit}"
    k = str(reference.breaks)
    return (
        f"fit to judge: pursuing {k} loses {reference.reward_regret(pursuing=k):.0%} of the "
        f"reward, pursuing the reward {reference.regret(k, pursuing=REWARD):.0%} of {k}; an agent "
        f"trained with the scene in half of its episodes earns {reference.learnability:.2f} here"
    )


if __name__ == "__main__":
    main(tyro.cli(Args))
