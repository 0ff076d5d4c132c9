"""Opaque geoms: which lines of sight they cut, in plan view."""

import mujoco
import numpy as np

from sandbox_envs.arrays import columns
from sandbox_envs.geometry import into_axes
from sandbox_envs.spawn.footprint import Footprints

Vector = tuple[np.ndarray, np.ndarray]  # x and y


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
        """Whether each line of sight is cut, at the height of the eye.

        Arrays have the simulations last, so that numpy's inner loops run over them. Relative to
        the eye single precision is enough.

        Args:
            eye: its position in the world, (3, n).
            dx: from the eye to the points along x, (m, n).
            dy: from the eye to the points along y, (m, n).
            xpos: of the bodies, (n, bodies, 3).
            xmat: of the bodies, (n, bodies, 9).

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
        x, y = into_axes(x, y, c, s)
        x, y = x - self._offset[0], y - self._offset[1]
        x, y = _single(*into_axes(x, y, self._axis[0], self._axis[1]))  # ... and from its middle
        c, s = _single(*into_axes(self._axis[0], self._axis[1], c, -s))
        start = x[:, None], y[:, None]
        half = into_axes(*_single(dx / 2, dy / 2), c[:, None], s[:, None])
        box, disc = slice(None, self._boxes), slice(self._boxes, None)
        cut = np.empty(half[0].shape, bool)
        cut[box] = _meets_box(_part(start, box), _part(half, box), self._half32[box])
        cut[disc] = _meets_disc(_part(start, disc), _part(half, disc), self._radius32[disc])
        return (cut & there[:, None]).any(0)


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
