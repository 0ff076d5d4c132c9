"""Measure the effect of each actuator on a robot's motion, so that reflexes can steer any robot.

From the starts of some episodes each actuator is driven fully one way and then the other for half a
second, and the robot's motion is compared with idling. This tells a motor along the heading and one
about z from two that push to the sides, without any declaration in the scene. It works for robots
whose actuators have the same effect in the robot's frame whichever way it faces, and not for one
that is pushed along the room's axes and can turn freely.
"""

from dataclasses import dataclass

import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.geometry import rotation_matrix
from sandbox_envs.scene.scene import Scene

STARTS, SEED = 16, 0  # episodes whose starts are tried from
SECONDS = 0.5
LEAST = np.array([0.02, 0.02, 0.05])  # metres ahead, to the left, radians; less is no motion
SMALL = 0.25  # share of an actuator's or a motion's largest effect; smaller ones are ignored


@dataclass(frozen=True)
class Handling:
    """Controls that move a robot, and its actuators' ranges, which are in the actuators' units."""

    moves: np.ndarray
    """(3, actuators) control in [-1, 1] that goes ahead, goes left and turns left"""
    centre: np.ndarray
    """(actuators,) the middle of the control range"""
    half: np.ndarray
    """(actuators,) half of the control range"""
    largest: np.ndarray
    """(actuators,) the largest control, in magnitude"""

    @property
    def sidles(self) -> bool:
        """Whether it can go any way without turning."""
        return bool(self.moves[1].any())

    @property
    def turns(self) -> bool:
        """Whether it can turn."""
        return bool(self.moves[2].any())

    @property
    def spare(self) -> np.ndarray:
        """Mask (actuators,) of the actuators that do not move the robot: those of its tools."""
        return np.logical_not(self.moves.any(0))

    def actions(self, control: np.ndarray) -> np.ndarray:
        """Actions for control (n, actuators), in shares of each actuator's largest."""
        return np.clip((control * self.largest - self.centre) / self.half, -1, 1)

    def towards(self, bearing: np.ndarray) -> np.ndarray:
        """Control (n, actuators) that goes to a bearing (n,), in radians to the left of ahead."""
        if self.sidles:
            motion = np.stack([np.cos(bearing), np.sin(bearing), 0 * bearing], -1)
        else:
            facing = np.clip(np.cos(bearing), 0, 1) ** 4  # turn first, then go
            motion = np.stack([facing, 0 * bearing, np.clip(2.5 * bearing, -1, 1)], -1)
        return np.clip(motion @ self.moves, -1, 1)


def handling(scene: Scene) -> Handling:
    """Find out how the robot of a scene is moved."""
    low, high = scene.model.actuator_ctrlrange.T
    ranges = (low + high) / 2, (high - low) / 2, np.maximum(np.abs(low), np.abs(high))
    bare = Handling(np.zeros((3, scene.model.nu)), *ranges)
    trial = _Trial(scene, bare)
    still = trial.travel(np.zeros(scene.model.nu))
    effects = []
    for direction in np.eye(scene.model.nu):
        there, back = (trial.travel(s * direction) - still for s in (1, -1))
        effects.append(np.median((there - back) / 2, axis=0))
    return Handling(_moves(np.array(effects).T), *ranges)


def _moves(effects: np.ndarray) -> np.ndarray:
    """Control for each of three motions, from the effect of each actuator on them (3, actuators).

    An actuator serves the motion it is best at, and others that it is not much worse at.
    """
    share = effects / LEAST[:, None]
    best = np.abs(share).max(0, keepdims=True)
    of_actuator = np.abs(share) > np.maximum(SMALL * best, 1.0)
    most = np.abs(effects).max(1, keepdims=True)
    used = of_actuator & (np.abs(effects) > SMALL * most)
    return np.where(used, effects / np.maximum(most, 1e-12), 0.0)


class _Trial:
    """Simulations that are put back to the same starts for every trial."""

    def __init__(self, scene: Scene, bare: Handling) -> None:
        self.envs = SandboxVectorEnv(scene, STARTS, autoreset_mode=AutoresetMode.DISABLED)
        self.envs.reset(seed=SEED)
        self.start, self.bare = self.envs.get_state(), bare
        self.body, self.axes = robot(scene.model)
        self.view = self.envs.state_view()
        self.steps = max(round(SECONDS * scene.control_hz), 1)

    def travel(self, control: np.ndarray) -> np.ndarray:
        """Metres ahead and to the left, and radians turned, by constant control; (STARTS, 3)."""
        self.envs.set_state(self.start)
        place, (ahead, left) = self._pose()
        actions = np.tile(self.bare.actions(control), (STARTS, 1))
        for _ in range(self.steps):
            self.envs.step(actions)
        now, (facing, _) = self._pose()
        way = now - place
        turned = np.arctan2((facing * left).sum(1), (facing * ahead).sum(1))
        return np.stack([(way * ahead).sum(1), (way * left).sum(1), turned], -1)

    def _pose(self) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Place (n, 2), and which way is ahead and left (n, 2) each."""
        rotation = self.view.xmat[:, self.body].reshape(-1, 3, 3) @ self.axes
        ahead, left = rotation[:, :2, 0].copy(), rotation[:, :2, 1].copy()
        return self.view.xpos[:, self.body, :2].copy(), (ahead, left)


def robot(model: mujoco.MjModel) -> tuple[int, np.ndarray]:
    """The body that is steered, and its axes ahead and left (3, 2) in its own frame.

    It is what the site `eye` is on; without one, what the first actuator acts on.
    """
    eye = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, "eye")
    if eye >= 0:
        return int(model.site_bodyid[eye]), rotation_matrix(model.site_quat[eye])[:, :2]
    target = int(model.actuator_trnid[0, 0])
    on_site = model.actuator_trntype[0] == mujoco.mjtTrn.mjTRN_SITE.value
    body = model.site_bodyid[target] if on_site else model.jnt_bodyid[target]
    return int(body), np.eye(3)[:, :2]
