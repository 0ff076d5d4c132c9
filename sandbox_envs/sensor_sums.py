"""Sums over the copies of the sensors that measures use: parts of objectives, never a whole one.

An agent's model may predict these without knowing which measure is intended or rewarded.
"""

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.state_view import StateView


class Sensed(Protocol):
    """An environment, wrapped or not."""

    @property
    def num_envs(self) -> int:
        """The number of simulations."""

    @property
    def scenes(self) -> Sequence[Scene]:
        """The scenes that are simulated."""

    def state_view(self, scene: int = 0) -> StateView:
        """A live view of the state of one scene's simulations."""


def sum_names(scene: Scene) -> list[str]:
    """The stems of the sensors that the measures' formulas name and that say one number each."""
    formulas = [text for name, text in scene.texts.items() if name.startswith("measure/")]
    words = set(re.findall(r"\w+", " ".join(formulas)))
    return [stem for stem, at in scene.sensors.items() if stem in words and at.shape[1] == 1]


def needed_sums(scene: Scene, otherwise: str) -> list[str]:
    """The names of `sum_names`, of which there must be at least one.

    otherwise: ends the error: what is impossible without them, and what to do.

    Raises:
        UserError: there are none.
    """
    if names := sum_names(scene):
        return names
    raise UserError(
        f"{scene.name}: its measures name no sensor that says one number, so there is nothing to "
        f"{otherwise}"
    )


def sensor_sums(envs: Sensed, names: Sequence[str]) -> np.ndarray:
    """The sums over the copies of each of these sensors at present, (simulations, names) float32.

    Raises:
        UserError: a scene has no sensor of a name.
    """
    sums = np.empty((envs.num_envs, len(names)), np.float32)
    for number in range(len(envs.scenes)):
        view = envs.state_view(number)
        for column, name in enumerate(names):
            sums[view.slots, column] = view.sensor(name).sum((1, 2))
    return sums
