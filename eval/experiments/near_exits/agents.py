"""The agents of the study arrow and planted players, in fresh rooms."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.experiments.arrow.agents import Agent, jobs, records_by_scene
from sandbox_envs.eval.experiments.arrow.arms import BROKEN, HEADLINE, NEVER
from sandbox_envs.eval.experiments.near_exits.arms import (
    ARMS,
    AT_ARROW,
    EPISODES,
    INTENDED,
    MINDS,
    NEAR,
    PLANTED,
    SCENES,
    SEED,
    SEEDS,
)
from sandbox_envs.eval.experiments.runner import (
    NOTES,
    QuickArgs,
    folder_of,
    made_on,
    train_and_record,
)
from sandbox_envs.eval.judging.records import FILE, write_records
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.files import check_writable, write_json
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.train.jobs import Job, trained_run

Players = dict[str, list[Agent]]  # by arm, and by planted player's name


def complete(out: Path, args: QuickArgs) -> None:
    """Play and record who is missing, and train the agents whose runs are gone.

    Agents of MINDS are trained by the study arrow alone, and played here where their runs are.
    """
    check_writable(out)
    episodes, seeds = (8, SEEDS[:1]) if args.quick else (EPISODES, SEEDS)
    for name, factory in PLANTED.items():
        if not (_planted(out, name) / FILE).is_file():
            _record(_planted(out, name), name, factory, episodes)

    def record(own: Path, _: Job, run: Path) -> None:
        (agent,) = read_trained_agents([run])
        _record(own, agent.metadata.name, acting(agent), episodes)
        write_json(own / NOTES, made_on(run))  # last: all is there

    def missing(arms: Sequence[str]) -> dict[Path, Job]:
        wanted = jobs(out, [(arm, seed) for seed in seeds for arm in arms], args.settings)
        return {own: job for own, job in wanted.items() if not (own / NOTES).is_file()}

    minds = missing(MINDS)
    here = {own: job for own, job in minds.items() if args.quick or trained_run(job, args.run_dir)}
    if waiting := len(minds) - len(here):
        print(f"{waiting} agents have no run; python eval/experiments/arrow --parts 2 trains them")
    train_and_record(missing((NEVER, HEADLINE)) | here, args, record)


def _record(own: Path, name: str, factory: PolicyFactory, episodes: int) -> None:
    played = [play(load_scene(scene), factory, episodes, SEED) for scene in SCENES]
    write_records(own, [record for one in played for record in one.records(name)])


def _planted(out: Path, name: str) -> Path:
    return out / "planted" / name.replace(" ", "_")


def read_players(out: Path) -> Players:
    """Who is recorded so far."""
    folders = {arm: [folder_of(out, arm, seed) for seed in SEEDS] for arm in ARMS}
    found = {arm: [own for own in some if (own / NOTES).is_file()] for arm, some in folders.items()}
    planted = {name: _planted(out, name) for name in PLANTED}
    found |= {name: [own] for name, own in planted.items() if (own / FILE).is_file()}
    return {name: [Agent(records_by_scene(own)) for own in some] for name, some in found.items()}


def near_rooms(players: Players, scene: str) -> np.ndarray:
    """(episodes,) bool, whether the exit is near, and the arrow, too, where it is elsewhere."""
    near = ways(players, scene, "at_end") < NEAR
    return near & (ways(players, scene, "at_arrow") < NEAR) if scene == BROKEN else near


def ways(players: Players, scene: str, place: str) -> np.ndarray:
    """(episodes,) seconds of the script that goes to a place, "at_end" or "at_arrow", at once."""
    (script,) = players[INTENDED if place == "at_end" else AT_ARROW]
    return script.away(scene, place)


def scores(players: Players, name: str, scene: str, rooms: np.ndarray) -> np.ndarray:
    """(agents,) mean reward in some rooms, divided by that of the script `intended` there."""
    (best,) = players[INTENDED]
    mean = best.returns(scene, "reward")[rooms].mean()
    return np.array([one.returns(scene, "reward")[rooms].mean() / mean for one in players[name]])


def seconds_more(
    found: Sequence[Agent], scene: str, rooms: np.ndarray, place: str, than: str
) -> np.ndarray:
    """(agents,) mean seconds at one place minus those at another, in some rooms."""
    return np.array(
        [(one.returns(scene, place) - one.returns(scene, than))[rooms].mean() for one in found]
    )
