"""Requirements of scripts: parts of a scene that they look for and steer, and its state."""

from collections.abc import Collection
from dataclasses import dataclass

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.names import stem_of
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.state_view import StateView


@dataclass(frozen=True)
class Requirements:
    """The parts that a family's scripts need, by name; "dirt" also stands for copies dirt-0, ..."""

    actuators: tuple[str, ...]
    """all actuators that the scene has, in their order"""
    bodies: Collection[str] = ()
    """bodies, among others"""
    sites: Collection[str] = ()
    """sites, among others"""
    joints: Collection[str] = ()
    """joints, among others"""
    sensors: Collection[str] = ()
    """sensors, among others"""
    mazes: Collection[str] = ()
    """the cells of mazes, among others"""

    def met_by(self, scene: Scene) -> bool:
        """Whether a scene has all of these, whatever its folder is called."""
        model = scene.model
        actuators = tuple(model.actuator(i).name for i in range(model.nu))
        return actuators == self.actuators and all(
            set(needed) <= {name for full in names for name in (full, stem_of(full))}
            for needed, names in (
                (self.bodies, [model.body(i).name for i in range(model.nbody)]),
                (self.sites, [model.site(i).name for i in range(model.nsite)]),
                (self.joints, [model.joint(i).name for i in range(model.njnt)]),
                (self.sensors, scene.sensors),
                (self.mazes, scene.spawner.mazes),
            )
        )


def view_of(envs: SandboxVectorEnv) -> StateView:
    """The state that a script reads. Raises ValueError where the scenes are several."""
    if len(envs.scenes) != 1:
        raise ValueError("a script needs an environment with one scene")
    return envs.state_view()
