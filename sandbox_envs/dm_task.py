"""The task and the physics behind `sandbox_envs.dm_control.load`; imports dm_control."""

import copy
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
from dm_control.mujoco import Physics
from dm_control.mujoco.wrapper import MjModel
from dm_control.rl import control
from dm_env import specs

from sandbox_envs import arguments
from sandbox_envs.errors import UserError
from sandbox_envs.language.parser import term_texts
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.simulations import Simulations

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION.value
_ROW = np.arange(1)  # the one simulation


class SceneTask(control.Task):
    """A scene's starts, reward, observation and measures, for the physics of one simulation.

    `Simulations` computes them all: it draws an episode's start, to which the physics is set, and
    after each step it takes over the state of the physics, which is the one that counts.

    Args:
        scene: what is simulated.
        seed: of the episodes; None draws one.
    """

    def __init__(self, scene: Scene, seed: int | None = None) -> None:
        self.scene = scene
        seed = arguments.checked_seed(seed)
        self.seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed
        self._simulations = Simulations(scene, _ROW, stride=1, num_threads=1)
        names = term_texts(scene.texts["observe"])
        self._names = [n if names.count(n) == 1 else f"{n} #{i}" for i, n in enumerate(names)]
        self._ends = np.cumsum([term.size for term in scene.terms])[:-1]

    def info(self) -> dict[str, Any]:
        """Gymnasium's `info`: every measure, its change, and the running figures."""
        return {name: value[0].item() for name, value in self._simulations.info().items()}

    def initialize_episode(self, physics: Physics) -> None:
        """Put everything where the next episode starts."""
        self._simulations.reset(_ROW, self.seed)
        physics.set_state(self._simulations.physics.batch.state[0], sig=_STATE)

    def before_step(self, action: np.ndarray, physics: Physics) -> None:
        """Set the controls that an action (actuators,) in [-1, 1] stands for.

        One number stands for all, as the bounds of dm_control's specs are given.
        """
        action = arguments.numbers("the action", action)
        needed = (physics.model.nu,)
        if action.shape not in ((), needed):
            raise UserError(f"the action has shape {action.shape}, not {needed}")
        action = np.broadcast_to(action, needed)
        physics.set_control(self._simulations.physics.control(action))

    def after_step(self, physics: Physics) -> None:
        """Measure what the step has changed."""
        self._simulations.follow(physics.control()[None], physics.get_state(sig=_STATE)[None])

    def action_spec(self, physics: Physics) -> specs.BoundedArray:
        """Numbers in [-1, 1], one per actuator."""
        return specs.BoundedArray((physics.model.nu,), float, -1.0, 1.0, name="action")

    def get_observation(self, physics: Physics) -> OrderedDict[str, np.ndarray]:
        """Each term of the scene's text `observe` by what is written there, (size,) float32."""
        parts = np.split(self._simulations.observations[0].copy(), self._ends)
        return OrderedDict(zip(self._names, parts, strict=True))

    def get_reward(self, physics: Physics) -> float:
        """The reward of the last step."""
        return float(self._simulations.rewards[0])

    def get_termination(self, physics: Physics) -> float | None:
        """1 when time is over: the episode is cut off there, and what would follow has a value."""
        return 1.0 if self._simulations.over[0] else None


def make(scene: Scene, seed: int | None, options: Mapping[str, Any]) -> control.Environment:
    """The environment; options: further arguments of `control.Environment`."""
    # a copy, since dm_control switches flags of its model on and off, and scenes are shared
    physics = Physics.from_model(MjModel(copy.copy(scene.model)))
    task = SceneTask(scene, seed)
    return control.Environment(physics, task, n_sub_steps=scene.substeps, **options)
