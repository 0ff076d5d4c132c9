"""What does a trained agent pursue, once proxy and reward come apart?

    python eval/break_proxies.py runs/RUN...

plays each agent in its family's training scene, in every other scene and its twin, judges it by
the family's references, prints one table, and films the conflicts. In a run's folder it leaves
episodes.jsonl, verdict.json and report.html; films go to videos/RUN/.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from tqdm import tqdm

from sandbox_envs.errors import UserError, one_sentence
from sandbox_envs.eval import table
from sandbox_envs.eval.episodes import SIDE_BY_SIDE, Episodes, Policy, play
from sandbox_envs.eval.filming import (
    Choice,
    Shots,
    choose,
    film_agents,
    scenes_to_film,
    scenes_to_record,
)
from sandbox_envs.eval.judging import FILE, judge_records
from sandbox_envs.eval.records import write_records
from sandbox_envs.eval.reference_files import committed_references, read_known
from sandbox_envs.eval.references import Effort, blank, complete, cost
from sandbox_envs.eval.report import write_report
from sandbox_envs.eval.scores import Reference
from sandbox_envs.eval.subjects import Subject, check_fits, differences, read_subjects
from sandbox_envs.family import load_family
from sandbox_envs.files import write_json
from sandbox_envs.scene import Scene, parse_overrides


@dataclass
class Args:
    """Break the correlations, judge, and film."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """run folders of trained agents, all of one family; several give one table with counts"""
    episodes: int = 128
    """episodes of each agent in each scene; fewer than 128 give no verdict"""
    videos: int = 1
    """films of each scene that is filmed: of the median episode, then the worst, the best, and
    those between; 0 makes none. Of more than three agents the median, the worst and the best are
    filmed"""
    films: Choice = "conflicts"
    """which scenes are filmed: those where a proxy and the reward conflict (where there are none,
    the training scene), or all"""
    video_dir: Path = Path("videos")
    """folder in which each run gets a folder for its films"""
    references: bool = True
    """score by references; without, only raw means are told, and no verdict is given"""
    unfinished: bool = False
    """judge agents, too, whose training was stopped before its end"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE replaces a text or numeric in every scene; repeatable. The references for such
    scenes are computed first"""
    debug: bool = False
    """show the traceback of an error"""


Played = dict[str, Episodes]  # of one agent, by scene


def judge(
    policy: Policy,
    family: str | Path = "sweep",
    *,
    name: str = "policy",
    episodes: int = 128,
    folder: str | Path | None = None,
    references: bool = True,
    effort: Effort | None = None,
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
    known = find_references(scenes, effort or Effort(Path("runs/references")), references)
    with _progress(scenes, episodes, 1) as bar:
        played = play_all(policy, scenes, episodes, (), bar.update)
    return _judge(played, known, {"name": name}, folder)


def judge_subject(
    subject: Subject,
    scenes: Mapping[str, Scene],
    references: Mapping[str, Reference],
    episodes: int,
    folder: Path | None = None,
    videos: int = 0,
    filmed: Collection[str] = (),
    on_step: Callable[[], object] = lambda: None,
) -> tuple[dict[str, Any], Shots]:
    """Judge a trained agent, and leave records and verdict in a folder, by default its own.

    Returns:
        The verdict, and the episodes to be filmed, `videos` of each scene in `filmed`.
    """
    record = scenes_to_record(scenes, filmed)
    try:
        with _one_thread():
            played = play_all(subject.policy, scenes, episodes, record, on_step)
    except UserError as error:
        raise UserError(f"{subject.folder}: {error}") from None
    found = _judge(played, references, subject.told, folder or subject.folder)
    return found, choose(played, filmed, videos)


@contextmanager
def _one_thread() -> Iterator[None]:
    """PyTorch works with one thread: a step of a small network is too little work for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def find_references(
    scenes: Mapping[str, Scene], effort: Effort, wanted: bool = True
) -> dict[str, Reference]:
    """The committed references; what these lack is computed and kept in the effort's folder."""
    if not wanted:
        return {name: blank(scene) for name, scene in scenes.items()}
    known = read_known(scenes, committed_references(), effort.run_dir)
    if price := cost(scenes, known, effort):
        print(f"{price}; this is kept in {effort.run_dir}", flush=True)
    return complete(scenes, known, effort.run_dir, effort)


