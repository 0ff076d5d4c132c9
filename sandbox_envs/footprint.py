"""Geoms in plan view: what stands in the way, of a body to be placed or of a line of sight.

A footprint is a box in the plane with rounded corners: a sphere or an upright cylinder is a box
of no size with its radius around it, a wall is a box with radius 0. Anything else is the box
around it, which errs towards more room.
"""

import mujoco
import numpy as np

_PLANE = mujoco.mjtGeom.mjGEOM_PLANE.value
_BOX, _SPHERE = mujoco.mjtGeom.mjGEOM_BOX.value, mujoco.mjtGeom.mjGEOM_SPHERE.value
_UPRIGHT = (mujoco.mjtGeom.mjGEOM_CYLINDER.value, mujoco.mjtGeom.mjGEOM_CAPSULE.value)

Vector = tuple[np.ndarray, np.ndarray]  # x and y


class Footprints:
    """The footprints of g geoms of a model, each fixed to its body.

    geoms, body: (g,) ids. offset: (g, 3) in the body's frame. axis: (g, 2), the box's first axis
    in the body's frame. half: (g, 2) half sizes. radius: (g,). low, high: (g,), the geom's
    reach in z from the body. Metres throughout.

    Args:
        model: the compiled scene.
        geoms: their ids; planes are left out.
        rest: poses of the model; with it, footprints are fixed not to the geom's own body but to
            the one on the world of which that is a part (a wheel to its robot), as it rests.
    """

    def __init__(
        self, model: mujoco.MjModel, geoms: np.ndarray, rest: mujoco.MjData | None = None
    ) -> None:
        geoms = geoms[model.geom_type[geoms] != _PLANE]
        if rest is None:
            self.body, self.offset = model.geom_bodyid[geoms], model.geom_pos[geoms]
            rotation = np.array([_matrix(q) for q in model.geom_quat[geoms]]).reshape(-1, 3, 3)
        else:
            self.body = model.body_rootid[model.geom_bodyid[geoms]]
            turn = _upright(rest.xmat[self.body])
            self.offset = _apply(turn, rest.geom_xpos[geoms] - rest.xpos[self.body])
            rotation = turn @ rest.geom_xmat[geoms].reshape(-1, 3, 3)
        kind, size, aabb = (x[geoms] for x in (model.geom_type, model.geom_size, model.geom_aabb))
        upright = np.abs(rotation[:, 2, 2]) > 0.999
        box = upright & (kind == _BOX)
        ball = kind == _SPHERE
        round_ = ball | (upright & np.isin(kind, _UPRIGHT))
        self.offset = self.offset + _apply(rotation, aabb[:, :3])
        extent = np.where(ball[:, None], size[:, :1], _apply(np.abs(rotation), aabb[:, 3:]))
        self.axis = np.where(box[:, None], rotation[:, :2, 0], [1.0, 0.0])
        around = np.where(box[:, None], size[:, :2], extent[:, :2])
        self.half = np.where(round_[:, None], 0.0, around)
        self.radius = np.where(round_, size[:, 0], 0.0)
        self.low, self.high = self.offset[:, 2] - extent[:, 2], self.offset[:, 2] + extent[:, 2]
        self.geoms = geoms
        order = np.argsort(self.radius > 0, kind="stable")  # boxes first, so that each is a slice
        for name in ("geoms", "body", "offset", "axis", "half", "radius", "low", "high"):
            setattr(self, name, getattr(self, name)[order])
        self._boxes = int((self.radius == 0).sum())
        self._half32, self._radius32 = self.half.astype(np.float32), self.radius.astype(np.float32)

    def __len__(self) -> int:
        return len(self.body)

    @property
    def reach(self) -> float:
        """Radius of the circle around the body's origin that holds all of them."""
        if not len(self):
            return 0.0
        corner = np.abs(_into_frame(self.offset[:, :2], self.axis)) + self.half
        return float((np.hypot(*corner.T) + self.radius).max())

    def block(
        self, eye: np.ndarray, points: np.ndarray, xpos: np.ndarray, xmat: np.ndarray
    ) -> np.ndarray:
        """Which lines from the eye to the points are cut, at the height of the eye.

        Args:
            eye: (n, 3). points: (n, m, 2). xpos: (n, bodies, 3). xmat: (n, bodies, 9).

        Returns:
            (n, m) bool.
        """
        if not len(self):
            return np.zeros(points.shape[:2], bool)
        position, cos_sin = xpos[:, self.body], xmat[:, self.body][..., [0, 3]]
        centre, axis = self.place(position[..., :2], cos_sin)
        height = eye[:, 2:] - position[..., 2]
        there = (height > self.low) & (height < self.high)
        # from here on relative to the eye, where single precision is plenty: (n, g, 1), (n, 1, m)
        x, y = np.moveaxis((eye[:, None, :2] - centre).astype(np.float32)[..., None], 2, 0)
        c, s = np.moveaxis(axis.astype(np.float32)[..., None], 2, 0)
        dx, dy = np.moveaxis((points - eye[:, None, :2]).astype(np.float32)[:, None], 3, 0)
        start = c * x + s * y, c * y - s * x
        along = c * dx + s * dy, c * dy - s * dx
        cut = np.empty(along[0].shape, bool)
        box, disc = slice(None, self._boxes), slice(self._boxes, None)
        cut[:, box] = _meets_box(_part(start, box), _part(along, box), self._half32[box])
        cut[:, disc] = _meets_disc(_part(start, disc), _part(along, disc), self._radius32[disc])
        return (there[..., None] & cut).any(1)

    def place(self, position: np.ndarray, cos_sin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centres and first axes in the world, both (..., g, 2), from the bodies' poses."""
        centre = position + rotate(self.offset[:, :2], cos_sin)
        return centre, rotate(self.axis, cos_sin)


def distance_to_boxes(
    points: np.ndarray, centre: np.ndarray, axis: np.ndarray, half: np.ndarray, radius: np.ndarray
) -> np.ndarray:
    """Distance of points to rounded boxes in the plane; 0 or less inside (of the rounding).

    points: (e, t, 2). centre, axis: (e, g, 2). half: (g, 2). radius: (g,). Returns (e, t, g).
    """
    local = _into_frame(points[:, :, None] - centre[:, None], axis[:, None])
    outside = np.maximum(np.abs(local) - half, 0)
    return np.hypot(outside[..., 0], outside[..., 1]) - radius


def _matrix(quat: np.ndarray) -> np.ndarray:
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, quat)
    return matrix.reshape(3, 3)


