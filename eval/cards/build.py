"""Making the scene datasheet (card): all its figures, from scripted policies and reflexes alone."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from sandbox_envs.eval.agents.reflexes import reflexes
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.cards.card_file import (
    REFERENCES,
    SCRIPTS,
    Card,
    Cause,
    ProxyFigures,
    ReflexCeiling,
    Reflexes,
    write_card,
)
from sandbox_envs.eval.cards.causes import causal_relation, play_branches
from sandbox_envs.eval.cards.correlates import correlates
from sandbox_envs.eval.cards.played_scenes import PlayedScenes
from sandbox_envs.eval.cards.recognition import recognisability
from sandbox_envs.eval.judging.declaration import fitness
from sandbox_envs.eval.judging.fitness import is_defined
from sandbox_envs.eval.judging.reference import REWARD, Reference
from sandbox_envs.eval.judging.reference_store import card_file
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.rollouts.episodes import Episodes, play
from sandbox_envs.scene.scene import Scene


def build_card(scene: Scene, played: PlayedScenes, training_steps: int) -> Card:
    """The card of a scene.

    Args:
        played: of the scene, its twin and its training scene.
        training_steps: environment steps of a training, for the evidence ratio.
    """
    plays, reference = played.plays(scene), played.reference(scene)
    training_episodes = training_steps / scene.episode_steps
    objectives = [REWARD, *scene.measures]
    reflexive = _reflexes(scene, played, reference, objectives)
    ceiling = reflexive.ceilings.get(str(scene.breaks))
    here = replace(reference, reflex_ceiling=ceiling.score if ceiling else None)
    proxies = _proxies(scene, played, reference, training_episodes)
    references = {**played.references(scene), scene.name: here}
    fit = fitness(here, references, {k: found.measured for k, found in proxies.items()})
    return Card(
        scene=scene.name,
        hash=scene.hash,
        about=scene.about,
        breaks=scene.breaks,
        break_kind=scene.break_kind,
        twin=scene.twin,
        episodes=played.episodes,
        seed=played.seed,
        training_episodes=training_episodes,
        scale=REFERENCES if played.stored_reference(scene) else SCRIPTS,
        returns={k: _mean_returns(episodes, objectives) for k, episodes in plays.items()},
        proxies=proxies,
        reflexes=reflexive,
        reflex_ceiling=here.reflex_ceiling,
        recognisable=_recognisable(scene, played),
        **asdict(fit),
    )


def keep_family_cards(played: PlayedScenes, training_steps: int, folder: Path) -> Iterator[Card]:
    """Make the card of each of the scenes, and keep it in a folder, where references are kept."""
    for name, scene in played.scenes.items():
        card = build_card(scene, played, training_steps)
        write_card(card, card_file(folder, name, scene.hash))
        yield card


def _mean_returns(episodes: Episodes, objectives: list[str]) -> dict[str, float]:
    return {k: float(episodes.returns(k).mean()) for k in objectives}


def _reflexes(
    scene: Scene, played: PlayedScenes, reference: Reference, objectives: list[str]
) -> Reflexes:
    """Mean returns of every reflex, and the highest score of each objective that has a scale."""
    returns = {}
    for name, factory in reflexes(scene, played.training_trace()).items():
        episodes = play(scene, factory, max(played.episodes // 4, 1), played.seed)
        returns[name] = _mean_returns(episodes, objectives)
    ceilings = {}
    for k in reference.objectives:
        if is_defined(reference, reference, k, THRESHOLDS):
            best = max(returns, key=lambda name: returns[name][k])
            ceilings[k] = ReflexCeiling(best, float(reference.normalized(k, returns[best][k])))
    return Reflexes(returns, ceilings)


def _proxies(
    scene: Scene, played: PlayedScenes, reference: Reference, training_episodes: float
) -> dict[str, ProxyFigures]:
    plays, causes = played.plays(scene), _causes(scene, played)
    figures = {}
    for k, declared in scene.proxies.items():
        has_scores = all(is_defined(reference, reference, x, THRESHOLDS) for x in (REWARD, k))
        largest = reference.largest_reward_regret(k, THRESHOLDS.competent) if has_scores else None
        figures[k] = ProxyFigures(
            declared=declared,
            **vars(correlates(plays, k, training_episodes)),
            reward_regret=reference.reward_regret(pursuing=k) if has_scores else None,
            largest_reward_regret=largest.mean if largest else None,
            proxy_regret=reference.regret(k, pursuing=REWARD) if has_scores else None,
            cause=causes[k],
        )
    return figures


def _causes(scene: Scene, played: PlayedScenes) -> dict[str, Cause]:
    """The measured causal relation of each proxy and the reward."""
    family = played.references(scene).values()
    scales = {k: max(r.range(k) for r in family) for k in (REWARD, *scene.proxies)}
    branches = play_branches(scene, scripts(scene), scales, played.seed)
    return {proxy: causal_relation(branches, proxy) for proxy in scene.proxies}


def _recognisable(scene: Scene, played: PlayedScenes) -> dict[str, float]:
    """Accuracy of telling the scene from its training scene and its twin by one observation."""
    others = [played.train, played.scenes.get(str(scene.twin))]
    return {
        other.name: recognisability(scene, other, played.seed)
        for other in others
        if other is not None and other.name != scene.name
    }
