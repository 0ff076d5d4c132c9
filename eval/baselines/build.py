"""Attainable returns in each scene, found by scripted policies and by training.

Nothing here runs unless it is asked for: `estimate_compute` says what missing references would
take, `compute_missing` computes them, and `obtain` does what its `how` says.
"""

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted import candidates as scripted
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import TrainedAgent
from sandbox_envs.eval.baselines.goalless import best_tapes, blinded, recorded, reflex_policies
from sandbox_envs.eval.baselines.new import new_reference
from sandbox_envs.eval.judging.fitness import unfit_for_agents_reason
from sandbox_envs.eval.judging.reference import (
    ALIKE_SEEDS,
    REWARD,
    TRAINED_ON_MIXTURE,
    Reference,
    planned_on,
    trained_in_training,
)
from sandbox_envs.eval.judging.reference_store import (
    RUN_DIR,
    committed_references,
    load,
    load_complete,
    require,
    save,
)
from sandbox_envs.eval.judging.statistics import bootstrap_mean
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.eval.rollouts.planning import planned
from sandbox_envs.files import check_writable
from sandbox_envs.processor import available_cores
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.catalog import scenes_folder
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.jobs import Job, find_run, run_jobs
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.run_files import progress
from sandbox_envs.train.trainers import DEFAULT_TRAINER

TRAINING_SEED = ALIKE_SEEDS[0]
GOALLESS = "policies without a goal"  # what a conflict's reference needs beside its candidates
PLANNED_EPISODES = 32  # that a planner is tried in
TAPE_SEED, TAPES = 50_000, 4  # tapes of each source; the seed is that of no other episodes
FEW_EPISODES = 32  # of a policy without a goal, before it is played in full
CORES = available_cores()
WORKERS = min(CORES, 4)
STEPS_PER_SECOND = 7000  # of one training on one core of a 2-core machine, roughly

# stored: use what is stored, and raise an error if it is not complete
# compute: compute what is missing
# none: score by no references
How = Literal["stored", "compute", "none"]
Missing = Mapping[str, Sequence[str]]  # scene -> the candidates that its reference lacks


@dataclass(frozen=True)
class ReferenceBudget:
    """The budget for computing references."""

    run_dir: Path = RUN_DIR
    """folder of their training runs, and of references that are not committed"""
    train: bool = True
    """also train agents; without, only scripted policies are played"""
    total_timesteps: int | None = None
    """environment steps of each training; None for the trainer's default"""
    workers: int = WORKERS
    """trainings at a time"""


def required_candidates(scene: Scene, scenes: Mapping[str, Scene], train: bool = True) -> list[str]:
    """The candidates that a scene's reference needs to be complete; scenes: of its family."""
    return [*scripted(scene), *(trainings(scene, scenes) if train else ())]


def hashes(scenes: Mapping[str, Scene]) -> dict[str, str]:
    """The versions of some scenes: name -> hash."""
    return {name: scene.hash for name, scene in scenes.items()}


# --- getting references ----------------------------------------------------------------------


def obtain(scenes: Mapping[str, Scene], how: How, budget: ReferenceBudget) -> dict[str, Reference]:
    """The references of all scenes of a family: committed ones, or those that were computed.

    These are in the budget's folder, or where `eval/references.py` keeps them by default.

    Args:
        scenes: by name.
        how: "stored" uses what is stored; "compute" also computes what is missing, after printing
            what that takes; "none" gives references without candidates, so that nothing is scored.
        budget: what may be spent, and where the results are kept.

    Raises:
        UserError: references are missing, and are not to be computed.
    """
    if how == "none":
        return {name: new_reference(scene) for name, scene in scenes.items()}
    places = dict.fromkeys((budget.run_dir, RUN_DIR))  # references.py keeps them in the second
    if how == "stored":
        one = next(iter(scenes.values()))
        family, changed = one.path.parent, one.overrides.items()
        flags = "".join(f" --set {shlex.quote(f'{name}={value}')}" for name, value in changed)
        command = f"python eval/references.py {_name_or_folder(family)}{flags}"
        return load_complete(hashes(scenes), command, *places)
    known = load(hashes(scenes), committed_references(), *places)
    if estimate := estimate_compute(scenes, known, budget):
        print(f"{estimate}; this is kept in {budget.run_dir}", flush=True)
    return compute_missing(scenes, known, budget.run_dir, budget)


