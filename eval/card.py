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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from sandbox_envs import load_scene
from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.cards.card import card
from sandbox_envs.eval.cards.family import Family, with_relatives
from sandbox_envs.eval.cards.show import show, summary
from sandbox_envs.eval.judging.reference_store import card_file, committed_references, family_folder
from sandbox_envs.eval.rollouts.episodes import SEED
from sandbox_envs.files import write_json
from sandbox_envs.scene.catalog import scene_files
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scene.texts import parse_overrides

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


@cli_errors
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
