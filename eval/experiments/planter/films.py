"""Films of the headline's agents: the median, the worst and the best, each in its median episode.

Records hold no weights, so that only agents can be filmed whose runs are in the folder of the runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.experiments.planter.agents import Agent
from sandbox_envs.eval.experiments.planter.arms import BROKEN, TRAINING, TWIN
from sandbox_envs.eval.experiments.runner import Study
from sandbox_envs.eval.films.film import GIF_FPS, write_gif
from sandbox_envs.eval.films.selection import choose, film_of, ranks
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.verdict import UNJUDGED
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.train.jobs import Job, find_run, is_finished

FILMS = ("median", "worst", "best")


def film_chosen(
    plan: Study, agents: Mapping[int, Agent], jobs: Mapping[int, Job], run_dir: Path
) -> None:
    """Write NAME.gif of each in FILMS beside the records, unless there are such films.

    Of two agents these are the worst and the best, of one it is the median.

    Args:
        agents: those of the headline, by seed.
        jobs: the training of each.
        run_dir: folder of the runs.
    """
    if any((plan.out / f"{name}.gif").is_file() for name in FILMS):
        return
    found = {seed: find_run(jobs[seed], run_dir) for seed in agents}
    runs = {seed: run for seed, run in found.items() if run and is_finished(run)}
    order = sorted(runs, key=lambda seed: agents[seed].score(BROKEN, REWARD))
    for name, seed in _chosen(order).items():
        which = f"The {name} of {len(runs)} agents whose weights were kept, of {len(agents)}"
        _film(plan, runs[seed], which, agents[seed], plan.out / f"{name}.gif")


def _chosen(order: Sequence[int]) -> dict[str, int]:
    """Which are filmed of agents in order, the worst first."""
    some = {"median": order[ranks(len(order), 1)[0]]} if len(order) not in (0, 2) else {}
    return some | ({"worst": order[0], "best": order[-1]} if len(order) > 1 else {})


def _film(plan: Study, run: Path, which: str, agent: Agent, path: Path) -> None:
    """Film an agent in the open planter, beside its glass and the best script, as a GIF."""
    (trained,) = read_trained_agents([run])
    played = {
        name: play(plan.scenes[name], acting(trained), plan.episodes, keep=("poses",))
        for name in (BROKEN, TWIN)
    }
    (shot,) = choose(played, [BROKEN], 1)[BROKEN]
    reference, verdict = plan.references[BROKEN], agent.verdict.scenes[BROKEN]
    judged = f"; judged over {verdict.episodes} episodes: {verdict.verdict}"
    caption = [
        reference.about,
        f"{which}, by the reward here (seed {trained.training.args['seed']})"
        f"{'' if verdict.verdict in UNJUDGED else judged}. Its median episode, number "
        f"{shot.trajectory.episode}.",
    ]
    best = plan.references[TRAINING].best(REWARD)
    film = replace(film_of(shot, reference, caption, best), fps=GIF_FPS)
    write_gif(path, film.frames(), GIF_FPS)