def estimate_compute(
    scenes: Mapping[str, Scene], known: Mapping[str, Reference], budget: ReferenceBudget
) -> str | None:
    """A sentence on the cost of computing the missing references; None if none is missing."""
    missing = _missing(scenes, known, budget)
    if not any(missing.values()):
        return None
    names = ", ".join(name for name, candidates in missing.items() if candidates)
    count = sum(map(len, missing.values()))
    sentence = f"references are missing for {names}: {count} policies to play"
    every = _jobs(scenes, missing, budget).values()
    jobs = {str(job.arguments): job for job in every}.values()  # several scenes share trainings
    if steps := [left for job in jobs if (left := _steps_left(job, budget.run_dir))]:
        at_once = min(budget.workers, CORES, len(steps))
        minutes = math.ceil(sum(steps) / at_once / STEPS_PER_SECOND / 60)
        sentence += (
            f", {len(steps)} of them to train first, {sum(steps) / 1e6:.3g} million steps in all: "
            f"about {minutes} min with {at_once} at a time"
        )
    begun = [missing[name] for name in missing if name in known and known[name].candidates]
    if lacking := dict.fromkeys(one for some in begun for one in some if one != GOALLESS):
        sentence += f"; where other candidates are there, these are not: {', '.join(lacking)}"
    return sentence


def compute_missing(
    scenes: Mapping[str, Scene],
    known: Mapping[str, Reference],
    folder: Path,
    budget: ReferenceBudget,
) -> dict[str, Reference]:
    """The complete references of all scenes; what is missing is computed and saved in the folder.

    known: references that are there already, complete or not.

    Raises:
        UserError: nothing can be written to one of the folders, or a training failed.
    """
    missing = _missing(scenes, known, budget)
    if any(missing.values()):
        check_writable(folder)
        check_writable(budget.run_dir)
    found = {
        name: require(
            known.get(name, new_reference(scene)),
            required_candidates(scene, scenes, budget.train),
        )
        for name, scene in scenes.items()
    }
    factories = {name: dict(scripted(scene)) for name, scene in scenes.items()}
    runs = _train(_jobs(scenes, missing, budget), budget)
    for (name, candidate), run in runs.items():
        factories[name][candidate] = trained(run)
    count = sum(map(len, missing.values()))
    options: dict[str, Any] = {"desc": "playing references", "unit": "policy", "disable": not count}
    with progress_bar(total=count, **options) as bar:
        for name, candidates in missing.items():
            for candidate in [c for c in candidates if c != GOALLESS]:
                factory = factories[name][candidate]
                found[name] = with_candidate(found[name], candidate, scenes[name], factory)
                save(found[name], folder)
                bar.update()
        for name in [name for name, candidates in missing.items() if GOALLESS in candidates]:
            if unfit_for_agents_reason(found[name], found) is None:  # else it would decide nothing
                found[name] = _with_goalless(found[name], found, scenes, factories[name])
                save(found[name], folder)
            bar.update()
    return found


def adopt_agent(
    scenes: Mapping[str, Scene], found: Mapping[str, Reference], folder: Path, agent: TrainedAgent
) -> dict[str, Reference]:
    """Make a trained agent a candidate in every scene."""
    name = agent.metadata.name
    adopted = {}
    for k, scene in progress_bar(scenes.items(), desc=f"playing {name}", unit="scene"):
        adopted[k] = with_candidate(found[k], f"adopted {name}", scene, acting(agent))
        save(adopted[k], folder)
    return adopted


def adopt_planners(
    scenes: Mapping[str, Scene], found: Mapping[str, Reference], folder: Path
) -> dict[str, Reference]:
    """Make an agent that plans for an objective a candidate wherever it beats the best one.

    It is tried in a few episodes first; only if it is better there, it plays as many as the others.
    """
    adopted = dict(found)
    tried = [
        (name, k)
        for name, reference in found.items()
        for k in reference.objectives
        if planned_on(k) not in reference.candidates
    ]
    for name, k in progress_bar(tried, desc="planning", unit="objective"):
        scene, reference, planner = scenes[name], adopted[name], planned(k)
        few = play(scene, planner, min(PLANNED_EPISODES, reference.episodes), reference.seed)
        earned, best = float(few.returns(k).mean()), reference.best(k)
        print(f"{name}: planned for {k} gains {earned:.3g}, the best candidate {best:.3g}")
        if earned > best:
            adopted[name] = with_candidate(reference, planned_on(k), scene, planner)
            save(adopted[name], folder)
    return adopted


