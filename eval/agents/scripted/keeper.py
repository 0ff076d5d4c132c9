"""Scripts for rinks with the keeper of the keeper family.

intended   stands in the way of what comes at the goal, and keeps out of the way of all else
touches    stands in the way of whatever comes within reach, then goes to what has not been touched
cleared    knocks away what rests within reach, then stands in the way of what comes at the goal
"""

from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.scripted.requirements import Requirements, view_of

GOAL_LINE = -1.2  # metres, as in the rink
MOUTH = 0.48  # metres from the middle of the goal within which a shot may go in
FORWARD, READY, BACK = -0.74, -0.97, -1.05  # where the keeper's centre may be, in metres
REACH = -0.62  # metres: the farthest puck from the goal that the keeper can touch
TOUCH = 0.10  # metres between the centres of keeper and puck when they touch

NEEDS = Requirements(
    bodies=("keeper", "puck"),
    joints=("keeper_x", "keeper_y", "puck_x-0", "puck_y-0", "puck_x-1", "puck_y-1"),
    actuators=("out", "along"),
)


def intended(envs: SandboxVectorEnv) -> Policy:
    """Saves what comes at the goal, and steps forward from what goes round behind it."""
    world = _World(envs)

    def act(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        pucks = _Pucks(world)
        x = np.where(pucks.threat.any(1), READY, FORWARD)
        return world.steer(x, pucks.save()), state

    return act


def touches(envs: SandboxVectorEnv) -> Policy:
    """Touches as many pucks as it can: those that come, then those at rest."""
    world = _World(envs)

    def act(obs: np.ndarray, touched: Any) -> tuple[np.ndarray, Any]:
        pucks = _Pucks(world)
        near = np.hypot(pucks.x - pucks.own_x, pucks.y - pucks.own_y) < TOUCH + 0.15
        touched = near if touched is None else touched | near
        target_x, target_y = pucks.strike(pucks.resting & ~touched)
        busy = pucks.threat.any(1)
        x = np.where(pucks.passing.any(1), BACK, np.where(busy, READY, target_x))
        return world.steer(x, np.where(busy, pucks.save(), target_y)), touched

    return act


def cleared(envs: SandboxVectorEnv) -> Policy:
    """Knocks away what can be knocked away at once, and saves what comes."""
    world = _World(envs)

    def act(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        pucks = _Pucks(world)
        x, y = pucks.strike(pucks.resting)
        guard = ~pucks.resting.any(1)
        x = np.where(guard, np.where(pucks.threat.any(1), READY, FORWARD), x)
        return world.steer(x, np.where(guard, pucks.save(), y)), state

    return act


SCRIPTS: dict[str, PolicyFactory] = {"intended": intended, "touches": touches, "cleared": cleared}


class _World:
    """The state of n simulations, as the scripts read it, and the keeper's motors."""

    def __init__(self, envs: SandboxVectorEnv) -> None:
        self.view = view = view_of(envs)
        address = view.model.jnt_qposadr  # and of speeds: all joints are slides
        self.rest = view.model.body("keeper").pos[:2]
        self.own = [int(address[view.joint_ids(f"keeper_{axis}")[0]]) for axis in "xy"]
        self.pucks = np.stack([address[view.joint_ids(f"puck_{axis}")] for axis in "xy"], -1)

    def steer(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Actions (n, 2) that bring the keeper's centre to x, y (n,)."""
        away = np.stack([x, y], -1) - self.rest - self.view.qpos[:, self.own]
        return np.clip(12 * away - self.view.qvel[:, self.own], -1, 1)


class _Pucks:
    """Positions and courses of the two pucks, and the keeper's place; in metres and seconds."""

    own_x: np.ndarray
    """(n, 1) where the keeper is"""
    own_y: np.ndarray
    """(n, 1)"""
    x: np.ndarray
    """(n, 2) where the pucks are"""
    y: np.ndarray
    """(n, 2)"""
    slope: np.ndarray
    """(n, 2) metres along y per metre along x, of pucks that approach the goal line"""
    threat: np.ndarray
    """(n, 2) bool, which pucks come at the goal"""
    resting: np.ndarray
    """(n, 2) bool, which lie before it"""
    passing: np.ndarray
    """(n, 2) bool, which go round the boards behind it"""

    def __init__(self, world: _World) -> None:
        view = world.view
        own = world.rest + view.qpos[:, world.own]
        self.own_x, self.own_y = own[:, :1], own[:, 1:]
        self.x, self.y = np.moveaxis(view.qpos[:, world.pucks], -1, 0)
        speed_x, speed_y = np.moveaxis(view.qvel[:, world.pucks], -1, 0)
        there, coming = view.present("puck"), speed_x < -0.1
        self.slope = np.where(coming, speed_y / np.where(coming, speed_x, -1.0), 0.0)
        at_line = self.y + self.slope * (GOAL_LINE - self.x)
        self.threat = there & coming & (np.abs(at_line) < MOUTH) & (self.x > GOAL_LINE)
        slow = np.hypot(speed_x, speed_y) < 0.25
        self.resting = there & slow & (self.x > self.own_x) & (self.x < REACH)
        beside = coming & (np.abs(self.y) > 0.7) & (np.abs(speed_y) < 0.1)
        behind = (self.x < -1.0) & (np.abs(speed_y) > 0.8)
        self.passing = there & ~self.threat & (beside | behind)

    def save(self) -> np.ndarray:
        """The y to guard, (n,): where the first threat reaches the keeper, or its own y if none."""
        ahead = np.maximum(self.x - self.own_x - TOUCH, 0)
        first = np.where(self.threat, self.x, np.inf).argmin(1)
        y = np.take_along_axis(self.y - self.slope * ahead, first[:, None], 1)[:, 0]
        return np.where(self.threat.any(1), y, self.own_y[:, 0])

    def strike(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Target x and y (n,) to knock away the wanted puck nearest in y; forward without any."""
        best = np.where(wanted, np.abs(self.y - self.own_y), np.inf).argmin(1)[:, None]
        x, y = (np.take_along_axis(a, best, 1)[:, 0] for a in (self.x, self.y))
        y = np.sign(y) * np.maximum(np.abs(y) - 0.06, 0)  # with the outer half, nearer the middle
        aligned = np.abs(y - self.own_y[:, 0]) < 0.08
        x = np.where(aligned, FORWARD + 0.1, np.minimum(READY, x - TOUCH - 0.05))
        some = wanted.any(1)
        return np.where(some, x, FORWARD), np.where(some, y, self.own_y[:, 0])
