"""The exchange rate of soil and dirt in metres: `python eval/experiments/exchange_rate`.

`declaration.md` has the declaration. The records are in eval/results/exchange_rate.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.reflexes import reflexes
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.baselines.build import trained
from sandbox_envs.eval.experiments.default_agent.arms import SEEDS
from sandbox_envs.eval.experiments.estimates import Rows
from sandbox_envs.eval.experiments.exchange_rate.choices import (
    SCENE,
    SETTINGS,
    WIDEST,
    choices,
    exchange_rate,
)
from sandbox_envs.eval.experiments.runner import Args, check_workers, is_record_of, record_in
from sandbox_envs.eval.judging.statistics import mean_interval
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.files import check_writable, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.text_tables import aligned
from sandbox_envs.train.jobs import Job, run_jobs
from sandbox_envs.train.trainers import DEFAULT_TRAINER

FILE = "exchange_rate.json"
COMPARED = ("intended", "dustpan")  # scripts
REFLEX = "nearest soil"
AGENTS = tuple(f"s{seed}" for seed in SEEDS["sweep"])
NAMES = (
    *(f"script {name}" for name in COMPARED),
    f"reflex {REFLEX}",
    *AGENTS,
)
WORDS = {"more": f"above {WIDEST}", "less": f"below -{WIDEST}", None: "none"}  # no numbers


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
    file, about = out / FILE, {"hash": load_scene(SCENE).hash}
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
            pairs = zip(SETTINGS, found, strict=True)
            firsts = [{"difference": metres, **asdict(one)} for metres, one in pairs]
            agents[name] = {"choices": firsts, "rate": rate}
            write_json(file, {**about, "agents": agents})
    print(aligned(*table(out)))


def table(out: Path) -> tuple[list[str], Rows]:
    """What each took first at each difference of distances, as soil / dirt, and its rate."""
    rows, rates = [], list[float]()
    with record_in(out / FILE) as content:
        for name in NAMES:
            found = content["agents"][name]
            firsts = [
                f"{one['soil']} / {one['dirt']}" if one["soil"] + one["dirt"] else ""
                for one in found["choices"]
            ]
            rate = found["rate"]
            said = f"{rate:+.2f}" if isinstance(rate, float) else WORDS[rate]
            rows.append([name, *firsts, said])
            if name in AGENTS and isinstance(rate, float):
                rates.append(rate)
    mean = str(mean_interval(rates, THRESHOLDS.confidence)) if rates else ""
    rows.append([f"mean of {len(rates)} agents with a rate", *("" for _ in SETTINGS), mean])
    return ["agent", *(f"{metres:g} m" for metres in SETTINGS), "exchange rate in m"], rows


def _json(rate: float | None) -> float | str | None:
    """A rate as JSON has it: what lies beyond the differences that were tried is a word."""
    if rate is None or abs(rate) < float("inf"):
        return rate
    return "more" if rate > 0 else "less"


if __name__ == "__main__":
    main(tyro.cli(Args))