def play_all(
    policy: Policy,
    scenes: Mapping[str, Scene],
    episodes: int,
    record: Collection[str],
    on_step: Callable[[], object],
) -> Played:
    """A policy's episodes in every scene. record: the scenes where they may be filmed."""
    played = {}
    for name, scene in scenes.items():
        try:
            played[name] = play(
                scene, lambda _: policy, episodes, record=name in record, on_step=on_step
            )
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


def _progress(scenes: Mapping[str, Scene], episodes: int, agents: int) -> Any:
    rounds = -(-episodes // SIDE_BY_SIDE)
    steps = agents * rounds * sum(scene.episode_steps for scene in scenes.values())
    return tqdm(total=steps, desc="playing", unit="step", unit_scale=True)


@one_sentence
def main(args: Args) -> None:
    """Judge, print, film and report."""
    _check(args)
    subjects = read_subjects(args.runs, args.unfinished)
    scenes = load_family(subjects[0].family, parse_overrides(args.set))
    for subject in subjects:
        check_fits(subject, next(iter(scenes.values())))
    _make_folders([subject.folder for subject in subjects], args.video_dir)
    effort = Effort(subjects[0].folder.resolve().parent / "references")
    references = find_references(scenes, effort, args.references)
    filmed = scenes_to_film(scenes, args.films) if args.videos else []
    verdicts, shots = [], []
    with _progress(scenes, args.episodes, len(subjects)) as bar:
        for subject in subjects:
            found, chosen = judge_subject(
                subject, scenes, references, args.episodes, None, args.videos, filmed, bar.update
            )
            verdicts.append(found)
            shots.append(chosen)
    print(table.report(verdicts))
    for note in _notes(subjects, next(iter(scenes.values()))):
        print(f"note: {note}")
    film_agents(verdicts, shots, references, args.video_dir, plainly=args.films == "all")
    if filmed and len(filmed) < len(scenes):
        print(f"note: {', '.join(filmed)} were filmed; --films all films every scene")
    page = _page(subjects)
    write_report([subject.folder for subject in subjects], args.video_dir, page)
    print(f"report: {page}")


def _notes(subjects: Sequence[Subject], train: Scene) -> Iterator[str]:
    """How these agents were trained, where that is not what one would think."""
    if mixed := differences(subjects):
        yield f"these agents were trained with different {', '.join(mixed)}; counts mix them"
    for subject in subjects:
        if [scene.hash for scene in subject.scenes] != [train.hash]:
            changed = {k: v for scene in subject.scenes for k, v in scene.overrides.items()}
            names = " and ".join(dict.fromkeys(scene.name for scene in subject.scenes))
            settings = "".join(f", {name}={value}" for name, value in changed.items())
            yield f"{subject.folder.name} was trained on {names}{settings}"


def _page(subjects: Sequence[Subject]) -> Path:
    folder = subjects[0].folder
    return (folder if len(subjects) == 1 else folder.resolve().parent) / "report.html"


def _check(args: Args) -> None:
    if args.episodes < 2:
        raise UserError(f"--episodes {args.episodes}: it must be 2 or more")
    if not 0 <= args.videos <= args.episodes:
        raise UserError(f"--videos {args.videos}: it must be 0 to the number of episodes")


def _make_folders(runs: Sequence[Path], video_dir: Path) -> None:
    """Find out whether results can be written before they are computed."""
    try:
        video_dir.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(
            f"--video-dir {video_dir}: it is a file, or in one; name a folder"
        ) from None
    for folder in (*runs, video_dir):
        if not os.access(folder, os.W_OK):
            raise UserError(f"{folder}: nothing can be written there; change its permissions")


if __name__ == "__main__":
    main(tyro.cli(Args))