# --- what is trained -------------------------------------------------------------------------


def trainings(scene: Scene, scenes: Mapping[str, Scene]) -> dict[str, dict[str, Any]]:
    """The trainings that a scene's reference takes: candidate -> arguments of the trainer.

    One agent is trained in the scene itself on every objective that no script pursues, and several
    in the training scene on each objective that shows what training teaches.

    scenes: all of its family.
    """
    settings = tuple(f"{name}={value}" for name, value in scene.overrides.items())
    base: dict[str, Any] = {"scene": (str(scene.path),), "set": settings, "seed": TRAINING_SEED}
    found = {
        f"trained on {k}": base if k == REWARD else {**base, "reward": rewarding(scene, k)}
        for k in _trained_there(scene, scenes)
    }
    train = next((other for other in scenes.values() if other.is_training), None)
    if train is None:
        return found
    if scene.break_kind == "conflict":
        found[TRAINED_ON_MIXTURE] = {**base, "scene": (str(train.path), str(scene.path))}
    for objective in _taught(scene, scenes):
        found |= _trainings_alike(train, objective)
    return found


def _trained_there(scene: Scene, scenes: Mapping[str, Scene]) -> list[str]:
    """The objectives that agents are trained on in a scene itself.

    Where no script pursues an objective, such an agent is a candidate for its best policy. In the
    training scene agents also show of each measure that no conflict breaks whether it is a proxy.
    """
    asked = set(scene.proxies) - set(_taught(scene, scenes)) if scene.is_training else set()
    scripted_for = {REWARD: "intended", **{k: k for k in scene.proxies}}
    known = scripts(scene)
    return [k for k, name in scripted_for.items() if k in asked or name not in known]


def _trainings_alike(train: Scene, objective: str) -> dict[str, dict[str, Any]]:
    """The trainings on an objective in the training scene, of several seeds."""
    settings = tuple(f"{name}={value}" for name, value in train.overrides.items())
    base: dict[str, Any] = {"scene": (str(train.path),), "set": settings}
    if objective != REWARD:
        base["reward"] = rewarding(train, objective)
    return {trained_in_training(objective, seed): {**base, "seed": seed} for seed in ALIKE_SEEDS}


def _taught(scene: Scene, scenes: Mapping[str, Scene]) -> list[str]:
    """The objectives that agents are trained on in the training scene, to be played in a scene.

    In a conflict its proxy, in its twin the reward, and in training both of every conflict.
    """
    conflicts = [other for other in scenes.values() if other.break_kind == "conflict"]
    if scene.break_kind == "conflict":
        return [str(scene.breaks)] if scene.breaks in scene.proxies else []
    if scene.is_training:
        broken = dict.fromkeys(str(other.breaks) for other in conflicts)
        return [REWARD, *(k for k in broken if k in scene.proxies)]
    return [REWARD] if scene.name in {other.twin for other in conflicts} else []


def rewarding(scene: Scene, measure: str) -> str:
    """The scene's reward with another measure in the intended one's place.

    So a proxy is rewarded on the same scale, and at the same price of effort, as the intended
    measure is. A reward that does not mention the intended measure gives way to the measure's gain.
    """
    place = rf"\b(gain|level)\(\s*{re.escape(scene.intended)}\s*\)"
    text = scene.texts.get("reward", f"gain({scene.intended})")
    reward, count = re.subn(place, rf"\1({measure})", text)
    return reward if count else f"gain({measure})"


def _missing(
    scenes: Mapping[str, Scene], known: Mapping[str, Reference], budget: ReferenceBudget
) -> Missing:
    there = {name: reference.candidates for name, reference in known.items()}
    missing = {
        name: [
            candidate
            for candidate in required_candidates(scene, scenes, budget.train)
            if candidate not in there.get(name, ())
        ]
        for name, scene in scenes.items()
    }
    if budget.train:
        is_complete = not any(missing.values())
        for name, scene in scenes.items():
            if scene.break_kind != "conflict" or scene.twin not in scenes:
                continue
            is_unfit = is_complete and unfit_for_agents_reason(known[name], known) is not None
            if not is_unfit and (name not in known or known[name].goalless is None):
                missing[name].append(GOALLESS)
    return missing


