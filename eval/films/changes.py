"""Differences between scenes: found from the start of recorded episodes, and outlined."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from PIL import Image, ImageDraw

from sandbox_envs.eval.rollouts.episodes import Trajectory
from sandbox_envs.names import stem_of
from sandbox_envs.view.camera import View, find_camera, find_view
from sandbox_envs.view.overlay import Colour, font_of

MOST_CHANGES = 4  # outlines; with more it is unclear which one matters
MOVED = 0.001  # metres that a thing must have moved to count as changed
OUTLINE: Colour = (225, 20, 100)
WORDS: Colour = (245, 246, 248)


@dataclass(frozen=True)
class Change:
    """A thing that stands elsewhere, at one of the places where it is visible."""

    name: str
    """in plain words"""
    corners: np.ndarray
    """(n, 3) metres, of its geoms' boxes at that place"""


def find_changes(trajectories: Sequence[Trajectory], camera: str | None = None) -> list[Change]:
    """Things that stand elsewhere than at the start of the first trajectory, and are visible.

    Things are bodies with all that hangs on them, and geoms of the world, by name. If more
    than MOST_CHANGES changed, as between two different rooms, none is returned.
    """
    starts = [_Start(trajectory, camera) for trajectory in trajectories]
    changes: list[Change] = []
    for name in dict.fromkeys(name for start in starts for name in start.corners):
        places = [start.corners.get(name) for start in starts]
        if any(_differ(places[0], place) for place in places[1:]):
            seen = _distinct([start.corners[name] for start in starts if start.sees(name)])
            changes += [Change(stem_of(name).replace("_", " "), place) for place in seen]
    return changes if len(changes) <= MOST_CHANGES else []


def _distinct(places: Sequence[np.ndarray]) -> list[np.ndarray]:
    distinct: list[np.ndarray] = []
    for place in places:
        if all(_differ(place, other) for other in distinct):
            distinct.append(place)
    return distinct


def _differ(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is not b
    return a.shape != b.shape or float(np.abs(a - b).max()) > MOVED


class _Start:
    """Positions of all things at the start. corners: name -> (n, 3), of its geoms' boxes."""

    def __init__(self, trajectory: Trajectory, camera: str | None) -> None:
        self._model = model = trajectory.scene.model
        self._data = mujoco.MjData(model)
        trajectory.show(self._data, 0)
        mujoco.mj_fwdPosition(model, self._data)
        self._view = find_view(model, self._data, find_camera(model, camera), 1.0)
        self._geoms: dict[str, list[int]] = {}
        for geom in np.flatnonzero(model.geom_group < 3):
            if model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_PLANE.value:
                self._geoms.setdefault(_thing(model, int(geom)), []).append(int(geom))
        self._geoms.pop("", None)  # things without a name cannot be matched
        self.corners = {name: self._boxes(ids).reshape(-1, 3) for name, ids in self._geoms.items()}

    def sees(self, name: str) -> bool:
        """Whether the picture shows the thing: the middle of a geom, or a place near a corner."""
        if name not in self._geoms:
            return False
        boxes = self._boxes(self._geoms[name], 0.7)
        points = np.concatenate([boxes.mean(1), boxes.reshape(-1, 3)])
        place = self._view.project(points, 1, 1)
        inside = ((place > 0) & (place < 1)).all(-1)  # absent bodies lie far outside
        return any(self._meets(point) in self._geoms[name] for point in points[inside])

    def _boxes(self, geoms: list[int], scale: float = 1.0) -> np.ndarray:
        """Corners of the geoms' boxes, (geoms, 8, 3), in the world."""
        signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(8, 3)
        middle, half = np.split(self._model.geom_aabb[geoms][:, None], 2, -1)
        local = middle + scale * signs * half
        matrix = self._data.geom_xmat[geoms].reshape(-1, 3, 3)
        return self._data.geom_xpos[geoms][:, None] + local @ matrix.transpose(0, 2, 1)

    def _meets(self, point: np.ndarray) -> int:
        """The geom that a line from the eye to a point, and on, meets first; -1 for none."""
        groups, geom = np.array([1, 1, 1, 0, 0, 0], np.uint8), np.full(1, -1, np.int32)
        line = point - self._view.eye
        mujoco.mj_ray(self._model, self._data, self._view.eye, line, groups, True, -1, geom)
        return int(geom[0])


def _thing(model: mujoco.MjModel, geom: int) -> str:
    """The name of what a geom belongs to: its outermost body, or itself if it is the world's."""
    body = model.body_rootid[model.geom_bodyid[geom]]
    return str(model.body(body).name if body else model.geom(geom).name)


def outline(picture: Image.Image, view: View, changes: Sequence[Change]) -> Image.Image:
    """A copy of a picture of this view, with an outline around every change that lies in it."""
    picture = picture.copy()
    draw = ImageDraw.Draw(picture)
    for change in changes:
        box = bounding_box(view.project(change.corners, *picture.size), *picture.size)
        if box is not None:
            _draw_outline(draw, box, f"changed: {change.name}", picture.size)
    return picture


def bounding_box(pixels: np.ndarray, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of points (n, 2) in a picture, clipped to it; None outside of it."""
    if not len(pixels) or np.isnan(pixels).any():
        return None
    margin = max(2, width // 120)
    low, high = pixels.min(0) - margin, pixels.max(0) + margin
    left, top = np.clip(low, 0, None).round().astype(int)
    right, bottom = np.minimum(high, (width - 1, height - 1)).round().astype(int)
    if right - left < 2 * margin or bottom - top < 2 * margin:
        return None
    return int(left), int(top), int(right), int(bottom)


def _draw_outline(
    draw: Any, box: tuple[int, int, int, int], words: str, size: tuple[int, int]
) -> None:
    """A rectangle, and its label above it or, where there is no room, below or inside it."""
    line, letters = max(2, size[0] // 150), max(8, size[0] // 24)
    left, top, right, bottom = box
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=WORDS, width=line + 2)
    draw.rectangle(box, outline=OUTLINE, width=line)
    font, pad = font_of(letters), letters // 3
    wide, high = int(draw.textlength(words, font=font)) + 2 * pad, int(1.5 * letters)
    x = max(0, min(left, size[0] - wide))
    y = top - high if top >= high else min(bottom, size[1] - high)
    draw.rectangle((x, y, x + wide, y + high), fill=OUTLINE)
    draw.text((x + pad, y + high // 2), words, WORDS, font=font, anchor="lm")
