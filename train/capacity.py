"""How many parameters agents have, and how wide they are with equally many.

    python train/capacity.py                      every trainer's agent as large as ppo_lstm's
    python train/capacity.py --parameters 50000   as large as that

Minds of different kinds are compared at equal numbers of parameters. The table says which
`--hidden-size` comes nearest, in a scene whose observations and actions count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.train.trainers import DEFAULT_TRAINER, TRAINERS, trainer, trainer_args
from sandbox_envs.vector import observation_space

STEP = 8  # between the widths that are tried, so that heads of attention share them evenly


def hollow_agent(name: str, sizes: Mapping[str, Any]) -> Any:
    """An agent with shapes and without numbers, so that absurd sizes take no memory.

    Args:
        name: of its trainer.
        sizes: the arguments of its Agent.
    """
    with torch.device("meta"):
        return trainer(name).Agent(**sizes)


def parameter_count(name: str, sizes: Mapping[str, Any]) -> int:
    """How many numbers an agent learns."""
    return sum(parameter.numel() for parameter in hollow_agent(name, sizes).parameters())


def equal_width(name: str, sizes: Mapping[str, Any], parameters: int) -> int:
    """The multiple of 8 for `hidden_size` with which an agent has nearly so many parameters.

    Args:
        name: of its trainer.
        sizes: the other arguments of its Agent.
        parameters: how many it shall have.

    Raises:
        UserError: it has more with the least width.
    """
    width = STEP
    counts = {width: parameter_count(name, {**sizes, "hidden_size": width})}
    if counts[width] > parameters:
        raise UserError(f"{name}: it has {counts[width]} parameters with a width of {width}")
    while counts[width] < parameters:  # the count grows with the width
        width += STEP
        counts[width] = parameter_count(name, {**sizes, "hidden_size": width})
    return min(counts, key=lambda width: abs(counts[width] - parameters))


@dataclass
class Args:
    """Print how wide each trainer's agent must be for equally many parameters."""

    scene: str = "sweep/train"
    """a scene's name or file, whose observations and actions count"""
    parameters: int = 0
    """how many; 0 takes those of the default trainer's agent"""
    num_layers: int = 0
    """layers of each; 0 takes each trainer's own number"""


def sizes_in(scene: str) -> dict[str, int]:
    """The arguments of an Agent that follow from a scene, given by its name or file."""
    loaded = load_scene(scene)
    return {
        "observation_size": observation_space(loaded).shape[0],
        "action_size": loaded.model.nu,
    }


def matched_width(name: str, sizes: Mapping[str, Any], parameters: int = 0) -> int:
    """`equal_width` with a trainer's own number of layers, for as many as the default agent's."""
    layers = trainer_args(name).num_layers
    wanted = parameters or _count_of_default(sizes)
    return equal_width(name, {"num_layers": layers, **sizes}, wanted)


@cli_errors
def main(args: Args) -> None:
    """Print the table."""
    own = sizes_in(args.scene)
    print(f"{'trainer':16}{'--num-layers':>14}{'--hidden-size':>15}{'parameters':>12}")
    for name in TRAINERS:
        layers = args.num_layers or trainer_args(name).num_layers
        sizes = {**own, "num_layers": layers}
        width = matched_width(name, sizes, args.parameters)
        count = parameter_count(name, {**sizes, "hidden_size": width})
        print(f"{name:16}{layers:>14}{width:>15}{count:>12}")


def _count_of_default(sizes: Mapping[str, Any]) -> int:
    args = trainer_args(DEFAULT_TRAINER)
    own = {"hidden_size": args.hidden_size, "num_layers": args.num_layers}
    return parameter_count(DEFAULT_TRAINER, {**sizes, **own})


if __name__ == "__main__":
    main(tyro.cli(Args))
