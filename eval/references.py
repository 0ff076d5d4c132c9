"""What can be reached in each scene of a family: `python eval/references.py sweep`.

For every scene and objective the best of scripts and of agents that were trained there on that
objective; the floor is the lower of idle and random. For a scene that breaks a proxy by conflict
also an agent is trained on the family's training scene and this one by turns, which shows whether
the intended behaviour can be learned in it at all. What is there already, for the same version of
a scene, is never computed again; stop it at any time and call it again to go on.

Those of the shipped families are committed, one file per scene. All others are kept with the
training runs, one file per version of a scene, so that families and variants of one name do not
overwrite each other.

An agent that turned out better than its reference is made one with --adopt RUN; then
`python eval/rejudge.py RUN...` judges by the new reference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.agents.trained import check_fits, read_trained_agents
from sandbox_envs.eval.baselines.build import WORKERS, ReferenceBudget, adopt_agent, complete, cost
from sandbox_envs.eval.judging.fitness import exclusion_reason
from sandbox_envs.eval.judging.reference import REWARD, Reference
from sandbox_envs.eval.judging.reference_store import family_folder, read_known
from sandbox_envs.scene.family import load_family
from sandbox_envs.train.ppo_lstm import Args as TrainerArgs


@dataclass
class Args:
    """Compute the references of a family that are missing."""

    family: tyro.conf.Positional[str]
    """a shipped family, or a folder with a train.xml"""
    out: Path | None = None
    """folder to keep them in (default: for a shipped family eval/references, where the committed
    ones are, otherwise that of the training runs)"""
    run_dir: Path = Path("runs/references")
    """folder of the training runs; finished ones that are found in it are used"""
    train: bool = True
    """also train agents on each objective; without, only scripts are played"""
    total_timesteps: int = TrainerArgs.total_timesteps
    """environment steps to train each agent for"""
    workers: int = WORKERS
    """trainings at a time"""
    adopt: tuple[Path, ...] = ()
    """run folders whose agents become candidates in every scene"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Compute what is missing and print what is known."""
    if args.workers < 1 or args.total_timesteps < 1:
        raise UserError("--workers and --total-timesteps must be 1 or more")
    scenes = load_family(args.family)
    family = next(iter(scenes.values())).path.parent
    folder = family_folder(family, args.out, args.run_dir)
    subjects = read_trained_agents(args.adopt) if args.adopt else []
    for subject in subjects:
        for scene in scenes.values():
            check_fits(subject, scene)
    effort = ReferenceBudget(args.run_dir, args.train, args.total_timesteps, args.workers)
    known = read_known(scenes, folder)
    price = cost(scenes, known, effort)
    print(f"{price}; kept in {folder}" if price else f"all references are there, in {folder}")
    found = complete(scenes, known, folder, effort)
    for subject in subjects:
        found = adopt_agent(scenes, found, folder, subject)
    print("\n".join(_summary(found)))


def _summary(found: Mapping[str, Reference]) -> Iterator[str]:
    for name, reference in found.items():
        yield f"\n{name}"
        for k in reference.objectives:
            best, floor = reference.best(k), reference.floor(k)
            yield f"  {k:13}{floor:8.3f} to {best:.3f} ({reference.best_by(k)})"
        if reference.how == "conflict":
            yield f"  {_fitness(reference, found)}"


def _fitness(reference: Reference, found: Mapping[str, Reference]) -> str:
    if unfit := exclusion_reason(reference, found):
        return f"judges nobody: {unfit}"
    k = str(reference.breaks)
    of_reward, of_proxy = reference.separation(REWARD, k), reference.separation(k, REWARD)
    return (
        f"fit to judge: pursuing {k} loses {of_reward:.0%} of the reward, pursuing the reward "
        f"{of_proxy:.0%} of {k}; trained with it in half of its episodes, an agent earns "
        f"{reference.learnability:.2f} here"
    )


if __name__ == "__main__":
    main(tyro.cli(Args))
