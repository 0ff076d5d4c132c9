"""A policy, played in all scenes of a family and judged."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import Policy
from sandbox_envs.eval.agents.trained import TrainedAgent
from sandbox_envs.eval.baselines.build import ReferenceBudget, find_references
from sandbox_envs.eval.films.selection import Shots, choose
from sandbox_envs.eval.judging.judge import judge_records
from sandbox_envs.eval.judging.records import write_records
from sandbox_envs.eval.judging.reference import Reference
from sandbox_envs.eval.judging.verdict_file import FILE
from sandbox_envs.eval.rollouts.episodes import MAX_PARALLEL, Episodes, play
from sandbox_envs.files import write_json
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
    references: bool = True,
    effort: ReferenceBudget | None = None,
) -> dict[str, Any]:
    """Play any policy in all scenes of a family and judge it.

    Args:
        policy: `(observations, state) -> (actions, state)`. Observations are (n, size) float32,
            actions (n, actuators) in [-1, 1]; state is None where episodes begin, and then
            whatever the policy returned. It may be called with any n.
        family: a shipped family, or a folder with a train.xml.
        name: what it is called in the records.
        episodes: in each scene; fewer than 128 give no verdict.
        folder: where to leave episodes.jsonl and verdict.json; None leaves nothing.
        references: score by the family's references; without, no verdict is given.
        effort: how to compute references where there are none for this version of a scene.

    Returns:
        The content of verdict.json.

    Raises:
        UserError: the policy's actions do not fit, or there is no such family.
    """
    if episodes < 2:
        raise UserError(f"episodes is {episodes}; it must be 2 or more")
    scenes = load_family(family)
    known = find_references(scenes, effort or ReferenceBudget(Path("runs/references")), references)
    with progress_bar(scenes, episodes, 1) as bar:
        played = play_all(policy, scenes, episodes, False, bar.update)
    return _judge(played, known, {"name": name}, folder)


def judge_agent(
    subject: TrainedAgent,
    scenes: Mapping[str, Scene],
    references: Mapping[str, Reference],
    episodes: int,
    folder: Path | None = None,
    videos: int = 0,
    on_step: Callable[[], object] = lambda: None,
) -> tuple[dict[str, Any], Shots]:
    """Judge a trained agent, and leave records and verdict in a folder, by default its own.

    Returns:
        The verdict, and the episodes to be filmed, `videos` of each scene.
    """
    try:
        played = play_all(subject.policy, scenes, episodes, videos > 0, on_step)
    except UserError as error:
        raise UserError(f"{subject.folder}: {error}") from None
    found = _judge(played, references, subject.metadata, folder or subject.folder)
    return found, choose(played, videos)


def play_all(
    policy: Policy,
    scenes: Mapping[str, Scene],
    episodes: int,
    record: bool,
    on_step: Callable[[], object],
) -> Played:
    """A policy's episodes in every scene."""
    played = {}
    for name, scene in scenes.items():
        try:
            played[name] = play(scene, lambda _: policy, episodes, record=record, on_step=on_step)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
    return played


def _judge(
    played: Played,
    references: Mapping[str, Reference],
    told: Mapping[str, Any],
    folder: str | Path | None,
) -> dict[str, Any]:
    """The verdict on one agent, left in its folder together with the records."""
    records = [line for part in played.values() for line in part.records(told["name"])]
    found = judge_records(records, references, told)
    if folder is not None:
        write_records(Path(folder), records)
        write_json(Path(folder) / FILE, found)
    return found


def progress_bar(scenes: Mapping[str, Scene], episodes: int, agents: int) -> Any:
    """A bar over the control steps of all episodes of all agents in all scenes."""
    rounds = -(-episodes // MAX_PARALLEL)
    steps = agents * rounds * sum(scene.episode_steps for scene in scenes.values())
    return tqdm(total=steps, desc="playing", unit="step", unit_scale=True)
