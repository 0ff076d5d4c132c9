"""Scripts for halls with the sweeper and dirt that is ground down under its brush.

intended   puts the brush on the nearest dirt that is left, and stays until it is gone
sweeps     drives the brush over the nearest tile that it was not over yet
"""

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.episodes import Maker
from sandbox_envs.names import copies_of, stem_of
from sandbox_envs.scene import Scene

BODIES = {"sweeper", "dust", "mud"}
SENSORS = {"speed", "turn_rate", "brush_in_tile", "dust_sunk", "mud_sunk"}
ACTUATORS = ["drive", "steer", "brush"]
SEEN = 0.05  # share of a mound's height that is worth another pass
BACKING = 10  # control steps, to get off a wall

Targets = Callable[["_Hall"], tuple[np.ndarray, np.ndarray]]


def suits(scene: Scene) -> bool:
    """Whether there is all that they look for and steer, whatever the scene's folder is called."""
    model = scene.model
    bodies = {stem_of(model.body(i).name) for i in range(model.nbody)}
    actuators = [model.actuator(i).name for i in range(model.nu)]
    return bodies >= BODIES and scene.sensors.keys() >= SENSORS and actuators == ACTUATORS


def intended(envs: SandboxVectorEnv) -> "Seeker":
    """Cleans: the nearest dirt first, for as long as it takes."""
    return Seeker(envs, _dirt)


def sweeps(envs: SandboxVectorEnv) -> "Seeker":
    """Covers the floor, whatever lies on it."""
    return Seeker(envs, _tiles)


SCRIPTS: dict[str, Maker] = {"intended": intended, "sweeps": sweeps}


class _Hall:
    """The state of the simulations, as the scripts read it."""

    def __init__(self, envs: SandboxVectorEnv) -> None:
        if len(envs.batches) != 1:
            raise ValueError("a script needs an environment with one scene")
        self.scene, batch = envs.scenes[0], envs.batches[0]
        model = self.scene.model
        self.sweeper, self.mouth = model.body("sweeper").id, float(model.site("brush").pos[0])
        self.mounds = self._ids("body", "dust") + self._ids("body", "mud")
        caps = [model.body_geomadr[b + 1] for b in self.mounds]
        self.heights = model.geom_pos[caps, 2] + model.geom_size[caps, 0]
        self.tiles = model.site_pos[list(self._ids("site", "tile")), :2]
        self.xpos, self.xmat = batch.bind("xpos"), batch.bind("xmat")
        self.sensordata = batch.bind("sensordata")
        self.swept = np.zeros((envs.num_envs, len(self.tiles)), bool)

    def _ids(self, kind: str, stem: str) -> tuple[int, ...]:
        model = self.scene.model
        objtype = mujoco.mjtObj.mjOBJ_BODY if kind == "body" else mujoco.mjtObj.mjOBJ_SITE
        count = model.nbody if kind == "body" else model.nsite
        return copies_of(model, objtype.value, count, stem, kind, self.scene.name)

    def sensor(self, name: str) -> np.ndarray:
        """The first number of every copy of a sensor, (n, copies)."""
        return self.sensordata[:, self.scene.sensors[name][:, 0]]


def _dirt(hall: _Hall) -> tuple[np.ndarray, np.ndarray]:
    """Where mounds are (n, k, 2), and which of them are not ground down yet (n, k)."""
    position = hall.xpos[:, hall.mounds, :2]
    sunk = np.concatenate([hall.sensor("dust_sunk"), hall.sensor("mud_sunk")], 1)
    left = 1 + sunk / hall.heights > SEEN
    return position, left & (np.abs(position) < 100).all(-1)


def _tiles(hall: _Hall) -> tuple[np.ndarray, np.ndarray]:
    """Where tiles are (n, k, 2), and which of them are not swept yet (n, k)."""
    return np.broadcast_to(hall.tiles, (*hall.swept.shape, 2)), ~hall.swept


class Seeker:
    """Puts the brush on the nearest wanted target, and backs off when stuck."""

    def __init__(self, envs: SandboxVectorEnv, targets: Targets) -> None:
        self.hall, self.targets = _Hall(envs), targets

    def __call__(self, obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Actions (n, 3): drive, steer, brush."""
        hall, n = self.hall, len(obs)
        if state is None:
            state = {"backing": np.zeros(n), "stuck": np.zeros(n), "turn": np.ones(n)}
            hall.swept[:] = False
        hall.swept |= hall.sensor("brush_in_tile") > 0
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
        matrix = self.hall.xmat[:, self.hall.sweeper]
        c, s = matrix[:, None, 0], matrix[:, None, 3]
        x, y = np.moveaxis(position - self.hall.xpos[:, None, self.hall.sweeper, :2], -1, 0)
        return c * x + s * y, c * y - s * x

    def _drive(self, ahead: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Turn to what is not ahead, back off from what is beside, and stop with the brush on it."""
        bearing, distance = np.arctan2(left, ahead), np.hypot(ahead, left)
        beside = (distance < self.hall.mouth + 0.12) & (np.abs(bearing) > 0.35)
        facing = np.clip(np.cos(bearing), 0, 1) ** 4
        onto = np.clip(4 * (distance - self.hall.mouth), -1, 1)
        drive = np.where(beside, -0.8, facing * onto)
        return np.stack([drive, np.clip(2.5 * bearing, -1, 1), np.ones_like(drive)], -1)

    def _unstick(self, action: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
        hall, stuck, backing = self.hall, state["stuck"], state["backing"]
        motion = np.abs(hall.sensor("speed")[:, 0]) + np.abs(hall.sensor("turn_rate")[:, 0])
        pushing = np.abs(action[:, :2]).max(1) > 0.6
        stuck[:] = np.where(pushing & (motion < 0.25), stuck + 1, 0)
        begin = (stuck > 6) & (backing <= 0)
        backing[begin] = BACKING
        state["turn"][begin] *= -1
        back = backing > 0
        action[back, 0] = -1.0
        action[back, 1] = 0.7 * state["turn"][back]
        backing -= 1
        stuck[back] = 0
        return action
