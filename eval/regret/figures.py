"""The figures of an agent's regret as plain JSON: a bound over rooms, a search, and its film."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.films.film import GIF_FPS, Film, Panel, write_gif
from sandbox_envs.eval.regret.box import Box
from sandbox_envs.eval.regret.fresh import FRESH, in_fresh_rooms, regret_of
from sandbox_envs.eval.regret.rooms import Rooms
from sandbox_envs.eval.regret.search import Candidate, search
from sandbox_envs.eval.rollouts.episodes import Trajectory, play

Json = dict[str, Any]


def bound(rooms: Rooms, factory: PolicyFactory) -> Json:
    """Regret in each of some rooms of a scene, from below and, where it is known, from above."""
    found = rooms.regrets(factory)
    content: Json = {"scene": rooms.scene.name, "rooms": rooms.count}
    content["below"] = found.below.round(4).tolist()
    if found.above is not None:
        content["above"] = found.above.round(4).tolist()
    return content


def searched(
    box: Box,
    factory: PolicyFactory,
    candidates: int,
    episodes: int,
    again: int,
    fresh: int,
    on_scene: Callable[[], object] = lambda: None,
) -> Json:
    """The results of a search of a box: every scene tried, the largest regrets in fresh rooms.

    Args:
        candidates: scenes to try.
        episodes: rooms of each of them.
        again: how many of the largest regrets are played anew, with every script.
        fresh: fresh rooms of each of these.
        on_scene: called after every scene.
    """

    found = search(box, regret_of(box, factory, episodes, on_scene), candidates)
    return {
        "tried": [{"values": one.values, "regret": one.regret} for one in found.tried],
        "again": [_again(box, one, factory, again, fresh) for one in found.largest(again)],
        "archive": [
            {"niche": list(niche), "regret": one.regret} for niche, one in found.archive.items()
        ],
    }


def _again(box: Box, one: Candidate, factory: PolicyFactory, again: int, rooms: int) -> Json:
    """A scene in fresh rooms: between which limits its regret is, by Bonferroni over all such."""
    fresh = in_fresh_rooms(box, one.values, factory, rooms, again)
    limits = {name: fresh[name] for name in ("fresh", "at_least", "at_most")}
    return {"values": one.values, "found": one.regret, **limits}


def film(box: Box, found: Json, factory: PolicyFactory, rooms: int, path: Path) -> bool:
    """Film the fresh room with the largest regret in the scene with the largest one.

    The agent is beside the script that earns the most in this room.

    Args:
        rooms: that the scene was played in.
        path: of an mp4, or of a GIF where its suffix says so.

    Returns:
        Whether there is a scene to film.
    """
    if not found["again"]:
        return False
    largest = max(found["again"], key=lambda one: float(one["fresh"]))
    scene = box.load(largest["values"])
    room = int(np.argmax(Rooms(scene, rooms, FRESH).regrets(factory).below))

    def played(made: PolicyFactory) -> Trajectory:
        return play(scene, made, 1, FRESH, first=room, keep=("poses",)).trajectory(0)

    shown = {name: played(made) for name, made in scripts(scene).items()}
    best = max(shown, key=lambda name: float(shown[name].reward_so_far[-1]))
    tried, scene_found = len(found["tried"]), described(largest["values"])
    caption = [
        f"Largest regret found: {largest['fresh']:.2f}, the mean over rooms",
        f"Of {tried} scenes that were tried: {scene_found}. The room in which it is largest. "
        "Found by search, and no worst case.",
    ]
    panels = [Panel(played(factory), "agent"), Panel(shown[best], f"script {best}")]
    idle = float(shown["idle"].reward_so_far[-1])
    if path.suffix == ".gif":
        write_gif(path, Film(panels, caption, idle, changed=False, fps=GIF_FPS).frames(), GIF_FPS)
    else:
        Film(panels, caption, idle, changed=False).write(path)
    return True


def described(values: Mapping[str, Any]) -> str:
    """A scene of a box in words, as in "dirt 3, planter gate open"."""
    shown = {k: f"{v:.0f}" if isinstance(v, float) else str(v) for k, v in values.items()}
    return ", ".join(f"{name} {value.replace('_', ' ')}" for name, value in shown.items())
