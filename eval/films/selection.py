"""The selection of the episodes that are filmed, by a fixed rule, and the text in the films.

The conflicts are filmed, and on request all scenes. An agent's films of a scene show the episode
whose reward there is the median, then the worst, the best, and those between. A scene with a twin
is filmed as three panels of one episode: the agent in the twin, the agent in the scene, and the
intended script in the scene; where all scenes are filmed, plainly as well. Of more than three
agents the median, the worst and the best are filmed, by their reward in the scenes that break a
proxy.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.scripted import candidates
from sandbox_envs.eval.films.drawing import draw_films
from sandbox_envs.eval.films.film import Film, Panel, panel, write_film
from sandbox_envs.eval.judging.fitness import training
from sandbox_envs.eval.judging.reference import IDLE, RANDOM, REWARD, Reference
from sandbox_envs.eval.judging.verdict import NEGLECTS, UNJUDGED
from sandbox_envs.eval.judging.verdict_file import AgentVerdict
from sandbox_envs.eval.rollouts.episodes import Episodes, Trajectory, play
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.catalog import stem_in
from sandbox_envs.scene.scene import Scene

MOST_AGENTS = 3
SHORT = 6.0  # simulated seconds, of an episode that is filmed slowly
NARROW = 480  # pixels, the width of one of three panels; together they fill a page

Choice = Literal["conflicts", "all"]


@dataclass(frozen=True)
class Shot:
    """An episode to film."""

    trajectory: Trajectory
    """the episode"""
    twin: Trajectory | None
    """the same episode in the scene's twin, if it has one"""


Shots = dict[str, list[Shot]]  # of one agent, by scene


def ranks(n: int, count: int) -> list[int]:
    """Ranks below n, at most `count`: the median, the first, the last, then evenly between."""
    shares = [0.5, 0.0, 1.0, *np.linspace(0, 1, max(count, 2)), *np.linspace(0, 1, n)]
    return list(dict.fromkeys(round(share * (n - 1)) for share in shares))[:count]


def scenes_to_film(scenes: Mapping[str, Scene], choice: Choice, count: int = 1) -> list[str]:
    """The conflicts of a family, or all of its scenes; its first one if nothing conflicts.

    count: films of each.

    Raises:
        UserError: a further film of one would be called as the first of another.
    """
    conflicts = [name for name, scene in scenes.items() if scene.break_kind == "conflict"]
    found = list(scenes) if choice == "all" else conflicts or list(scenes)[:1]
    further = {f"{name}-{number}" for name in found for number in range(2, count + 1)}
    if alike := sorted(further & set(found)):
        raise UserError(
            f"--videos {count}: the film of {alike[0]} would be called as one of "
            f"{alike[0].rpartition('-')[0]}; rename a scene, or make one film of each"
        )
    return found


def scenes_to_record(scenes: Mapping[str, Scene], filmed: Collection[str]) -> set[str]:
    """The scenes that films of these show: themselves and their twins."""
    return {*filmed, *(twin for name in filmed if (twin := scenes[name].twin))}


def choose(played: Mapping[str, Episodes], filmed: Collection[str], count: int) -> Shots:
    """The episodes to film of each of these scenes, by their reward there."""
    chosen: Shots = {name: [] for name in filmed}
    for name in filmed:
        part = played[name]
        twin = played.get(str(part.scene.twin))
        reward = part.returns(REWARD)
        order = np.argsort(reward, kind="stable")
        for i in (int(order[rank]) for rank in ranks(len(reward), count)):
            chosen[name].append(Shot(part.trajectory(i), twin.trajectory(i) if twin else None))
    return chosen


def film_agents(
    verdicts: Sequence[AgentVerdict],
    shots: Sequence[Shots],
    references: Mapping[str, Reference],
    video_dir: Path,
    plainly: bool = False,
) -> None:
    """Film the agents selected by the rule: RUN/SCENE.mp4, RUN/SCENE-2.mp4, ...

    Films of earlier verdicts on these agents are deleted.

    Args:
        shots: of each agent, the episodes to film, by scene.
        plainly: a scene with a twin also gets the plain view of itself alone,
            RUN/SCENE-plain.mp4.
    """
    folders = [video_dir / verdict.agent.name for verdict in verdicts]
    for folder in folders:
        _clear(folder, [stem_in(scene) for scene in references])
    best = best_in_training(references)
    films = {
        folders[i] / f"{name}.mp4": film
        for i in _agents_to_film(verdicts)
        for scene, chosen in shots[i].items()
        for name, film in _films(verdicts, i, chosen, references[scene], best, plainly)
    }
    _write(films)
    for folder in dict.fromkeys(path.parent for path in films):
        print(f"films: {folder}")


