"""The bodies that spawn texts can place: which they are, their room, and their state."""

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError
from sandbox_envs.spawn.absence import PARKED
from sandbox_envs.spawn.footprint import Footprints
from sandbox_envs.spawn.grammar import Rule
from sandbox_envs.spawn.start import Start

_SLIDE, _HINGE, _FREE = (
    mujoco.mjtJoint.mjJNT_SLIDE.value,
    mujoco.mjtJoint.mjJNT_HINGE.value,
    mujoco.mjtJoint.mjJNT_FREE.value,
)
_YAW = 3  # its index in a pose x, y, z, yaw


class Placeable:
    """The bodies of a scene as spawn rules place them.

    Args:
        model: the compiled scene.
        rest: the model at rest, with its kinematics.

    `needs` holds the footprints of each body on the world with all its parts, `shapes` those of
    all geoms that collide, and `parking` the distance in metres between absent bodies.
    """

    def __init__(self, model: mujoco.MjModel, rest: mujoco.MjData) -> None:
        self.model = model
        self.data = rest
        self.collides = (model.geom_contype | model.geom_conaffinity) != 0
        self.needs = {}
        for body in np.flatnonzero(model.body_parentid == 0):
            geoms = np.flatnonzero((model.body_rootid[model.geom_bodyid] == body) & self.collides)
            self.needs[int(body)] = Footprints(model, geoms, self.data)
        self.shapes = Footprints(model, np.flatnonzero(self.collides), self.data)
        self.parking = 2 * max(needs.reach for needs in self.needs.values()) + 0.1

    def check(self, rule: Rule) -> None:
        """Raise SceneError unless every body of the rule can be placed."""
        for body in () if rule.never else rule.bodies:
            joints = self.joints(body)
            along = [self._coordinate(joint) for joint in joints]
            # a hinge turns the slides that follow it, so it is the last
            planar = {0, 1} <= set(along) <= {0, 1, 2, _YAW} and _YAW not in along[:-1]
            planar &= len(set(along)) == len(along)
            planar &= bool((self.model.body_quat[body] == [1, 0, 0, 0]).all())
            planar &= not self.model.jnt_pos[joints].any()
            free = [int(self.model.jnt_type[joint]) for joint in joints] == [_FREE]
            top = self.model.body_parentid[body] == 0
            if not (top and (self.model.body_mocapid[body] >= 0 or free or planar)):
                raise SceneError(
                    f"{rule.where}: '{self.model.body(body).name}' cannot be placed; it needs to "
                    "stand in the worldbody and be mocap, have a freejoint, or, without a turn of "
                    "its own, slide joints along x, y and perhaps z, then perhaps a hinge about z"
                )

    def _coordinate(self, joint: int) -> int:
        """The index in a pose of what a joint moves: x, y, z or the yaw; -1 if none of these."""
        kind, axis = int(self.model.jnt_type[joint]), np.round(self.model.jnt_axis[joint], 6)
        if kind == _SLIDE and sorted(axis) == [0, 0, 1]:
            return int(axis.argmax())
        return _YAW if kind == _HINGE and tuple(axis) == (0, 0, 1) else -1

    def parked(self, body: int) -> np.ndarray:
        """The pose (4,) of an absent body, far from the room and from other absent bodies.

        They are parked along the x axis alone: MuJoCo's boxes for finding collisions are aligned
        with the axes along which bodies lie scattered, and so with most rooms' walls.
        """
        x, z = PARKED + body * self.parking, self.model.body_pos[body, 2]
        return np.array([x, 0.0, z, 0.0])

    def joints(self, body: int) -> list[int]:
        """Ids of the body's own joints."""
        first = self.model.body_jntadr[body]
        return list(range(first, first + self.model.body_jntnum[body]))

    def write(self, start: Start, body: int, pose: np.ndarray) -> None:
        """Put the body at poses (e, 4): x, y, z in metres and yaw in radians."""
        model = self.model
        half = pose[:, 3] / 2
        quat = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], -1)
        mocap = model.body_mocapid[body]
        if mocap >= 0:
            start.mocap_pos[:, mocap], start.mocap_quat[:, mocap] = pose[:, :3], quat
            return
        joints = self.joints(body)
        if not joints:  # it is in no episode, and stands where it is parked
            return
        at = model.jnt_qposadr[joints[0]]
        if model.jnt_type[joints[0]] == _FREE:
            start.qpos[:, at : at + 3], start.qpos[:, at + 3 : at + 7] = pose[:, :3], quat
            return
        move = np.column_stack([pose[:, :3] - model.body_pos[body], pose[:, 3]])
        end = at + len(joints)
        along = [self._coordinate(joint) for joint in joints]
        start.qpos[:, at:end] = model.qpos0[at:end] + move[:, along]
