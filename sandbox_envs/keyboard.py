"""Driving a robot with the keyboard."""

import mujoco
import numpy as np

from sandbox_envs.recording import Act

KEYS = (
    "Up, Down: drive; Left, Right: turn; Space: stop; B: brush on or off (1 to 9: this and further "
    "actuators); R: new episode. Close the window to end."
)
UP, DOWN, LEFT, RIGHT = 265, 264, 263, 262  # GLFW's codes; letters and digits are their own
BRUSH = 2  # the first actuator that is switched on and off; drive and turn come before it


class Keyboard:
    """The commands that keys have given so far; an instance is a key callback."""

    commands: np.ndarray
    """(actuators,) in [-1, 1]: shares of the largest control in either direction, 0 for none"""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self.commands = np.zeros(model.nu)
        self._restart = False

    def __call__(self, key: int) -> None:
        """Take in a key that was pressed, by its GLFW code."""
        steps = {UP: (0, 0.5), DOWN: (0, -0.5), LEFT: (1, 0.5), RIGHT: (1, -0.5)}
        if key in steps:
            self._add(*steps[key])
        elif key == ord(" "):
            self.commands = np.zeros(self._model.nu)
        elif key == ord("R"):
            self._restart = True
        elif key == ord("B"):
            self._switch(BRUSH)
        elif ord("1") <= key <= ord("9"):
            self._switch(BRUSH + key - ord("1"))

    def begin(self) -> Act:
        """Reset all commands to no control; returns what acts in the next episode."""
        self.commands = np.zeros(self._model.nu)
        return lambda _: to_action(self._model, self.commands)

    def wants_restart(self) -> bool:
        """Whether R was pressed since the last call."""
        wanted, self._restart = self._restart, False
        return wanted

    def _add(self, actuator: int, step: float) -> None:
        if actuator < len(self.commands):
            self.commands[actuator] = np.clip(self.commands[actuator] + step, -1, 1)

    def _switch(self, actuator: int) -> None:
        if actuator < len(self.commands):
            self.commands[actuator] = 0.0 if self.commands[actuator] else 1.0


def to_action(model: mujoco.MjModel, commands: np.ndarray) -> np.ndarray:
    """The action (actuators,) in [-1, 1] for commands: shares of each largest control."""
    low, high = model.actuator_ctrlrange.T
    control = np.clip(np.where(commands < 0, -commands * low, commands * high), low, high)
    half = np.where(high > low, (high - low) / 2, 1)
    return (control - (low + high) / 2) / half
