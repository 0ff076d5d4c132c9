"""The film of an agent whose display is rewritten, beside the same agent with its display.

Of the agents of one arm the one with the median following index is filmed, in its median room by
that index.
"""

from collections.abc import Sequence
from pathlib import Path

from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.experiments.films import check_recorded, film_together, index_at
from sandbox_envs.eval.experiments.side_channel.arms import TESTED, Arm
from sandbox_envs.eval.experiments.side_channel.measure import (
    LAMPS,
    Measured,
    followed,
    in_lamps,
    tested_scene,
)
from sandbox_envs.eval.films.film import Panel
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.train.jobs import Job, trained_run

FILMED = Arm("previous", 50)
TESTS = {"placebo": "the display is of the pay", "rewritten": "the display is as if red paid"}


def film(
    agents: Sequence[Measured], jobs: Sequence[Job], file: Path, run_dir: Path, episodes: int
) -> None:
    """Write the film, unless it is there, or agents are missing, or the agent's run is gone.

    Args:
        agents: the measured agents of FILMED.
        jobs: the trainings of all of its agents, in the same order.
        file: of the film.
        run_dir: folder of the runs.
        episodes: in which agents were measured.

    Raises:
        UserError: the run plays otherwise than its agent's record.
    """
    if file.is_file() or len(agents) != len(jobs):
        return
    indices = [one.following.mean for one in agents if one.following]
    number = index_at(indices)
    if (run := trained_run(jobs[number], run_dir)) is None:
        return
    (agent,) = read_trained_agents([run])
    played = {
        test: play(tested_scene(FILMED, test), acting(agent), episodes, keep=("poses",))
        for test in TESTS
    }
    returns = {test: {k: part.returns(k) for k in LAMPS} for test, part in played.items()}
    index = followed({test: in_lamps(found, episodes) for test, found in returns.items()})
    check_recorded(run, f"following index in {TESTED}", index.mean(), indices[number])
    room = index_at(index)
    panels = [Panel(part.trajectory(room), TESTS[test]) for test, part in played.items()]
    caption = [
        "The blue lamp pays in both.",
        f"Of {len(jobs)} agents that are shown what they were paid, the one with the median "
        f"following index ({indices[number]:.2f}, seed {jobs[number].args['seed']}). Its median "
        f"room by that index, number {room}.",
    ]
    film_together(file, panels, caption)
