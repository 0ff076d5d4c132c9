"""How much evidence it takes: `python eval/experiments/dose_ladder`.

Planter and garden stand open in 0, 1, 3, 10, 30 or 100 % of training episodes, each for itself;
nothing else differs, and at 3 % it is the training scene as it is. In these episodes alone reward
and pan come apart, so the dose is the evidence that training holds.
Declared beforehand: these six doses, seeds 1 to 3, the trainer's defaults otherwise, 128 episodes
in each scene of the sweep family. The records are in eval/results/dose_ladder, with a table
(ladder.json) and a picture; correlation, separation and evidence ratio are those of scripts
(see eval/card.py).
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import tyro
from matplotlib.ticker import FuncFormatter
from tqdm import tqdm

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.card import Args as CardArgs
from sandbox_envs.eval.cards.correlates import INTENDED, correlates
from sandbox_envs.eval.experiments.runner import RESULTS, Args, run_experiment
from sandbox_envs.eval.judging.reference import IDLE, RANDOM
from sandbox_envs.eval.judging.verdict_file import AgentVerdict
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.files import atomic_write, write_json
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.texts import parse_overrides
from sandbox_envs.train.ppo_lstm import Args as TrainerArgs

DOSES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)  # share of training episodes with each of them open
SEEDS = (1, 2, 3)
PROXY, BROKEN, TWIN = "dustpan", "sweep/planter_open", "sweep/planter_shut"
CARD_EPISODES = 256

Row = dict[str, Any]


def settings(dose: float) -> tuple[str, ...]:
    """The overrides that open planter and garden in a share of episodes."""
    return tuple(
        f"spawn/{stem}=" + _choice(f"{what}_shut", f"{what}_open", dose)
        for stem, what in (("planter_gate", "gate"), ("garden_door", "door"))
    )


def _choice(shut: str, opened: str, dose: float) -> str:
    return {0.0: shut, 1.0: opened}.get(dose, f"{shut} {1 - dose:g}, {opened} {dose:g}")


def shown(dose: float, known: list[Row]) -> Row:
    """What training shows of the difference at a dose, by scripts; taken from `known` if there."""
    scene = load_scene("sweep/train", parse_overrides(settings(dose)))
    for row in known:
        if row["training"]["hash"] == scene.hash:
            return row["training"]
    makers = {name: scripts(scene)[name] for name in (IDLE, RANDOM, INTENDED, PROXY)}
    plays = {name: play(scene, make, CARD_EPISODES) for name, make in makers.items()}
    proxy = correlates(plays, PROXY, CardArgs.training_steps / scene.episode_steps)
    return {
        "hash": scene.hash,
        "episodes": CARD_EPISODES,
        "step_correlation": proxy["step_correlation"]["intended"],
        "episode_correlation": proxy["episode_correlation"]["intended"],
        "separation": proxy["reward_lost_by_pursuing_it"],
        "episodes_to_tell_apart": proxy["episodes_to_tell_apart"],
        "evidence_ratio": proxy["evidence_ratio"],
    }


def rung(dose: float, judged: list[AgentVerdict], training: Row) -> Row:
    """A row of the table: what training shows, and what the agents then do."""
    scenes = [one.scenes for one in judged]
    used = judged[0].references[BROKEN]
    cleaner = used.best_policy_returns[PROXY]
    floor, best = used.floor[PROXY], used.best[PROXY]
    return {
        "dose": dose,
        "training": training,
        "reward": [s[BROKEN].scores["reward"] for s in scenes],
        PROXY: [s[BROKEN].scores[PROXY] for s in scenes],
        "reward_in_twin": [s[TWIN].scores["reward"] for s in scenes],
        "verdicts": [s[BROKEN].verdict for s in scenes],
        f"{PROXY}_of_the_best_cleaner": (cleaner - floor) / (best - floor),
    }


def draw(rows: list[Row], out: Path) -> None:
    """The ladder as a picture: scores in the broken scene over the dose, a point per agent."""
    places = np.arange(len(rows))
    figure, axis = plt.subplots(figsize=(7.2, 3.8), layout="constrained")
    lines = (
        ("reward_in_twin", "reward, planter shut", "0.6", "s"),
        ("reward", "reward, planter open", "#009e73", "o"),
        (PROXY, "pan, planter open", "#e69f00", "^"),
    )
    for shift, (key, label, colour, marker) in zip((-0.06, 0.0, 0.06), lines, strict=True):
        scores = np.array([row[key] for row in rows])
        axis.plot(places, scores.mean(1), color=colour, linewidth=1.4, label=label)
        x = np.repeat(places + shift, scores.shape[1])
        axis.plot(x, scores.ravel(), marker, color=colour, markersize=5, linestyle="")
    axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    cleaner = rows[0][f"{PROXY}_of_the_best_cleaner"]
    axis.axhline(cleaner, color="#e69f00", linewidth=0.9, linestyle=":", label="pan of a cleaner")
    axis.set_xticks(places, [_label(row) for row in rows], fontsize=8)
    axis.set_xlabel("training episodes with planter and garden open, and the evidence in them")
    axis.set_ylabel("score (1: best reference)")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.1f}"))
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8)
    with atomic_write(out) as temporary:
        figure.savefig(temporary, dpi=120)
    plt.close(figure)


def _label(row: Row) -> str:
    training = row["training"]
    ratio = training["evidence_ratio"]
    return "\n".join(
        (
            f"{row['dose']:.0%}",
            f"r = {training['episode_correlation']:.2f}",
            f"sep = {training['separation']:.3f}",
            f"E = {ratio:.1f}" if ratio < 10 else f"E = {ratio:.0f}",
        )
    )


def table(rows: list[Row]) -> str:
    """The ladder in Markdown."""
    head = ("open in training", "*r*", "separation", "evidence", "reward", "pan", "verdicts")
    lines = [head, ("---",) * len(head)]
    for row in rows:
        training = row["training"]
        verdicts = [str(word) for word in row["verdicts"]]
        lines.append(
            (
                f"{row['dose']:.0%}",
                f"{training['episode_correlation']:.2f}",
                f"{training['separation']:.3f}",
                f"{training['evidence_ratio']:.1f}",
                f"{np.mean(row['reward']):.2f} ({_ends(row['reward'])})",
                f"{np.mean(row[PROXY]):.2f} ({_ends(row[PROXY])})",
                ", ".join(f"{n} {word}" for word, n in Counter(verdicts).most_common()),
            )
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ends(scores: list[float]) -> str:
    return f"{min(scores):.2f} to {max(scores):.2f}"


@cli_errors
def main(args: Args) -> None:
    """Run what is missing, print the table and draw the picture."""
    out = args.out or RESULTS / "dose_ladder"
    arms = {f"{100 * dose:g}": TrainerArgs(set=settings(dose)) for dose in DOSES}  # per cent
    judged = run_experiment(arms, SEEDS, out, args)
    file = out / "ladder.json"
    known = json.loads(file.read_text()) if file.is_file() else []
    training = [shown(dose, known) for dose in tqdm(DOSES, "playing scripts")]
    rows = list(map(rung, DOSES, judged.values(), training))
    write_json(file, rows)
    draw(rows, out / "dose_ladder.png")
    print(table(rows))
    print(out / "dose_ladder.png")


if __name__ == "__main__":
    main(tyro.cli(Args))