def _jobs(
    scenes: Mapping[str, Scene], missing: Missing, budget: ReferenceBudget
) -> dict[tuple[str, str], Job]:
    """The trainings that missing candidates take: (scene, candidate) -> job."""
    steps = {} if budget.total_timesteps is None else {"total_timesteps": budget.total_timesteps}
    jobs = {}
    for name, scene in scenes.items():
        wanted = {k: v for k, v in trainings(scene, scenes).items() if k in missing[name]}
        if GOALLESS in missing[name]:
            wanted |= _trainings_alike(_train_of(scenes), REWARD)
        for candidate, args in wanted.items():
            label = f"{name}-{candidate}".replace("/", "-").replace(",", "").replace(" ", "_")
            jobs[name, candidate] = Job(label, DEFAULT_TRAINER, {**args, **steps})
    return jobs


def _train_of(scenes: Mapping[str, Scene]) -> Scene:
    return next(scene for scene in scenes.values() if scene.is_training)


def _steps_left(job: Job, run_dir: Path) -> int:
    """The environment steps that a training still takes."""
    run = find_run(job, run_dir)
    done, total = progress(run) if run else (0, job.total_steps)
    return max(total - done, 0)


def _train(
    jobs: Mapping[tuple[str, str], Job], budget: ReferenceBudget
) -> dict[tuple[str, str], Path]:
    """Train what is not trained yet: (scene, candidate) -> run folder."""
    runs = run_jobs(list(jobs.values()), budget.run_dir, budget.workers)
    return dict(zip(jobs, runs, strict=True))


def trained(run: Path) -> PolicyFactory:
    """The policy of a training, for any environment."""
    policy = load_policy(run)
    return lambda _envs: policy


def _with_goalless(
    reference: Reference,
    found: Mapping[str, Reference],
    scenes: Mapping[str, Scene],
    known: Mapping[str, PolicyFactory],
) -> Reference:
    """The conflict's reference with what policies without a goal return in it.

    Only of those that may be competent in training and in the twin: of others no verdict is given,
    so none of them can be taken for an agent with a goal.

    found: the references of the family. known: what can act in the conflict, by the names of
        candidates; agents trained on the reward in the training scene are among them.
    """
    train, scene = _train_of(scenes), scenes[reference.scene]
    names = [trained_in_training(REWARD, seed) for seed in ALIKE_SEEDS]
    sources = ["script intended", f"script {scene.breaks}", names[0]]
    tapes = {s: recorded(train, known[s], TAPE_SEED) for s in sources if s in known}
    policies = reflex_policies(scene, next(iter(tapes.values())))
    for source, tape in tapes.items():
        policies |= best_tapes(source, tape, scenes[str(scene.twin)], TAPES, TAPE_SEED)
    for name in names:
        policies |= blinded(name, known[name], train, TAPE_SEED)
    returns = {}
    for name, factory in policies.items():
        places = (train.name, str(scene.twin))
        if all(may_be_competent(factory, scenes[place], found[place]) for place in places):
            played = play(scene, factory, THRESHOLDS.episodes, reference.seed)
            returns[name] = {k: bootstrap_mean(played.returns(k)) for k in reference.objectives}
    return replace(reference, goalless=returns)


def may_be_competent(
    factory: PolicyFactory,
    scene: Scene,
    reference: Reference,
    tries: Sequence[int] = (FEW_EPISODES, THRESHOLDS.episodes),
) -> bool:
    """Whether a policy may be competent in a scene; few episodes rule most policies out.

    tries: numbers of episodes, from few to many. A policy is ruled out after the first of them by
        which the upper end of its score's interval is below the threshold.
    """
    for episodes in tries:
        played = play(scene, factory, episodes, reference.seed)
        earned = bootstrap_mean(played.returns(REWARD))
        if reference.normalized_interval(REWARD, earned).high < THRESHOLDS.competent:
            return False
    return True


def with_candidate(
    reference: Reference, candidate: str, scene: Scene, factory: PolicyFactory
) -> Reference:
    """The reference with the returns of one more candidate."""
    played = play(scene, factory, reference.episodes, reference.seed)
    returns = {k: float(played.returns(k).mean()) for k in reference.objectives}
    return replace(reference, candidates={**reference.candidates, candidate: returns})


def _name_or_folder(family: Path) -> str:
    """A family as commands take it: a shipped one by its name, others by their folder."""
    return family.name if family.parent == scenes_folder().resolve() else str(family)
