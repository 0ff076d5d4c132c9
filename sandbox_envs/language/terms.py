"""The terms of an observation: each writes some numbers, for all simulations at once."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import mujoco
import numpy as np

from sandbox_envs.arrays import columns
from sandbox_envs.errors import SceneError
from sandbox_envs.language.formula import Formula
from sandbox_envs.language.screens import Screens
from sandbox_envs.language.sight import Eye, geom_colours, load_sensors, nearest_per_sector
from sandbox_envs.language.types import Signal, TermInputs
from sandbox_envs.spawn.absence import ABSENT_DISTANCE

OBJECTS, OPAQUE = 1, 2  # geom groups
MAX_RANGE = ABSENT_DISTANCE  # metres; no term sees absent bodies, which are parked beyond it
MAX_SECTORS = 360


class Term(Protocol):
    """One part of the observation."""

    size: int
    """Numbers that it writes per simulation."""
    low: float
    """Smallest possible number."""
    high: float
    """Largest possible number."""

    def write(self, view: TermInputs, out: np.ndarray) -> None:
        """Write the term's numbers into out, (n, size)."""


def with_columns(terms: Iterable[Term]) -> Iterator[tuple[Term, slice]]:
    """Each term of an observation (n, size), and its columns there."""
    begin = 0
    for term in terms:
        yield term, slice(begin, begin + term.size)
        begin += term.size


class Raw:
    """A sensor's or another signal's numbers as they are, all copies one after the other."""

    low, high = -np.inf, np.inf

    def __init__(self, name: str, signal: Signal) -> None:
        self.name, self.size = name, signal.copies * signal.dim

    def write(self, view: TermInputs, out: np.ndarray) -> None:
        """Copy the numbers."""
        out[:] = view.inputs.signals[self.name].reshape(len(out), -1)


class Gauge:
    """A measure's value."""

    size, low, high = 1, -np.inf, np.inf

    def __init__(self, measure: str) -> None:
        self.measure = measure

    def write(self, view: TermInputs, out: np.ndarray) -> None:
        """Copy the measure's value."""
        out[:, 0] = view.measures[self.measure]


class Clock:
    """The share of the episode that has passed."""

    size, low, high = 1, 0.0, 1.0

    def write(self, view: TermInputs, out: np.ndarray) -> None:
        """Copy the share of the episode that has passed."""
        out[:, 0] = view.clock


class Ranges:
    """Rangefinders as nearness: 1/(1+distance), and 0 where nothing is hit."""

    low, high = 0.0, 1.0

    def __init__(self, name: str, signal: Signal) -> None:
        self.name, self.size = name, signal.copies

    def write(self, view: TermInputs, out: np.ndarray) -> None:
        """Turn distances into nearness."""
        distance = view.inputs.signals[self.name][..., 0]
        hit = (distance >= 0) & (distance < MAX_RANGE)
        out[:] = np.where(hit, 1 / (1 + np.abs(distance)), 0)


class Lidar:
    """Per bearing sector the nearness of the nearest copy of one kind, where a formula holds.

    Args:
        model: the compiled scene.
        name: of the position sensors of the copies.
        mask: which copies count; None for all.
        sectors: how many bearing sectors there are.
        reach: metres beyond which copies do not count.
        where: begins every error.
    """

    low, high = 0.0, 1.0

    def __init__(
        self,
        model: mujoco.MjModel,
        name: str,
        mask: Formula | None,
        sectors: int,
        reach: float,
        where: str,
    ) -> None:
        self.name, self.mask, self.reach = name, mask, min(reach, MAX_RANGE)
        self.size = _checked_sectors(sectors, where)
        self.eye = Eye(model, where)

    def write(self, view: TermInputs, out: np.ndarray) -> None:
        """Find the nearest copy in every sector."""
        x, y = np.ascontiguousarray(view.inputs.signals[self.name][..., :2].T)
        sight = self.eye.look(view, x, y)
        seen = sight.distance < self.reach
        if self.mask is not None:
            seen &= self.mask(view.inputs, len(out)).reshape(len(out), -1).T != 0
        out[:] = (1 / (1 + nearest_per_sector(sight, seen, self.size)[0])).T


class Retina:
    """Per bearing sector the nearest visible object of any kind: its nearness and its colour.

    It judges in plan view, at the height of the eye: geoms of group 1 are objects, geoms of
    group 2 are opaque, all others are neither. The eye's own body and the load in its regions
    are left out, since they would hide everything else.

    `appearance` is the part of the scene's looks that changes what a retina sees, for the
    scene's hash.
    """

    low, high = 0.0, 1.0

    def __init__(self, model: mujoco.MjModel, sectors: int, where: str) -> None:
        self.sectors, self.size = _checked_sectors(sectors, where), 4 * sectors
        self.eye = Eye(model, where)
        own = model.body_rootid == model.body_rootid[self.eye.body]
        own[0] = False
        foreign = ~own[model.geom_bodyid]
        self.objects = np.flatnonzero((model.geom_group == OBJECTS) & foreign)
        if not len(self.objects):
            raise SceneError(
                f"{where}: there is no object to see; put the geoms to be seen into group 1"
            )
        self._xy = 3 * self.objects + np.array([[0], [1]])  # columns of geom_xpos
        self.opaque = Screens(model, np.flatnonzero((model.geom_group == OPAQUE) & foreign))
        colours = geom_colours(model, self.objects)
        self.colours = colours.astype(np.float32)
        self.load = load_sensors(model, self.objects, own)
        groups = model.geom_group.astype(float)
        self.appearance = [*colours.round(4).ravel().tolist(), *groups.tolist()]

    def write(self, view: TermInputs, out: np.ndarray) -> None:
        """Find the visible objects, and the nearest of them in every sector."""
        x, y = columns(view.geom_xpos, self._xy)
        sight = self.eye.look(view, x, y)
        seen = sight.distance < MAX_RANGE
        for loadable, inside in self.load:
            seen[loadable] &= columns(view.sensordata, inside) == 0
        some = np.flatnonzero(seen.any(1))  # what is absent or loaded everywhere costs nothing more
        dx, dy = sight.dx[some], sight.dy[some]
        seen[some] &= ~self.opaque.block(sight.eye, dx, dy, view.xpos, view.xmat)
        near, objects, sectors, sims = nearest_per_sector(sight, seen, self.sectors)
        cells = out.reshape(len(out), self.sectors, 4)
        cells[..., 0] = (1 / (1 + near)).T
        cells[..., 1:] = 0
        cells[sims, sectors, 1:] = self.colours[objects]


def _checked_sectors(sectors: float, where: str) -> int:
    if not 1 <= sectors <= MAX_SECTORS or sectors != int(sectors):
        raise SceneError(f"{where}: {sectors} sectors; choose 1 to {MAX_SECTORS}")
    return int(sectors)
