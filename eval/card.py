"""What a scene is like before any trained agent has seen it: `python eval/card.py sweep/train`.

Scripts play the scene, each pursuing one measure. Printed are what each of them scores,
how strongly reward and proxies rise together, and how much of one is lost by pursuing another.
A proxy's *separation* is the share of the reward lost by pursuing it, and the other way round;
in a training scene it is small (a proxy costs at most 15 % there), in a scene that breaks the
proxy it is large. The *episodes to tell apart* are how many each of two agents needs to play until
their mean rewards differ at the 5 % level with 80 % power; the *evidence ratio* is how often that
many, for two agents, fit into a training.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from sandbox_envs import load_scene
from sandbox_envs.errors import UserError, one_sentence
from sandbox_envs.eval.episodes import SEED, Episodes, play
from sandbox_envs.eval.scores import IDLE, RANDOM
from sandbox_envs.eval.scripts import scripts
from sandbox_envs.files import write_json
from sandbox_envs.scene import parse_overrides


@dataclass
class Args:
    """Print how reward and proxies go together in a scene, from scripts alone."""

    scene: tyro.conf.Positional[str] = "sweep/train"
    """a scene's name or file"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE replaces a text or numeric of the scene; repeatable"""
    episodes: int = 128
    """episodes of each script"""
    seed: int = SEED
    """seed of the episodes; all scripts meet the same rooms"""
    training_steps: int = 500_000
    """environment steps of a training, for the evidence ratio"""
    json: Path | None = None
    """also write the figures to this file"""
    debug: bool = False
    """show the traceback of an error"""


def correlation(x: np.ndarray, y: np.ndarray) -> float | None:
    """Pearson's, over all numbers of two arrays; None where one does not vary."""
    if np.std(x) < 1e-9 or np.std(y) < 1e-9:
        return None
    return float(np.corrcoef(x.ravel(), y.ravel())[0, 1])


def separation(plays: dict[str, Episodes], of: str, script: str) -> float | None:
    """The share of objective `of` that a script loses, of what the best has above the floor."""
    floor = min(plays[name].score(of).mean() for name in (IDLE, RANDOM))
    best = max(play.score(of).mean() for play in plays.values())
    if best - floor < 1e-6:
        return None
    return float((best - plays[script].score(of).mean()) / (best - floor))


def episodes_to_tell_apart(a: np.ndarray, b: np.ndarray) -> float | None:
    """Per arm, for a two-sided test at 5 % with 80 % power on scores like a and b."""
    difference = abs(a.mean() - b.mean())
    variance = (a.var(ddof=1) + b.var(ddof=1)) / 2
    return None if difference < 1e-9 else float(2 * (1.96 + 0.84) ** 2 * variance / difference**2)


def card(args: Args) -> dict[str, Any]:
    """All figures of a scene's card, as plain JSON."""
    overrides = parse_overrides(args.set)
    scene = load_scene(args.scene, overrides)
    if missing := {"intended", *scene.proxies} - scripts(scene).keys():
        raise UserError(f"{args.scene}: no script pursues {', '.join(sorted(missing))} in it")
    plays = {k: play(scene, make, args.episodes, args.seed) for k, make in scripts(scene).items()}
    objectives = ["reward", *scene.measures]
    training_episodes = args.training_steps / scene.episode_steps
    proxies = {k: _proxy(plays, k, scene.proxies[k], training_episodes) for k in scene.proxies}
    return {
        "scene": scene.name,
        "hash": scene.hash,
        "episodes": args.episodes,
        "training_episodes": training_episodes,
        "scores": {k: {o: float(p.score(o).mean()) for o in objectives} for k, p in plays.items()},
        "proxies": proxies,
    }


def _proxy(
    plays: dict[str, Episodes], proxy: str, declared: str, training_episodes: float
) -> dict[str, object]:
    """How one proxy goes together with the reward."""
    moving = {name: play for name, play in plays.items() if name != IDLE}
    intended, pursued = plays["intended"].score("reward"), plays[proxy].score("reward")
    needed = episodes_to_tell_apart(intended, pursued)
    return {
        "declared": declared,
        "step_correlation": {
            k: correlation(p.rewards, np.diff(p.levels[proxy], axis=0)) for k, p in moving.items()
        },
        "episode_correlation": {
            k: correlation(p.score("reward"), p.score(proxy)) for k, p in moving.items()
        },
        "reward_lost_by_pursuing_it": separation(plays, "reward", proxy),
        "lost_by_pursuing_reward": separation(plays, proxy, "intended"),
        "episodes_to_tell_apart": needed,
        "evidence_ratio": None if needed is None else training_episodes / (2 * needed),
    }


@one_sentence
def main(args: Args) -> None:
    """Print the card, and write it where asked."""
    if args.episodes < 2:
        raise UserError(f"--episodes {args.episodes}: it must be 2 or more")
    figures = card(args)
    _print(figures)
    if args.json:
        write_json(args.json, figures)


def _print(figures: dict[str, Any]) -> None:
    scores = figures["scores"]
    objectives = list(scores["idle"])
    print(f"{figures['scene']}: mean scores over {figures['episodes']} episodes")
    print(f"{'':12}" + "".join(f"{name:>13}" for name in objectives))
    for policy, row in scores.items():
        print(f"{policy:12}" + "".join(f"{row[name]:13.3f}" for name in objectives))
    for proxy, row in figures["proxies"].items():
        print(f"\n{proxy} (declared: {row['declared']})")
        for key in ("step_correlation", "episode_correlation"):
            by = ", ".join(f"{policy} {_number(x)}" for policy, x in row[key].items())
            print(f"  {key.replace('_', ' ') + ' with the reward':40}{by}")
        for key in ("reward_lost_by_pursuing_it", "lost_by_pursuing_reward"):
            print(f"  {key.replace('_', ' '):40}{_number(row[key])}")
        print(f"  {'episodes to tell apart':40}{_number(row['episodes_to_tell_apart'], 0)}")
        print(f"  {'evidence ratio':40}{_number(row['evidence_ratio'], 1)}")


def _number(x: float | None, digits: int = 2) -> str:
    return "-" if x is None else f"{x:.{digits}f}"


if __name__ == "__main__":
    main(tyro.cli(Args))
