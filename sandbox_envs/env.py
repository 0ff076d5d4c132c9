"""One simulation of a scene as a Gymnasium environment that renders."""

import contextlib
import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs import arguments
from sandbox_envs.errors import UserError
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.state_view import StateView
from sandbox_envs.spec import PlainSpec
from sandbox_envs.vector import SandboxVectorEnv
from sandbox_envs.view.window import Viewer


class SandboxEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """The same as slot 0 of a `SandboxVectorEnv`, without the automatic reset.

    Copies (copy, pickle, cloudpickle) go on exactly as the original does. An environment that shows
    a window cannot be copied.

    Args:
        scene: "family/stem" of a shipped scene, the path of an MJCF file, or a Scene.
        overrides: texts and numerics of the scene to replace, by name.
        render_mode: None, "rgb_array", or "human" for an interactive window.
        camera: name or number of a camera of the scene; None is "overhead" where there is one, and
            else one that shows the whole scene.
        width, height: of a frame, in pixels.
        max_episode_steps: control steps after which an episode ends, if not before; -1 and None
            set no such limit.

    Raises:
        SceneError: the scene is wrong. UserError: no such render mode or camera, or no display.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 20}
    spec = PlainSpec()

    def __init__(
        self,
        scene: str | Path | Scene | None = None,
        overrides: Mapping[str, str | float] | None = None,
        render_mode: str | None = None,
        camera: str | int | None = None,
        width: int = 640,
        height: int = 480,
        max_episode_steps: int | None = None,
    ) -> None:
        modes = self.metadata["render_modes"]
        self.render_mode = arguments.checked_render_mode(render_mode, modes)
        (self.scene,) = arguments.load_scenes(None if scene is None else [scene], overrides)
        self._vector = SandboxVectorEnv(
            self.scene,
            num_threads=1,
            autoreset_mode=AutoresetMode.DISABLED,
            max_episode_steps=max_episode_steps,
            render_mode="rgb_array",
            camera=camera,
            width=width,
            height=height,
        )
        self.metadata = {**self.metadata, "render_fps": round(self.scene.control_hz)}
        self.observation_space = self._vector.single_observation_space
        self.action_space = self._vector.single_action_space
        model = self.scene.model
        fps = self.metadata["render_fps"]
        self._viewer = Viewer(model, None, camera, fps) if render_mode == "human" else None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; see `SandboxVectorEnv.reset` for seed and options."""
        super().reset(seed=arguments.checked_seed(seed))
        observations, info = self._vector.reset(seed=seed, options=options)
        self._show()
        return observations[0], _first(info)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Advance by one control step; episodes end as truncations."""
        action = arguments.numbers("the action", action)
        shape = action.shape
        if shape != self.action_space.shape:
            raise UserError(f"the action has shape {shape}, not {self.action_space.shape}")
        observations, rewards, _, over, info = self._vector.step(action[None])
        self._show()
        return observations[0], float(rewards[0]), False, bool(over[0]), _first(info)

    def render(self) -> np.ndarray | None:
        """A frame (height, width, 3) uint8 of "rgb_array"; "human" shows its own, returns None."""
        if self.render_mode != "rgb_array":
            return None
        (frame,) = self._vector.render() or ()
        return frame

    def __copy__(self) -> "SandboxEnv":
        """A copy with a simulation of its own, as `copy.deepcopy` gives it."""
        return copy.deepcopy(self)

    @property
    def camera(self) -> str | int | None:
        """The camera of "rgb_array"; it can be set. Raises UserError where there is no such one."""
        return self._vector.camera

    @camera.setter
    def camera(self, camera: str | int | None) -> None:
        if self._viewer is not None:
            raise UserError("the camera of a window is chosen in the window, by its keys and mouse")
        self._vector.camera = camera

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled scene, to be read: a scene whose model was changed is refused."""
        return self.scene.model

    @property
    def data(self) -> mujoco.MjData:
        """A copy of the simulation's state, with all that derives from it, as after `mj_forward`.

        `mujoco.Renderer` draws it; what is changed in it changes nothing in the simulation.
        """
        data = self._vector.batches[0].get_data(0)
        mujoco.mj_forward(self.model, data)
        return data

    def state_view(self) -> StateView:
        """A live, read-only view of the state, of n = 1 simulation."""
        return self._vector.state_view()

    def get_state(self) -> dict[str, Any]:
        """Everything needed to go on exactly from here."""
        return self._vector.get_state()

    def set_state(self, state: Mapping[str, Any]) -> np.ndarray:
        """Go back to a state from `get_state`; returns the observation."""
        return self._vector.set_state(state)[0]

    def close(self) -> None:
        """Free the renderer or the window; calling it again does nothing."""
        self._vector.close_extras()
        if self._viewer is not None:
            self._viewer.close()

    def _show(self) -> None:
        if self._viewer is not None:
            self._viewer.show(self.data)


def _first(info: dict[str, Any]) -> dict[str, Any]:
    """The info of the one simulation, as numpy's scalars: unlike Python's they have a dtype."""
    return {key: value[0] for key, value in info.items()}


def _convert_bools() -> None:
    """Let Gymnasium's conversions to torch and others take numpy's bool, as they do its numbers."""
    with contextlib.suppress(ImportError, gymnasium.error.DependencyNotInstalled):
        from gymnasium.wrappers.array_conversion import array_conversion

        array_conversion.register(np.bool_, array_conversion.dispatch(float))


_convert_bools()
