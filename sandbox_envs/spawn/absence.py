"""Bodies that take no part in an episode: parked far away, since MuJoCo cannot remove them."""

import numpy as np

# Metres from the origin, along any axis, beyond which a body counts as absent. Scenes are some
# metres wide, so no present body comes near this, and absent bodies are parked at twice the
# distance, so that none which drifts during an episode comes back within it.
ABSENT_DISTANCE = 500.0
PARKED = 2 * ABSENT_DISTANCE


def is_absent(xpos: np.ndarray) -> np.ndarray:
    """Whether bodies at positions (..., 2 or 3), in metres, are absent, (...) bool."""
    return np.asarray(~(np.abs(xpos) < ABSENT_DISTANCE).all(-1))
