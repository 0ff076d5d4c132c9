"""Placing bodies as spawn rules say, for many episodes at once.

Bodies are placed one after the other, each clear of those placed before and of static geoms: a
random point of its region is tried, all episodes together, until every episode has found one.
"""

from collections.abc import Mapping

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError
from sandbox_envs.geometry import distance_to_boxes, moved_with, rotate, unit_vector, yaw_of
from sandbox_envs.spawn.bodies import Placeable
from sandbox_envs.spawn.counter_rng import uniform
from sandbox_envs.spawn.footprint import Footprints
from sandbox_envs.spawn.grammar import BOX, REGIONS, Maze, Place, Rule
from sandbox_envs.spawn.maze import Grid, Layout, sample_layout
from sandbox_envs.spawn.obstacles import Obstacles
from sandbox_envs.spawn.start import Start

TRIES_AT_ONCE, ROUNDS = 8, 64


class Placement:
    """The starts of e episodes while they are drawn, body by body.

    Call `place` for every rule in order, then `start`. In the methods, `rows` (h,) are indices of
    some of the episodes, and poses are x, y, z in metres and yaw in radians.

    Args:
        model: the compiled scene.
        bodies: which of its bodies can be placed, and their room.
        rules: all spawn rules.
        mazes: stem of a maze's cells -> its rule and grid.
        seed: of the environment.
        episodes: their numbers, (e,).
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        bodies: Placeable,
        rules: tuple[Rule, ...],
        mazes: Mapping[str, tuple[Rule, Grid]],
        seed: int,
        episodes: np.ndarray,
    ) -> None:
        self.model, self.bodies, self.seed, self.episodes = model, bodies, seed, episodes
        self.poses: dict[int, np.ndarray] = {}  # body -> (e, 4), of the bodies placed so far
        self.pending = np.zeros(model.nbody, bool)  # bodies that are not placed yet
        self.pending[[body for rule in rules for body in rule.bodies]] = True
        self.present: dict[str, np.ndarray] = {}
        self.mazes = mazes
        self.layouts: dict[str, Layout] = {}

    def _uniform(self, purpose: str, *shape: int) -> np.ndarray:
        """Numbers in [0, 1) for every episode, (e, *shape)."""
        return uniform(self.seed, self.episodes, purpose, shape)

    def place(self, rule: Rule) -> None:
        """Place all bodies of a rule, one after the other."""
        if rule.maze:
            self._place_walls(rule)
            return
        which = self.choose_places(rule)
        self.present[rule.stem] = (which >= 0).astype(np.float64)
        order = [self._shuffled_spots(rule, i) for i in range(len(rule.places))]
        taken = np.zeros((len(self.episodes), len(rule.places)), int)
        for copy, body in enumerate(rule.bodies):
            pose = self._parked_poses(body)
            for i, place in enumerate(rule.places):
                rows = np.flatnonzero(which[:, copy] == i)
                if len(rows):
                    spots, free = order[i]
                    if (taken[rows, i] >= free[rows]).any() and spots.shape[1] > 1:
                        raise SceneError(
                            f"{rule.where}: in some episodes nothing of '{place.stem}' is left "
                            f"for '{self.model.body(body).name}'; exclude less, or name more places"
                        )
                    spot = spots[rows, taken[rows, i] % spots.shape[1]]
                    pose[rows] = self._poses_at(rule, place, copy, body, spot, rows)
                    taken[rows, i] += 1
            self.poses[body] = pose
            self.pending[body] = False

    def _shuffled_spots(self, rule: Rule, i: int) -> tuple[np.ndarray, np.ndarray]:
        """The spots of the rule's i-th place in random order, (e, k), and how many are usable.

        Unusable spots come last: those outside this episode's maze, and, where there are several
        spots, those in a region to be avoided.
        """
        place, e = rule.places[i], len(self.episodes)
        if place.rim:
            used = self._layout(place.stem).rim
        elif place.stem in self.mazes:
            used = self._layout(place.stem).inside
        else:
            used = np.ones((e, len(place.sites)), bool)
        if place.outside and used.shape[1] > 1:
            used = used & ~self._excluded(place, self._spot_points(place))
        draw = self._uniform(f"{rule.draws}/site/{i}", used.shape[1])
        return (draw + ~used).argsort(1), used.sum(1)

    def _spot_points(self, place: Place) -> np.ndarray:
        """Positions of the spots of a place, (e, k, 2)."""
        e = len(self.episodes)
        if place.rim:
            return np.tile(self.mazes[place.stem][1].slots[:, :2], (e, 1, 1))
        poses = [self._site_poses(np.full(e, site), np.arange(e)) for site in place.sites]
        return np.stack(poses, 1)[..., :2]

    def _excluded(self, place: Place | Maze, points: np.ndarray) -> np.ndarray:
        """Whether points (e, t, 2) lie in a region that the place excludes, (e, t)."""
        every = np.arange(len(self.episodes))
        inside = [self._overlaps(region, points, 1e-6, every) for region in place.outside]
        return np.any(inside, axis=0)

    def _layout(self, cells: str) -> Layout:
        """The mazes of these cells, drawn on the first call."""
        if cells not in self.layouts:
            rule, grid = self.mazes[cells]
            self.layouts[cells] = sample_layout(rule, grid, self.seed, self.episodes)
        return self.layouts[cells]

    def _place_walls(self, rule: Rule) -> None:
        """Place the walls of a maze into its slots, and park the walls left over."""
        assert rule.maze is not None
        slots, walls = self.mazes[rule.maze.cells][1].slots, self._layout(rule.maze.cells).walls
        if rule.maze.outside:
            points = np.tile(slots[:, :2], (len(walls), 1, 1))
            walls = walls & ~self._excluded(rule.maze, points)
        order, count = (~walls).argsort(1, kind="stable"), walls.sum(1)
        there = np.arange(len(rule.bodies)) < count[:, None]
        self.present[rule.stem] = there.astype(np.float64)
        for copy, body in enumerate(rule.bodies):
            slot = slots[order[:, min(copy, len(slots) - 1)]]
            self.poses[body] = np.where(there[:, copy, None], slot, self._parked_poses(body))
            self.pending[body] = False

    def choose_places(self, rule: Rule) -> np.ndarray:
        """Index of the place that each body takes in each episode, (e, bodies); -1 for absent."""
        which = np.full((len(self.episodes), len(rule.bodies)), -1)
        first = 0
        for i, place in enumerate(rule.places):
            if isinstance(place.amount, int):
                which[:, first : first + place.amount] = i
                first += place.amount
        rest = [i for i, place in enumerate(rule.places) if place.amount is None]
        if rest:
            which[:, first:] = rest[0]
        chances = [p.amount if isinstance(p.amount, float) else 0.0 for p in rule.places]
        if any(chances):
            draw = self._uniform(f"{rule.draws}/place", len(rule.bodies))[:, first:]
            chosen = np.searchsorted(np.cumsum(chances), draw, side="right")
            which[:, first:] = np.where(chosen < len(chances), chosen, -1)
        left_out = [i for i, place in enumerate(rule.places) if not place.sites]
        which[np.isin(which, left_out)] = -1
        return which

    def _parked_poses(self, body: int) -> np.ndarray:
        """Poses (e, 4) of an absent body."""
        return np.tile(self.bodies.parked(body), (len(self.episodes), 1))

    def _poses_at(
        self, rule: Rule, place: Place, copy: int, body: int, spot: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        """Poses (h, 4) of one body at the place's spots (h,)."""
        site = np.array(place.sites)[spot % len(place.sites)]
        pose = self._site_poses(site, rows)
        if place.rim:
            pose = self.mazes[place.stem][1].slots[spot]
        elif self.model.site_type[site[0]] in REGIONS:
            pose[:, :2] = self._sample_clear(rule, place, copy, body, site, rows)
            pose[:, 2] = self.model.body_pos[body, 2]
        if rule.yaw == "any":
            pose[:, 3] = 2 * np.pi * self._uniform(f"{rule.stem}/yaw", len(rule.bodies))[rows, copy]
        elif isinstance(rule.yaw, tuple):
            target = self._site_poses(np.full(len(rows), rule.yaw[1]), rows)
            pose[:, 3] = np.arctan2(*(target - pose)[:, [1, 0]].T)
        elif rule.yaw is not None:
            pose[:, 3] = float(rule.yaw)
        return pose

    def _site_poses(self, site: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """World poses (h, 4) of the sites (h,); sites move with the bodies placed so far."""
        data, model = self.bodies.data, self.model
        at, turn = data.site_xpos[site], data.site_xmat[site]
        pose = np.concatenate([at, yaw_of(turn)[:, None]], 1)
        root = model.body_rootid[model.site_bodyid[site]]
        for body in set(root.tolist()) & set(self.poses):
            moves = root == body
            rest = np.append(data.xpos[body], yaw_of(data.xmat[body]))
            pose[moves] = moved_with(pose[moves], rest, self.poses[body][rows[moves]])
        return pose

    def _sample_clear(
        self, rule: Rule, place: Place, copy: int, body: int, site: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        """Random points (h, 2) in the regions, outside excluded ones and clear of obstacles."""
        needs = self.bodies.needs[body]
        points = np.empty((len(rows), 2))
        left = np.arange(len(rows))
        obstacles = self._obstacles(needs)
        for round_ in range(ROUNDS):
            purpose = f"{rule.stem}/{copy}/{place.stem}/{round_}"
            draw = uniform(self.seed, self.episodes[rows[left]], purpose, (TRIES_AT_ONCE, 2))
            tries = self._sample_region(site[left], rows[left], draw, needs.reach, rule)
            good = obstacles.clear(tries, needs.reach, rows[left])
            for region in place.outside:
                good &= ~self._overlaps(region, tries, needs.reach, rows[left])
            first = good.argmax(1)
            done = good[np.arange(len(left)), first]
            points[left[done]] = tries[done, first[done]]
            left = left[~done]
            if not len(left):
                return points
        raise SceneError(
            f"{rule.where}: no room for '{self.model.body(body).name}' in '{place.stem}' after "
            f"{ROUNDS * TRIES_AT_ONCE} tries; make the region larger or the bodies fewer"
        )

    def _sample_region(
        self, site: np.ndarray, rows: np.ndarray, draw: np.ndarray, reach: float, rule: Rule
    ) -> np.ndarray:
        """Points in the sites (h,), `reach` away from their edge, from numbers draw (h, t, 2)."""
        size = self.model.site_size[site]
        pose = self._site_poses(site, rows)
        if self.model.site_type[site[0]] == BOX:
            room = size[:, :2] - reach
            local = (2 * draw - 1) * room[:, None]
        else:
            room = size[:, :1] - reach
            radius, angle = room * np.sqrt(draw[..., 0]), 2 * np.pi * draw[..., 1]
            local = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
        if (room < 0).any():
            name = self.model.site(int(site[0])).name
            raise SceneError(
                f"{rule.where}: the region '{name}' is smaller than the body, of which points are "
                f"{reach:.3g} m from its origin; make it at least {2 * reach:.3g} m wide"
            )
        return pose[:, None, :2] + rotate(local, unit_vector(pose[:, None, 3]))

    def _overlaps(
        self, region: int, points: np.ndarray, reach: float, rows: np.ndarray
    ) -> np.ndarray:
        """Whether discs of radius `reach` around points (h, t, 2) touch a region, (h, t)."""
        pose = self._site_poses(np.full(len(rows), region), rows)
        box = self.model.site_type[region] == BOX
        size = self.model.site_size[region]
        half, radius = (size[:2], 0.0) if box else (np.zeros(2), size[0])
        axis = unit_vector(pose[:, 3])
        distance = distance_to_boxes(
            points, pose[:, None, :2], axis[:, None], half[None], np.array([radius])
        )
        return distance[..., 0] <= reach  # 0 inside, also for a body that touches nothing

    def _obstacles(self, needs: Footprints) -> "Obstacles":
        """The obstacles for a body: static geoms and the bodies placed so far."""
        model, e = self.model, len(self.episodes)
        contype = np.bitwise_or.reduce(model.geom_contype[needs.geoms], initial=0)
        conaffinity = np.bitwise_or.reduce(model.geom_conaffinity[needs.geoms], initial=0)
        shapes = self.bodies.shapes
        can_collide = (model.geom_contype[shapes.geoms] & conaffinity) | (
            model.geom_conaffinity[shapes.geoms] & contype
        )
        there = (can_collide != 0) & ~self.pending[shapes.body]
        if not model.body_dofnum[model.body_rootid[needs.body]].any():
            there &= model.body_dofnum[shapes.body] > 0  # MuJoCo lets two fixed bodies overlap
        shapes, data = shapes.some(there), self.bodies.data
        pose = np.empty((e, len(shapes), 4))
        pose[:, :, :3], pose[:, :, 3] = data.xpos[shapes.body], yaw_of(data.xmat[shapes.body])
        for body in set(shapes.body.tolist()) & set(self.poses):
            pose[:, shapes.body == body] = self.poses[body][:, None]
        return Obstacles(shapes, pose, needs, model)

    def start(self, qpos: np.ndarray, absentable: set[str]) -> Start:
        """The drawn poses as state, with the presence of the stems in `absentable`.

        qpos: (e, nq), of the bodies that no rule places.
        """
        e, data = len(self.episodes), self.bodies.data
        start = Start(
            qpos=qpos,
            mocap_pos=np.tile(data.mocap_pos, (e, 1, 1)),
            mocap_quat=np.tile(data.mocap_quat, (e, 1, 1)),
            present={stem: self.present[stem] for stem in absentable},
        )
        for body, pose in self.poses.items():
            self.bodies.write(start, body, pose)
        return start
