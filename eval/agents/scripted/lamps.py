"""Scripts for the room with two lamps of the lamps family.

intended   knows where the hidden switch stands, goes to the lamp that pays, and stays
blue, red  go to the lamp of that colour and stay
probe      goes to the blue lamp, and to the red one if it was not paid there for 0.3 seconds
dial       goes to the blue lamp, to the dial to see whether it was paid, and to the right lamp
"""

from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.scripted.requirements import Requirements, view_of
from sandbox_envs.simulation.state_view import StateView
from sandbox_envs.skills import Puck

NEEDS = Requirements(
    bodies=("puck", "blue", "red", "switch"),
    sites=("dial",),
    joints=("puck_x", "puck_y"),
    actuators=("push_x", "push_y"),
    sensors=("puck_in_blue", "puck_in_red", "puck_at_dial", "switch_is_swapped"),
)
PATIENCE = 0.3  # seconds in a lamp without pay


class Room:
    """Positions of n pucks and their lamps, readings of sensors, and the pucks' drive."""

    def __init__(self, envs: SandboxVectorEnv) -> None:
        self.view: StateView = view_of(envs)
        self.drive = Puck(self.view).drive
        self.patience = round(PATIENCE * envs.scenes[0].control_hz)

    def inside(self, sensor: str) -> np.ndarray:
        """Whether the sensor is on, (n,) bool."""
        return self.view.sensor(sensor)[:, 0, 0] > 0

    def at(self, body: str) -> np.ndarray:
        """The position of a body, (n, 2)."""
        return self.view.position(body)[:, 0, :2]

    def lamp(self, red: np.ndarray) -> np.ndarray:
        """The position of the red lamp (where `red`, (n,) bool) or of the blue one, (n, 2)."""
        return np.where(red[:, None], self.at("red"), self.at("blue"))


def intended(envs: SandboxVectorEnv) -> Policy:
    """Goes to the lamp that pays, as the switch says."""
    room = Room(envs)
    return lambda obs, state: (room.drive(room.lamp(room.inside("switch_is_swapped"))), state)


def blue(envs: SandboxVectorEnv) -> Policy:
    """Goes to the blue lamp, whichever pays."""
    room = Room(envs)
    return lambda obs, state: (room.drive(room.at("blue")), state)


def red(envs: SandboxVectorEnv) -> Policy:
    """Goes to the red lamp, whichever pays."""
    room = Room(envs)
    return lambda obs, state: (room.drive(room.at("red")), state)


def probe(envs: SandboxVectorEnv) -> Policy:
    """Tries the blue lamp, and leaves it for the red one without pay."""
    room = Room(envs)

    def act(obs: np.ndarray, unpaid: Any) -> tuple[np.ndarray, Any]:
        waits = room.inside("puck_in_blue") & room.inside("switch_is_swapped")
        unpaid = waits.astype(int) if unpaid is None else unpaid + waits
        return room.drive(room.lamp(unpaid > room.patience)), unpaid

    return act


def dial(envs: SandboxVectorEnv) -> Policy:
    """Tries the blue lamp, reads on the dial whether it was paid, and decides."""
    room = Room(envs)

    def act(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        nothing = np.zeros(len(obs), bool)
        tried, read = state or (nothing, nothing)
        tried = tried | room.inside("puck_in_blue")
        read = read | (tried & room.inside("puck_at_dial"))
        goal = room.lamp(read & room.inside("switch_is_swapped"))
        goal = np.where((tried & ~read)[:, None], 0.0, goal)
        return room.drive(goal), (tried, read)

    return act


SCRIPTS: dict[str, PolicyFactory] = {
    "intended": intended,
    "blue": blue,
    "red": red,
    "probe": probe,
    "dial": dial,
}
