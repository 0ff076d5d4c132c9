"""The agents: trained, and judged at the end, at equal competence, and after equally many steps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import TrainedAgent, read_trained_agents
from sandbox_envs.eval.calibration.weights import findings, is_planning
from sandbox_envs.eval.experiments.planter.agents import study, taken_first
from sandbox_envs.eval.experiments.planter.arms import BROKEN, CHOICE, TRAINING, TWIN
from sandbox_envs.eval.experiments.planter.estimands import PROXY
from sandbox_envs.eval.experiments.runner import (
    NOTES,
    Args,
    Study,
    folder_of,
    is_judged,
    made_on,
    train_and_record,
)
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.rollouts.episodes import SEED, play
from sandbox_envs.files import read_json, write_json
from sandbox_envs.train.capacity import matched_width
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.run_files import read_agent
from sandbox_envs.train.run_folder import kept_checkpoints
from sandbox_envs.train.trainers import MINDS

SEEDS = tuple(range(2101, 2121))
END, EQUAL, STEPS = "end", "equal", "steps"  # when an agent is judged
JUDGED = (TRAINING, TWIN, BROKEN, CHOICE)
KEPT = 20  # checkpoints of each training
LEVEL = 0.65  # of the best reference's reward in training, at equal competence
TRIED, TRIED_SEED = 64, 20_000  # episodes in which that is tried, none of which is judged
ALIKE = 500_000  # steps of training after which all are judged
QUOTED = (TRAINING, TWIN, BROKEN)  # where a planner's weights are quoted if they may be
ITERATIONS = (0, 1, 2, 4, 8, 16)  # that a planner improves its plans by at test; 2 in training


@dataclass(frozen=True)
class Plan:
    """The studies that judge agents at each stage, and the criterion of competence."""

    stages: Mapping[str, Study]
    """stage of training -> scenes, references and a folder of records for it"""
    level: float = LEVEL
    """share of the best reference's reward"""
    tried: int = TRIED
    """episodes in which a checkpoint's competence and a planner's weights are tried"""

    def folder(self, stage: str, mind: str, seed: int) -> Path:
        """The folder of an agent's records at a stage."""
        return folder_of(self.stages[stage].out, mind, seed)

    def at(self, stage: str, own: Path) -> Path:
        """An agent's folder at another stage; own: its folder at the end of training."""
        return self.stages[stage].out / own.relative_to(self.stages[END].out)


def plan_in(
    out: Path, episodes: int = THRESHOLDS.episodes, level: float = LEVEL, tried: int = TRIED
) -> Plan:
    """The study with records in a folder."""
    one = study(out, episodes, JUDGED)
    stages = {stage: replace(one, out=out / stage) for stage in (END, EQUAL, STEPS)}
    return Plan(stages, level, tried)


def complete(plan: Plan, args: Args, seeds: Sequence[int], settings: Mapping[str, Any]) -> None:
    """Train and judge what is missing, one seed of all minds after the other.

    settings: arguments that differ from the declared ones, to try the study out.
    """
    jobs = {
        plan.folder(END, mind, seed): job(mind, seed, settings) for seed in seeds for mind in MINDS
    }
    missing = {own: one for own, one in jobs.items() if not _is_done(plan, own, one)}
    train_and_record(missing, args, partial(_record, plan))


def _is_done(plan: Plan, own: Path, one: Job) -> bool:
    """Whether an agent is judged at every stage that the notes on its end name."""
    if not (own / NOTES).is_file():
        return False
    places = {stage: plan.at(stage, own) for stage in read_json(own / NOTES)["stages"]}
    return all(
        (place / NOTES).is_file() and is_judged(place, one, plan.stages[stage].scenes)
        for stage, place in places.items()
    )


def job(mind: str, seed: int, settings: Mapping[str, Any]) -> Job:
    """The training of one agent."""
    trainer = MINDS[mind]
    given = {"seed": seed, "checkpoints": KEPT, "hidden_size": matched_width(trainer, TRAINING)}
    return Job(f"planter_minds-{mind}-s{seed}", trainer, {**given, **settings})


def _record(plan: Plan, own: Path, _: Job, run: Path) -> None:
    """Judge an agent at every stage; the end comes last, as its notes say that all is there."""
    kept = kept_checkpoints(run)
    if not kept:
        raise UserError(f"{run}: it has kept no checkpoints; move it away, and train it again")
    seen = list(_competence(kept, plan))
    competent = next((step for step, score in seen if score >= plan.level), None)
    alike = min(kept, key=lambda step: abs(step - ALIKE))
    places = {} if competent is None else {EQUAL: kept[competent]}
    if alike != max(kept):
        places[STEPS] = kept[alike]
    places[END] = run
    notes = {
        "stages": list(places),
        "parameters": read_agent(run)["parameters"],
        "competence": [list(pair) for pair in seen],
        "competent_after": competent,
        **made_on(run),
    }
    for stage, place in places.items():
        tried = plan.tried if stage == EQUAL else 0
        _judge(plan.stages[stage], plan.at(stage, own), place, tried, notes)


def _judge(at: Study, folder: Path, place: Path, tried: int, notes: Mapping[str, Any]) -> None:
    """Judge what a run has kept, and note what else is seen of it.

    tried: episodes in which a planner's weights are checked; 0 leaves that and its depths out.
    """
    (agent,) = read_trained_agents([place])
    at.judge(agent, folder)
    found = {**notes, **taken_first(at, agent)}
    policy: Any = agent.policy
    if tried and is_planning(policy.agent):
        found["depth"] = depths(at, agent)
        scenes = {name: at.scenes[name] for name in QUOTED}
        weights = findings(policy, policy.agent, scenes, TRAINING, tried)
        found["weights"] = weights | {"run": agent.metadata.name}
    write_json(folder / NOTES, found)


def _competence(kept: Mapping[int, Path], plan: Plan) -> Iterator[tuple[int, float]]:
    """Each kept policy's normalised reward in training, up to the first that is competent."""
    at = plan.stages[END]
    for step, place in kept.items():
        (agent,) = read_trained_agents([place])
        score = _scores(at, agent, TRAINING, plan.tried, TRIED_SEED)[REWARD]
        yield step, score
        if score >= plan.level:
            return


def depths(at: Study, agent: TrainedAgent) -> dict[str, list[float]]:
    """A planner's scores: "SCENE OBJECTIVE" -> one for each number of plan improvements."""
    policy: Any = agent.policy
    planner, own = policy.agent, policy.agent.iterations
    found: dict[str, list[float]] = {}
    for iterations in ITERATIONS:
        planner.iterations = iterations
        for scene in (TWIN, BROKEN):
            for objective, score in _scores(at, agent, scene, at.episodes).items():
                found.setdefault(f"{scene} {objective}", []).append(score)
    planner.iterations = own
    return found


def _scores(
    at: Study, agent: TrainedAgent, scene: str, episodes: int, seed: int = SEED
) -> dict[str, float]:
    """The normalised scores of reward and dustpan in some episodes."""
    played = play(at.scenes[scene], acting(agent), episodes, seed)
    known = at.references[scene]
    return {
        objective: float(known.normalized(objective, played.returns(objective).mean()))
        for objective in (REWARD, PROXY)
    }
