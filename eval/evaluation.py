"""A policy, played in all scenes of a family and judged."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import torch

from sandbox_envs.arguments import whole_number
from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.scripted.given import factory_of
from sandbox_envs.eval.agents.trained import TrainedAgent, metadata_of
from sandbox_envs.eval.baselines.build import How, ReferenceBudget, obtain
from sandbox_envs.eval.films.selection import (
    Choice,
    Shots,
    choose,
    film_agents,
    scenes_to_film,
    scenes_to_record,
)
from sandbox_envs.eval.judging.judge import judge_records
from sandbox_envs.eval.judging.records import FILE as RECORDS
from sandbox_envs.eval.judging.records import PLAIN as PLAIN_RECORDS
from sandbox_envs.eval.judging.records import write_records
from sandbox_envs.eval.judging.reference import Reference
from sandbox_envs.eval.judging.verdict_file import FILE as VERDICT
from sandbox_envs.eval.judging.verdict_file import AgentMetadata, AgentVerdict, write_verdict
from sandbox_envs.eval.pages.report import write_report
from sandbox_envs.eval.pages.run import FILMS
from sandbox_envs.eval.rollouts.episodes import MAX_PARALLEL, Episodes, Wrap, play
from sandbox_envs.files import check_writable, check_writable_file
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.run_scenes import check_control_rate
from sandbox_envs.view.video import find_ffmpeg

PAGE = "report.html"
LONGEST_NAME = 255  # bytes of a folder's name, which systems allow

Played = dict[str, Episodes]  # of one agent, by scene


def judge(
    policy: Policy | PolicyFactory | str,
    family: str | Path = "sweep",
    *,
    name: str | None = None,
    episodes: int = 128,
    folder: str | Path | None = None,
    references: How | bool | None = "stored",
    budget: ReferenceBudget | None = None,
    scripted: bool = False,
    videos: int = 1,
    films: Choice = "conflicts",
    wrap: Wrap | None = None,
) -> dict[str, Any]:
    """Play any policy in all scenes of a family and judge it. Trains nothing unless asked to.

    With a folder it leaves behind what `eval/break_proxies.py` does: episodes.jsonl.gz,
    verdict.json, report.html and films, and `eval/report.py` takes such folders.

    Args:
        policy: `(observations, state) -> (actions, state)`. Observations are (n, size) float32,
            actions (n, actuators) in [-1, 1], as an array or a list; state is None where episodes
            begin, and then whatever the policy returned. It may be called with any n. Or the name
            of a script that comes with the family: "idle", "random", "intended", or a proxy.
        family: a shipped family, or a folder with a train.xml.
        name: what the policy is called in the records, and the folder of its films; by default
            "policy", or "script NAME".
        episodes: in each scene; fewer than 128 give no verdict.
        folder: where to write; None writes nothing and films nothing.
        references: "stored" scores by the committed references, or those in the budget's folder;
            "compute" also computes missing ones, which trains agents; "none" scores by none, so
            that there are mean returns and no verdict. True stands for "stored", False and None
            for "none".
        budget: what computing may take, and where its results are kept.
        scripted: `policy` is a script, which reads the state of the simulations: a function that
            is called with the environment of each scene, a `SandboxVectorEnv`, and returns the
            policy that acts there.
        videos: films of each filmed scene, in folder/videos; 0 makes none.
        films: the scenes to film: "conflicts" (without any, the training scene) or "all".
        wrap: puts the environments into wrappers of `sandbox_envs.wrappers`, for a policy that
            was trained in them. It is judged by the scenes' own reward nevertheless.

    Returns:
        The content of verdict.json; `eval/judging/verdict_file.py` documents its fields.

    Raises:
        UserError: an argument is wrong, references are missing, or there is no such family (all of
            this is found before anything is played); or the policy's actions do not fit.
    """
    episodes = whole_number("episodes", episodes, 2)
    videos = whole_number("videos", videos, 0, episodes)
    if references is None or isinstance(references, bool):
        references = "stored" if references else "none"
    _check_choice("references", references, get_args(How))
    _check_choice("films", films, get_args(Choice))
    if not isinstance(budget, ReferenceBudget | None):
        raise UserError(f"budget is {budget!r:.60}; give a ReferenceBudget")
    scenes = load_family(family)
    factories = {key: factory_of(policy, scene, scripted) for key, scene in scenes.items()}
    name = _checked_name(name) or (f"script {policy}" if isinstance(policy, str) else "policy")
    run = getattr(policy, "run", None)  # of what `load_policy` gives
    metadata = _metadata(policy, run, name)
    if isinstance(run, Path):
        advice = "judge it by eval/break_proxies.py, with the same --set as in its training"
        check_control_rate(run, next(iter(scenes.values())), advice)
    out = None if folder is None else _check_folder(folder, name, films=videos > 0)
    filmed = scenes_to_film(scenes, films, videos) if out and videos and can_film() else []
    known = obtain(scenes, references, budget or ReferenceBudget())
    with playing_bar(scenes, episodes, 1) as bar:
        recorded = scenes_to_record(scenes, filmed)
        played = play_all(factories, scenes, episodes, recorded, bar.update, wrap)
    verdict = _judge(played, known, metadata, out)
    if out is not None:
        shots = choose(played, filmed, videos)
        with reported([out], out / FILMS, out / PAGE):
            film_agents([verdict], [shots], known, out / FILMS, plainly=films == "all")
    return verdict.to_json()


def _metadata(policy: object, run: Path | None, name: str) -> AgentMetadata:
    """A policy's metadata, with its training if it is the unaltered agent of a run."""
    if not isinstance(run, Path):
        return AgentMetadata(name)
    if getattr(policy, "is_altered", False):
        print(
            f"note: the agent of {run} has other weights, or hooks, since it was loaded; the "
            "verdict says nothing of its training",
            flush=True,
        )
        return AgentMetadata(name)
    return metadata_of(run, name)


