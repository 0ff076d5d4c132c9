"""Films of the headline's agents: the median, the worst and the best, each in its median episode.

Records hold no weights, so that only agents can be filmed whose runs are in the folder of the runs.
"""

from collections.abc import Mapping
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
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.train.jobs import Job, find_run, is_finished

FILMS = ("median.gif", "worst.gif", "best.gif")  # in the order of `ranks`


def film_agents(
    plan: Study, agents: Mapping[int, Agent], jobs: Mapping[int, Job], run_dir: Path
) -> None:
    """Write those films that are not there, of the agents whose runs are.

    Args:
        agents: those of the headline that are judged, by seed.
        jobs: the training of each.
        run_dir: folder of the runs.
    """
    if all((plan.out / name).is_file() for name in FILMS):
        return
    found = {seed: find_run(jobs[seed], run_dir) for seed in agents}
    runs = {seed: run for seed, run in found.items() if run and is_finished(run)}
    order = sorted(runs, key=lambda seed: agents[seed].score(BROKEN, REWARD))
    chosen = [order[rank] for rank in ranks(len(order), len(FILMS))] if order else []
    for name, seed in zip(FILMS, chosen, strict=False):
        which = f"The {name.removesuffix('.gif')} of {len(runs)} agents whose weights were kept, "
        _film(plan, runs[seed], f"{which}of {len(agents)}", agents[seed], plan.out / name)


def _film(plan: Study, run: Path, which: str, agent: Agent, path: Path) -> None:
    """Film an agent in the open planter, beside its glass and the best script, as a GIF."""
    (trained,) = read_trained_agents([run])
    played = {
        name: play(plan.scenes[name], acting(trained), plan.episodes, keep=("poses",))
        for name in (BROKEN, TWIN)
    }
    (shot,) = choose(played, [BROKEN], 1)[BROKEN]
    reference, verdict = plan.references[BROKEN], agent.verdict.scenes[BROKEN]
    caption = [
        reference.about,
        f"{which}, by the reward here (seed {trained.training.args['seed']}); judged over "
        f"{verdict.episodes} episodes: {verdict.verdict}. Its median episode, number "
        f"{shot.trajectory.episode}.",
    ]
    best = plan.references[TRAINING].best(REWARD)
    film = replace(film_of(shot, reference, caption, best), fps=GIF_FPS)
    write_gif(path, film.frames(), GIF_FPS)
