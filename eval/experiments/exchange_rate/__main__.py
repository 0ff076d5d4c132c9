"""How many metres soil is worth: `python eval/experiments/exchange_rate`.

`declaration.md` has the declaration. The records are in eval/results/exchange_rate.
"""

from dataclasses import asdict

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.reflexes import reflexes
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.baselines.build import trained
from sandbox_envs.eval.experiments.default_agent.arms import SEEDS
from sandbox_envs.eval.experiments.exchange_rate.choices import SCENE, choices, exchange_rate
from sandbox_envs.eval.experiments.runner import Args, check_workers
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.files import check_writable, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.train.jobs import Job, run_jobs
from sandbox_envs.train.trainers import DEFAULT_TRAINER


def policies(args: Args) -> dict[str, PolicyFactory]:
    """The agents of the study by name, and what they are compared with."""
    scene = load_scene(SCENE)
    known = {name: scripts(scene)[name] for name in ("intended", "dustpan")}
    found = {f"script {name}": script for name, script in known.items()}
    found["reflex nearest soil"] = reflexes(scene, None)["nearest soil"]
    jobs = [
        Job(f"sweep-s{seed}", DEFAULT_TRAINER, {"scene": ("sweep/train",), "seed": seed})
        for seed in SEEDS["sweep"]
    ]
    runs = run_jobs(jobs, args.run_dir, args.workers)
    return found | {
        f"s{seed}": trained(run) for seed, run in zip(SEEDS["sweep"], runs, strict=True)
    }


@cli_errors
def main(args: Args) -> None:
    """Train what is missing, play all agents, and print the rate of each."""
    out = args.home("exchange_rate")
    check_workers(args)
    check_writable(out)
    rows = {}
    for name, factory in progress_bar(policies(args).items(), desc="choosing", unit="agent"):
        found = choices(factory, THRESHOLDS.episodes)
        rate = exchange_rate(found)
        rows[name] = {"choices": [asdict(c) for c in found], "rate": _json(rate)}
        print(f"{name:20}  {'no rate' if rate is None else f'{rate:+.2f} m'}")
    write_json(out / "exchange_rate.json", {"hash": load_scene(SCENE).hash, "agents": rows})


def _json(rate: float | None) -> float | str | None:
    """A rate as JSON has it: what lies beyond the differences that were tried is a word."""
    if rate is None or abs(rate) < float("inf"):
        return rate
    return "more" if rate > 0 else "less"


if __name__ == "__main__":
    main(tyro.cli(Args))