def rotate(vector: np.ndarray, cos_sin: np.ndarray) -> np.ndarray:
    """Vectors (..., 2) turned in the plane by angles given as cosine and sine, (..., 2)."""
    (x, y), (c, s) = np.moveaxis(vector, -1, 0), np.moveaxis(cos_sin, -1, 0)
    return np.stack([c * x - s * y, s * x + c * y], -1)


def _apply(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return (matrix @ vector[..., None])[..., 0]


def _upright(xmat: np.ndarray) -> np.ndarray:
    """Rotations (g, 3, 3) that undo the yaw of bodies turned by xmat (g, 9), and only that."""
    yaw = np.arctan2(xmat[:, 3], xmat[:, 0])
    c, s, zero = np.cos(yaw), np.sin(yaw), np.zeros_like(yaw)
    rows = [c, s, zero, -s, c, zero, zero, zero, zero + 1]
    return np.stack(rows, -1).reshape(-1, 3, 3)


def _into_frame(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    (x, y), (c, s) = np.moveaxis(vector, -1, 0), np.moveaxis(axis, -1, 0)
    return np.stack([c * x + s * y, c * y - s * x], -1)


def _part(vector: Vector, which: slice) -> Vector:
    return vector[0][:, which], vector[1][:, which]


def _meets_box(start: Vector, along: Vector, half: np.ndarray) -> np.ndarray:
    """Whether segments (n, g, m) meet boxes around 0 of half sizes (g, 2).

    By separating axes: the box's two and the segment's normal (Ericson, Real-Time Collision
    Detection, 2005, section 5.3.3).
    """
    a, b = half[:, 0, None], half[:, 1, None]
    hx, hy = along[0] / 2, along[1] / 2
    mx, my = start[0] + hx, start[1] + hy
    reach_x, reach_y = np.abs(hx), np.abs(hy)
    meets = np.abs(mx) < a + reach_x
    meets &= np.abs(my) < b + reach_y
    meets &= np.abs(mx * hy - my * hx) < a * reach_y + b * reach_x
    return meets


def _meets_disc(start: Vector, along: Vector, radius: np.ndarray) -> np.ndarray:
    """Whether segments (n, g, m) come within the radii (g,) of 0."""
    (x, y), (dx, dy) = start, along
    length2 = np.maximum(dx * dx + dy * dy, 1e-12)
    nearest = np.clip(-(x * dx + y * dy) / length2, 0, 1)
    return np.hypot(x + nearest * dx, y + nearest * dy) < radius[:, None]
