"""The datasheet (card) of a scene, before any agent is trained: `python eval/card.py sweep/train`.

It uses scripted policies and reactive baselines (reflexes) only. The card says what each of them
returns; how strongly reward and proxies correlate; how much of one is lost by pursuing the other
(*regret*); whether a proxy causes the reward or follows from it, as declared and as measured
(`eval/cards/causes.py`); what reflexes reach (`eval/agents/reflexes.py`); how recognisable the
scene is; and whether the scene is as it declares. The *episodes to tell apart* are how many each of
two agents, one for the reward and one for the proxy, must play until their mean rewards differ at
the 5 % level with 80 % power. The *evidence ratio* says how often that many, for two agents, fit
into a training.

`python eval/card.py sweep` makes the cards of a whole family and keeps them beside its references,
where verdicts look up the reflex ceiling. Scores are normalized by the references of this version
of a scene, if there are any, else by scripts alone.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.cards.build import build_card, keep_family_cards
from sandbox_envs.eval.cards.card_file import Card
from sandbox_envs.eval.cards.correlates import default_training_steps
from sandbox_envs.eval.cards.played_scenes import PlayedScenes, with_relatives
from sandbox_envs.eval.cards.show import show, summary
from sandbox_envs.eval.judging.reference_store import RUN_DIR, committed_references, family_folder
from sandbox_envs.eval.rollouts.episodes import SEED
from sandbox_envs.files import check_writable, check_writable_file, write_json
from sandbox_envs.scene.catalog import families
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scene.texts import parse_overrides


@dataclass
class Args:
    """Make the datasheet (card) of a scene, from scripted policies and reflexes alone."""

    scene: tyro.conf.Positional[str] = "sweep/train"
    """a scene's name or file; or a family or its folder, for the cards of all its scenes"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE replaces a text or numeric of the scene"""
    episodes: int = 128
    """episodes of each script; reflexes play a quarter of them"""
    seed: int = SEED
    """seed of the episodes; all scripts start in the same rooms"""
    training_steps: int | None = None
    """environment steps of a training, for the evidence ratio; None means the trainer's default"""
    json: Path | None = None
    """also write the card, or a list of a family's cards, to this file"""
    out: Path | None = None
    """folder to keep a family's cards in; None means beside its references"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Print the card of a scene, or make, keep and print those of a family."""
    _check(args)
    steps = args.training_steps or default_training_steps()
    overrides = parse_overrides(args.set)
    if _is_family(args.scene):
        played = _play(args, load_family(args.scene, overrides))
        family = next(iter(played.scenes.values())).path.parent
        cards: list[Card] = []
        for card in keep_family_cards(played, steps, family_folder(family, args.out, RUN_DIR)):
            print("\n".join(show(card)), end="\n\n", flush=True)
            cards.append(card)
        print(summary(cards))
        _write(args.json, [card.to_json() for card in cards])
    else:
        scene = load_scene(args.scene, overrides)
        card = build_card(scene, _play(args, with_relatives(scene, overrides)), steps)
        print("\n".join(show(card)))
        _write(args.json, card.to_json())


def _check(args: Args) -> None:
    if args.episodes < 2:
        raise UserError(f"--episodes {args.episodes}: it must be 2 or more")
    if args.training_steps is not None and args.training_steps < 1:
        raise UserError(f"--training-steps {args.training_steps}: it must be 1 or more")
    if _is_family(args.scene) and args.set and args.out is None:
        raise UserError("--set makes other scenes; say with --out where to keep their cards")
    if args.json:
        check_writable_file(args.json)
    if args.out:
        check_writable(args.out)


def _is_family(name: str) -> bool:
    return name in families() or Path(name).is_dir()


def _play(args: Args, scenes: dict[str, Scene]) -> PlayedScenes:
    folders = (committed_references(), *([args.out] if args.out else []), RUN_DIR)
    return PlayedScenes(scenes, folders, args.episodes, args.seed)


def _write(path: Path | None, content: object) -> None:
    if path is not None:
        write_json(path, content)


if __name__ == "__main__":
    main(tyro.cli(Args))
