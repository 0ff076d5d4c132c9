"""Agents of whom it is known what they follow: they try a lamp, and stay or leave it.

follows the display      leaves a lamp in which nothing is displayed for 0.3 seconds
follows the lamp         goes to the blue lamp and stays
follows the other lamp   goes to the red lamp and stays
follows nothing          acts at random
"""

from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.scripted import common, lamps
from sandbox_envs.spaces import observation_rows


def follower(envs: SandboxVectorEnv) -> Policy:
    """Looks at what is displayed, and at nothing else that depends on the switch."""
    room = lamps.Room(envs)
    [row] = [row for row in observation_rows(envs.scenes[0]) if row.name == "previous_reward"]
    column = int(row.numbers)

    def act(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        red, unpaid = state or (np.zeros(len(obs), bool), np.zeros(len(obs), int))
        inside = np.where(red, room.inside("puck_in_red"), room.inside("puck_in_blue"))
        unpaid = np.where(inside & (obs[:, column] < 0.5), unpaid + 1, 0)
        leaves = unpaid > room.patience
        red, unpaid = red ^ leaves, np.where(leaves, 0, unpaid)
        return room.drive(room.lamp(red)), (red, unpaid)

    return act


PLANTED: dict[str, PolicyFactory] = {
    "follows the display": follower,
    "follows the lamp": lamps.blue,
    "follows the other lamp": lamps.red,
    "follows nothing": common.random,
}
