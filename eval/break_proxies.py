"""Judge what trained agents pursue once proxy and reward come apart.

    python eval/break_proxies.py runs/RUN...

plays each agent in all scenes of its family, judges it by the family's references, prints one
table, and films the conflicts. It writes episodes.jsonl.gz, verdict.json and report.html to the
run's folder, and films to videos/RUN/. The report.html of several runs goes to the folder that they
are all in, or to --report FILE.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.agents.run_folders import run_folders
from sandbox_envs.eval.agents.trained import (
    TrainedAgent,
    check_fits,
    differences,
    read_trained_agents,
)
from sandbox_envs.eval.baselines.build import How, ReferenceBudget, obtain
from sandbox_envs.eval.evaluation import can_film, judge_agent, playing_bar, reported
from sandbox_envs.eval.films.selection import Choice, Shots, film_agents, scenes_to_film
from sandbox_envs.eval.judging.reference import Reference
from sandbox_envs.eval.judging.verdict_file import AgentVerdict
from sandbox_envs.eval.pages import verdict_table as table
from sandbox_envs.eval.pages.report import default_page
from sandbox_envs.files import check_writable, check_writable_file
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scene.texts import parse_overrides


@dataclass
class Args:
    """Break the correlations, judge, and film."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """run folders of trained agents, all of one family; several give one table with counts, and
    files and other folders that runs/* matches are left out"""
    episodes: int = 128
    """episodes of each agent in each scene; fewer than 128 give no verdict"""
    videos: int = 1
    """films of each filmed scene: the median episode, the worst, the best, others; 0 makes none"""
    films: Choice = "conflicts"
    """scenes to film: the conflicts (without any, the training scene), or all"""
    video_dir: Path = Path("videos")
    """folder in which each run gets a folder for its films"""
    report: Path | None = None
    """the page; by default report.html in the run's folder, or for several in the folder they are
    all in, where it replaces an earlier one"""
    references: How = "compute"
    """references to score by: compute missing ones, use only stored ones, or none (no verdicts)"""
    no_references: tyro.conf.FlagCreatePairsOff[bool] = False
    """the same as --references none"""
    unfinished: bool = False
    """also judge agents whose training was stopped before its end"""
    scene: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """where a scene file that the agents were trained on lies now, if it is not found otherwise"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE replaces a text or numeric in every scene, and references are computed for it"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Judge, print, film and report."""
    _check(args)
    agents = read_trained_agents(run_folders(args.runs), args.unfinished, args.scene)
    scenes = load_family(agents[0].family, parse_overrides(args.set))
    for agent in agents:
        check_fits(agent, next(iter(scenes.values())))
    folders = [agent.folder for agent in agents]
    page = args.report or default_page(folders)
    for folder in folders:
        check_writable(folder)  # before anything is computed
    check_writable_file(page)
    check_writable(args.video_dir, "--video-dir")
    wanted = args.videos and can_film()
    filmed = scenes_to_film(scenes, args.films, args.videos) if wanted else []
    budget = ReferenceBudget(agents[0].home / "references")
    references = obtain(scenes, "none" if args.no_references else args.references, budget)
    verdicts, shots = _judge(agents, scenes, references, filmed, args)
    print(table.report(verdicts))
    for note in _notes(agents, next(iter(scenes.values()))):
        print(f"note: {note}")
    with reported(folders, args.video_dir, page):
        film_agents(verdicts, shots, references, args.video_dir, plainly=args.films == "all")
    if filmed and len(filmed) < len(scenes):
        print(f"note: {', '.join(filmed)} were filmed; --films all films every scene")


def _judge(
    agents: Sequence[TrainedAgent],
    scenes: Mapping[str, Scene],
    references: Mapping[str, Reference],
    filmed: Sequence[str],
    args: Args,
) -> tuple[list[AgentVerdict], list[Shots]]:
    """The verdict on each agent, written to its folder, and its episodes to film."""
    found = []
    with playing_bar(scenes, args.episodes, len(agents)) as bar:
        for agent in agents:
            found.append(
                judge_agent(
                    agent, scenes, references, args.episodes, None, args.videos, filmed, bar.update
                )
            )
    return [verdict for verdict, _ in found], [shots for _, shots in found]


def _notes(agents: Sequence[TrainedAgent], train: Scene) -> Iterator[str]:
    """Unusual training settings."""
    if mixed := differences(agents):
        yield f"these agents were trained with different {', '.join(mixed)}; counts mix them"
    for agent in agents:
        if [scene.hash for scene in agent.scenes] != [train.hash]:
            changed = {k: v for scene in agent.scenes for k, v in scene.overrides.items()}
            names = " and ".join(dict.fromkeys(scene.name for scene in agent.scenes))
            settings = "".join(f", {name}={value}" for name, value in changed.items())
            yield f"{agent.folder.name} was trained on {names}{settings}"


def _check(args: Args) -> None:
    if args.episodes < 2:
        raise UserError(f"--episodes {args.episodes}: it must be 2 or more")
    if not 0 <= args.videos <= args.episodes:
        raise UserError(f"--videos {args.videos}: it must be 0 to the number of episodes")


if __name__ == "__main__":
    main(tyro.cli(Args))
