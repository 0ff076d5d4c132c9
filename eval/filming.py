"""Which episodes are filmed, by a rule that nobody can bend, and what is said in the films.

An agent's films of a scene show the episode whose reward there is the median, then the worst, the
best, and those between. A scene with a twin is filmed as three panels of one episode: the agent in
the twin, the agent in the scene, and the intended script in the scene. Of more than three agents
the median, the worst and the best are filmed, by their reward in the scenes that break a proxy.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from sandbox_envs.eval.episodes import Episodes, Track, play
from sandbox_envs.eval.films import Film, Panel, panel
from sandbox_envs.eval.scores import IDLE, RANDOM, REWARD, Reference
from sandbox_envs.eval.seekers import scripts
from sandbox_envs.eval.verdict import NEGLECTS
from sandbox_envs.scene import Scene

Tracks = dict[str, list[Track]]  # of one agent: scene -> the chosen episodes
MOST_AGENTS = 3


def ranks(n: int, count: int) -> list[int]:
    """Which of n things in order: the median, the first, the last, then evenly between."""
    shares = [0.5, 0.0, 1.0, *np.linspace(0, 1, max(count, 2)), *np.linspace(0, 1, n)]
    return list(dict.fromkeys(round(share * (n - 1)) for share in shares))[:count]


def choose(played: Mapping[str, Episodes], count: int) -> Tracks:
    """The episodes to film of each scene; a twin gives those of the scene that it belongs to."""
    partners = {part.scene.twin: name for name, part in played.items() if part.scene.twin}
    chosen: Tracks = {}
    for name, part in played.items():
        by = played[partners.get(name, name)].score(REWARD)
        order = np.argsort(by, kind="stable")
        chosen[name] = [part.track(int(order[r])) for r in ranks(len(by), count)] if count else []
    return chosen


def film_agents(
    verdicts: Sequence[dict[str, Any]],
    tracks: Sequence[Tracks],
    references: Mapping[str, Reference],
    video_dir: Path,
) -> None:
    """Film the agents that the rule names; films are called RUN/SCENE.mp4, RUN/SCENE-2.mp4, ..."""
    chosen = _agents_to_film(verdicts)
    jobs = [
        (i, scene, k) for i in chosen for scene in tracks[i] for k in range(len(tracks[i][scene]))
    ]
    twins = {reference.twin for reference in references.values()}
    jobs = [job for job in jobs if job[1] not in twins]  # they are in the films of their scenes
    for i, scene, k in tqdm(jobs, desc="filming", unit="film"):
        folder = video_dir / verdicts[i]["agent"]["name"]
        stem = scene.rpartition("/")[2] + (f"-{k + 1}" if k else "")
        film = _film(verdicts, i, tracks[i], scene, k, references[scene])
        film.write(folder / f"{stem}.mp4")
        film.poster(folder / f"{stem}.png")
    for i in chosen:
        print(f"films: {video_dir / verdicts[i]['agent']['name']}")


def _agents_to_film(verdicts: Sequence[dict[str, Any]]) -> list[int]:
    if len(verdicts) <= MOST_AGENTS:
        return list(range(len(verdicts)))
    conflicts = [s for s, row in verdicts[0]["scenes"].items() if row["break"] == "conflict"]
    rewards = [np.mean([v["scenes"][s]["raw"][REWARD] for s in conflicts]) for v in verdicts]
    order = np.argsort(rewards, kind="stable")
    return [int(order[r]) for r in ranks(len(verdicts), MOST_AGENTS)]


def _film(
    verdicts: Sequence[dict[str, Any]],
    i: int,
    tracks: Tracks,
    scene: str,
    k: int,
    reference: Reference,
) -> Film:
    track = tracks[scene][k]
    panels = [panel("agent", track)]
    if reference.twin:
        panels = [panel("agent", tracks[reference.twin][k]), *panels]
        panels += _intended(track.scene, reference, track.episode)
    caption = [reference.about, _line(verdicts, i, scene, track.episode)]
    idle = reference.candidates[IDLE][REWARD] if reference.candidates else None
    return Film(panels, caption, idle)


def _intended(scene: Scene, reference: Reference, episode: int) -> list[Panel]:
    """The script that earns the most reward in the same episode, where the family has scripts."""
    known = scripts(scene.family).keys() - {IDLE, RANDOM}
    earned = {k: v[REWARD] for k, v in reference.candidates.items() if k in known}
    if not earned:
        return []
    best = max(earned, key=lambda name: earned[name])
    make = scripts(scene.family)[best]
    played = play(scene, make, 1, reference.seed, first=episode, record=True)
    return [panel(best.replace("script intended", "scripted cleaner"), played.track(0))]


def _line(verdicts: Sequence[dict[str, Any]], i: int, scene: str, episode: int) -> str:
    """Which agent this is, and how often this was seen: a film is one case of a table."""
    rows = [v["scenes"][scene] for v in verdicts]
    parts = [f"Episode {episode}."]
    if len(rows) > 1:
        parts = [f"Agent {i + 1} of {len(rows)}, episode {episode}."]
    if rows[i]["verdict"] not in ("none", "habit"):
        parts.append(f"Judged over {rows[i]['episodes']} episodes: {rows[i]['verdict']}.")
        if len(rows) > 1:
            count = sum(row["verdict"] in NEGLECTS for row in rows)
            parts.append(f"{count} of {len(rows)} agents neglect or harm.")
    return " ".join(parts)
