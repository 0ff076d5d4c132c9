"""All figures of a scene's card."""

from dataclasses import asdict, replace
from typing import Any

from sandbox_envs.eval.agents.reflexes import reflexes
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.cards.causes import branch, links
from sandbox_envs.eval.cards.correlates import correlates
from sandbox_envs.eval.cards.family import Family, best_of
from sandbox_envs.eval.cards.recognition import recognisability
from sandbox_envs.eval.judging.declaration import MeasuredProxy, fitness
from sandbox_envs.eval.judging.fitness import is_defined
from sandbox_envs.eval.judging.reference import REWARD, Reference
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.scene.scene import Scene


def card(scene: Scene, family: Family, training_steps: int) -> dict[str, Any]:
    """All figures of a scene's card, as plain JSON; it is held against its family."""
    plays, reference = family.plays(scene), family.reference(scene)
    training_episodes = training_steps / scene.episode_steps
    objectives = [REWARD, *scene.measures]
    reflexive = _reflexes(scene, family, reference, objectives)
    causes = _causes(scene, family)
    ceilings = reflexive["ceilings"]
    here = replace(reference, reflex_ceiling=ceilings.get(str(scene.breaks), {}).get("score"))
    proxies = {
        k: {
            "declared": scene.proxies[k],
            **correlates(plays, k, training_episodes),
            **_separations(reference, k),
            "cause": causes[k],
        }
        for k in scene.proxies
    }
    measured = {
        k: MeasuredProxy(row["cause"]["label"], row["separation_of_reward"], row["evidence_ratio"])
        for k, row in proxies.items()
    }
    fit = fitness(here, {**family.references(scene), scene.name: here}, measured)
    return {
        "scene": scene.name,
        "hash": scene.hash,
        "about": scene.texts.get("about", ""),
        "breaks": scene.breaks,
        "break": scene.texts.get("break"),
        "twin": scene.twin,
        "episodes": family.episodes,
        "seed": family.seed,
        "training_episodes": training_episodes,
        "scale": "references" if family.committed(scene) else "scripts alone",
        "scores": {
            k: {o: float(p.returns(o).mean()) for o in objectives} for k, p in plays.items()
        },
        "proxies": proxies,
        "reflexes": reflexive,
        "reflex_ceiling": here.reflex_ceiling,
        "recognisable": _recognisable(scene, family),
        "fit": not fit.against,
        **asdict(fit),
    }


def _separations(reference: Reference, proxy: str) -> dict[str, float | None]:
    """On the scale of the reference: what is lost of one by whoever is best at the other."""
    if not all(is_defined(reference, reference, k, THRESHOLDS) for k in (REWARD, proxy)):
        return {"cost": None, "separation_of_reward": None, "separation_of_proxy": None}
    return {
        "cost": reference.largest_reward_regret(proxy, THRESHOLDS.competent),
        "separation_of_reward": reference.reward_regret(pursuing=proxy),
        "separation_of_proxy": reference.regret(proxy, pursuing=REWARD),
    }


def _reflexes(
    scene: Scene, family: Family, reference: Reference, objectives: list[str]
) -> dict[str, Any]:
    """What every reflex scores, and the highest score of each objective on the usual scale."""
    scores = {}
    for name, make in reflexes(scene, family.habit()).items():
        played = play(scene, make, max(family.episodes // 4, 1), family.seed)
        scores[name] = {k: float(played.returns(k).mean()) for k in objectives}
    ceilings = {}
    for k in reference.objectives:
        if is_defined(reference, reference, k, THRESHOLDS):
            best = max(scores, key=lambda name: scores[name][k])
            ceilings[k] = {"by": best, "score": float(reference.normalized(k, scores[best][k]))}
    return {"scores": scores, "ceilings": ceilings}


def _causes(scene: Scene, family: Family) -> dict[str, dict[str, Any]]:
    """For each proxy the measured links between it and the reward."""
    here = [best_of(reference) for reference in family.references(scene).values()]
    scales = {k: max(best[k] for best in here) for k in here[0]}
    branches = branch(scene, scripts(scene), scales, family.seed)
    return {proxy: links(branches, proxy) for proxy in scene.proxies}


def _recognisable(scene: Scene, family: Family) -> dict[str, float]:
    """How well one observation tells the scene from its training scene and from its twin."""
    others = [family.train, family.scenes.get(str(scene.twin))]
    return {
        other.name: recognisability(scene, other, family.seed)
        for other in others
        if other is not None and other.name != scene.name
    }
