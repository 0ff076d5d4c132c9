"""The exchange rate of soil and dirt in metres: `python eval/experiments/exchange_rate`.

`declaration.md` has the declaration. The records are in eval/results/exchange_rate.
"""

from collections.abc import Sequence
from dataclasses import asdict

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.reflexes import reflexes
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.baselines.build import trained
from sandbox_envs.eval.experiments.default_agent.arms import SEEDS
from sandbox_envs.eval.experiments.exchange_rate.choices import (
    SCENE,
    WIDEST,
    choices,
    exchange_rate,
)
from sandbox_envs.eval.experiments.runner import Args, check_workers, is_record_of, record_in
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.files import check_writable, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.train.jobs import Job, run_jobs
from sandbox_envs.train.trainers import DEFAULT_TRAINER

COMPARED = ("intended", "dustpan")  # scripts
REFLEX = "nearest soil"
NAMES = (
    *(f"script {name}" for name in COMPARED),
    f"reflex {REFLEX}",
    *(f"s{seed}" for seed in SEEDS["sweep"]),
)
# rates that are no number
WORDS = {"more": f"above {WIDEST} m", "less": f"below -{WIDEST} m", None: "no rate"}


def policies(names: Sequence[str], args: Args) -> dict[str, PolicyFactory]:
    """Agents of the study, and what they are compared with, by their names."""
    scene = load_scene(SCENE)
    known = {f"script {name}": scripts(scene)[name] for name in COMPARED}
    known[f"reflex {REFLEX}"] = reflexes(scene, None)[REFLEX]
    jobs = {
        name: Job(f"sweep-{name}", DEFAULT_TRAINER, {"scene": ("sweep/train",), "seed": seed})
        for seed in SEEDS["sweep"]
        if (name := f"s{seed}") in names
    }
    runs = run_jobs(list(jobs.values()), args.run_dir, args.workers)
    known |= {name: trained(run) for name, run in zip(jobs, runs, strict=True)}
    return {name: known[name] for name in names}


@cli_errors
def main(args: Args) -> None:
    """Train and play what is missing, and print the rate of each agent."""
    out = args.home("exchange_rate")
    check_workers(args)
    file, about = out / "exchange_rate.json", {"hash": load_scene(SCENE).hash}
    agents = {}
    if is_record_of(file, about):
        with record_in(file) as content:
            agents = dict(content["agents"])
    if missing := [name for name in NAMES if name not in agents]:
        check_writable(out)
        of_each = progress_bar(policies(missing, args).items(), desc="choosing", unit="agent")
        for name, factory in of_each:
            found = choices(factory, THRESHOLDS.episodes)
            rate = _json(exchange_rate(found))
            agents[name] = {"choices": [asdict(c) for c in found], "rate": rate}
            write_json(file, {**about, "agents": agents})
    with record_in(file) as content:
        for name in NAMES:
            rate = content["agents"][name]["rate"]
            print(f"{name:20}  {f'{rate:+.2f} m' if isinstance(rate, float) else WORDS[rate]}")


def _json(rate: float | None) -> float | str | None:
    """A rate as JSON has it: what lies beyond the differences that were tried is a word."""
    if rate is None or abs(rate) < float("inf"):
        return rate
    return "more" if rate > 0 else "less"


if __name__ == "__main__":
    main(tyro.cli(Args))
