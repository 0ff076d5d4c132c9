"""Checks that bodies stay in the room, do not enter each other, and are slow enough."""

from collections.abc import Iterator

import mujoco
import numpy as np

from sandbox_envs.checks.finding import Remark
from sandbox_envs.checks.starts import geom_name
from sandbox_envs.names import stem_of
from sandbox_envs.scene.scene import Scene
from sandbox_envs.spawn.absence import is_absent

MARGIN = 0.05  # share of the room's size by which a body may leave it
RUNAWAY = 4.0  # how many times faster bodies may become with the motors off
SLOW = 0.1  # metres per second, below which that does not matter


class Bounds:
    """A record of the moving bodies of n simulations: escapes, speeds and penetration depths.

    Args:
        scene: the scene.
        xpos: (n, bodies, 3), all positions at the start, in metres.
        idle: slice of the simulations whose control is zero.
    """

    def __init__(self, scene: Scene, xpos: np.ndarray, idle: slice) -> None:
        self.model, model = scene.model, scene.model
        self.moving = np.flatnonzero(model.body_dofnum > 0)
        self.step_seconds = 1 / scene.control_hz
        self.before = xpos[:, self.moving].copy()
        self.present = ~is_absent(self.before)
        self.idle, self.idle_speed = idle, [0.0]
        self.low, self.high = self._room(xpos)
        self.escaped = np.zeros(self.present.shape, bool)
        self.where = np.zeros((len(self.moving), 3))
        self.fastest = np.zeros(len(self.moving))
        self.deepest: dict[tuple[str, str], tuple[float, float]] = {}

    @property
    def size(self) -> float:
        """The larger side of the room, in metres."""
        return float((self.high - self.low)[:2].max())

    def _room(self, xpos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The smallest box around everything that is fixed and every place where a body starts."""
        model, data = self.model, mujoco.MjData(self.model)
        mujoco.mj_kinematics(model, data)
        still = model.body_dofnum[model.body_rootid] == 0
        corners = [self.before[self.present], xpos[:, still].reshape(-1, 3)]
        for kind, body, place in (
            ("geom", model.geom_bodyid, data.geom_xpos),
            ("site", model.site_bodyid, data.site_xpos),
        ):
            half = _half_sizes(model, data, kind)
            fixed = still[body]
            corners += [(place + half)[fixed], (place - half)[fixed]]
        points = np.concatenate(corners)
        points = points[~is_absent(points)]
        margin = MARGIN * np.ptp(points, 0).max() + self._reach()
        return points.min(0) - margin, points.max(0) + margin

    def _reach(self) -> float:
        """The largest bounding radius of a moving geom, in metres."""
        moving = np.isin(self.model.geom_bodyid, self.moving)
        return float(self.model.geom_rbound[moving].max(initial=0))

    def add(self, xpos: np.ndarray) -> None:
        """Take in all positions (n, bodies, 3), in metres, after another control step."""
        now = xpos[:, self.moving]
        outside = ((now < self.low) | (now > self.high)).any(-1) & self.present
        for sim, body in zip(*np.nonzero(outside & ~self.escaped), strict=True):
            self.where[body] = now[sim, body]
        self.escaped |= outside
        speed = np.linalg.norm(now - self.before, axis=-1) / self.step_seconds
        self.fastest = np.maximum(self.fastest, (speed * self.present).max(0))
        self.idle_speed.append(float(speed[self.idle].max(initial=0)))
        self.before = now.copy()

    def look_at_contacts(self, data: mujoco.MjData) -> None:
        """Take in how deep geoms are inside each other in one simulation."""
        model = self.model
        mujoco.mj_forward(model, data)
        for contact in data.contact:
            pair = contact.geom1, contact.geom2
            smaller = min((g for g in pair if model.geom_rbound[g] > 0), key=model.geom_rbound.item)
            names = geom_name(model, pair[0]), geom_name(model, pair[1])
            depth, size = -contact.dist, 2 * float(model.geom_aabb[smaller, 3:].min())
            if depth > size and depth > self.deepest.get(names, (0, 0))[0]:
                self.deepest[names] = depth, size

    def findings(self) -> Iterator[Remark]:
        """Remarks about everything taken in so far."""
        yield from self._escapes()
        for (one, other), (depth, size) in list(self.deepest.items())[:3]:
            yield (
                "error",
                f": {one} and {other} were {depth:.3g} m inside each other, more than the "
                f"smaller is thick ({size:.3g} m); make timestep shorter, contacts stiffer or "
                "forces smaller",
            )
        yield from self._speeds()

    def _escapes(self) -> Iterator[Remark]:
        said = set()
        for body in np.flatnonzero(self.escaped.any(0)):
            name = self.model.body(int(self.moving[body])).name
            if stem_of(name) in said:
                continue
            said.add(stem_of(name))
            at = ", ".join(f"{x:.3g}" for x in self.where[body])
            yield (
                "error",
                f": '{name}' left the scene in {self.escaped[:, body].sum()} of "
                f"{len(self.escaped)} episodes, and was at ({at}) m; close the walls around it",
            )

    def _speeds(self) -> Iterator[Remark]:
        model = self.model
        for body, speed in zip(self.moving, self.fastest, strict=True):
            mine = (model.geom_bodyid == body) & (model.geom_contype | model.geom_conaffinity != 0)
            width = 2 * model.geom_rbound[mine].max() if mine.any() else np.inf
            if speed * model.opt.timestep > width:
                yield (
                    "warning",
                    f": '{model.body(int(body)).name}' reached {speed:.3g} m/s, further in a "
                    f"physics step than its own width ({width:.3g} m), and can jump through "
                    "walls; make timestep shorter, or damping larger",
                )
        middle = len(self.idle_speed) // 2
        early, late = max(self.idle_speed[:middle], default=0), max(self.idle_speed[middle:])
        if late > max(RUNAWAY * early, SLOW):
            yield (
                "warning",
                f": without control bodies still get faster, from {early:.3g} to {late:.3g} m/s; "
                "add damping, or find what pushes them",
            )


def _half_sizes(model: mujoco.MjModel, data: mujoco.MjData, kind: str) -> np.ndarray:
    """Half the extent of geoms or sites along the world's axes, (k, 3); 0 for infinite planes."""
    if kind == "geom":
        half = model.geom_aabb[:, 3:].copy()
        plane = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
        half[plane] = model.geom_size[plane] * [1, 1, 0]
    else:
        half = model.site_size.copy()
        round_ = model.site_type == mujoco.mjtGeom.mjGEOM_CYLINDER
        half[round_] = half[round_][:, [0, 0, 1]]
    turn = np.abs(getattr(data, f"{kind}_xmat").reshape(-1, 3, 3))
    return (turn @ half[..., None])[..., 0]
