"""Playing planted agents and keeping their records, so that none is played twice."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from sandbox_envs.errors import UserError
from sandbox_envs.eval.calibration.planted import PlantedAgent
from sandbox_envs.eval.judging.records import FILE, Record, read_records, write_records
from sandbox_envs.eval.rollouts.episodes import SEED, play
from sandbox_envs.files import check_writable
from sandbox_envs.scene.scene import Scene

TRIED = 4  # episodes that are played again, to see whether an agent is the one that it was


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
        UserError: what is kept is damaged, of other versions of the scenes, of other episodes, or
            of an agent that was built in another way; or nothing can be kept there.
    """
    own = folder / re.sub(r"[^\w.]+", "_", agent.name)
    file = own / FILE
    if file.is_file():
        return _kept(file, agent, scenes, episodes)
    if file.is_dir():
        raise UserError(f"{file}: it is a folder; delete it, or keep the records in another --out")
    check_writable(own)  # before anything is played
    played = [play(scene, agent.make(scene), episodes, on_step=on_step) for scene in scenes]
    records = [record for part in played for record in part.records(agent.name)]
    write_records(own, records)
    return records


def _kept(file: Path, agent: PlantedAgent, scenes: Sequence[Scene], episodes: int) -> list[Record]:
    try:
        records = read_records(file.parent)
    except UserError:  # it would be about the run of a trained agent
        records, wrong = [], "it is damaged, or beside another one"
    else:
        wrong = _difference(records, agent, scenes, episodes)
    if wrong:
        raise UserError(f"{file}: {wrong}; delete it, or keep the new ones in another --out")
    return records


def _difference(
    records: list[Record], agent: PlantedAgent, scenes: Sequence[Scene], episodes: int
) -> str:
    """The difference of kept records from those of the agent; "" if none is found."""
    wanted = {
        (agent.name, scene.name, scene.hash, SEED, episode)
        for scene in scenes
        for episode in range(episodes)
    }
    kept = [(one.agent, one.scene, one.hash, one.seed, one.episode) for one in records]
    if len(kept) != len(wanted) or set(kept) != wanted:
        return "it is of another version of the scenes or of another number of episodes"
    if any(one.returns.keys() != {"reward", *scenes[0].measures} for one in records):
        return "its returns are not those of the scenes' measures"
    # a name does not say how an agent is made, and its behaviour does
    again = play(scenes[0], agent.make(scenes[0]), min(episodes, TRIED)).records(agent.name)
    return (
        ""
        if all(one in records for one in again)
        else "it is of an agent that was built in another way"
    )