def _write(films: Mapping[Path, Film]) -> None:
    """Draw and write films, with progress in frames."""
    total = sum(moment.frames for film in films.values() for moment in film.moments())
    with (
        closing(draw_films(list(films.values()))) as drawn,
        progress_bar(total=total, desc="filming", unit="frame", disable=not films) as bar,
    ):
        for (path, film), frames in zip(films.items(), drawn, strict=True):
            write_film(path, _counted(frames, bar), film.fps)


def _counted(frames: Iterator[np.ndarray], bar: tqdm) -> Iterator[np.ndarray]:
    for frame in frames:
        yield frame
        bar.update()


def _clear(folder: Path, stems: Sequence[str]) -> None:
    film = re.compile(rf"({'|'.join(map(re.escape, stems))})(-plain)?(-\d+)?\.(mp4|png)")
    for file in folder.glob("*") if folder.is_dir() else ():
        if film.fullmatch(file.name):
            file.unlink()


def _agents_to_film(verdicts: Sequence[AgentVerdict]) -> list[int]:
    if len(verdicts) <= MOST_AGENTS:
        return list(range(len(verdicts)))
    scenes = verdicts[0].scenes
    broken = [name for name, here in scenes.items() if here.breaks] or list(scenes)
    rewards = [np.mean([v.scenes[s].returns[REWARD] for s in broken]) for v in verdicts]
    order = np.argsort(rewards, kind="stable")
    return [int(order[rank]) for rank in ranks(len(verdicts), MOST_AGENTS)]


def _films(
    verdicts: Sequence[AgentVerdict],
    i: int,
    shots: Sequence[Shot],
    reference: Reference,
    best_reward: float,
    plainly: bool,
) -> Iterator[tuple[str, Film]]:
    """An agent's films of one scene, by name."""
    scene = reference.scene
    stem = stem_in(scene)
    for k, shot in enumerate(shots):
        number = f"-{k + 1}" if k else ""
        caption = [reference.about, _line(verdicts, i, scene, shot.trajectory.episode)]
        yield f"{stem}{number}", film_of(shot, reference, caption, best_reward)
        if plainly and shot.twin is not None:
            alone = replace(shot, twin=None)
            yield f"{stem}-plain{number}", film_of(alone, reference, caption, best_reward)


def best_in_training(references: Mapping[str, Reference]) -> float:
    """The best reward known in training, to which films' bars reach at least; 0 if none is."""
    train = training(references)
    return train.best(REWARD) if train.candidates else 0.0


def film_of(
    shot: Shot, reference: Reference, caption: Sequence[str], best_reward: float = 0.0
) -> Film:
    """An agent's episode; where there is a twin, between the twin and the best script.

    best_reward: the least length of the bars' scale of the reward.
    """
    idle = reference.candidates[IDLE][REWARD] if reference.candidates else None
    plain = Film([panel("agent", shot.trajectory)], list(caption), idle, best_reward)
    if plain.seconds < SHORT:
        plain = replace(plain, speed=0.5)
    if shot.twin is None:
        return plain
    intended = _intended(shot.trajectory, reference)
    panels = [panel("agent", shot.twin), *plain.panels, *intended]
    return replace(plain, panels=panels, width=NARROW)


def _intended(agent: Trajectory, reference: Reference) -> list[Panel]:
    """The script that earns the most reward, in the agent's episode, if the family has scripts."""
    scene = agent.scene
    known = candidates(scene).keys() - {IDLE, RANDOM}
    earned = {k: v[REWARD] for k, v in reference.candidates.items() if k in known}
    if not earned:
        return []
    best = max(earned, key=lambda name: earned[name])
    make = candidates(scene)[best]
    played = play(scene, make, 1, agent.seed, first=agent.episode, keep=("poses",))
    return [panel(best.replace("script intended", "best script"), played.trajectory(0))]


def _line(verdicts: Sequence[AgentVerdict], i: int, scene: str, episode: int) -> str:
    """The agent, its verdict, and how many neglect or harm: a film is one case of a table."""
    rows = [v.scenes[scene] for v in verdicts]
    parts = [f"Episode {episode}."]
    if len(rows) > 1:
        parts = [f"Agent {i + 1} of {len(rows)}, episode {episode}."]
    if rows[i].verdict not in UNJUDGED:
        parts.append(f"Judged over {rows[i].episodes} episodes: {rows[i].verdict}.")
        if len(rows) > 1:
            count = sum(row.verdict in NEGLECTS for row in rows)
            parts.append(f"{count} of {len(rows)} agents neglect or harm.")
    return " ".join(parts)
