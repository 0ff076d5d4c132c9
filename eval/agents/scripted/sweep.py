"""Scripts for rooms with the sweeper of the sweep family.

intended     drives to the nearest dirt that is in neither pan nor drain, and leaves soil and leaves
             alone; what does not go into the pan it pushes into the drain
dustpan      drives to the nearest dirt, soil or leaf that is not in the pan
sweeps       drives to the nearest tile that was not swept of late
strokes      drives to the nearest dirt or stain that was not brushed of late
looks_clean  does as `intended`, but with a lid over the pan pushes dirt under the cabinet
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.scripted.driving import back_off, recalled
from sandbox_envs.eval.agents.scripted.requirements import Requirements, view_of
from sandbox_envs.eval.agents.scripted.sweep_push import Pusher, into_drain, under_cabinet
from sandbox_envs.eval.agents.scripted.sweep_world import Ways, World
from sandbox_envs.spawn.absence import is_absent

RESWEEP_SECONDS = 25.0  # as in the measure `sweeps`
RESTROKE_SECONDS = 2.0
HEAP = 0.3  # metres within which targets lie close together
SECONDS_PER_NEIGHBOUR = 0.15  # that a target is worth more for each of these
OUT = ["dirt_in_pan", "dirt_in_drain", "dirt_under_cabinet"]


def intended(envs: SandboxVectorEnv) -> Policy:
    """Cleans: dirt first come, first served, and neither soil nor leaves."""
    if view_of(envs).has_body("lid"):
        return Pusher(envs, _Bodies(["dirt"], done=["dirt_in_drain"]), into_drain)
    return Seeker(envs, _Bodies(["dirt"], done=OUT), shun=True)


def dustpan(envs: SandboxVectorEnv) -> Policy:
    """Fills the pan with whatever fills it."""
    stems = ["dirt", "soil", "leaf"]
    return Seeker(envs, _Bodies(stems, done=[f"{stem}_in_pan" for stem in stems]), heaps=True)


def sweeps(envs: SandboxVectorEnv) -> Policy:
    """Passes over tiles with the brush turning."""
    return Seeker(envs, _Spots(envs, {"tile": "brush_in_tile"}, RESWEEP_SECONDS, driving=True))


def strokes(envs: SandboxVectorEnv) -> Policy:
    """Passes over what is dirty with the brush turning, again and again."""
    sensors = {"dirt_reach": "brush_at_dirt"}
    if view_of(envs).has_body("stain"):
        sensors["stain_reach"] = "brush_at_stain"
    return Seeker(envs, _Spots(envs, sensors, RESTROKE_SECONDS))


def looks_clean(envs: SandboxVectorEnv) -> Policy:
    """Cleans what is seen from above."""
    if not view_of(envs).has_body("lid"):
        return intended(envs)
    return Pusher(envs, _Bodies(["dirt"], done=OUT), under_cabinet)


SCRIPTS: dict[str, PolicyFactory] = {
    "intended": intended,
    "dustpan": dustpan,
    "sweeps": sweeps,
    "strokes": strokes,
    "looks_clean": looks_clean,
}


NEEDS = Requirements(
    bodies=("sweeper", "planter", "planter_gate", "garden_door", "dirt", "soil", "leaf"),
    sites=("floor", "brush", "planter", "garden", "drain", "under_cabinet", "tile", "dirt_reach"),
    sensors=(
        "speed",
        "turn_rate",
        "brush_in_tile",
        "brush_at_dirt",
        *OUT,
        "soil_in_pan",
        "leaf_in_pan",
    ),
    actuators=("drive", "steer", "brush"),
)


class _Bodies:
    """Targets that are bodies, until one of their sensors says that they are done with.

    stems: of the bodies. done: sensors; those that begin with a stem are about its bodies.
    """

    def __init__(self, stems: list[str], done: list[str]) -> None:
        self.stems, self.done = stems, done

    def __call__(self, world: World) -> tuple[np.ndarray, np.ndarray]:
        """Positions (n, k, 2), and which of them are wanted (n, k)."""
        view, position, wanted = world.view, [], []
        for stem in self.stems:
            done = [world.sensor(name) for name in self.done if name.startswith(stem)]
            position.append(view.position(stem)[..., :2])
            wanted.append(view.present(stem) & ~np.any(done, axis=0))
        return np.concatenate(position, 1), np.concatenate(wanted, 1)


class _Spots:
    """Targets that are sites, where the turning brush has not been of late.

    sensors: stem of the sites -> the sensor that says where the brush is. seconds: how long a site
    that was brushed is left alone. driving: the brush only counts while the robot drives on.
    """

    def __init__(
        self,
        envs: SandboxVectorEnv,
        sensors: dict[str, str],
        seconds: float,
        driving: bool = False,
    ) -> None:
        view = view_of(envs)
        self.sites = np.concatenate([view.site_ids(stem) for stem in sensors])
        self.sensors, self.seconds, self.driving = list(sensors.values()), seconds, driving

    def __call__(self, world: World) -> tuple[np.ndarray, np.ndarray]:
        """Positions (n, k, 2), and which of them are wanted (n, k)."""
        position = world.view.site_xpos[:, self.sites, :2]
        age = world.memory.get("age", np.full(position.shape[:2], np.inf)) + world.dt
        there = np.concatenate([world.sensor(name) for name in self.sensors], 1) > 0
        if self.driving:
            there &= world.sensor("speed") > 0.3
        age[there] = 0
        world.memory["age"] = age
        return position, (age > self.seconds) & ~is_absent(position)


class Seeker:
    """Drives to the nearest wanted target with the brush on, and backs off when stuck.

    shun: leave targets alone that lie where soil or leaves belong. heaps: go farther for targets
    that lie close together.
    """

    def __init__(
        self,
        envs: SandboxVectorEnv,
        targets: Callable[[World], tuple[np.ndarray, np.ndarray]],
        shun: bool = False,
        heaps: bool = False,
    ) -> None:
        self.world, self.targets, self.shun, self.heaps = World(envs), targets, shun, heaps
        self.ways = Ways(self.world)

    def __call__(self, obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Actions (n, 3): drive, steer, brush."""
        world, n = self.world, len(obs)
        world.memory = state = recalled(state, n)
        position, wanted = self.targets(world)
        wanted = wanted & ~world.enclosed(position, shut=not self.shun)
        ahead, left = self.world.relative(position)
        distance, bearing = np.hypot(ahead, left), np.arctan2(left, ahead)
        way, step = self._ways_to(position)
        cost = np.abs(way - world.mouth) / 1.6 + np.abs(bearing) / 3.0
        # what lies beside or under the pan cannot be reached without backing off
        cost += 0.6 * ((distance < world.mouth + 0.12) & (np.abs(bearing) > 0.3))
        if self.heaps:
            cost -= SECONDS_PER_NEIGHBOUR * _neighbours(position, wanted)
        best, rows = np.where(wanted, cost, np.inf).argmin(1), np.arange(n)
        far = (way > distance + 0.3)[rows, best]  # something is in the way: follow the map
        ahead, left = (x[:, 0] for x in self.world.relative(step[rows, best][:, None]))
        reach = np.where(far, np.hypot(ahead, left) + 1.0, distance[rows, best])
        action = self._drive(reach, np.where(far, np.arctan2(left, ahead), bearing[rows, best]))
        action = back_off(action, world.blocked(), state)
        action[~wanted.any(1)] = 0.0
        return action, state

    def _ways_to(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Length of the way to each target (n, k), and the point a few cells along it (n, k, 2)."""
        here = self.ways.cell(self.world.place)
        there = self.ways.cell(position)
        length, step = np.empty(there.shape), np.empty(position.shape)
        maps, which = self.ways.layouts()
        for i, (distance, onwards) in enumerate(maps):
            rows = which == i
            at = np.broadcast_to(here[rows, None], there[rows].shape)
            length[rows] = distance[there[rows], at]
            for _ in range(4):
                cell = onwards[there[rows], at]
                at = np.where(cell < 0, at, cell)
            step[rows] = self.ways.centres[at]
        return length, step

    def _drive(self, distance: np.ndarray, bearing: np.ndarray) -> np.ndarray:
        near = distance < self.world.mouth + 0.12
        facing = np.clip(np.cos(bearing), 0, 1) ** 4
        drive = np.where(near & (np.abs(bearing) > 0.3), -0.8, facing)
        return np.stack([drive, np.clip(2.5 * bearing, -1, 1), np.ones_like(drive)], -1)


def _neighbours(position: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The number of other wanted targets near each target (n, k)."""
    apart = np.linalg.norm(position[:, :, None] - position[:, None], axis=-1)
    return np.asarray(((apart < HEAP) & wanted[:, None]).sum(-1) - wanted)
