"""Read-only views of the simulations' state for scripts, planners and language agents."""

from typing import Any

import mujoco
import numpy as np

from sandbox_envs.errors import UserError, suggest
from sandbox_envs.names import copies_of, stem_of
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.maze_view import MazeView
from sandbox_envs.simulation.physics import Physics

_ALWAYS = ("qpos", "qvel", "xpos", "xmat", "site_xpos", "sensordata")  # fields that are attributes


class StateView:
    """The state of all n simulations of one scene, live and read only.

    Get one from `SandboxVectorEnv.state_view`. The array attributes always hold the state after
    the last reset or step, so a view is made once and read in every step. What the methods return
    is a copy of the present state. The copies of a `<replicate sep="-">` go by their stem, in the
    order of their numbers, and a single body or sensor counts as one copy. Lengths are in metres.
    """

    scene: Scene
    """the scene"""
    slots: np.ndarray
    """(n,) the numbers of the scene's simulations in the environment"""
    qpos: np.ndarray
    """(n, nq) joint positions, as in MjData"""
    qvel: np.ndarray
    """(n, nv) joint velocities"""
    xpos: np.ndarray
    """(n, bodies, 3) positions of all bodies"""
    xmat: np.ndarray
    """(n, bodies, 9) their rotation matrices, by rows"""
    site_xpos: np.ndarray
    """(n, sites, 3) positions of all sites"""
    sensordata: np.ndarray
    """(n, numbers) what all sensors say"""

    def __init__(
        self, scene: Scene, slots: np.ndarray, physics: Physics, present: dict[str, np.ndarray]
    ) -> None:
        self.scene, self.slots, self._present, self._physics = scene, slots, present, physics
        self._fields: dict[str, np.ndarray] = {}
        self._found: dict[tuple[str, str], np.ndarray] = {}
        for name in _ALWAYS:
            setattr(self, name, self.field(name))

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy is a view of the copied simulations."""
        return StateView, (self.scene, self.slots, self._physics, self._present)

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled scene: names, sizes and all else that never changes."""
        return self.scene.model

    def field(self, name: str) -> np.ndarray:
        """Any other field of MjData, (n, ...), live and read only, for example "cam_xpos"."""
        if name not in self._fields:
            field = self._physics.batch.bind(name).view()
            field.flags.writeable = False
            self._physics.refresh()  # what is derived from the state is zero in a new field
            self._fields[name] = field
        return self._fields[name]

    def body_ids(self, stem: str) -> np.ndarray:
        """(copies,) where the bodies of that stem are in `xpos`. Raises SceneError if unknown."""
        model = self.model
        return self._ids(mujoco.mjtObj.mjOBJ_BODY, model.nbody, stem, "body")

    def site_ids(self, stem: str) -> np.ndarray:
        """(copies,) where the sites of that stem are in `site_xpos`. Raises SceneError."""
        model = self.model
        return self._ids(mujoco.mjtObj.mjOBJ_SITE, model.nsite, stem, "site")

    def joint_ids(self, stem: str) -> np.ndarray:
        """(copies,) the joints of that stem; `model` says where in `qpos` and `qvel` each is."""
        model = self.model
        return self._ids(mujoco.mjtObj.mjOBJ_JOINT, model.njnt, stem, "joint")

    def has_body(self, stem: str) -> bool:
        """Whether the scene has a body, or copies of one, of that stem."""
        return any(
            stem in (name, stem_of(name))
            for name in (self.model.body(i).name for i in range(self.model.nbody))
        )

    def position(self, stem: str) -> np.ndarray:
        """(n, copies, 3) where the bodies of that stem are; absent ones are far away."""
        return self.xpos[:, self.body_ids(stem)]

    def present(self, stem: str) -> np.ndarray:
        """(n, copies) bool, which of the bodies of that stem take part in the episode."""
        if stem in self._present:
            return self._present[stem] != 0
        return np.ones((len(self.slots), len(self.body_ids(stem))), bool)

    def sensor(self, stem: str) -> np.ndarray:
        """(n, copies, dim) what the sensors of that stem say. Raises UserError if unknown."""
        addresses = self.scene.sensors.get(stem)
        if addresses is None:
            hint = suggest(stem, self.scene.sensors)
            raise UserError(f"{self.scene.name} has no sensor '{stem}'; {hint}")
        return self.sensordata[:, addresses]

    def maze(self, cells: str) -> MazeView:
        """The mazes on the grid of sites `cells`. Raises UserError where the scene has none."""
        found = self.scene.spawner.mazes.get(cells)
        if found is None:
            hint = suggest(cells, self.scene.spawner.mazes)
            raise UserError(f"{self.scene.name} has no maze of '{cells}'; {hint}")
        return MazeView(self.model, *found, self._physics)

    def _ids(self, kind: int, count: int, stem: str, what: str) -> np.ndarray:
        key = what, stem
        if key not in self._found:  # scripts ask at every step
            found = np.array(copies_of(self.model, kind, count, stem, what, self.scene.name))
            found.flags.writeable = False
            self._found[key] = found
        return self._found[key]
