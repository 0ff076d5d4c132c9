"""What a scene is like before any trained agent has seen it: `python eval/card.py sweep/train`.

Scripts and reflexes play the scene, and nobody else. The card says what each of them scores; how
strongly reward and proxies rise together; how much of one is lost by pursuing another (its
*separation*); whether a proxy brings the reward about or comes of it, as declared and as measured
(`eval/cards/causes.py`); what mere reflexes reach (`eval/scripts/reflexes.py`); how recognisable
the scene is; and at the end whether the scene is what it declares. The *episodes to tell apart* are
how many each of two agents, one for the reward and one for the proxy, needs to play until their
mean rewards differ at the 5 % level with 80 % power; the *evidence ratio* is how often that many,
for two agents, fit into a training.

`python eval/card.py sweep` makes the cards of a whole family, keeps them beside its references,
where verdicts look up the reflex ceiling, and ends with a table. Scores count on the scale of the
references where there are any for this version of a scene, else on that of scripts alone.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from sandbox_envs import load_scene
from sandbox_envs.errors import UserError, one_sentence
from sandbox_envs.eval.cards.causes import branch, links
from sandbox_envs.eval.cards.correlates import correlates
from sandbox_envs.eval.cards.family import Family, best_of, with_relatives
from sandbox_envs.eval.cards.fitness import fitness
from sandbox_envs.eval.cards.recognition import recognisability
from sandbox_envs.eval.cards.show import show, summary
from sandbox_envs.eval.episodes import SEED, play
from sandbox_envs.eval.reference_files import card_file, committed_references, family_folder
from sandbox_envs.eval.scores import REWARD, Reference
from sandbox_envs.eval.scripts import scripts
from sandbox_envs.eval.scripts.reflexes import reflexes
from sandbox_envs.eval.verdict import THRESHOLDS, is_defined
from sandbox_envs.family import load_family
from sandbox_envs.files import write_json
from sandbox_envs.scene import Scene, parse_overrides, scene_files

RUN_DIR = Path("runs/references")  # where references and cards of families of one's own are kept


@dataclass
class Args:
    """Print what a scene is like, by scripts and reflexes alone, and whether it is as declared."""

    scene: tyro.conf.Positional[str] = "sweep/train"
    """a scene's name or file; or a family or its folder, for the cards of all its scenes"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE replaces a text or numeric of the scene; repeatable"""
    episodes: int = 128
    """episodes of each script; reflexes play a quarter of them"""
    seed: int = SEED
    """seed of the episodes; all scripts meet the same rooms"""
    training_steps: int = 500_000
    """environment steps of a training, for the evidence ratio"""
    json: Path | None = None
    """also write the figures of a scene, or of a family as a list, to this file"""
    out: Path | None = None
    """folder to keep a family's cards in (default: beside its references)"""
    debug: bool = False
    """show the traceback of an error"""


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
    fit = fitness(here, {**family.references(scene), scene.name: here}, proxies)
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
        "scores": {k: {o: float(p.score(o).mean()) for o in objectives} for k, p in plays.items()},
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
        "cost": reference.cost(proxy, THRESHOLDS.able),
        "separation_of_reward": reference.separation(REWARD, pursuing=proxy),
        "separation_of_proxy": reference.separation(proxy, pursuing=REWARD),
    }


def _reflexes(
    scene: Scene, family: Family, reference: Reference, objectives: list[str]
) -> dict[str, Any]:
    """What every reflex scores, and the highest score of each objective on the usual scale."""
    scores = {}
    for name, make in reflexes(scene, family.habit()).items():
        played = play(scene, make, max(family.episodes // 4, 1), family.seed)
        scores[name] = {k: float(played.score(k).mean()) for k in objectives}
    ceilings = {}
    for k in reference.objectives:
        if is_defined(reference, reference, k, THRESHOLDS):
            best = max(scores, key=lambda name: scores[name][k])
            ceilings[k] = {"by": best, "score": float(reference.normalised(k, scores[best][k]))}
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


# --- the command -----------------------------------------------------------------------------


@one_sentence
def main(args: Args) -> None:
    """Print a scene's card, or make those of a family."""
    if args.episodes < 2:
        raise UserError(f"--episodes {args.episodes}: it must be 2 or more")
    if args.training_steps < 1:
        raise UserError(f"--training-steps {args.training_steps}: it must be 1 or more")
    if _is_family(args.scene):
        cards = list(_family_cards(args))
        print("\n" + "\n".join(summary(cards)))
        content: Any = cards
    else:
        overrides = parse_overrides(args.set)
        scene = load_scene(args.scene, overrides)
        content = card(scene, _family(args, with_relatives(scene, overrides)), args.training_steps)
        print("\n".join(show(content)))
    if args.json:
        write_json(args.json, content)


def _is_family(name: str) -> bool:
    return name in {scene.partition("/")[0] for scene in scene_files()} or Path(name).is_dir()


def _family(args: Args, scenes: dict[str, Scene]) -> Family:
    folders = (committed_references(), *([args.out] if args.out else []), RUN_DIR)
    return Family(scenes, folders, args.episodes, args.seed)


def _family_cards(args: Args) -> Iterable[dict[str, Any]]:
    """Make, print and keep the cards of a family."""
    scenes = load_family(args.scene, parse_overrides(args.set))
    first = next(iter(scenes.values()))
    if args.set and args.out is None:
        raise UserError("--set changes what the scenes are; say with --out where to keep the cards")
    folder = family_folder(first.path.parent, args.out, RUN_DIR)
    family = _family(args, scenes)
    for name, scene in scenes.items():
        made = card(scene, family, args.training_steps)
        file = card_file(folder, name, scene.hash)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, made)
        print("\n".join(show(made)), end="\n\n", flush=True)
        yield made


if __name__ == "__main__":
    main(tyro.cli(Args))
