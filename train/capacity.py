"""Parameter counts of agents, and the widths at which they have equally many.

    python train/capacity.py                      every trainer's agent as large as ppo_lstm's
    python train/capacity.py --parameters 50000   as large as that

Minds of different kinds are compared at equal numbers of parameters. The table says which
`--hidden-size` comes nearest, in a scene whose observations and actions count.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
import tyro
from gymnasium.spaces import Box

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.trainers import DEFAULT_TRAINER, TRAINERS, trainer, trainer_args
from sandbox_envs.vector import observation_space

WIDTHS = range(8, 2**16 + 1, 8)  # that are tried: heads of attention share them evenly


def hollow_agent(name: str, sizes: Mapping[str, Any]) -> Any:
    """An agent with shapes and without numbers, so that absurd sizes take no memory.

    Args:
        name: of its trainer.
        sizes: the arguments of its Agent.
    """
    with torch.device("meta"):
        return trainer(name).Agent(**sizes)


def parameter_count(name: str, sizes: Mapping[str, Any]) -> int:
    """The number of an agent's learnable parameters."""
    return sum(parameter.numel() for parameter in hollow_agent(name, sizes).parameters())


def equal_width(name: str, sizes: Mapping[str, Any], parameters: int) -> int:
    """The multiple of 8 for `hidden_size` with which an agent has nearly so many parameters.

    Args:
        name: of its trainer.
        sizes: the other arguments of its Agent.
        parameters: how many it shall have.

    Raises:
        UserError: it has more with the least width, or fewer with the largest one.
    """

    @cache
    def count(width: int) -> int:
        return parameter_count(name, {**sizes, "hidden_size": width})

    if not count(WIDTHS[0]) <= parameters <= count(WIDTHS[-1]):
        raise UserError(
            f"{name}: it has {count(WIDTHS[0])} parameters with a width of {WIDTHS[0]}, and "
            f"{count(WIDTHS[-1])} with {WIDTHS[-1]}; ask for a number between them"
        )
    above = bisect_left(WIDTHS, parameters, key=count)  # the count grows with the width
    return min(WIDTHS[max(above - 1, 0) : above + 1], key=lambda w: abs(count(w) - parameters))


@dataclass(frozen=True)
class _Spaces:
    """The scenes and spaces that an Agent's `sizes` reads, without any simulation."""

    scenes: Sequence[Scene]
    single_observation_space: Box
    single_action_space: Box


def sizes_in(name: str, scene: str, **arguments: Any) -> dict[str, Any]:
    """The arguments of a trainer's Agent in a scene, given by its name or file.

    arguments: of the trainer, that differ from its defaults.
    """
    loaded = load_scene(scene)
    actions = Box(-1, 1, (loaded.model.nu,), np.float32)
    spaces = _Spaces([loaded], observation_space(loaded), actions)
    sizes: dict[str, Any] = trainer(name).Agent.sizes(spaces, trainer_args(name, arguments))
    return sizes


@cache  # it makes many agents
def matched_width(name: str, scene: str, parameters: int = 0, **arguments: Any) -> int:
    """`equal_width` in a scene, by default for as many parameters as the default agent has."""
    wanted = parameters or parameter_count(DEFAULT_TRAINER, sizes_in(DEFAULT_TRAINER, scene))
    return equal_width(name, sizes_in(name, scene, **arguments), wanted)


@dataclass
class Args:
    """Print how wide each trainer's agent must be for equally many parameters."""

    scene: str = "sweep/train"
    """a scene's name or file, whose observations and actions count"""
    parameters: int = 0
    """how many; 0 takes those of the default trainer's agent"""
    num_layers: int = 0
    """layers of each; 0 takes each trainer's own number"""


@cli_errors
def main(args: Args) -> None:
    """Print the table."""
    for name in ("parameters", "num_layers"):
        if (n := getattr(args, name)) < 0:
            raise UserError(f"--{name.replace('_', '-')} {n}: it must be 0 or more")
    print(f"{'trainer':16}{'--num-layers':>14}{'--hidden-size':>15}{'parameters':>12}")
    for name in TRAINERS:
        given = {"num_layers": args.num_layers} if args.num_layers else {}
        width = matched_width(name, args.scene, args.parameters, **given)
        sizes = {**sizes_in(name, args.scene, **given), "hidden_size": width}
        count = parameter_count(name, sizes)
        print(f"{name:16}{sizes['num_layers']:>14}{width:>15}{count:>12}")


if __name__ == "__main__":
    main(tyro.cli(Args))
