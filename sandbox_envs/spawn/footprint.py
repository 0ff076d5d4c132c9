"""Geoms in plan view, as obstacles to a body that is placed or to a line of sight.

A footprint is a box in the plane with rounded corners: a sphere or an upright cylinder is a box
of no size with its radius around it, a wall is a box with radius 0. Any other geom has the box
around it as its footprint, which errs towards more room.
"""

import copy
import functools

import mujoco
import numpy as np

from sandbox_envs.geometry import into_axes, rotate, rotation_matrix, yaw_of

_PLANE = mujoco.mjtGeom.mjGEOM_PLANE.value
_BOX, _SPHERE = mujoco.mjtGeom.mjGEOM_BOX.value, mujoco.mjtGeom.mjGEOM_SPHERE.value
_CYLINDER, _CAPSULE = mujoco.mjtGeom.mjGEOM_CYLINDER.value, mujoco.mjtGeom.mjGEOM_CAPSULE.value


class Footprints:
    """The footprints of g geoms of a model, each fixed to its body; lengths are in metres.

    Args:
        model: the compiled scene.
        geoms: their ids; planes are left out.
        rest: the model at rest. If given, a footprint is fixed to the body on the world that its
            geom is a part of (a wheel's to the robot), as it rests, and not to the geom's own body.
    """

    geoms: np.ndarray
    """(g,) ids of the geoms"""
    body: np.ndarray
    """(g,) ids of the bodies that they are fixed to"""
    offset: np.ndarray
    """(g, 3) their centres in the body's frame"""
    axis: np.ndarray
    """(g, 2) the box's first axis in the body's frame"""
    half: np.ndarray
    """(g, 2) half sizes of the box"""
    radius: np.ndarray
    """(g,) the rounding around the box"""
    low: np.ndarray
    """(g,) the lowest z of the geom, from the body"""
    high: np.ndarray
    """(g,) the highest z of the geom, from the body"""

    def __init__(
        self, model: mujoco.MjModel, geoms: np.ndarray, rest: mujoco.MjData | None = None
    ) -> None:
        geoms = geoms[model.geom_type[geoms] != _PLANE]
        if rest is None:
            self.body, self.offset = model.geom_bodyid[geoms], model.geom_pos[geoms]
            rotation = np.array([rotation_matrix(q) for q in model.geom_quat[geoms]]).reshape(
                -1, 3, 3
            )
        else:
            self.body = model.body_rootid[model.geom_bodyid[geoms]]
            turn = _upright(rest.xmat[self.body])
            self.offset = _apply(turn, rest.geom_xpos[geoms] - rest.xpos[self.body])
            rotation = turn @ rest.geom_xmat[geoms].reshape(-1, 3, 3)
        kind, size, aabb = (x[geoms] for x in (model.geom_type, model.geom_size, model.geom_aabb))
        upright = np.abs(rotation[:, 2, 2]) > 0.999
        box = upright & (kind == _BOX)
        ball = kind == _SPHERE
        round_ = ball | (upright & ((kind == _CYLINDER) | (kind == _CAPSULE)))
        self.offset = self.offset + _apply(rotation, aabb[:, :3])
        extent = np.where(ball[:, None], size[:, :1], _apply(np.abs(rotation), aabb[:, 3:]))
        self.axis = np.where(box[:, None], rotation[:, :2, 0], [1.0, 0.0])
        around = np.where(box[:, None], size[:, :2], extent[:, :2])
        self.half = np.where(round_[:, None], 0.0, around)
        self.radius = np.where(round_, size[:, 0], 0.0)
        self.low, self.high = self.offset[:, 2] - extent[:, 2], self.offset[:, 2] + extent[:, 2]
        self.geoms = geoms
        order = np.argsort(self.radius > 0, kind="stable")  # boxes first, so that each is a slice
        self._keep(order)

    def _keep(self, which: np.ndarray) -> None:
        for name in ("geoms", "body", "offset", "axis", "half", "radius", "low", "high"):
            setattr(self, name, getattr(self, name)[which])

    def some(self, which: np.ndarray) -> "Footprints":
        """The footprints at an index or mask (g,)."""
        part = copy.copy(self)
        part.__dict__.pop("reach", None)  # the cached one is that of all footprints
        part._keep(which)
        return part

    def __len__(self) -> int:
        return len(self.body)

    @functools.cached_property
    def reach(self) -> float:
        """Radius of the circle around the body's origin that holds all of them."""
        if not len(self):
            return 0.0
        x, y = into_axes(*self.offset.T[:2], *self.axis.T)
        corner = np.hypot(np.abs(x) + self.half[:, 0], np.abs(y) + self.half[:, 1])
        return float((corner + self.radius).max())

    def place(self, position: np.ndarray, cos_sin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centres and first axes in the world, both (..., g, 2).

        Args:
            position: of the bodies, (..., g, 2).
            cos_sin: cosine and sine of their yaw, (..., g, 2).
        """
        centre = position + rotate(self.offset[:, :2], cos_sin)
        return centre, rotate(self.axis, cos_sin)


def _apply(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return (matrix @ vector[..., None])[..., 0]


def _upright(xmat: np.ndarray) -> np.ndarray:
    """Rotations (g, 3, 3) that undo the yaw of bodies turned by xmat (g, 9), and only that."""
    angle = yaw_of(xmat)
    c, s, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
    rows = [c, s, zero, -s, c, zero, zero, zero, zero + 1]
    return np.stack(rows, -1).reshape(-1, 3, 3)
