"""Geoms in plan view: what stands in the way, of a body to be placed or of a line of sight.

A footprint is a box in the plane with rounded corners: a sphere or an upright cylinder is a box
of no size with its radius around it, a wall is a box with radius 0. Anything else is a circle
around it, which errs towards more room.
"""

import mujoco
import numpy as np

_PLANE = mujoco.mjtGeom.mjGEOM_PLANE.value
_BOX, _SPHERE = mujoco.mjtGeom.mjGEOM_BOX.value, mujoco.mjtGeom.mjGEOM_SPHERE.value
_UPRIGHT = (mujoco.mjtGeom.mjGEOM_CYLINDER.value, mujoco.mjtGeom.mjGEOM_CAPSULE.value)


class Footprints:
    """The footprints of g geoms of a model, each fixed to its body.

    body: (g,) body ids. offset: (g, 3) in the body's frame. axis: (g, 2), the box's first axis
    in the body's frame. half: (g, 2) half sizes. radius: (g,). low, high: (g,), the geom's
    reach in z from the body. Metres throughout.
    """

    def __init__(self, model: mujoco.MjModel, geoms: np.ndarray) -> None:
        geoms = geoms[model.geom_type[geoms] != _PLANE]
        self.geoms = geoms
        self.body = model.geom_bodyid[geoms]
        self.offset = model.geom_pos[geoms]
        rotation = np.array([_matrix(q) for q in model.geom_quat[geoms]]).reshape(-1, 3, 3)
        upright = np.abs(rotation[:, 2, 2]) > 0.999
        kind, size = model.geom_type[geoms], model.geom_size[geoms]
        box = upright & (kind == _BOX)
        round_ = (kind == _SPHERE) | (upright & np.isin(kind, _UPRIGHT))
        self.axis = np.where(box[:, None], rotation[:, :2, 0], [1.0, 0.0])
        self.half = np.where(box[:, None], size[:, :2], 0.0)
        bound = model.geom_rbound[geoms]
        self.radius = np.where(box, 0.0, np.where(round_, size[:, 0], bound))
        tall = np.where(box, size[:, 2], bound)
        self.low, self.high = self.offset[:, 2] - tall, self.offset[:, 2] + tall

    def __len__(self) -> int:
        return len(self.body)

    @property
    def reach(self) -> float:
        """Radius of the circle around the body's origin that holds all of them."""
        if not len(self):
            return 0.0
        out = np.hypot(*self.offset[:, :2].T) + np.hypot(*self.half.T) + self.radius
        return float(out.max())

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
        centre, along = self.place(position[..., :2], cos_sin)
        across = along[..., ::-1] * [-1.0, 1.0]
        height = eye[:, 2:] - position[..., 2]
        there = (height > self.low) & (height < self.high)
        half = (self.half + self.radius[:, None]).astype(np.float32)
        centre, along, across = (x.astype(np.float32) for x in (centre, along, across))
        start = eye[:, None, :2].astype(np.float32) - centre
        ends = points.swapaxes(1, 2).astype(np.float32)
        x0, y0 = (start * along).sum(-1)[..., None], (start * across).sum(-1)[..., None]
        x1 = along @ ends - (along * centre).sum(-1)[..., None]  # (n, g, m)
        y1 = across @ ends - (across * centre).sum(-1)[..., None]
        return (there[..., None] & _segment_meets_box(x0, y0, x1, y1, half)).any(1)

    def place(self, position: np.ndarray, cos_sin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centres and first axes in the world, both (..., g, 2), from the bodies' poses."""
        centre = position + _rotate(self.offset[:, :2], cos_sin)
        return centre, _rotate(self.axis, cos_sin)


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


def _rotate(vector: np.ndarray, cos_sin: np.ndarray) -> np.ndarray:
    (x, y), (c, s) = np.moveaxis(vector, -1, 0), np.moveaxis(cos_sin, -1, 0)
    return np.stack([c * x - s * y, s * x + c * y], -1)


def _into_frame(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    (x, y), (c, s) = np.moveaxis(vector, -1, 0), np.moveaxis(axis, -1, 0)
    return np.stack([c * x + s * y, c * y - s * x], -1)


def _segment_meets_box(
    x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray, half: np.ndarray
) -> np.ndarray:
    """Whether segments from (x0, y0) to (x1, y1), (n, g, m), meet boxes of half sizes (g, 2).

    By separating axes: the box's two and the segment's normal (Ericson, Real-Time Collision
    Detection, 2005, section 5.3.3).
    """
    a, b = half[:, 0, None], half[:, 1, None]
    mx, my, hx, hy = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2
    reach_x, reach_y = np.abs(hx), np.abs(hy)
    meets = np.abs(mx) < a + reach_x
    meets &= np.abs(my) < b + reach_y
    meets &= np.abs(mx * hy - my * hx) < a * reach_y + b * reach_x
    return meets
