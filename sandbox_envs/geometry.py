"""Geometry: rotations, and in the plane vectors, poses, and distances to rounded boxes.

Poses are x, y, z in metres and yaw in radians; angles are also given as (cosine, sine).
"""

import mujoco
import numpy as np


def rotation_matrix(quat: np.ndarray) -> np.ndarray:
    """The matrix (3, 3) of a quaternion (4,)."""
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, quat)
    return matrix.reshape(3, 3)


def rotate(vector: np.ndarray, cos_sin: np.ndarray) -> np.ndarray:
    """Vectors (..., 2) turned in the plane by angles given as cosine and sine, (..., 2)."""
    x, y, c, s = vector[..., 0], vector[..., 1], cos_sin[..., 0], cos_sin[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], -1)


def into_axes(
    x: np.ndarray, y: np.ndarray, c: np.ndarray, s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A vector's components along an axis (c, s) and across it."""
    return c * x + s * y, c * y - s * x


def unit_vector(angle: np.ndarray) -> np.ndarray:
    """Cosine and sine of angles (...) in radians, (..., 2)."""
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def yaw_of(xmat: np.ndarray) -> np.ndarray:
    """The turn about z of rotation matrices (..., 9), in radians."""
    return np.arctan2(xmat[..., 3], xmat[..., 0])


def moved_with(pose: np.ndarray, rest: np.ndarray, body_pose: np.ndarray) -> np.ndarray:
    """Poses (h, 4) of things fixed to a body that has moved.

    Args:
        pose: where they are while the body is at `rest`, (h, 4).
        rest: the body's pose then, (4,).
        body_pose: the body's poses now, (h, 4).
    """
    apart = pose[:, :3] - rest[:3]
    turn = body_pose[:, 3] - rest[3]
    apart[:, :2] = rotate(apart[:, :2], unit_vector(turn))
    return np.concatenate([body_pose[:, :3] + apart, (pose[:, 3] + turn)[:, None]], 1)


def distance_to_boxes(
    points: np.ndarray, centre: np.ndarray, axis: np.ndarray, half: np.ndarray, radius: np.ndarray
) -> np.ndarray:
    """Distance of points to rounded boxes in the plane, in metres; 0 or less inside.

    Args:
        points: (e, t, 2).
        centre: of the boxes, (e, g, 2).
        axis: unit vectors along the boxes' first axis, (e, g, 2).
        half: half sizes, (g, 2).
        radius: of the rounding, (g,).

    Returns:
        (e, t, g).
    """
    x = points[:, :, None, 0] - centre[:, None, :, 0]
    y = points[:, :, None, 1] - centre[:, None, :, 1]
    x, y = into_axes(x, y, axis[:, None, :, 0], axis[:, None, :, 1])
    x, y = np.maximum(np.abs(x) - half[:, 0], 0), np.maximum(np.abs(y) - half[:, 1], 0)
    return np.sqrt(x * x + y * y) - radius
