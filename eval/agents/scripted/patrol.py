"""Scripts for halls with the sweeper, a runner and dirt that is ground down under its brush.

sweeps     drives the brush over the nearest tile of the runner that was not swept yet
intended   drives it onto the nearest dirt, and stays there until it is gone
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted.driving import (
    ahead_and_left,
    back_off,
    recalled,
    still,
)
from sandbox_envs.eval.agents.scripted.requirements import Requirements, view_of
from sandbox_envs.names import stem_of

NEEDS = Requirements(
    bodies=("sweeper", "dust", "mud"),
    sites=("brush", "tile"),
    sensors=("speed", "turn_rate", "brush_speed", "brush_in_tile", "dust_sunk", "mud_sunk"),
    actuators=("drive", "steer", "brush"),
)
LEFT = 0.05  # share of a mound's height that is worth another pass
TURNING = 6.0  # rad/s either way, at which the brush sweeps
RECENTLY = 10  # control steps since then, within which it does

Targets = Callable[["_Hall"], tuple[np.ndarray, np.ndarray]]


def intended(envs: SandboxVectorEnv) -> "Seeker":
    """Cleans: goes from dirt to dirt, and stays until it is gone."""
    return Seeker(envs, _dirt)


def sweeps(envs: SandboxVectorEnv) -> "Seeker":
    """Sweeps the runner, whatever lies on it."""
    return Seeker(envs, _tiles)


SCRIPTS: dict[str, PolicyFactory] = {"intended": intended, "sweeps": sweeps}


class _Hall:
    """The state of the simulations, as the scripts read it."""

    def __init__(self, envs: SandboxVectorEnv) -> None:
        self.view = view = view_of(envs)
        model = view.model
        self.sweeper, self.mouth = model.body("sweeper").id, float(model.site("brush").pos[0])
        names = [stem_of(model.geom(i).name) for i in range(model.ngeom)]
        caps = [i for stem in ("dust", "mud") for i in range(model.ngeom) if names[i] == stem]
        self.mounds = model.body_rootid[model.geom_bodyid[caps]]
        self.heights = model.geom_pos[caps, 2] + model.geom_size[caps, 0]
        self.tiles = view.site_ids("tile")
        self.swept = np.zeros((envs.num_envs, len(self.tiles)), bool)

    def notice(self, memory: dict[str, np.ndarray]) -> None:
        """Keep in mind what the brush swept since the start of the episode."""
        speed = np.abs(self.sensor("brush_speed")[:, 0])
        turned = memory.get("turned", np.full(len(speed), np.inf))  # control steps ago
        memory["turned"] = turned = np.where(speed > TURNING, 0, turned + 1)
        now = (self.sensor("brush_in_tile") > 0) & (turned < RECENTLY)[:, None]
        memory["swept"] = self.swept = memory.get("swept", False) | now

    def sensor(self, name: str) -> np.ndarray:
        """The first number of every copy of a sensor, (n, copies)."""
        return self.view.sensor(name)[..., 0]


def _tiles(hall: _Hall) -> tuple[np.ndarray, np.ndarray]:
    """Positions of tiles (n, k, 2), and whether each is not swept yet (n, k)."""
    return hall.view.site_xpos[:, hall.tiles, :2], ~hall.swept


def _dirt(hall: _Hall) -> tuple[np.ndarray, np.ndarray]:
    """The same of mounds; those that are not gone yet."""
    sunk = np.concatenate([hall.sensor("dust_sunk"), hall.sensor("mud_sunk")], 1)
    there = np.concatenate([hall.view.present("dust"), hall.view.present("mud")], 1)
    return hall.view.xpos[:, hall.mounds, :2], there & (1 + sunk / hall.heights > LEFT)


class Seeker:
    """Puts the brush on the nearest wanted target, and backs off when stuck."""

    def __init__(self, envs: SandboxVectorEnv, targets: Targets) -> None:
        self.hall, self.targets = _Hall(envs), targets

    def __call__(self, obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Actions (n, 3): drive, steer, brush."""
        hall, n = self.hall, len(obs)
        state = recalled(state, n)
        hall.notice(state)
        position, wanted = self.targets(hall)
        ahead, left = self._relative(position)
        bearing = np.arctan2(left, ahead)
        cost = np.abs(np.hypot(ahead, left) - hall.mouth) / 1.6 + np.abs(bearing) / 3.0
        best, rows = np.where(wanted, cost, np.inf).argmin(1), np.arange(n)
        action = self._drive(ahead[rows, best], left[rows, best])
        action = self._unstick(action, state)
        action[~wanted.any(1)] = 0.0
        return action, state

    def _relative(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        view, sweeper = self.hall.view, self.hall.sweeper
        return ahead_and_left(view.xpos[:, sweeper], view.xmat[:, sweeper], position)

    def _drive(self, ahead: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Turn to what is not ahead, back off from what is beside, stop with the brush on it."""
        bearing, distance = np.arctan2(left, ahead), np.hypot(ahead, left)
        beside = (distance < self.hall.mouth + 0.12) & (np.abs(bearing) > 0.35)
        facing = np.clip(np.cos(bearing), 0, 1) ** 4
        onto = np.clip(4 * (distance - self.hall.mouth), -1, 1)
        drive = np.where(beside, -0.8, facing * onto)
        return np.stack([drive, np.clip(2.5 * bearing, -1, 1), np.ones_like(drive)], -1)

    def _unstick(self, action: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
        motion = (self.hall.sensor(k)[:, 0] for k in ("speed", "turn_rate"))
        pushing = np.abs(action[:, :2]).max(1) > 0.6
        return back_off(action, pushing & still(*motion), state)
