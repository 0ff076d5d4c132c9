"""Geoms in plan view: what stands in the way, of a body to be placed or of a line of sight.

A footprint is a box in the plane with rounded corners: a sphere or an upright cylinder is a box
of no size with its radius around it, a wall is a box with radius 0. Anything else is the box
around it, which errs towards more room.
"""

import copy
import functools

import mujoco
import numpy as np

from sandbox_envs.geometry import rotate, rotation_matrix, yaw

_PLANE = mujoco.mjtGeom.mjGEOM_PLANE.value
_BOX, _SPHERE = mujoco.mjtGeom.mjGEOM_BOX.value, mujoco.mjtGeom.mjGEOM_SPHERE.value
_UPRIGHT = (mujoco.mjtGeom.mjGEOM_CYLINDER.value, mujoco.mjtGeom.mjGEOM_CAPSULE.value)

Vector = tuple[np.ndarray, np.ndarray]  # x and y


class Footprints:
    """The footprints of g geoms of a model, each fixed to its body; lengths are in metres.

    Args:
        model: the compiled scene.
        geoms: their ids; planes are left out.
        rest: poses of the model; with it, footprints are fixed not to the geom's own body but to
            the one on the world of which that is a part (a wheel to its robot), as it rests.
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
        self._keep(order)

    def _keep(self, which: np.ndarray) -> None:
        for name in ("geoms", "body", "offset", "axis", "half", "radius", "low", "high"):
            setattr(self, name, getattr(self, name)[which])

    def some(self, which: np.ndarray) -> "Footprints":
        """Those at an index or mask (g,)."""
        part = copy.copy(self)
        part.__dict__.pop("reach", None)  # which is that of all
        part._keep(which)
        return part

    def __len__(self) -> int:
        return len(self.body)

    @functools.cached_property
    def reach(self) -> float:
        """Radius of the circle around the body's origin that holds all of them."""
        if not len(self):
            return 0.0
        x, y = _into_axes(*self.offset.T[:2], *self.axis.T)
        corner = np.hypot(np.abs(x) + self.half[:, 0], np.abs(y) + self.half[:, 1])
        return float((corner + self.radius).max())

    def place(self, position: np.ndarray, cos_sin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centres and first axes in the world, both (..., g, 2), from the bodies' poses."""
        centre = position + rotate(self.offset[:, :2], cos_sin)
        return centre, rotate(self.axis, cos_sin)


class Screens(Footprints):
    """Footprints that hide what lies behind them."""

    def __init__(self, model: mujoco.MjModel, geoms: np.ndarray) -> None:
        super().__init__(model, geoms)
        self._boxes = int((self.radius == 0).sum())
        self._xyz = 3 * self.body + np.array([[0], [1], [2]])  # columns of xpos ...
        self._cos_sin = 9 * self.body + np.array([[0], [3]])  # ... and of xmat
        self._offset, self._axis = self.offset.T[:, :, None], self.axis.T[:, :, None]
        self._low, self._high = self.low[:, None], self.high[:, None]
        self._half32, self._radius32 = self.half.astype(np.float32), self.radius.astype(np.float32)

    def block(
        self, eye: np.ndarray, dx: np.ndarray, dy: np.ndarray, xpos: np.ndarray, xmat: np.ndarray
    ) -> np.ndarray:
        """Which lines of sight are cut, at the height of the eye.

        Arrays have the simulations last, so that numpy's inner loops run over them; from the eye
        on single precision is plenty.

        Args:
            eye: (3, n) in the world. dx, dy: (m, n), from the eye to the points.
            xpos: (n, bodies, 3). xmat: (n, bodies, 9).

        Returns:
            (m, n) bool.
        """
        if not len(self):
            return np.zeros(dx.shape, bool)
        x, y, z = columns(xpos, self._xyz)
        c, s = columns(xmat, self._cos_sin)
        height = eye[2] - z
        there = (height > self._low) & (height < self._high)
        x, y = eye[0] - x, eye[1] - y  # from the body to the eye, then in its frame ...
        x, y = _into_axes(x, y, c, s)
        x, y = x - self._offset[0], y - self._offset[1]
        x, y = _single(*_into_axes(x, y, self._axis[0], self._axis[1]))  # ... and from its middle
        c, s = _single(*_into_axes(self._axis[0], self._axis[1], c, -s))
        start = x[:, None], y[:, None]
        half = _into_axes(*_single(dx / 2, dy / 2), c[:, None], s[:, None])
        box, disc = slice(None, self._boxes), slice(self._boxes, None)
        cut = np.empty(half[0].shape, bool)
        cut[box] = _meets_box(_part(start, box), _part(half, box), self._half32[box])
        cut[disc] = _meets_disc(_part(start, disc), _part(half, disc), self._radius32[disc])
        return (cut & there[:, None]).any(0)


def distance_to_boxes(
    points: np.ndarray, centre: np.ndarray, axis: np.ndarray, half: np.ndarray, radius: np.ndarray
) -> np.ndarray:
    """Distance of points to rounded boxes in the plane; 0 or less inside (of the rounding).

    points: (e, t, 2). centre, axis: (e, g, 2). half: (g, 2). radius: (g,). Returns (e, t, g).
    """
    x = points[:, :, None, 0] - centre[:, None, :, 0]
    y = points[:, :, None, 1] - centre[:, None, :, 1]
    x, y = _into_axes(x, y, axis[:, None, :, 0], axis[:, None, :, 1])
    x, y = np.maximum(np.abs(x) - half[:, 0], 0), np.maximum(np.abs(y) - half[:, 1], 0)
    return np.sqrt(x * x + y * y) - radius


def _apply(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return (matrix @ vector[..., None])[..., 0]


def _upright(xmat: np.ndarray) -> np.ndarray:
    """Rotations (g, 3, 3) that undo the yaw of bodies turned by xmat (g, 9), and only that."""
    angle = yaw(xmat)
    c, s, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
    rows = [c, s, zero, -s, c, zero, zero, zero, zero + 1]
    return np.stack(rows, -1).reshape(-1, 3, 3)


def columns(field: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Columns of an array (n, ...), each row read as one long row; index's shape + (n,).

    Much faster than indexing the second axis, which copies number by number.
    """
    return field.reshape(len(field), -1).T[index]


def _into_axes(x: np.ndarray, y: np.ndarray, c: np.ndarray, s: np.ndarray) -> Vector:
    """A vector's components along an axis (c, s) and across it."""
    return c * x + s * y, c * y - s * x


def _single(x: np.ndarray, y: np.ndarray) -> Vector:
    return x.astype(np.float32), y.astype(np.float32)


def _part(vector: Vector, which: slice) -> Vector:
    return vector[0][which], vector[1][which]


def _meets_box(start: Vector, half: Vector, size: np.ndarray) -> np.ndarray:
    """Whether segments (g, m, n) meet boxes around 0 of half sizes (g, 2).

    By separating axes: the box's two and the segment's normal (Ericson, Real-Time Collision
    Detection, 2005, section 5.3.3). The segment goes from start to start + 2 half.
    """
    a, b = size[:, 0, None, None], size[:, 1, None, None]
    reach_x, reach_y = np.abs(half[0]), np.abs(half[1])
    meets = np.abs(start[0] + half[0]) < a + reach_x
    meets &= np.abs(start[1] + half[1]) < b + reach_y
    meets &= np.abs(start[0] * half[1] - start[1] * half[0]) < a * reach_y + b * reach_x
    return meets


def _meets_disc(start: Vector, half: Vector, radius: np.ndarray) -> np.ndarray:
    """Whether segments (g, m, n) from start to start + 2 half come within radii (g,) of 0."""
    (x, y), (hx, hy) = start, half
    length2 = np.maximum(hx * hx + hy * hy, 1e-12)
    nearest = np.clip(-(x * hx + y * hy) / length2, 0, 2)
    dx, dy = x + nearest * hx, y + nearest * hy
    return dx * dx + dy * dy < np.square(radius)[:, None, None]
