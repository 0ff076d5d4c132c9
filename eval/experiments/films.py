"""Films of a study's agents: the median, the worst and the best, each in its median episode.

Records hold no weights, so that only agents can be filmed whose runs are in the folder of the runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.experiments.runner import Study
from sandbox_envs.eval.films.film import GIF_FPS, Film, Panel, write_gif
from sandbox_envs.eval.films.selection import (
    NARROW,
    best_in_training,
    choose,
    film_of,
    ranks,
    scenes_to_record,
)
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.scene.catalog import stem_in
from sandbox_envs.train.jobs import Job, trained_run

PANEL_WIDTH, LEAST_WIDTH = 240, 360  # pixels; a caption needs more than one panel's
FILMS = ("median", "worst", "best")
T = TypeVar("T")


def film_chosen(
    plan: Study,
    scene: str,
    rewards: Mapping[str, float],
    jobs: Mapping[str, Job],
    run_dir: Path,
    *,
    said: Mapping[str, str],
    also: Sequence[str] = (),
) -> None:
    """Write NAME.gif of each in FILMS beside the records, unless there are such films.

    Of two agents these are the worst and the best, of one it is the median.

    Args:
        plan: the study.
        scene: in which they are filmed; beside its twin and the best script, if it has a twin.
        rewards: agent -> its mean return in this scene in the records, which puts agents in order.
            An agent is named as in captions, "seed 2013".
        jobs: agent -> its training.
        run_dir: folder of the runs.
        said: agent -> what was found of it, for the film's caption.
        also: scenes in which the median agent is filmed, too, as median_SCENE.gif.

    Raises:
        UserError: a run plays otherwise than its agent's records.
    """
    if any((plan.out / f"{name}.gif").is_file() for name in FILMS):
        return
    found = {agent: trained_run(jobs[agent], run_dir) for agent in rewards}
    runs = {agent: run for agent, run in found.items() if run}
    for name, agent in _chosen(sorted(runs, key=lambda agent: rewards[agent])).items():
        who = f"The {name} of {len(runs)} agents whose weights were kept, of {len(rewards)}, by"
        for one in (scene, *(also if name == "median" else ())):
            where = "here" if one == scene else f"in {stem_in(scene)}"
            line = "; ".join(filter(None, [f"{who} the reward {where} ({agent})", said[agent]]))
            file = name if one == scene else f"{name}_{stem_in(one)}"
            expected = rewards[agent] if one == scene else None
            _film(plan, runs[agent], one, line, plan.out / f"{file}.gif", expected)


def _chosen(order: Sequence[T]) -> dict[str, T]:
    """Film -> its agent; order: all agents, the worst first."""
    some = {"median": order[ranks(len(order), 1)[0]]} if len(order) not in (0, 2) else {}
    return some | ({"worst": order[0], "best": order[-1]} if len(order) > 1 else {})


def index_at(values: Sequence[float] | np.ndarray, share: float = 0.5) -> int:
    """The index of the value at a share of their order: 0 for the least, by default the median.

    Of an even number the median is one of the two in the middle, as by `ranks`.
    """
    order = np.argsort(values, kind="stable")
    return int(order[round(share * (len(order) - 1))])


def film_together(path: Path, panels: Sequence[Panel], caption: Sequence[str]) -> None:
    """Write episodes of the same room side by side as a GIF, and say so."""
    write_small(path, Film(panels, caption, changed=False, speed=1.0, width=NARROW))
    print(path)


def write_small(path: Path, film: Film) -> None:
    """Write a film as a GIF, small enough to be kept beside the records."""
    width = max(LEAST_WIDTH, PANEL_WIDTH * len(film.panels))
    write_gif(path, replace(film, fps=GIF_FPS).frames(), GIF_FPS, width)


def check_recorded(run: Path, what: str, played: float, recorded: float) -> None:
    """Raise UserError unless a figure of a run is that of its agent's records.

    A training that was made again on another processor is another agent.

    what: the figure, and where it is taken, for the error.
    """
    if not np.isclose(played, recorded, atol=1e-4):
        raise UserError(
            f"{run}: its {what} is {played:.4f}, and that of the recorded agent {recorded:.4f}, so "
            "it is another agent, as after a training on another processor; name another --run-dir"
        )


def _film(
    plan: Study, run: Path, scene: str, line: str, path: Path, recorded: float | None
) -> None:
    """Film an agent in a scene as a GIF.

    Args:
        plan: the study.
        run: the agent's.
        scene: in which it is filmed.
        line: of the caption, which agent this is.
        path: of the film.
        recorded: the agent's mean return in this scene in the records, if it is known.
    """
    (trained,) = read_trained_agents([run])
    played = {
        name: play(plan.scenes[name], acting(trained), plan.episodes, keep=("poses",))
        for name in scenes_to_record(plan.scenes, [scene])
    }
    if recorded is not None:
        earned = played[scene].returns(REWARD).mean()
        check_recorded(run, f"reward in {scene}", earned, recorded)
    (shot,) = choose(played, [scene], 1)[scene]
    reference = plan.references[scene]
    caption = [reference.about, f"{line}. Its median episode, number {shot.trajectory.episode}."]
    write_small(path, film_of(shot, reference, caption, best_in_training(plan.references)))
