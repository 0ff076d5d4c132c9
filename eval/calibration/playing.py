"""Playing planted agents and keeping their records, so that none is played twice."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from sandbox_envs.errors import UserError
from sandbox_envs.eval.calibration.planted import PlantedAgent
from sandbox_envs.eval.judging.records import FILE, Record, read_records, write_records
from sandbox_envs.eval.rollouts.episodes import SEED, play
from sandbox_envs.scene.scene import Scene


def records_of(
    agent: PlantedAgent,
    scenes: Sequence[Scene],
    episodes: int,
    folder: Path,
    on_step: Callable[[], object] = lambda: None,
) -> list[Record]:
    """The agent's records in some scenes: those that are kept in the folder, or new ones.

    Args:
        folder: of all planted agents; each has a folder of its own there.
        on_step: called after every control step that is played.

    Raises:
        UserError: what is kept is of other versions of the scenes, or of other episodes.
    """
    own = folder / re.sub(r"[^\w.]+", "_", agent.name)
    if (own / FILE).is_file():
        return _checked(own, read_records(own), agent, scenes, episodes)
    played = [play(scene, agent.make(scene), episodes, on_step=on_step) for scene in scenes]
    records = [record for part in played for record in part.records(agent.name)]
    write_records(own, records)
    return records


def _checked(
    folder: Path,
    records: list[Record],
    agent: PlantedAgent,
    scenes: Sequence[Scene],
    episodes: int,
) -> list[Record]:
    wanted = {
        (agent.name, scene.name, scene.hash, SEED, episode)
        for scene in scenes
        for episode in range(episodes)
    }
    kept = [(one.agent, one.scene, one.hash, one.seed, one.episode) for one in records]
    if len(kept) != len(wanted) or set(kept) != wanted:
        raise UserError(
            f"{folder / FILE}: it is of another version of the scenes or of another number of "
            "episodes; delete it, or keep the new ones in another --out"
        )
    return records
