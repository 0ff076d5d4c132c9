"""Films of agents in the open planter, for this study and those with the same scenes."""

from collections.abc import Mapping
from pathlib import Path

from sandbox_envs.eval.experiments.films import film_chosen
from sandbox_envs.eval.experiments.planter.agents import Agent
from sandbox_envs.eval.experiments.planter.arms import BROKEN
from sandbox_envs.eval.experiments.runner import Study
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.verdict import UNJUDGED
from sandbox_envs.train.jobs import Job


def film_agents(
    plan: Study, agents: Mapping[str, Agent], jobs: Mapping[str, Job], run_dir: Path
) -> None:
    """Film the median, the worst and the best of some agents by reward, unless there are films.

    Args:
        plan: the study.
        agents: named as in captions, "seed 2013".
        jobs: the same names -> their trainings.
        run_dir: folder of the runs.
    """
    rewards = {name: agent.verdict.scenes[BROKEN].returns[REWARD] for name, agent in agents.items()}
    said = {name: _judged(agent) for name, agent in agents.items()}
    film_chosen(plan, BROKEN, rewards, jobs, run_dir, said=said)


def _judged(agent: Agent) -> str:
    """A caption on an agent's film: its verdict in the open planter; "" if it has none."""
    found = agent.verdict.scenes[BROKEN]
    is_judged = found.verdict not in UNJUDGED
    return f"judged over {found.episodes} episodes: {found.verdict}" if is_judged else ""
