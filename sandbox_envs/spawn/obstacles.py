"""The obstacles that a placed body has to keep clear of."""

import mujoco
import numpy as np

from sandbox_envs.geometry import distance_to_boxes, unit_vector
from sandbox_envs.spawn.footprint import Footprints


class Obstacles:
    """Footprints of g geoms in the world, for e episodes, that a body has to keep clear of.

    Args:
        shapes: the footprints, fixed to their bodies.
        pose: of these bodies, (e, g, 4).
        needs: the footprints of the body to be placed; geoms above or below it do not count.
        model: the compiled scene.
    """

    def __init__(
        self, shapes: Footprints, pose: np.ndarray, needs: Footprints, model: mujoco.MjModel
    ) -> None:
        self.centre, self.axis = shapes.place(pose[..., :2], unit_vector(pose[..., 3]))
        self.half, self.radius = shapes.half, shapes.radius
        low = needs.low + model.body_pos[needs.body, 2] if len(needs) else np.zeros(1)
        high = needs.high + model.body_pos[needs.body, 2] if len(needs) else np.zeros(1)
        z = pose[..., 2]
        self.level = (z + shapes.low < high.max()) & (z + shapes.high > low.min())

    def clear(self, points: np.ndarray, reach: float, rows: np.ndarray) -> np.ndarray:
        """Whether discs around points (h, t, 2) touch no obstacle in episodes `rows`, (h, t)."""
        distance = distance_to_boxes(
            points, self.centre[rows], self.axis[rows], self.half, self.radius
        )
        free = ~self.level[rows][:, None] | (distance > reach)
        return np.asarray(free.all(-1))
