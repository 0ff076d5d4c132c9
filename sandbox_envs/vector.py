"""Many simulations of a scene as one Gymnasium vector environment, at the speed of the physics.

All dynamics live here; `SandboxEnv` is this with one simulation. A step writes the controls,
lets `mujoco.batch` step every simulation without sensors, brings sensors up to date once, and
evaluates measures, reward and observation for all simulations together.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from mujoco.batch import Batch

from sandbox_envs import arguments
from sandbox_envs.arrays import fits
from sandbox_envs.errors import UserError
from sandbox_envs.scene.family import check_one_family
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.simulations import Simulations
from sandbox_envs.simulation.state_view import StateView
from sandbox_envs.spec import PlainSpec
from sandbox_envs.view.camera import find_camera
from sandbox_envs.view.render import Renderer

# what the info of a step holds beside arrays of all simulations, where episodes ended
OF_THE_END = ("final_obs", "_final_obs", "final_info", "_final_info")
_INSTEAD_OF_WINDOW = (
    "; for a window wrap rgb_array in gymnasium.wrappers.vector.HumanRendering, or use SandboxEnv"
)


class SandboxVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """`num_envs` simulations of one scene, or of several scenes of one family.

    Actions are (num_envs, actuators) in [-1, 1], mapped affinely to each actuator's control
    range. Observations are (num_envs, size) float32, as the scene's text `observe` says.
    Episodes have a fixed length and end as truncations. Slot i plays the episodes i,
    i + num_envs, i + 2 * num_envs, ..., and an episode depends on nothing but the seed and that
    number, so results do not depend on `num_envs`. But where a scene carries something over
    (`carry/NAME`), it also depends on the episode before it in its slot.

    `info`, arrays of (num_envs,): every measure by name; return/MEASURE, its change since the
    reset; return/reward, the sum of the rewards; length, episode_index and unstable.

    When an episode ends, SAME_STEP starts the next one in the same step: observation and info are
    those of its start, and final_obs and final_info in `info` hold the last ones of the old
    episode, where the masks _final_obs and _final_info are true. NEXT_STEP, Gymnasium's own default
    and the one that its wrappers of observations accept, starts the next episode in the next step,
    which ignores that slot's action and gives reward 0. DISABLED leaves resets to the caller.

    Copies (copy, pickle, cloudpickle) go on exactly as the original does.

    Args:
        scene: a name, a path, a Scene, or a list of these (slots are shared out evenly, and
            naming a scene twice gives it twice the slots).
        num_envs: how many simulations.
        overrides: texts and numerics of the scene(s) to replace, by name.
        num_threads: threads that step the physics; 0 means one per core that this process may use,
            at most OMP_NUM_THREADS.
        autoreset_mode: SAME_STEP, NEXT_STEP or DISABLED, also as text ("NextStep").
        max_episode_steps: control steps after which episodes end, if not before; -1 and None set
            no such limit.
        render_mode: None, or "rgb_array" for frames.
        camera: as in `SandboxEnv`.
        width, height: of a frame, in pixels.
        render_envs: how many simulations `render` draws, the first ones; None draws all, which
            Gymnasium's RecordVideo and HumanRendering take.
        carry_shift: what an episode of slot i leaves, by a text `carry/NAME`, goes to the next
            episode of slot i + carry_shift, wrapping around at the scene's last slot; 0 leaves it
            to the same slot.

    Raises:
        SceneError: a scene is wrong, or the scenes are not of one family.
        UserError: another argument is wrong.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}
    single_observation_space: gymnasium.spaces.Box
    single_action_space: gymnasium.spaces.Box
    spec = PlainSpec()

    def __init__(
        self,
        scene: str | Path | Scene | Sequence[str | Path | Scene] | None = None,
        num_envs: int = 1,
        overrides: Mapping[str, str | float] | None = None,
        num_threads: int = 0,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        camera: str | int | None = None,
        width: int = 640,
        height: int = 480,
        render_envs: int | None = None,
        carry_shift: int = 0,
    ) -> None:
        self.num_envs = n = arguments.whole_number("num_envs", num_envs, 1)
        self.autoreset_mode = arguments.autoreset_mode(autoreset_mode)
        modes = self.metadata["render_modes"]
        self.render_mode = arguments.checked_render_mode(render_mode, modes, _INSTEAD_OF_WINDOW)
        self.scenes = arguments.load_scenes(scene, overrides)
        check_one_family(self.scenes)
        if n < len(self.scenes):
            raise UserError(f"{len(self.scenes)} scenes need as many environments or more")
        parts = np.array_split(np.arange(n), len(self.scenes))
        threads = arguments.whole_number("num_threads", num_threads, 0, arguments.MOST_THREADS)
        limit = arguments.most_steps(max_episode_steps)
        self.carry_shift = shift = arguments.whole_number("carry_shift", carry_shift, 0, n)
        self._groups = [
            Simulations(s, part, n, threads, limit, shift)
            for s, part in zip(self.scenes, parts, strict=True)
        ]
        self._drawn = (
            n if render_envs is None else arguments.whole_number("render_envs", render_envs, 1, n)
        )
        self._renderers = [Renderer(s.model, camera, width, height) for s in self.scenes]
        self.metadata = {
            **self.metadata,
            "render_fps": round(self.scenes[0].control_hz),
            "autoreset_mode": self.autoreset_mode,
        }
        self.single_observation_space = observation_space(self.scenes[0])
        self.single_action_space = gymnasium.spaces.Box(
            -1.0, 1.0, (self.scenes[0].model.nu,), np.float32
        )
        self.observation_space = batch_space(self.single_observation_space, n)
        self.action_space = batch_space(self.single_action_space, n)
        self._seed: int | None = None

    @property
    def camera(self) -> str | int | None:
        """The camera that draws; it can be set. Raises UserError where there is no such camera."""
        return self._renderers[0].camera

    @camera.setter
    def camera(self, camera: str | int | None) -> None:
        for scene in self.scenes:
            find_camera(scene.model, camera)  # so that an error changes nothing
        for renderer in self._renderers:
            renderer.camera = camera

    @property
    def batches(self) -> list[Batch]:
        """The batch of each scene's simulations."""
        return [group.physics.batch for group in self._groups]

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
                episode k + i; {"reset_mask": (num_envs,) bool} resets only these slots, which all
                are in the first reset.

        Returns:
            Observations (num_envs, size) and info.

        Raises:
            UserError: an option is unknown or wrong.
        """
        options, seed = options or {}, arguments.checked_seed(seed)
        mask = arguments.slots_to_reset(options, self.num_envs, first=self._seed is None)
        first, slots = arguments.first_episode(options), [group.slots for group in self._groups]
        clock = arguments.start_clock(options, slots, [g.episode_steps for g in self._groups])
        fresh_seed = seed is not None or self._seed is None
        if fresh_seed:
            super().reset(seed=seed)
            # gymnasium keeps the entropy of an unseeded generator as a number of 128 bits
            self._seed = int(self.np_random.integers(2**31)) if seed is None else seed
        for group in self._groups:
            rows = np.flatnonzero(mask[group.slots])
            if fresh_seed or first is not None:
                group.rewind(rows, first or 0)
            group.reset(rows, self._seed, clock[group.slots[rows]])
        return self._observations(), self._info()

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Advance every simulation by one control step; NEXT_STEP resets ended ones instead.

        Returns:
            Observations, rewards (float64), terminations (never true), truncations, and info.

        Raises:
            UserError: the actions have another shape, or are not finite.
        """
        if self._seed is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        actions = arguments.numbers("actions", actions)
        if actions.shape != self.action_space.shape:
            raise UserError(f"actions have shape {actions.shape}, not {self.action_space.shape}")
        if not np.isfinite(actions).all():
            raise UserError("an action is not a finite number")
        for group in self._groups:
            self._step(group, actions[group.slots])
        rewards = np.concatenate([group.rewards for group in self._groups])
        over = np.concatenate([group.over for group in self._groups])
        final: dict[str, Any] = {}
        if self.autoreset_mode == AutoresetMode.SAME_STEP and over.any():
            final = {"final_obs": self._observations(), "_final_obs": over.copy()}
            final |= {"final_info": self._info(), "_final_info": over.copy()}
            for group in self._groups:
                group.reset(np.flatnonzero(group.over), self._seed)
        info = self._info() | final  # the running values are those of the new episodes
        return self._observations(), rewards, np.zeros(self.num_envs, bool), over, info

    def _step(self, group: Simulations, actions: np.ndarray) -> None:
        due = group.over  # with the step before
        if self.autoreset_mode != AutoresetMode.NEXT_STEP or not due.any():
            group.step(actions)
        else:
            group.step(actions, idle=due)
            group.reset(np.flatnonzero(due), self._seed)

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Frames (height, width, 3) uint8 of the first simulations; None without a render mode."""
        if self.render_mode is None:
            return None
        return tuple(
            renderer.frame(group.physics.batch.get_data(row))
            for renderer, group in zip(self._renderers, self._groups, strict=True)
            for row in range(len(group.slots))
            if group.slots[row] < self._drawn
        )

    def close_extras(self, **_arguments: Any) -> None:
        """Free the renderers; `close` does this once, however often it is called."""
        for renderer in getattr(self, "_renderers", ()):  # there is none if __init__ failed
            renderer.close()

    def __copy__(self) -> "SandboxVectorEnv":
        """A copy with simulations of its own, as `copy.deepcopy` gives it."""
        return copy.deepcopy(self)

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
            if self.autoreset_mode == AutoresetMode.NEXT_STEP:
                state[f"{i}/over"] = group.over.copy()
        return state

    def set_state(self, state: Mapping[str, Any]) -> np.ndarray:
        """Go back to a state from `get_state` of the same scenes; returns the observations.

        Raises:
            UserError: the state is of other scenes, of another number of simulations, of another
                version, or damaged; then nothing has changed.
        """
        seed, given = self._read(state)
        self._seed = seed
        for i, group in enumerate(self._groups):
            group.restore({name: given[f"{i}/{name}"] for name in group.memory()})
            group.over[...] = given.get(f"{i}/over", group.over)
        return self._observations()

    def _read(self, state: Mapping[str, Any]) -> tuple[int | None, dict[str, np.ndarray]]:
        """The seed and the arrays of a state that fits here."""
        places = {
            f"{i}/{name}": array
            for i, group in enumerate(self._groups)
            for name, array in {**group.memory(), "over": group.over}.items()
            if name != "over" or f"{i}/over" in state
        }
        try:
            given = {name: np.asarray(state[name]) for name in state if name != "seed"}
        except (TypeError, ValueError, RuntimeError):  # a list of lists that differ in length
            given = {}
        wrong = given.keys() ^ places.keys() or [
            name for name, array in given.items() if not fits(array, places[name])
        ]
        if wrong or "seed" not in state:
            raise UserError(
                "this state is of other scenes, of another number of simulations, or of another "
                f"version of sandbox_envs, or it is damaged: {min(wrong, default='seed')} does not "
                "fit"
            )
        seed = state["seed"]
        if isinstance(seed, np.ndarray) and seed.ndim == 0:  # as a file of arrays gives it
            seed = seed.item()
        return None if seed is None else arguments.whole_number("the state's seed", seed, 0), given

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
