"""Skills of a puck that is pushed along x and along y: what a menu offers, and scripts are made of.

A skill is a policy, `(observations, state) -> (actions, state)`, that reads the state of the
environment that it is made for.
"""

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.simulation.state_view import StateView
from sandbox_envs.vector import SandboxVectorEnv

Skill = Callable[[np.ndarray, Any], tuple[np.ndarray, Any]]
SkillMaker = Callable[[SandboxVectorEnv], Skill]
WAIT = "wait"
STIFFNESS, DAMPING = 6.0, 1.5  # shares of the largest force per metre, and per metre in a second


class Puck:
    """The pucks of n simulations: where they are, and how they drive.

    Raises:
        UserError: the scene has no puck: a body that two actuators push along x and along y.
    """

    def __init__(self, view: StateView) -> None:
        model = view.model
        joints = model.actuator_trnid[:, 0]
        slides = (model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT.value).all() and (
            model.jnt_type[joints] == mujoco.mjtJoint.mjJNT_SLIDE.value
        ).all()
        if not (slides and np.array_equal(model.jnt_axis[joints], np.eye(3)[:2])):
            raise UserError(
                f"{view.scene.name} has no puck that two actuators push along x and along y, which "
                "these skills need; give skills of your own"
            )
        self.view = view
        self._body, self._speeds = model.jnt_bodyid[joints[0]], model.jnt_dofadr[joints]

    @property
    def place(self) -> np.ndarray:
        """The positions of the pucks, (n, 2) metres."""
        return self.view.xpos[:, self._body, :2]

    def drive(self, goal: np.ndarray) -> np.ndarray:
        """The actions (n, 2) that lead to places (n, 2) and stay there."""
        velocity = self.view.qvel[:, self._speeds]
        return np.clip(STIFFNESS * (goal - self.place) - DAMPING * velocity, -1, 1)


def go_to(site: str) -> SkillMaker:
    """Goes to a site and stays there.

    Making it raises UserError unless there is exactly one site of this name.
    """

    def make(envs: SandboxVectorEnv) -> Skill:
        view = envs.state_view()
        puck, numbers = Puck(view), view.site_ids(site)
        if len(numbers) > 1:
            names = [view.model.site(number).name for number in numbers]
            raise UserError(
                f"{view.scene.name} has {len(names)} sites '{site}', and a skill goes to one; name "
                f"it: {', '.join(names)}"
            )
        number = numbers[0]
        return lambda obs, state: (puck.drive(view.site_xpos[:, number, :2]), state)

    return make


def wait(envs: SandboxVectorEnv) -> Skill:
    """Stays where it is."""
    puck = Puck(envs.state_view())
    return lambda obs, state: (puck.drive(puck.place), state)


def skills_named(names: tuple[str, ...]) -> dict[str, SkillMaker]:
    """The skills of these names: "wait", or a site to go to.

    Raises:
        UserError: a name is there twice.
    """
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"the skill '{name}' is named {names.count(name)} times; name it once")
    return {name: wait if name == WAIT else go_to(name) for name in names}
