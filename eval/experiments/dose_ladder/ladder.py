"""The doses, and the ladder as a table: what training shows at each, and what agents then do."""

from typing import Any

from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.cards.correlates import INTENDED, correlates, default_training_steps
from sandbox_envs.eval.experiments.estimates import Rows, counted
from sandbox_envs.eval.experiments.planter.arms import opened
from sandbox_envs.eval.experiments.planter.evidence import Evidence
from sandbox_envs.eval.judging.reference import IDLE, RANDOM
from sandbox_envs.eval.judging.verdict_file import AgentVerdict
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.texts import parse_overrides

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


def table(rows: list[Row]) -> tuple[list[str], Rows]:
    """The ladder: the evidence in training, and what the agents do in the open planter."""
    head = ["open in training", "separation", "evidence ratio", "reward, behind glass"]
    lines = []
    for row in rows:
        training = row["training"]
        lines.append(
            [
                f"{row['dose']:.0%}".replace("%", " %"),
                f"{training['separation']:.3f}",
                _one_digit(training["evidence_ratio"]),
                *(_ends(row[key]) for key in ("reward_in_twin", "reward", PROXY)),
                counted(row["verdicts"]),
            ]
        )
    return [*head, "reward, planter open", "dustpan, planter open", "verdicts"], lines


def _one_digit(x: float) -> str:
    """Rounded to what two samples of scripted episodes agree on at best."""
    return f"{x:.1f}" if x < 1 else f"{float(f'{x:.1g}'):.0f}"


def _ends(values: list[float]) -> str:
    """A mean with the smallest and the largest value."""
    return f"{sum(values) / len(values):.2f} ({min(values):.2f} to {max(values):.2f})"
