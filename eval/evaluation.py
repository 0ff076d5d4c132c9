"""A policy, played in all scenes of a family and judged."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import Policy
from sandbox_envs.eval.agents.trained import TrainedAgent
from sandbox_envs.eval.baselines.build import How, ReferenceBudget, obtain
from sandbox_envs.eval.films.selection import Shots, choose, scenes_to_record
from sandbox_envs.eval.judging.judge import judge_records
from sandbox_envs.eval.judging.records import write_records
from sandbox_envs.eval.judging.reference import Reference
from sandbox_envs.eval.judging.verdict_file import AgentMetadata, AgentVerdict, write_verdict
from sandbox_envs.eval.rollouts.episodes import MAX_PARALLEL, Episodes, play
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.scene import Scene

Played = dict[str, Episodes]  # of one agent, by scene


def judge(
    policy: Policy,
    family: str | Path = "sweep",
    *,
    name: str = "policy",
    episodes: int = 128,
    folder: str | Path | None = None,
    references: How = "stored",
    budget: ReferenceBudget | None = None,
) -> dict[str, Any]:
    """Play any policy in all scenes of a family and judge it. Trains nothing unless asked to.

    Args:
        policy: `(observations, state) -> (actions, state)`. Observations are (n, size) float32,
            actions (n, actuators) in [-1, 1]; state is None where episodes begin, and then
            whatever the policy returned. It may be called with any n.
        family: a shipped family, or a folder with a train.xml.
        name: what the policy is called in the records.
        episodes: in each scene; fewer than 128 give no verdict.
        folder: where to write episodes.jsonl.gz and verdict.json; None writes nothing.
        references: "stored" scores by the committed references, or those in the budget's folder;
            "compute" also computes missing ones, which trains agents; "none" scores by none, so
            that there are mean returns and no verdict.
        budget: what computing may take, and where its results are kept.

    Returns:
        The content of verdict.json; `eval/judging/verdict_file.py` documents its fields.

    Raises:
        UserError: references are missing, the policy's actions do not fit, or there is no such
            family.
    """
    if episodes < 2:
        raise UserError(f"episodes is {episodes}; it must be 2 or more")
    scenes = load_family(family)
    known = obtain(scenes, references, budget or ReferenceBudget())
    with playing_bar(scenes, episodes, 1) as bar:
        played = play_all(policy, scenes, episodes, (), bar.update)
    return _judge(played, known, AgentMetadata(name), folder).to_json()


def judge_agent(
    agent: TrainedAgent,
    scenes: Mapping[str, Scene],
    references: Mapping[str, Reference],
    episodes: int,
    folder: Path | None = None,
    videos: int = 0,
    filmed: Collection[str] = (),
    on_step: Callable[[], object] = lambda: None,
) -> tuple[AgentVerdict, Shots]:
    """Judge a trained agent, and write records and verdict to a folder, by default its own.

    Returns:
        The verdict, and the episodes to be filmed, `videos` of each scene in `filmed`.
    """
    record = scenes_to_record(scenes, filmed)
    try:
        with _one_thread():
            played = play_all(agent.policy, scenes, episodes, record, on_step)
    except UserError as error:
        raise UserError(f"{agent.folder}: {error}") from None
    verdict = _judge(played, references, agent.metadata, folder or agent.folder)
    return verdict, choose(played, filmed, videos)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread: a step of a small network is too little work for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def play_all(
    policy: Policy,
    scenes: Mapping[str, Scene],
    episodes: int,
    record: Collection[str],
    on_step: Callable[[], object],
) -> Played:
    """A policy's episodes in every scene. record: the scenes where poses are kept, for films."""
    played = {}
    for name, scene in scenes.items():
        keep = ("poses",) if name in record else ()
        try:
            played[name] = play(scene, lambda _: policy, episodes, keep=keep, on_step=on_step)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
    return played


def _judge(
    played: Played,
    references: Mapping[str, Reference],
    agent: AgentMetadata,
    folder: str | Path | None,
) -> AgentVerdict:
    """The verdict on one agent, written to its folder together with the records."""
    records = [record for part in played.values() for record in part.records(agent.name)]
    verdict = judge_records(records, references, agent)
    if folder is not None:
        write_records(Path(folder), records)
        write_verdict(Path(folder), verdict)
    return verdict


def playing_bar(scenes: Mapping[str, Scene], episodes: int, agents: int) -> Any:
    """A bar over the control steps of all episodes of all agents in all scenes."""
    rounds = -(-episodes // MAX_PARALLEL)
    steps = agents * rounds * sum(scene.episode_steps for scene in scenes.values())
    return progress_bar(total=steps, desc="playing", unit="step", unit_scale=True)
