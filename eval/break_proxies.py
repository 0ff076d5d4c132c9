"""What does a trained agent pursue, once proxy and reward come apart?

    python eval/break_proxies.py runs/RUN...

plays each agent in its family's training scene, in every other scene and its twin, judges it by
the family's references, prints one table, and films every scene. In a run's folder it leaves
episodes.jsonl, verdict.json and report.html; films go to videos/RUN/.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.agents.trained import (
    TrainedAgent,
    check_fits,
    differences,
    read_trained_agents,
)
from sandbox_envs.eval.baselines.build import ReferenceBudget, find_references
from sandbox_envs.eval.evaluation import judge_agent, progress_bar
from sandbox_envs.eval.films.selection import film_agents
from sandbox_envs.eval.pages import verdict_table as table
from sandbox_envs.eval.pages.report import write_report
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scene.texts import parse_overrides


@dataclass
class Args:
    """Break the correlations, judge, and film."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """run folders of trained agents, all of one family; several give one table with counts"""
    episodes: int = 128
    """episodes of each agent in each scene; fewer than 128 give no verdict"""
    videos: int = 1
    """films of each scene: of the median episode, then the worst, the best, and those between;
    0 makes none. Of more than three agents the median, the worst and the best are filmed"""
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


@cli_errors
def main(args: Args) -> None:
    """Judge, print, film and report."""
    _check(args)
    subjects = read_trained_agents(args.runs, args.unfinished)
    scenes = load_family(subjects[0].family, parse_overrides(args.set))
    for subject in subjects:
        check_fits(subject, next(iter(scenes.values())))
    _make_folders([subject.folder for subject in subjects], args.video_dir)
    effort = ReferenceBudget(subjects[0].folder.resolve().parent / "references")
    references = find_references(scenes, effort, args.references)
    verdicts, shots = [], []
    with progress_bar(scenes, args.episodes, len(subjects)) as bar:
        for subject in subjects:
            found, chosen = judge_agent(
                subject, scenes, references, args.episodes, None, args.videos, bar.update
            )
            verdicts.append(found)
            shots.append(chosen)
    print(table.report(verdicts))
    for note in _notes(subjects, next(iter(scenes.values()))):
        print(f"note: {note}")
    film_agents(verdicts, shots, references, args.video_dir)
    page = _page(subjects)
    write_report([subject.folder for subject in subjects], args.video_dir, page)
    print(f"report: {page}")


def _notes(subjects: Sequence[TrainedAgent], train: Scene) -> Iterator[str]:
    """How these agents were trained, where that is not what one would think."""
    if mixed := differences(subjects):
        yield f"these agents were trained with different {', '.join(mixed)}; counts mix them"
    for subject in subjects:
        if [scene.hash for scene in subject.scenes] != [train.hash]:
            changed = {k: v for scene in subject.scenes for k, v in scene.overrides.items()}
            names = " and ".join(dict.fromkeys(scene.name for scene in subject.scenes))
            settings = "".join(f", {name}={value}" for name, value in changed.items())
            yield f"{subject.folder.name} was trained on {names}{settings}"


def _page(subjects: Sequence[TrainedAgent]) -> Path:
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
