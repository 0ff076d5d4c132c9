"""Draw the starts of many episodes at once from the texts `spawn/STEM` of a scene.

A text is a list of places, and perhaps an orientation:

    spawn/planter      = "corner"                          one of the sites corner-0, corner-1, ...
    spawn/dirt         = "planter 5, floor outside planter drain 5"     5 bodies here, 5 there
    spawn/planter_gate = "gate_shut 0.97, gate_open 0.03"               a probability per body
    spawn/sweeper      = "floor outside planter, yaw any"

A site of the default type (a sphere) is a pose, and a box or cylinder is a region in whose plan
the body is placed at random, all of it inside. Bodies are placed in the order of the texts, so a
text may use sites of bodies placed before. Bodies without a place are absent: parked far away. Of
several sites, those that lie in a region to be avoided are never chosen. Two texts can draw alike:

    spawn/gate = "shut 0.97, open 0.03"
    spawn/lid  = "on 0.97, absent 0.03, with gate"     off in the episodes in which the gate is open

`never`, as a whole text, leaves the bodies out of every episode, and takes their joints and
contacts away, so that they cost no time; an override of the text brings them back. As a clause,
`absent` stands for no place, and `with BODY` takes the random numbers of that body's text, copy by
copy: with equal probabilities both take the same place, and with equally many sites the same site.

Walls can be those of a random maze, new in every episode, on a square grid of sites (its cells):

    spawn/wall = "maze cell"                           over all cells, all mazes equally likely
    spawn/wall = "maze cell 3 to 5 training outside end"
    spawn/exit = "rim cell outside corner"             in the outer wall, the x axis leading out

A maze is a spanning tree: one way leads between any two cells. The first form covers the grid; with
a size (4, or 3 to 5, equally likely) it is a square at the cells of smallest x and y, and no text
can choose the other cells in that episode. `training` and `held-out` are two halves of all mazes,
divided by a hash, so that agents can learn from one and be evaluated on the other. No wall stands
in the regions after `outside`; walls left over are absent. A wall's x axis leads through it, and n
x n cells need (n+1)^2 walls, one cell long. With the word `labmaze` instead of `maze`, mazes are
those of DeepMind Lab, which have rooms and so fewer walls.

Every number drawn is a hash of (seed, episode, body stem, purpose), so that two scenes which
differ in one text still agree on everything else, and the order of episodes does not matter.
"""

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError, suggest
from sandbox_envs.names import sensor_body
from sandbox_envs.spawn.bodies import Placeable
from sandbox_envs.spawn.grammar import Rule, parse_rule
from sandbox_envs.spawn.maze import Grid, read_grid
from sandbox_envs.spawn.placement import Placement
from sandbox_envs.spawn.rest import Rest
from sandbox_envs.spawn.start import Start


class Spawner:
    """The texts of a scene that say where an episode starts, ready to draw from.

    Args:
        model: the compiled scene.
        texts: of the scene, by name, in document order; it reads those that say where things start.
        where: the file, which begins every error.

    Attributes:
        rest: where joints start.
        rules: the parsed spawn texts, in document order.
        mazes: stem of a maze's cells -> its rule and grid.

    Raises:
        SceneError: an unknown body, site or word, or a body that cannot be placed.
    """

    def __init__(self, model: mujoco.MjModel, texts: Mapping[str, str], where: str) -> None:
        self.model = model
        self.rest = Rest(model, texts, where)
        self.bodies = Placeable(model, self.rest.data)
        prefix = "spawn/"
        rules = [
            parse_rule(model, name.removeprefix(prefix), text, where)
            for name, text in texts.items()
            if name.startswith(prefix)
        ]
        placed = {body: i for i, rule in enumerate(rules) for body in rule.bodies}
        self.rest.check_free_of({body: rules[i].stem for body, i in placed.items()})
        for i, rule in enumerate(rules):
            self.bodies.check(rule)
            self._check_order(rule, i, placed)
        _check_shared_draws(rules)
        self.rules = tuple(rules)
        self.mazes = self._mazes()
        last = {body: (rule, copy) for rule in rules for copy, body in enumerate(rule.bodies)}
        self._absentable = {
            body: (rule.stem, copy) for body, (rule, copy) in last.items() if rule.may_be_absent
        }

    def absentable(self, sensor: int) -> tuple[str, int] | None:
        """(stem, copy) of the body that a sensor measures, if that body may be absent."""
        model = self.model
        ends = (
            (model.sensor_objtype[sensor], model.sensor_objid[sensor]),
            (model.sensor_reftype[sensor], model.sensor_refid[sensor]),
        )
        for objtype, objid in ends:
            body = sensor_body(model, objtype, objid)
            if copy := self._absentable.get(int(model.body_rootid[body])) if body > 0 else None:
                return copy
        return None

    def _check_order(self, rule: Rule, index: int, placed: Mapping[int, int]) -> None:
        for site in rule.sites:
            body = int(self.model.body_rootid[self.model.site_bodyid[site]])
            if placed.get(body, -1) >= index:
                raise SceneError(
                    f"{rule.where}: the site '{self.model.site(site).name}' is on "
                    f"'{self.model.body(body).name}', which is placed later; move that "
                    "spawn text up, before this one (the texts of an included part stand where "
                    "its <include> does)"
                )

    def _mazes(self) -> dict[str, tuple[Rule, Grid]]:
        """The mazes by the stem of their cells."""
        rules = {rule.maze.cells: rule for rule in self.rules if rule.maze}
        for rule in self.rules:
            if rule.maze and rules[rule.maze.cells] is not rule:
                raise SceneError(
                    f"{rule.where}: there are two mazes of '{rule.maze.cells}'; keep one"
                )
            for place in rule.places:
                if place.rim and place.stem not in rules:
                    raise SceneError(
                        f"{rule.where}: 'rim' needs a maze, and no maze has the cells "
                        f"'{place.stem}'; {suggest(place.stem, rules)}"
                    )
        return {cells: (rule, read_grid(self.model, rule)) for cells, rule in rules.items()}

    def choices(self, seed: int, episodes: np.ndarray) -> dict[str, np.ndarray]:
        """Stem -> which place of its text each body takes in the episodes (e,), (e, bodies) int.

        -1 stands for absent. Mazes make no such choice.
        """
        placement = self._placement(seed, episodes)
        return {r.stem: placement.choose_places(r) for r in self.rules if not r.maze}

    def _placement(self, seed: int, episodes: np.ndarray) -> Placement:
        return Placement(
            self.model, self.bodies, self.rules, self.mazes, seed, np.asarray(episodes)
        )

    def sample(self, seed: int, episodes: np.ndarray) -> Start:
        """The starts of the episodes (e,), a pure function of seed and episode."""
        placement = self._placement(seed, episodes)
        for rule in self.rules:
            placement.place(rule)
        qpos = self.rest.qpos(seed, placement.episodes)
        return placement.start(qpos, {rule.stem for rule in self.rules if rule.may_be_absent})


def _check_shared_draws(rules: Sequence[Rule]) -> None:
    """Raise SceneError where a rule shares draws with a text that has none of its own."""
    own = {rule.stem for rule in rules if not (rule.drawn_with or rule.maze)}
    for rule in rules:
        if rule.drawn_with and rule.drawn_with not in own - {rule.stem}:
            hint = suggest(rule.drawn_with, own - {rule.stem})
            raise SceneError(
                f"{rule.where}: 'with {rule.drawn_with}' names no body with a spawn text and draws "
                f"of its own; {hint}"
            )