def can_film() -> bool:
    """Whether films can be made; if not, a note says why, before hours are spent on judging."""
    try:
        find_ffmpeg()
    except UserError as error:
        print(f"note: no films are made: {error}", flush=True)
        return False
    return True


@contextmanager
def reported(folders: Sequence[Path], video_dir: Path, page: Path) -> Iterator[None]:
    """Write a page about judged agents at the end of the block, also where the block fails.

    Then it has the films there are.

    Args:
        folders: of the agents' verdicts.
        video_dir: of the films.
        page: where to write.
    """
    try:
        yield
    except (UserError, OSError):
        write_report(folders, video_dir, page)
        print(f"report: {page}, without all films")
        raise
    write_report(folders, video_dir, page)
    print(f"report: {page}")


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
            factories = dict.fromkeys(scenes, acting(agent))
            played = play_all(factories, scenes, episodes, record, on_step)
    except UserError as error:
        raise UserError(f"{agent.folder}: {error}") from None
    verdict = _judge(played, references, agent.metadata, folder or agent.folder)
    return verdict, choose(played, filmed, videos)


def judge_policy(
    factory: PolicyFactory,
    metadata: AgentMetadata,
    scenes: Mapping[str, Scene],
    references: Mapping[str, Reference],
    episodes: int,
    folder: Path,
) -> AgentVerdict:
    """Judge what a factory makes in some scenes, and write records and verdict to a folder.

    metadata: which agent it is, or what it is called in the records.
    """
    with _one_thread():
        played = play_all(dict.fromkeys(scenes, factory), scenes, episodes, (), lambda: None)
    return _judge(played, references, metadata, folder)


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
    factories: Mapping[str, PolicyFactory],
    scenes: Mapping[str, Scene],
    episodes: int,
    record: Collection[str],
    on_step: Callable[[], object],
    wrap: Wrap | None = None,
) -> Played:
    """The episodes in every scene of what its factory makes.

    record: the scenes where poses are kept, for films.
    """
    played = {}
    for name, scene in scenes.items():
        keep = ("poses",) if name in record else ()
        try:
            played[name] = play(
                scene, factories[name], episodes, keep=keep, on_step=on_step, wrap=wrap
            )
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
    return played


def _check_choice(name: str, value: str, valid: Sequence[str]) -> None:
    if value not in valid:
        raise UserError(f"{name} is {value!r}; it must be {' or '.join(map(repr, valid))}")


def _checked_name(name: Any) -> str | None:
    if not isinstance(name, str | None):
        raise UserError(f"name is {name!r:.60}; it must be a text")
    return name


def _check_folder(folder: Any, name: str, films: bool) -> Path:
    """The folder, if results can be written there, and films to a folder of that name in it."""
    if not isinstance(folder, str | os.PathLike):
        raise UserError(f"folder is {folder!r:.60}; give the path of a folder")
    folder = Path(folder)
    if not _is_folder_name(name):
        raise UserError(
            f"name is '{name}', and films go to a folder of that name; leave out '/' and zero "
            f"bytes, and keep it within {LONGEST_NAME} bytes"
        )
    for file in (RECORDS, PLAIN_RECORDS, VERDICT, PAGE):
        check_writable_file(folder / file)
    if films:
        check_writable(folder / FILMS / name)
    return folder


def _is_folder_name(name: str) -> bool:
    try:
        size = len(os.fsencode(name))
    except UnicodeEncodeError:
        return False
    return "\0" not in name and size <= LONGEST_NAME and Path(name).name == name != ".."


def _judge(
    played: Played,
    references: Mapping[str, Reference],
    agent: AgentMetadata,
    folder: Path | None,
) -> AgentVerdict:
    """The verdict on one agent, written to its folder together with the records."""
    records = [record for part in played.values() for record in part.records(agent.name)]
    overrides = next(iter(played.values())).scene.overrides  # those of every scene
    verdict = judge_records(records, references, agent, overrides=overrides)
    if folder is not None:
        write_records(folder, records)
        write_verdict(folder, verdict)
    return verdict


def playing_bar(scenes: Mapping[str, Scene], episodes: int, agents: int) -> Any:
    """A bar over the control steps of all episodes of all agents in all scenes."""
    rounds = -(-episodes // MAX_PARALLEL)
    steps = agents * rounds * sum(scene.episode_steps for scene in scenes.values())
    return progress_bar(total=steps, desc="playing", unit="step", unit_scale=True)
