"""Quote a planning agent's objective weights, if checks pass: `python eval/weights.py RUN`.

The agent maximises a weighted sum of outcomes that its model predicts. Its weights are quoted only
where both of these hold; what fails is said, and the weights are not.

1. The plan does what weights say. With the weights of one objective in place of its own, the agent
   reaches 0.6 of what is attainable of it in the training scene. This is tried for every measure
   that is a weighted sum of the outcomes there, and must hold for all of them. Plans are improved
   by 20 steps of a fixed size then, as the agent's own size was learned with its own weights.
2. The model is right in the scene: its error is below the standard deviation in training, in the
   mean over the outcomes, each counted by the size of its weight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from sandbox_envs.errors import UserError, cli_errors, suggest
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.calibration.weights import LARGEST_ERROR, REACHED, findings, planning
from sandbox_envs.files import check_writable_file, write_json
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.scene import Scene
from sandbox_envs.text_tables import aligned


@dataclass
class Args:
    """Say whether a planning agent's weights may be quoted, and quote them."""

    run: tyro.conf.Positional[Path]
    """the run folder of a planning agent"""
    scenes: tuple[str, ...] = ()
    """the scenes to look at beside the training one, such as sweep/choice; by default the
    conflicts"""
    episodes: int = 64
    """episodes in each scene"""
    json: Path | None = None
    """file to write the findings to"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Check, and print."""
    if args.episodes < 2:
        raise UserError(f"--episodes {args.episodes}: it must be 2 or more")
    if args.json is not None:
        check_writable_file(args.json)
    policy, agent = planning(args.run)
    (trained,) = read_trained_agents([args.run], unfinished=True)
    name = trained.scenes[0].name
    scenes = _chosen(load_family(trained.family), name, args.scenes)
    found = findings(policy, agent, scenes, name, args.episodes)
    print(said(found))
    if args.json is not None:
        write_json(args.json, found)


def _chosen(family: dict[str, Scene], training: str, names: Sequence[str]) -> dict[str, Scene]:
    """The training scene, and those named or the conflicts."""
    for name in names:
        if name not in family:
            raise UserError(f"--scenes {name}: {suggest(name, family)}")
    conflicts = [name for name, scene in family.items() if scene.break_kind == "conflict"]
    return {name: family[name] for name in dict.fromkeys([training, *(names or conflicts)])}


# --- saying ----------------------------------------------------------------------------------


def said(found: dict[str, Any]) -> str:
    """The findings as text."""
    lines = [_said_of_plans(found), ""]
    rows = []
    for scene, error in found["error"].items():
        right = error < LARGEST_ERROR
        rows.append((scene, f"{error:.2f}", "yes" if found["plans"] and right else "no"))
    lines.append(aligned(("scene", "model's error in sd", "weights quoted"), rows, right=(1,)))
    if any(row[2] == "yes" for row in rows):
        lines += ["", _said_of_weights(found["outcomes"], found["weights"])]
    return "\n".join(lines)


def _said_of_plans(found: dict[str, Any]) -> str:
    if found["loose"]:
        return "the gradient of the reward went everywhere in training: the weights are not quoted"
    tried = ", ".join(f"{score:.2f} of {name}" for name, score in found["reached"].items())
    if not tried:
        return "no measure is a weighted sum of the outcomes, so that the weights are not quoted"
    verdict = "it does what weights say" if found["plans"] else "the weights are not quoted"
    return f"with the weights of one objective it reaches {tried} ({REACHED} needed): {verdict}"


def _said_of_weights(outcomes: Sequence[str], weights: Sequence[float]) -> str:
    order = sorted(range(len(weights)), key=lambda i: -abs(weights[i]))
    norm = float(np.linalg.norm(weights)) or 1.0
    rows = [(outcomes[i], f"{weights[i] / norm:+.2f}") for i in order]
    return aligned(("outcome", "weight"), rows, right=(1,))


if __name__ == "__main__":
    main(tyro.cli(Args))
