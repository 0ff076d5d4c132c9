"""A check that actuators are strong enough to move anything."""

from collections.abc import Iterator

import mujoco
import numpy as np
from mujoco.batch import Batch

from sandbox_envs.checks.finding import Remark
from sandbox_envs.scene.scene import Scene

ROOM = 0.02  # share of the room that a slide or a thruster should move by
RANGE = 0.05  # share of its range that a limited joint should move by
SECONDS = 1.0  # of an episode: in less time nothing needs to move
ANGLE = np.deg2rad(2)  # that a hinge should move by
_JOINTS = (mujoco.mjtTrn.mjTRN_JOINT.value, mujoco.mjtTrn.mjTRN_JOINTINPARENT.value)
_HINGE, _SLIDE = mujoco.mjtJoint.mjJNT_HINGE.value, mujoco.mjtJoint.mjJNT_SLIDE.value


class Motors:
    """The largest movement of what each actuator acts on in some simulations under full control.

    Only actuators on hinges, slides and sites are looked at.

    Args:
        scene: the scene.
        batch: its simulations, at the start of an episode.
        driven: slice of those that are controlled.
    """

    def __init__(self, scene: Scene, batch: Batch, driven: slice) -> None:
        self.model, model, self._seconds = scene.model, scene.model, scene.episode_seconds
        self._qpos, self._sites = batch.bind("qpos"), batch.bind("site_xpos")
        self._driven = driven
        self._places: dict[int, np.ndarray] = {}  # actuator -> (n, 1 or 3)
        for i in range(model.nu):
            kind, target = int(model.actuator_trntype[i]), int(model.actuator_trnid[i, 0])
            if kind in _JOINTS and model.jnt_type[target] in (_HINGE, _SLIDE):
                self._places[i] = self._qpos[:, model.jnt_qposadr[target], None]
            elif kind == mujoco.mjtTrn.mjTRN_SITE.value:
                self._places[i] = self._sites[:, target]
        self._first = {i: place[driven].copy() for i, place in self._places.items()}
        self.far = dict.fromkeys(self._places, 0.0)

    def add(self) -> None:
        """Take in where everything is now."""
        for i, place in self._places.items():
            way = np.linalg.norm(place[self._driven] - self._first[i], axis=-1).max()
            self.far[i] = max(self.far[i], float(way))

    def findings(self, room: float) -> Iterator[Remark]:
        """Remarks about actuators that moved next to nothing; room: its size in metres."""
        if self._seconds < SECONDS:
            return
        for i, far in self.far.items():
            if far < self._least(i, room):
                most = f"{np.rad2deg(far):.2g} degrees" if self._is_hinge(i) else f"{far:.2g} m"
                yield (
                    "warning",
                    f", actuator '{self.model.actuator(i).name}': under full control it moved by "
                    f"at most {most}; make its ctrlrange or gear larger, or masses, damping and "
                    "friction smaller",
                )

    def _is_hinge(self, actuator: int) -> bool:
        joint = self.model.actuator_trnid[actuator, 0]
        on_joint = self.model.actuator_trntype[actuator] in _JOINTS
        return bool(on_joint and self.model.jnt_type[joint] == _HINGE)

    def _least(self, actuator: int, room: float) -> float:
        model, joint = self.model, int(self.model.actuator_trnid[actuator, 0])
        least = ANGLE if self._is_hinge(actuator) else ROOM * room
        if model.actuator_trntype[actuator] in _JOINTS and model.jnt_limited[joint]:
            least = min(least, RANGE * float(np.ptp(model.jnt_range[joint])))
        return float(least)
