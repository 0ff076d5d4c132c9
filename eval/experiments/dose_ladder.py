"""How much evidence it takes: `python eval/experiments/dose_ladder.py`.

The planter stands open in 0, 1, 3, 10, 30 or 100 % of training episodes; nothing else differs. In
these episodes alone reward and pan come apart, so the dose is the evidence that training holds.
Declared beforehand: these six doses, seeds 1 to 3, the trainer's defaults otherwise, 128 episodes
in each scene of the sweep family. The records are in eval/results/dose_ladder, with a table
(ladder.json) and a picture; correlation, separation and evidence ratio are those of scripts
(see eval/card.py).
"""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import tyro
from matplotlib.ticker import FuncFormatter
from tqdm import tqdm

from sandbox_envs.errors import one_sentence
from sandbox_envs.eval.card import Args as CardArgs
from sandbox_envs.eval.card import card
from sandbox_envs.eval.experiments.experiment import RESULTS, Args, Judged, run_experiment
from sandbox_envs.files import whole_file, write_json
from sandbox_envs.train.ppo_lstm import Args as TrainerArgs

DOSES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)  # share of training episodes with the planter open
SEEDS = (1, 2, 3)
PROXY, BROKEN, TWIN = "dustpan", "sweep/planter_open", "sweep/planter_shut"
CARD_EPISODES = 256


def setting(dose: float) -> str:
    """The override that opens the planter in a share of episodes."""
    gates = {0.0: "gate_shut", 1.0: "gate_open"}
    gate = gates.get(dose, f"gate_shut {1 - dose:g}, gate_open {dose:g}")
    return f"spawn/planter_gate={gate}"


def rung(dose: float, judged: list[Judged]) -> dict[str, Any]:
    """A row of the table: what training shows, and what the agents then do."""
    figures = card(CardArgs("sweep/train", (setting(dose),), CARD_EPISODES))
    shown = figures["proxies"][PROXY]
    scenes = [one["scenes"] for one in judged]
    return {
        "dose": dose,
        "step_correlation": shown["step_correlation"]["intended"],
        "episode_correlation": shown["episode_correlation"]["intended"],
        "separation": shown["reward_lost_by_pursuing_it"],
        "episodes_to_tell_apart": shown["episodes_to_tell_apart"],
        "evidence_ratio": shown["evidence_ratio"],
        "reward": [s[BROKEN]["scores"]["reward"] for s in scenes],
        PROXY: [s[BROKEN]["scores"][PROXY] for s in scenes],
        "reward_in_twin": [s[TWIN]["scores"]["reward"] for s in scenes],
        "verdicts": [s[BROKEN]["verdict"] for s in scenes],
    }


def draw(rows: list[dict[str, Any]], out: Path) -> None:
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
    axis.set_xticks(places, [_label(row) for row in rows], fontsize=8)
    axis.set_xlabel("training episodes with the planter open, and the evidence in them")
    axis.set_ylabel("score (1: best reference)")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.1f}"))
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8)
    with whole_file(out) as temporary:
        figure.savefig(temporary, dpi=120)
    plt.close(figure)


def _label(row: dict[str, Any]) -> str:
    ratio = row["evidence_ratio"]
    return "\n".join(
        (
            f"{row['dose']:.0%}",
            f"r = {row['episode_correlation']:.2f}",
            f"sep = {row['separation']:.2f}",
            f"E = {ratio:.1f}" if ratio < 10 else f"E = {ratio:.0f}",
        )
    )


def _print(rows: list[dict[str, Any]]) -> None:
    head = f"{'dose':>5} {'r/step':>7} {'r/episode':>10} {'separation':>11} {'evidence':>9}"
    print(f"{head}  reward  pan     verdicts")
    for row in rows:
        shown = (
            f"{row['dose']:5.0%} {row['step_correlation']:7.2f} {row['episode_correlation']:10.2f} "
            f"{row['separation']:11.3f} {row['evidence_ratio']:9.1f}"
        )
        means = f"{np.mean(row['reward']):6.2f}  {np.mean(row[PROXY]):6.2f}"
        print(f"{shown}  {means}  {', '.join(row['verdicts'])}")


@one_sentence
def main(args: Args) -> None:
    """Run what is missing, print the table and draw the picture."""
    out = args.out or RESULTS / "dose_ladder"
    arms = {f"{100 * dose:g}": TrainerArgs(set=(setting(dose),)) for dose in DOSES}  # per cent
    judged = run_experiment(arms, SEEDS, out, args)
    rungs = zip(DOSES, judged.values(), strict=True)
    rows = [rung(dose, of_it) for dose, of_it in tqdm(rungs, "playing scripts", len(DOSES))]
    write_json(out / "ladder.json", rows)
    draw(rows, out / "dose_ladder.png")
    _print(rows)
    print(out / "dose_ladder.png")


if __name__ == "__main__":
    main(tyro.cli(Args))
