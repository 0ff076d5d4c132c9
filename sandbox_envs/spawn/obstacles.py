"""What a body that is placed has to keep clear of."""

import mujoco
import numpy as np

from sandbox_envs.spawn.footprint import Footprints
from sandbox_envs.spawn.geometry import distance_to_boxes, unit_vector


class Obstacles:
    """Footprints in the world, for e episodes, that a body of some height has to keep clear of."""

    def __init__(
        self, shapes: Footprints, pose: np.ndarray, needs: Footprints, model: mujoco.MjModel
    ) -> None:
        self.centre, self.axis = shapes.place(pose[..., :2], unit_vector(pose[..., 3]))
        self.half, self.radius = shapes.half, shapes.radius
        low = needs.low + model.body_pos[needs.body, 2] if len(needs) else np.zeros(1)
        high = needs.high + model.body_pos[needs.body, 2] if len(needs) else np.zeros(1)
        z = pose[..., 2]
        self.level = (z + shapes.low < high.max()) & (z + shapes.high > low.min())

    def clear(self, points: np.ndarray, reach: float, here: np.ndarray) -> np.ndarray:
        """Whether discs of radius `reach` around points (h, t, 2) touch none of them, (h, t)."""
        distance = distance_to_boxes(
            points, self.centre[here], self.axis[here], self.half, self.radius
        )
        free = ~self.level[here][:, None] | (distance > reach)
        return np.asarray(free.all(-1))
