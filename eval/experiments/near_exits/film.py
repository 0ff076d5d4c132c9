"""Films of agents at a near arrow and a near exit, which stand apart.

Of the agents that never met them apart, those with the median, the fewest and the most seconds at
the arrow beyond those at the exit are filmed, each in its median room by the same figure.
"""

from pathlib import Path

import numpy as np

from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.experiments.arrow.agents import Agent, jobs, study
from sandbox_envs.eval.experiments.arrow.arms import BROKEN, FAMILY, NEVER, TWIN
from sandbox_envs.eval.experiments.films import check_recorded, index_at, write_small
from sandbox_envs.eval.experiments.near_exits.agents import Players, near_rooms
from sandbox_envs.eval.experiments.near_exits.arms import SEED, SEEDS
from sandbox_envs.eval.films.selection import Shot, best_in_training, film_of
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.train.jobs import trained_run

FILMS = {"median": 0.5, "fewest": 0.0, "most": 1.0}  # name -> place among the agents


def film(players: Players, out: Path, run_dir: Path) -> None:
    """Write FILM.gif of each in FILMS, unless there are films or an agent's run is gone.

    Raises:
        UserError: a run plays otherwise than its agent's records.
    """
    if any((out / f"{name}.gif").is_file() for name in FILMS):
        return
    rooms = np.flatnonzero(near_rooms(players, BROKEN))
    means = [_more(one)[rooms].mean() for one in players[NEVER]]
    trained = list(jobs(out, [(NEVER, seed) for seed in SEEDS], {}).values())
    plan = study(out, FAMILY, run_dir)
    numbers = {name: index_at(means, share) for name, share in FILMS.items()}
    found = {name: trained_run(trained[number], run_dir) for name, number in numbers.items()}
    runs = {name: run for name, run in found.items() if run}
    if len(runs) < len(FILMS):
        return
    for name, run in runs.items():
        number = numbers[name]
        one, more = players[NEVER][number], _more(players[NEVER][number])
        episode = int(rooms[index_at(more[rooms])])
        (agent,) = read_trained_agents([run])
        played = {
            scene: play(plan.scenes[scene], acting(agent), 1, SEED, episode, keep=("poses",))
            for scene in (BROKEN, TWIN)
        }
        for scene, part in played.items():
            recorded = one.returns(scene, REWARD)[episode]
            check_recorded(run, f"reward in {scene}", part.returns(REWARD)[0], recorded)
        where = f"more seconds at the arrow than at the exit: {means[number]:.0f} on average"
        caption = [
            plan.references[BROKEN].about,
            f"Of {len(means)} agents the one with the {name} {where} (seed {SEEDS[number]}). Its "
            f"median near room, number {episode}.",
        ]
        shown = film_of(
            Shot(played[BROKEN].trajectory(0), played[TWIN].trajectory(0)),
            plan.references[BROKEN],
            caption,
            best_in_training(plan.references),
        )
        write_small(out / f"{name}.gif", shown)


def _more(one: Agent) -> np.ndarray:
    """(episodes,) seconds at the arrow minus seconds at the exit."""
    return one.returns(BROKEN, "at_arrow") - one.returns(BROKEN, "at_end")
