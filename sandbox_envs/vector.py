"""Many simulations of a scene as one Gymnasium vector environment, at the speed of the physics.

All dynamics live here; `SandboxEnv` is this with one simulation. A step writes the controls,
lets `mujoco.batch` step every simulation without sensors, brings sensors up to date once, and
evaluates measures, reward and observation for all simulations together.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from sandbox_envs.errors import UserError, suggest
from sandbox_envs.scene.family import check_one_family
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.simulations import Simulations
from sandbox_envs.simulation.state_view import StateView


class SandboxVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """`num_envs` simulations of one scene, or of several scenes of one family.

    Actions are (num_envs, actuators) in [-1, 1], mapped affinely to each actuator's control
    range. Observations are (num_envs, size) float32, as the scene's text `observe` says.
    Episodes have a fixed length and end as truncations. Slot i plays the episodes i,
    i + num_envs, i + 2 * num_envs, ..., and an episode depends on nothing but the seed and that
    number, so results do not depend on `num_envs`.

    `info`, arrays of (num_envs,): every measure by name; return/MEASURE, its change since the
    reset; return, length, episode_index and unstable. When episodes end, final_obs and final_info
    hold the same of their last step, where the masks _final_obs and _final_info are true.

    Args:
        scene: a name, a path, a Scene, or a list of these (slots are shared out evenly, and
            naming a scene twice gives it twice the slots).
        num_envs: how many simulations.
        overrides: texts and numerics of the scene(s) to replace, by name.
        num_threads: threads that step the physics; 0 means all processors.
        autoreset_mode: SAME_STEP, or DISABLED for a caller that resets by itself.

    Raises:
        SceneError: a scene is wrong, or the scenes are not of one family.
    """

    single_observation_space: gymnasium.spaces.Box
    single_action_space: gymnasium.spaces.Box

    def __init__(
        self,
        scene: str | Path | Scene | Sequence[str | Path | Scene],
        num_envs: int = 1,
        overrides: Mapping[str, str | float] | None = None,
        num_threads: int = 0,
        autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
        max_episode_steps: int | None = None,
    ) -> None:
        if num_envs < 1:
            raise UserError(f"num_envs is {num_envs}; it must be 1 or more")
        if autoreset_mode not in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED):
            raise UserError(f"autoreset_mode is {autoreset_mode}; it must be SAME_STEP or DISABLED")
        scenes = [scene] if isinstance(scene, str | Path | Scene) else list(scene)
        self.scenes = [load_scene(s, overrides) for s in scenes]
        if max_episode_steps is not None:
            seconds = max_episode_steps / self.scenes[0].control_hz
            self.scenes = [load_scene(s, {"episode_seconds": seconds}) for s in self.scenes]
        check_one_family(self.scenes)
        if num_envs < len(self.scenes):
            raise UserError(f"{len(self.scenes)} scenes need as many environments or more")
        self.num_envs = num_envs
        parts = np.array_split(np.arange(num_envs), len(self.scenes))
        self._parts = [slice(int(part[0]), int(part[-1]) + 1) for part in parts]
        self._groups = [
            Simulations(s, np.arange(num_envs)[part], num_envs, num_threads)
            for s, part in zip(self.scenes, self._parts, strict=True)
        ]
        self.batches = [group.physics.batch for group in self._groups]
        self.metadata = {
            "render_modes": [],
            "render_fps": round(self.scenes[0].control_hz),
            "autoreset_mode": autoreset_mode,
        }
        self._autoreset = autoreset_mode == AutoresetMode.SAME_STEP
        self.single_observation_space = observation_space(self.scenes[0])
        self.single_action_space = gymnasium.spaces.Box(
            -1.0, 1.0, (self.scenes[0].model.nu,), np.float32
        )
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._seed: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start new episodes in every slot.

        Args:
            seed: the seed of all episodes to come, counted from episode 0 again; None goes on
                to each slot's next episode (after a random seed, the first time).
            options: {"stagger": True} spreads the first episodes' ends evenly over an episode's
                length; {"clock": k or (num_envs,) int} counts so many control steps of the first
                episodes as passed, so that they end sooner; {"episode": k} starts slot i at
                episode k + i; {"reset_mask": (num_envs,) bool} resets only these slots.

        Returns:
            Observations (num_envs, size) and info.

        Raises:
            UserError: an option is unknown or wrong.
        """
        options = options or {}
        mask, clock = self._check_options(options)
        fresh_seed = seed is not None or self._seed is None
        if fresh_seed:
            super().reset(seed=seed)
            # gymnasium keeps the entropy of an unseeded generator as a number of 128 bits
            self._seed = int(self.np_random.integers(2**31)) if seed is None else seed
        for group in self._groups:
            rows = np.flatnonzero(mask[group.slots])
            if fresh_seed or "episode" in options:
                group.rewind(rows, int(options.get("episode", 0)))
            group.reset(rows, self._seed, clock[group.slots[rows]])
        return self._observations(), self._info()

    def _check_options(self, options: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """Which slots to reset, (num_envs,) bool, and where their clocks start, (num_envs,) int."""
        known = ("stagger", "clock", "episode", "reset_mask")
        for name in options:
            if name not in known:
                raise UserError(f"unknown reset option '{name}'; {suggest(name, known)}")
        mask = np.asarray(options.get("reset_mask", np.ones(self.num_envs, bool)))
        if mask.shape != (self.num_envs,) or mask.dtype != bool:
            raise UserError(f"reset_mask must be {self.num_envs} booleans, one per environment")
        return mask, self._start_clock(options)

    def _start_clock(self, options: Mapping[str, Any]) -> np.ndarray:
        if options.get("stagger"):
            if "clock" in options:
                raise UserError("stagger and clock both set the clocks; give one of them")
            return np.concatenate(
                [g.slots * g.scene.episode_steps // self.num_envs for g in self._groups]
            )
        clock = np.asarray(options.get("clock", 0))
        most = min(scene.episode_steps for scene in self.scenes) - 1
        if (
            clock.shape not in ((), (self.num_envs,))
            or clock.dtype.kind not in "iu"
            or not ((clock >= 0) & (clock <= most)).all()
        ):
            raise UserError(
                f"clock must be a whole number of control steps from 0 to {most}, or "
                f"{self.num_envs} of them, one per environment"
            )
        return np.broadcast_to(clock, self.num_envs)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Advance every simulation by one control step.

        Returns:
            Observations, rewards (float64), terminations (never true), truncations, and info.

        Raises:
            UserError: the actions have another shape, or are not finite.
        """
        if self._seed is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        actions = np.asarray(actions, np.float64)
        if actions.shape != self.action_space.shape:
            raise UserError(f"actions have shape {actions.shape}, not {self.action_space.shape}")
        if not np.isfinite(actions).all():
            raise UserError("an action is not a finite number")
        for group, part in zip(self._groups, self._parts, strict=True):
            group.step(actions[part])
        rewards = np.concatenate([group.rewards for group in self._groups])
        over = np.concatenate([group.over for group in self._groups])
        final: dict[str, Any] = {}
        if self._autoreset and over.any():
            final = {"final_obs": self._observations(), "_final_obs": over.copy()}
            final |= {"final_info": self._info(), "_final_info": over.copy()}
            for group in self._groups:
                group.reset(np.flatnonzero(group.over), self._seed)
        info = self._info() | final  # the running values are those of the new episodes
        return self._observations(), rewards, np.zeros(self.num_envs, bool), over, info

    def state_view(self, scene: int = 0) -> StateView:
        """A live, read-only view of the state of one scene's simulations.

        Args:
            scene: its number in `scenes`.

        Raises:
            UserError: there is no such scene.
        """
        if not 0 <= scene < len(self._groups):
            raise UserError(f"scene {scene}: there are {len(self._groups)}, counted from 0")
        return self._groups[scene].view

    def get_state(self) -> dict[str, np.ndarray | int | None]:
        """Everything needed to go on exactly from here, as plain arrays.

        `splice_states` puts such states together; nothing else should rely on their names.
        """
        state: dict[str, np.ndarray | int | None] = {"seed": self._seed}
        for i, group in enumerate(self._groups):
            state |= {f"{i}/{name}": array.copy() for name, array in group.memory().items()}
        return state

    def set_state(self, state: Mapping[str, Any]) -> np.ndarray:
        """Go back to a state from `get_state` of the same scenes; returns the observations.

        Raises:
            UserError: the state is of other scenes, of another number of simulations, or of
                another version; then nothing has changed.
        """
        memories = [group.memory() for group in self._groups]
        shapes = {
            f"{i}/{name}": array.shape
            for i, memory in enumerate(memories)
            for name, array in memory.items()
        }
        given = {name: np.asarray(state[name]) for name in state if name != "seed"}
        if {name: array.shape for name, array in given.items()} != shapes or "seed" not in state:
            raise UserError(
                "this state is of other scenes, of another number of simulations, or of another "
                "version of sandbox_envs"
            )
        self._seed = None if state["seed"] is None else int(state["seed"])
        for i, (group, memory) in enumerate(zip(self._groups, memories, strict=True)):
            group.restore({name: given[f"{i}/{name}"] for name in memory})
        return self._observations()

    def _observations(self) -> np.ndarray:
        return np.concatenate([group.observations for group in self._groups])

    def _info(self) -> dict[str, Any]:
        infos = [group.info() for group in self._groups]
        return {key: np.concatenate([info[key] for info in infos]) for key in infos[0]}


def observation_space(scene: Scene) -> gymnasium.spaces.Box:
    """The space of the scene's observation, bounded where its terms are."""
    low = np.concatenate([np.full(term.size, term.low) for term in scene.terms])
    high = np.concatenate([np.full(term.size, term.high) for term in scene.terms])
    return gymnasium.spaces.Box(low.astype(np.float32), high.astype(np.float32))
