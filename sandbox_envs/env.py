"""One simulation of a scene as a Gymnasium environment that renders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs.errors import UserError
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.state_view import StateView
from sandbox_envs.vector import SandboxVectorEnv
from sandbox_envs.view.render import Renderer
from sandbox_envs.view.window import Viewer


class SandboxEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """The same as slot 0 of a `SandboxVectorEnv`, without the automatic reset.

    Args:
        scene: "family/stem" of a shipped scene, the path of an MJCF file, or a Scene.
        overrides: texts and numerics of the scene to replace, by name.
        render_mode: None, "rgb_array", or "human" for an interactive window.
        camera: name of a camera of the scene; None is "overhead" where there is one, and else
            one that shows the whole scene.
        width, height: of a frame, in pixels.

    Raises:
        SceneError: the scene is wrong. UserError: no such render mode or camera, or no display.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 20}

    def __init__(
        self,
        scene: str | Path | Scene = "sweep/train",
        overrides: Mapping[str, str | float] | None = None,
        render_mode: str | None = None,
        camera: str | None = None,
        width: int = 640,
        height: int = 480,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise UserError(f"render_mode '{render_mode}' is not one of human, rgb_array or None")
        self.scene = load_scene(scene, overrides)
        self._vector = SandboxVectorEnv(
            self.scene, 1, num_threads=1, autoreset_mode=AutoresetMode.DISABLED
        )
        self.metadata = {**self.metadata, "render_fps": round(self.scene.control_hz)}
        self.observation_space = self._vector.single_observation_space
        self.action_space = self._vector.single_action_space
        self.render_mode = render_mode
        model = self.scene.model
        self._renderer = Renderer(model, camera, width, height)
        fps = self.metadata["render_fps"]
        self._viewer = Viewer(model, None, camera, fps) if render_mode == "human" else None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; see `SandboxVectorEnv.reset` for seed and options."""
        super().reset(seed=seed)
        observations, info = self._vector.reset(seed=seed, options=options)
        self._show()
        return observations[0], _first(info)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Advance by one control step; episodes end as truncations."""
        shape = np.shape(action)
        if shape != self.action_space.shape:
            raise UserError(f"the action has shape {shape}, not {self.action_space.shape}")
        observations, rewards, _, over, info = self._vector.step(np.asarray(action)[None])
        self._show()
        return observations[0], float(rewards[0]), False, bool(over[0]), _first(info)

    def render(self) -> np.ndarray | None:
        """A frame (height, width, 3) uint8 of "rgb_array"; "human" shows its own, returns None."""
        if self.render_mode != "rgb_array":
            return None
        return self._renderer.frame(self.data)

    @property
    def data(self) -> mujoco.MjData:
        """A copy of the simulation's state; call `mujoco.mj_forward` for what derives from it."""
        return self._vector.batches[0].get_data(0)

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
        self._renderer.close()
        if self._viewer is not None:
            self._viewer.close()

    def _show(self) -> None:
        if self._viewer is not None:
            self._viewer.show(self.data)


def _first(info: dict[str, Any]) -> dict[str, Any]:
    return {key: value[0].item() for key, value in info.items()}
