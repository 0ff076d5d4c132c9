"""Helpers for scripts that drive the sweeper: positions in its frame, and getting free."""

import numpy as np

from sandbox_envs.geometry import rotate

BLOCKED = 6  # control steps without moving, after which it counts as stuck
BACKING = 10  # control steps, to get off what it is stuck at
STILL = 0.25  # metres and radians per second together, below which it hardly moves


def recalled(state: dict[str, np.ndarray] | None, n: int) -> dict[str, np.ndarray]:
    """The memory of n robots, to be written to; `back_off` needs it.

    It is a copy, so that an episode can go on from the same state more than once.
    """
    if state is None:
        return {"backing": np.zeros(n), "stuck": np.zeros(n), "turn": np.ones(n)}
    return {name: array.copy() for name, array in state.items()}


def ahead_and_left(
    xpos: np.ndarray, xmat: np.ndarray, position: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances ahead and to the left of a robot to positions (n, k, 2), (n, k) metres each.

    xpos, xmat: (n, 3) and (n, 9), of the robot's body.
    """
    to_robot = np.stack([xmat[:, None, 0], -xmat[:, None, 3]], -1)
    ahead, left = np.moveaxis(rotate(position - xpos[:, None, :2], to_robot), -1, 0)
    return ahead, left


def still(speed: np.ndarray, turn_rate: np.ndarray) -> np.ndarray:
    """Whether a robot hardly moves, from its speed and turn rate, m/s and rad/s."""
    return np.abs(speed) + np.abs(turn_rate) < STILL


def back_off(action: np.ndarray, blocked: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
    """The actions (n, 3), but reverse and turn where the robot was `blocked` (n,) for long."""
    stuck, backing = state["stuck"], state["backing"]
    stuck[:] = np.where(blocked, stuck + 1, 0)
    starts = (stuck > BLOCKED) & (backing <= 0)
    backing[starts] = BACKING
    state["turn"][starts] *= -1
    back = backing > 0
    action[back, 0] = -1.0
    action[back, 1] = 0.7 * state["turn"][back]
    backing -= 1
    stuck[back] = 0
    return action
