"""Rotations: of quaternions, and in the plane."""

import mujoco
import numpy as np


def rotation_matrix(quat: np.ndarray) -> np.ndarray:
    """The matrix (3, 3) of a quaternion (4,)."""
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, quat)
    return matrix.reshape(3, 3)


def yaw(xmat: np.ndarray) -> np.ndarray:
    """The turn about z of rotation matrices (..., 9), in radians."""
    return np.arctan2(xmat[..., 3], xmat[..., 0])


def cos_sin(angle: np.ndarray) -> np.ndarray:
    """Cosine and sine (..., 2) of angles (...) in radians."""
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def rotate(vector: np.ndarray, cos_sin: np.ndarray) -> np.ndarray:
    """Vectors (..., 2) turned in the plane by angles given as cosine and sine, (..., 2)."""
    x, y, c, s = vector[..., 0], vector[..., 1], cos_sin[..., 0], cos_sin[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], -1)
