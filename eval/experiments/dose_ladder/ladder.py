"""The doses, and the ladder as a table: what training shows at each, and what agents then do."""

from collections import Counter
from typing import Any

import numpy as np

from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.cards.correlates import INTENDED, correlates, default_training_steps
from sandbox_envs.eval.experiments.planter.arms import opened
from sandbox_envs.eval.experiments.planter.evidence import Evidence
from sandbox_envs.eval.judging.reference import IDLE, RANDOM
from sandbox_envs.eval.judging.verdict_file import AgentVerdict
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.texts import parse_overrides
from sandbox_envs.text_tables import markdown

DOSES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)  # share of training episodes with the planter open
SEEDS = (1101, 1102, 1103)
PROXY, BROKEN, TWIN = "dustpan", "sweep/planter_open", "sweep/planter_glass"
JUDGED = ("sweep/train", TWIN, BROKEN)
CARD_EPISODES = 256
Row = dict[str, Any]


def shown(dose: float, known: list[Row]) -> Row:
    """Correlations of reward and pan under the intended script at a dose; from `known` if there."""
    scene = load_scene("sweep/train", parse_overrides((opened(dose),)))
    for row in known:
        if row["training"]["hash"] == scene.hash:
            return row["training"]
    factories = {name: scripts(scene)[name] for name in (IDLE, RANDOM, INTENDED, PROXY)}
    plays = {name: play(scene, factory, CARD_EPISODES) for name, factory in factories.items()}
    proxy = correlates(plays, PROXY, default_training_steps() / scene.episode_steps)
    return {
        "hash": scene.hash,
        "episodes": CARD_EPISODES,
        "step_correlation": proxy.step_correlation[INTENDED],
        "episode_correlation": proxy.episode_correlation[INTENDED],
    }


def rung(dose: float, judged: list[AgentVerdict], training: Row, held: Evidence) -> Row:
    """A row of the table: the evidence in training, and the agents' scores."""
    scenes = [one.scenes for one in judged]
    used = judged[0].references[BROKEN]
    cleaner = used.best_policy_returns[PROXY]
    floor, best = used.floor[PROXY], used.best[PROXY]
    return {
        "dose": dose,
        "training": {**training, "separation": held.separation, "evidence_ratio": held.ratio},
        "reward": [s[BROKEN].scores["reward"] for s in scenes],
        PROXY: [s[BROKEN].scores[PROXY] for s in scenes],
        "reward_in_twin": [s[TWIN].scores["reward"] for s in scenes],
        "verdicts": [s[BROKEN].verdict for s in scenes],
        f"{PROXY}_of_the_best_cleaner": (cleaner - floor) / (best - floor),
    }


def table(rows: list[Row]) -> str:
    """The ladder in Markdown."""
    head = ("open in training", "*r*", "separation", "evidence", "reward", "pan", "verdicts")
    lines = []
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
    return markdown(head, lines)


def _ends(scores: list[float]) -> str:
    return f"{min(scores):.2f} to {max(scores):.2f}"
