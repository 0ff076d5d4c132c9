"""Where bodies wait that take no part in an episode: parked far away, and how to tell."""

import numpy as np

PARKED = 1000.0  # metres from the origin along x and along y, at least
ABSENT_DISTANCE = 500.0  # metres from the origin; no room is as large, and nothing parked as near


def is_absent(position: np.ndarray) -> np.ndarray:
    """Which positions (..., 2 or 3), in metres, are those of absent bodies, (...) bool."""
    return (np.abs(position[..., :2]) >= ABSENT_DISTANCE).any(-1)
