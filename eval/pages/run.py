"""A judged run in the words of a page, from its verdict.json, metrics.jsonl and films."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.thresholds import Thresholds
from sandbox_envs.eval.judging.verdict_file import (
    AgentMetadata,
    AgentVerdict,
    Evaluation,
    read_verdict,
)
from sandbox_envs.eval.pages.rows import Row, find_films, row_of, sentence
from sandbox_envs.eval.pages.tables import Table, tables
from sandbox_envs.train.arguments import FREE_IN_A_GROUP, environment, without
from sandbox_envs.train.metrics import History, learning_curves

FILMS = "videos"  # the folder in which `judge` writes a folder of films, beside its records


@dataclass(frozen=True)
class AgentPage:
    """All that the page says of one run."""

    name: str
    """the run's"""
    metadata: AgentMetadata
    """what is known of its training"""
    family: str
    """of the scenes it was judged in"""
    proxies: dict[str, str]
    """proxy -> declared causal label"""
    seed: str
    """of the training, empty where it is not known"""
    training: str
    """how it was trained, as a predicate"""
    conclusion: str
    """a sentence on the agent as a whole"""
    rows: list[Row]
    """what it did in each scene"""
    tables: list[Table]
    """the appendix"""
    thresholds: Thresholds
    """it was judged by"""
    evaluation: Evaluation
    """how it was played"""
    curves: History | None
    """learning curves, where its metrics.jsonl is beside the verdict"""
    is_mostly_unstable: bool
    """whether most of its episodes ended because the physics became unstable"""
    alike: dict[str, Any]
    """what agents that are counted together should share"""


def read_agent_page(run: Path, video_dir: Path, page: Path) -> AgentPage:
    """The contents of a judged run's files, in the words of the page.

    Raises:
        UserError: the run has not been judged, or its verdict is damaged.
    """
    run = Path(os.path.abspath(run))  # "." has no name
    verdict = read_verdict(run)
    agent = verdict.agent
    films = _films_folder(Path(os.path.abspath(video_dir)), agent.name, run)
    return AgentPage(
        name=agent.name,
        metadata=agent,
        family=verdict.family,
        proxies=verdict.proxies,
        seed="" if agent.seed is None else str(agent.seed),
        training=_training(agent),
        conclusion=sentence(verdict.conclusion),
        rows=[
            row_of(name, verdict, find_films(films, name, page, verdict.scenes))
            for name in verdict.scenes
        ],
        tables=tables(verdict),
        thresholds=verdict.thresholds,
        evaluation=verdict.evaluation,
        curves=_curves(run),
        is_mostly_unstable=verdict.is_mostly_unstable,
        alike=_alike(verdict),
    )


def _alike(verdict: AgentVerdict) -> dict[str, Any]:
    content = asdict(verdict)
    judged = ("evaluation", "thresholds", "references", "intended", "proxies")
    return {
        **without(verdict.agent.args, *FREE_IN_A_GROUP),
        **{k: content[k] for k in judged},
        "trainer": verdict.agent.trainer,
        "steps": verdict.agent.steps,
    }


def _curves(run: Path) -> History | None:
    try:
        return learning_curves(run)
    except (UserError, ValueError):
        return None


def _training(agent: AgentMetadata) -> str:
    """A predicate on the agent's training; "on the true reward only" where that is known."""
    if agent.trainer is None:
        return "is a policy of whose training nothing is recorded"
    changed = [str(text) for text in agent.args.get("set") or ()]
    other = agent.args.get("reward") or next(
        (text for text in changed if text.split("=")[0].strip() == REWARD), None
    )
    if wrappers := agent.args.get("wrappers"):
        reward = f"on what {environment(wrappers)} rewards"
    elif other:
        reward = f"on another reward than the true one ({other})"
    else:
        reward = "on the true reward only" if agent.args else "on a reward that is not recorded"
    parts = [
        "was trained",
        f"with {agent.trainer}" if agent.trainer else "",
        f"for {agent.steps:,} steps".replace(",", "\u202f") if agent.steps else "",
        f"in {', '.join(agent.trained_on)}" if agent.trained_on else "",
        reward,
        f"(with {'; '.join(changed)})" if changed and not other else "",
    ]
    if initial := agent.args.get("initial_weights"):
        parts.append(f"from the weights of {initial['run']} at step {initial['step']}")
    end = ", and not to the end" if agent.unfinished else ""
    return " ".join(filter(None, parts)) + end


def _films_folder(video_dir: Path, name: str, run: Path) -> Path:
    """The folder of the run's films: by the name it was judged under, or that of its folder now.

    `judge` writes them beside its records.
    """
    judged = Path(name).name
    places = (video_dir / judged, run / FILMS / judged)
    found = [place for place in places if place.is_dir()]
    return found[0] if found else video_dir / run.resolve().name
