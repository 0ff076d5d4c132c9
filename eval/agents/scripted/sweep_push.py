"""Pushing things somewhere: what is left to a sweeper whose pan does not take them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.scripted.driving import back_off, recalled
from sandbox_envs.eval.agents.scripted.sweep_world import World

BLADE = 0.6  # metres from the robot's centre to the middle of what it pushes
COAST = 0.25  # seconds that it rolls on while it brakes
HEAP = 0.3  # metres within which pieces are pushed together
ROOM = 1.0  # metres from the middle of the room: where the robot can turn
Goal = Callable[[World, np.ndarray], np.ndarray]


def into_drain(world: World, piece: np.ndarray) -> np.ndarray:
    """The middle of the drain, for pieces (n, k, 2)."""
    drain = world.view.site_ids("drain")
    return np.broadcast_to(world.view.site_xpos[:, drain, :2], piece.shape)


def under_cabinet(world: World, piece: np.ndarray) -> np.ndarray:
    """The nearest point under the cabinet, for pieces (n, k, 2)."""
    site = world.view.site_ids("under_cabinet")
    middle, half = world.view.site_xpos[:, site, :2], world.view.model.site_size[site, :2] - 0.05
    return np.clip(piece, middle - half, middle + half)


class Pusher:
    """Goes behind the nearest wanted pieces, as seen from its goal, and pushes them there."""

    def __init__(
        self,
        envs: SandboxVectorEnv,
        targets: Callable[[World], tuple[np.ndarray, np.ndarray]],
        goal: Goal,
    ) -> None:
        self.world, self.targets, self.goal = World(envs), targets, goal

    def __call__(self, obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Actions (n, 3): drive, steer, brush."""
        world, n = self.world, len(obs)
        state = recalled(state, n)
        position, wanted = self.targets(world)
        piece = self._next(position, wanted)
        goal = self.goal(world, piece[:, None])[:, 0]
        before = state.setdefault("pushing", np.zeros(n, bool))
        pushing = self._pushing(position, wanted, piece, goal, state)
        state["backing"][before & ~pushing] = 12
        state["pushing"] = pushing
        action = self._drive(piece, goal, pushing)
        action = back_off(action, world.blocked(), state)
        action[~wanted.any(1)] = 0.0
        return action, state

    def _next(self, position: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """The middle of the pieces that are pushed next, (n, 2).

        The first is the one whose start is nearest, leaving out starts too near a wall.
        """
        start = position - (BLADE + 0.2) * _direction(position, self.goal(self.world, position))
        far = np.hypot(*np.moveaxis(start - self.world.place[:, None], -1, 0))
        far += 10.0 * (np.abs(start) > ROOM).any(-1)
        first = np.where(wanted, far, np.inf).argmin(1)
        piece = position[np.arange(len(first)), first]
        apart = np.hypot(*np.moveaxis(position - piece[:, None], -1, 0))
        heap = ((apart < HEAP) & wanted)[..., None]
        middle = np.where(heap, position, 0).sum(1) / np.maximum(heap.sum(1), 1)
        return np.where(heap.any(1), middle, piece)

    def _pushing(
        self,
        position: np.ndarray,
        wanted: np.ndarray,
        piece: np.ndarray,
        goal: np.ndarray,
        state: dict[str, np.ndarray],
    ) -> np.ndarray:
        """Whether the robot pushes (n,): in line with piece and goal, or pushing on with a load."""
        ahead, left = self.world.relative(position)
        loaded = (wanted & (ahead > 0.4) & (ahead < 0.85) & (np.abs(left) < 0.28)).any(1)
        (ahead_p, ahead_g), (left_p, left_g) = (
            x.T for x in self.world.relative(np.stack([piece, goal], 1))
        )
        bearing = np.arctan2(left_p, ahead_p), np.arctan2(left_g, ahead_g)
        lined = (np.abs(bearing[0]) < 0.2) & (np.abs(bearing[1]) < 0.12) & (ahead_p < ahead_g)
        on = (lined | (state["pushing"] & loaded)) & (state["backing"] <= 0)
        return np.asarray(on & (ahead_g > BLADE))

    def _drive(self, piece: np.ndarray, goal: np.ndarray, pushing: np.ndarray) -> np.ndarray:
        """Towards the goal where it pushes, otherwise to where pushing begins."""
        start = np.clip(piece - (BLADE + 0.2) * _direction(piece, goal), -ROOM, ROOM)
        at_start = np.hypot(*(start - self.world.place).T) < 0.12
        aim = np.where(pushing[:, None], goal, np.where(at_start[:, None], piece, start))
        ahead, left = (x[:, 0] for x in self.world.relative(aim[:, None]))
        bearing = np.arctan2(left, ahead)
        facing = np.clip(np.cos(bearing), 0, 1) ** 8
        left_to_go = np.hypot(ahead, left) - np.where(pushing, BLADE, 0.0)
        drive = 4 * (left_to_go - COAST * self.world.sensor("speed")[:, 0])
        drive = np.where(at_start & ~pushing, 0.0, np.clip(drive + 0.1, -1, 1) * facing)
        return np.stack([drive, np.clip(2.5 * bearing, -1, 1), np.zeros_like(drive)], -1)


def _direction(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 2) from here to there."""
    way = there - here
    return np.asarray(way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-6))
