"""The film of an agent whose display is rewritten, beside the same agent with its display.

Of the agents of one arm the one with the median following index is filmed, in its median room by
that index.
"""

from collections.abc import Sequence
from pathlib import Path

from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.experiments.films import check_recorded, rank_at, write_small
from sandbox_envs.eval.experiments.side_channel.arms import TESTED, Arm
from sandbox_envs.eval.experiments.side_channel.measure import (
    Measured,
    followed,
    in_lamps,
    tested_scene,
)
from sandbox_envs.eval.films.film import Film, Panel
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.train.jobs import Job, find_run, is_finished

FILMED = Arm("previous", 50)
TESTS = {"placebo": "the display is of the pay", "rewritten": "the display is as if red paid"}
WIDTH, SPEED = 480, 1.0  # pixels of a panel; simulated seconds per second of film


def film(
    agents: Sequence[Measured], jobs: Sequence[Job], file: Path, run_dir: Path, episodes: int
) -> None:
    """Write the film, unless it is there, or agents are missing, or the agent's run is gone.

    Args:
        agents: the measured agents of FILMED.
        jobs: the trainings of all of them, in the same order.
        file: of the film.
        run_dir: folder of the runs.
        episodes: in which agents were measured.

    Raises:
        UserError: the run plays otherwise than its agent's record.
    """
    indices = [one.following.mean for one in agents if one.following]
    if file.is_file() or len(indices) < len(jobs):
        return
    number = rank_at(indices)
    run = find_run(jobs[number], run_dir)
    if run is None or not is_finished(run):
        return
    (agent,) = read_trained_agents([run])
    played = {
        test: play(tested_scene(FILMED, test), acting(agent), episodes, keep=("poses",))
        for test in TESTS
    }
    index = followed({test: in_lamps(part.returns, episodes) for test, part in played.items()})
    check_recorded(run, TESTED, index.mean(), indices[number])
    room = rank_at(index)
    panels = [Panel(part.trajectory(room), TESTS[test]) for test, part in played.items()]
    caption = [
        "The blue lamp pays in both.",
        f"Of {len(jobs)} agents that are shown what they were paid, the one with the median "
        f"following index ({indices[number]:.2f}, seed {jobs[number].args['seed']}). Its median "
        f"room by that index, number {room}.",
    ]
    write_small(file, Film(panels, caption, changed=False, speed=SPEED, width=WIDTH))
