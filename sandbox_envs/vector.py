"""Many simulations of a scene as one Gymnasium vector environment, at the speed of the physics.

All dynamics live here; `SandboxEnv` is this with one simulation. A step writes the controls,
lets `mujoco.batch` step every simulation without sensors, brings sensors up to date once, and
evaluates measures, reward and observation for all simulations together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from mujoco.batch import Batch, SimulationError

from sandbox_envs.errors import SceneError, UserError
from sandbox_envs.formula import Inputs
from sandbox_envs.observe import View
from sandbox_envs.scene import Scene, load_scene
from sandbox_envs.spawn import Start


class SandboxVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """`num_envs` simulations of one scene, or of several scenes of one family.

    Actions are (num_envs, actuators) in [-1, 1], mapped affinely to each actuator's control
    range. Observations are (num_envs, size) float32, as the scene's text `observe` says.
    Episodes have a fixed length and end as truncations. Slot i plays the episodes i,
    i + num_envs, i + 2 * num_envs, ..., and an episode depends on nothing but the seed and that
    number, so results do not depend on `num_envs`.

    `info`, arrays of (num_envs,): every measure by name; score/MEASURE, its change since the
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
        scenes = [scene] if isinstance(scene, str | Path | Scene) else list(scene)
        self.scenes = [load_scene(s, overrides) for s in scenes]
        if max_episode_steps is not None:
            seconds = max_episode_steps / self.scenes[0].control_hz
            self.scenes = [load_scene(s, {"episode_seconds": seconds}) for s in self.scenes]
        _check_one_family(self.scenes)
        if num_envs < len(self.scenes):
            raise UserError(f"{len(self.scenes)} scenes need as many environments or more")
        self.num_envs = num_envs
        parts = np.array_split(np.arange(num_envs), len(self.scenes))
        self._parts = [slice(int(part[0]), int(part[-1]) + 1) for part in parts]
        self._groups = [
            _Group(s, np.arange(num_envs)[part], num_envs, num_threads)
            for s, part in zip(self.scenes, self._parts, strict=True)
        ]
        self.batches = [group.batch for group in self._groups]
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
                length; {"episode": k} starts slot i at episode k + i; {"reset_mask": (num_envs,)
                bool} resets only these slots.

        Returns:
            Observations (num_envs, size) and info.
        """
        options = options or {}
        fresh_seed = seed is not None or self._seed is None
        if fresh_seed:
            super().reset(seed=seed)
            # gymnasium keeps the entropy of an unseeded generator as a number of 128 bits
            self._seed = int(self.np_random.integers(2**31)) if seed is None else seed
        mask = np.asarray(options.get("reset_mask", np.ones(self.num_envs, bool)))
        for group in self._groups:
            rows = np.flatnonzero(mask[group.slots])
            if fresh_seed or "episode" in options:
                group.rewind(rows, int(options.get("episode", 0)))
            group.reset(rows, self._seed)
            if options.get("stagger"):
                group.stagger()
        return self._observations(), self._info()

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
        info = self._info()
        if self._autoreset and over.any():
            info |= {"final_obs": self._observations(), "_final_obs": over}
            info |= {"final_info": self._info(), "_final_info": over.copy()}
            for group in self._groups:
                group.reset(np.flatnonzero(group.over), self._seed)
            # the running values are those of the new episodes, as in reset()
            info |= self._info()
        return self._observations(), rewards, np.zeros(self.num_envs, bool), over, info

    def get_state(self) -> dict[str, np.ndarray | int | None]:
        """Everything needed to go on exactly from here, as plain arrays."""
        state: dict[str, np.ndarray | int | None] = {"seed": self._seed}
        for i, group in enumerate(self._groups):
            state |= {f"{i}/{name}": array.copy() for name, array in group.memory().items()}
        return state

    def set_state(self, state: Mapping[str, Any]) -> np.ndarray:
        """Go back to a state from `get_state` of the same scenes; returns the observations."""
        self._seed = None if state["seed"] is None else int(state["seed"])
        for i, group in enumerate(self._groups):
            group.restore({k: np.asarray(state[f"{i}/{k}"]) for k in group.memory()})
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


def _check_one_family(scenes: list[Scene]) -> None:
    if not scenes:
        raise UserError("no scene given; name at least one")
    first = scenes[0]
    for scene in scenes[1:]:
        for what, one, other in (
            ("measures", sorted(first.measures), sorted(scene.measures)),
            ("intended measure", first.intended, scene.intended),
            ("proxies", sorted(first.proxies), sorted(scene.proxies)),
            ("observation", first.texts.get("observe"), scene.texts.get("observe")),
            ("actuators", first.model.nu, scene.model.nu),
            ("control_hz", first.control_hz, scene.control_hz),
        ):
            if one != other:
                raise SceneError(
                    f"{first.name} and {scene.name} cannot share an environment: their {what} "
                    f"differ ({one} and {other})"
                )
        if observation_space(scene).shape != observation_space(first).shape:
            raise SceneError(f"{first.name} and {scene.name} observe different numbers of things")


class _Group:
    """The slots of one scene: a batch of simulations and all that is remembered about them.

    slots: (n,) their numbers in the environment. rewards, over: (n,), of the last step.
    observations: (n, size) float32, replaced and never written to once given out.
    """

    def __init__(self, scene: Scene, slots: np.ndarray, stride: int, num_threads: int) -> None:
        self.scene, self.slots, self.stride = scene, slots, stride
        n = len(slots)
        self.batch = Batch(scene.model, n, num_threads)
        self._fields = {
            name: self.batch.bind(name) for name in ("sensordata", "geom_xpos", "xpos", "xmat")
        }
        self._flags = self.batch.expand("opt.disableflags")
        self._own_flags = scene.model.opt.disableflags
        self._stage, self._idle_flags = _sensor_needs(scene.model)
        low, high = scene.model.actuator_ctrlrange.T
        self._centre, self._half = (low + high) / 2, (high - low) / 2
        self._largest = np.maximum(np.abs(low), np.abs(high))
        self._sensor_columns = {k: _as_slice(a) for k, a in scene.sensors.items()}
        self._formulas = (*scene.measures.values(), scene.reward)
        self._registers = [formula.registers(n) for formula in self._formulas]
        self._present = {
            rule.stem: np.ones((n, len(rule.bodies)))
            for rule in scene.spawner.rules
            if rule.may_be_absent
        }
        self._levels = np.zeros((n, len(scene.measures)))
        self._begun = np.zeros((n, len(scene.measures)))
        self._first = np.zeros((), np.int64)  # the number of slot 0's first episode
        self._rounds = np.zeros(n, np.int64)  # episodes each slot has begun
        self._clock = np.zeros(n, np.int64)  # control steps into the episode; staggering moves it
        self._length = np.zeros(n, np.int64)
        self._return = np.zeros(n)
        self._unstable = np.zeros(n, bool)
        self._warnings = np.zeros(n, np.int64)
        self._drawn: Start | None = None  # the next episode of every slot ...
        self._ready = np.zeros(n, bool)  # ... that has not begun it yet
        self.rewards, self.over = np.zeros(n), np.zeros(n, bool)
        self.observations = np.zeros((n, sum(t.size for t in scene.terms)), np.float32)

    # --- stepping ----------------------------------------------------------------------------

    def step(self, actions: np.ndarray) -> None:
        control = self._centre + self._half * np.clip(actions, -1, 1)
        self.batch.ctrl[:] = control
        failed = self._advance_physics()
        with np.errstate(all="ignore"):  # an unstable simulation holds numbers of any size
            self._measure_step(control, failed)

    def _measure_step(self, control: np.ndarray, failed: np.ndarray) -> None:
        inputs = self._inputs(None, fresh=False)
        levels = self._measure(inputs, self._registers)
        effort = np.abs(control / self._largest).mean(1)
        self._unstable = self._new_warnings() | failed
        keep = self._unstable[:, None]
        rewards = self._reward(levels, effort, inputs, self._registers)
        self.rewards = np.where(self._unstable, 0.0, rewards)
        self._levels = np.where(keep, self._levels, levels)
        self._clock += 1
        self._length += 1
        self._return = self._return + self.rewards
        self.over = (self._clock >= self.scene.episode_steps) | self._unstable
        observed = self._observe(inputs, None)
        self.observations = np.where(keep, self.observations, observed)

    def _advance_physics(self) -> np.ndarray:
        """One control step; returns which simulations MuJoCo gave up on, (n,) bool.

        Sensors are needed once per control step, not in each physics step, and to bring them up
        to date takes neither contacts nor constraints: switching these off where they are idle
        saves a fifth of the time.
        """
        self._flags |= mujoco.mjtDisableBit.mjDSBL_SENSOR.value
        failed = self._call(self.batch.step, nstep=self.scene.substeps)
        return self._update_sensors() | failed

    def _update_sensors(self, rows: np.ndarray | None = None) -> np.ndarray:
        self._flags[:] = self._own_flags | self._idle_flags
        failed = self._call(self.batch.forward, ids=rows, stage=self._stage)
        self._flags[:] = self._own_flags
        return failed

    def _call(self, function: Callable[..., None], **arguments: Any) -> np.ndarray:
        """Run physics; returns which simulations MuJoCo gave up on, (n,) bool.

        What MuJoCo would print, and write to a file in the current folder, the warning counters
        tell as well.
        """
        failed = np.zeros(len(self.slots), bool)
        handler = mujoco.get_mju_user_warning()
        mujoco.set_mju_user_warning(_ignore)
        try:
            function(**arguments)
        except SimulationError as error:
            failed[error.ids] = True
        finally:
            mujoco.set_mju_user_warning(handler)
        return failed

    def _new_warnings(self) -> np.ndarray:
        before = self._warnings
        self._warnings = self.batch.warning[:, :, 1].sum(1)
        return self._warnings != before

    # --- measuring ---------------------------------------------------------------------------

    def _inputs(self, rows: np.ndarray | None, fresh: bool) -> Inputs:
        """What formulas read, for all slots or for some rows."""
        data = self._fields["sensordata"] if rows is None else self._fields["sensordata"][rows]
        present = {k: v if rows is None else v[rows] for k, v in self._present.items()}
        signals = {
            name: data[:, columns].reshape(len(data), self.scene.signals[name].copies, -1)
            for name, columns in self._sensor_columns.items()
        }
        return Inputs(signals, present, [], fresh, 1 / self.scene.control_hz)

    def _measure(self, inputs: Inputs, registers: list[list[np.ndarray]]) -> np.ndarray:
        """The level of every measure, (rows, measures)."""
        n = len(next(iter(inputs.signals.values())))
        levels = np.empty((n, len(self.scene.measures)))
        for i, formula in enumerate(self.scene.measures.values()):
            levels[:, i] = formula(replace(inputs, registers=registers[i]), n)
        return levels

    def _reward(
        self,
        levels: np.ndarray,
        effort: np.ndarray,
        inputs: Inputs,
        registers: list[list[np.ndarray]],
    ) -> np.ndarray:
        signals = {"effort": effort[:, None, None]}
        for i, name in enumerate(self.scene.measures):
            signals[f"level({name})"] = levels[:, i, None, None]
            signals[f"gain({name})"] = (levels - self._levels)[:, i, None, None]
        inputs = replace(inputs, signals=signals, registers=registers[-1])
        return self.scene.reward(inputs, len(levels))

    def _observe(self, inputs: Inputs, rows: np.ndarray | None) -> np.ndarray:
        fields = {k: v if rows is None else v[rows] for k, v in self._fields.items()}
        every = slice(None) if rows is None else rows
        levels = self._levels[every]
        view = View(
            inputs,
            **fields,
            measures=dict(zip(self.scene.measures, levels.T, strict=True)),
            clock=self._clock[every] / self.scene.episode_steps,
        )
        out = np.empty((len(levels), self.observations.shape[1]), np.float32)
        start = 0
        for term in self.scene.terms:
            term.write(view, out[:, start : start + term.size])
            start += term.size
        return out

    def info(self) -> dict[str, np.ndarray]:
        """Every measure, its change since the reset, and the episode's running figures."""
        names = list(self.scene.measures)
        scores = self._levels - self._begun
        begun = np.maximum(self._rounds - 1, 0)
        return {
            **{name: self._levels[:, i] for i, name in enumerate(names)},
            **{f"score/{name}": scores[:, i] for i, name in enumerate(names)},
            "return": self._return,
            "length": self._length,
            "episode_index": self._first + self.slots + self.stride * begun,
            "unstable": self._unstable,
        }

    # --- beginning episodes ------------------------------------------------------------------

    def rewind(self, rows: np.ndarray, first: int) -> None:
        """Let the slots begin again with their first episode, counted from number `first`."""
        self._first[...] = first
        self._rounds[rows] = 0
        self._ready[:] = False

    def stagger(self) -> None:
        """Move each slot's clock forward, so that episode ends are spread evenly over time."""
        total = self.stride
        self._clock[:] = self.slots * self.scene.episode_steps // total

    def reset(self, rows: np.ndarray, seed: int | None) -> None:
        """Begin the next episode in some slots."""
        if not len(rows):
            return
        assert seed is not None  # reset() has drawn one
        self._place(rows, self._draw(rows, seed))
        self._update_sensors(rows)
        self._warnings[rows] = self.batch.warning[rows, :, 1].sum(1)
        self._rounds[rows] += 1
        registers = [formula.registers(len(rows)) for formula in self._formulas]
        inputs = self._inputs(rows, fresh=True)
        levels = self._measure(inputs, registers)
        self._levels, self._begun = self._levels.copy(), self._begun.copy()
        self._levels[rows] = self._begun[rows] = levels
        self._length, self._return = self._length.copy(), self._return.copy()
        self._clock[rows] = self._length[rows] = 0
        self._return[rows] = 0
        self._unstable = self._unstable.copy()
        self._unstable[rows] = False
        for mine, new in zip(self._registers, registers, strict=True):
            for register, value in zip(mine, new, strict=True):
                register[rows] = value
        self.observations = self.observations.copy()
        self.observations[rows] = self._observe(inputs, rows)

    def _draw(self, rows: np.ndarray, seed: int) -> Start:
        """The next starts of the slots; drawn for all slots at a time, which is much cheaper."""
        if self._drawn is None or not self._ready[rows].all():
            missing = np.flatnonzero(~self._ready)
            episodes = self._first + self.slots[missing] + self.stride * self._rounds[missing]
            drawn = self.scene.spawner.sample(seed, episodes)
            self._drawn = drawn if self._drawn is None else self._drawn.updated(missing, drawn)
            self._ready[missing] = True
        self._ready[rows] = False
        return self._drawn.rows(rows)

    def _place(self, rows: np.ndarray, start: Start) -> None:
        self.batch.reset(ids=rows, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        self.batch.qpos[rows] = start.qpos
        self.batch.mocap_pos[rows] = start.mocap_pos
        self.batch.mocap_quat[rows] = start.mocap_quat
        for stem, present in start.present.items():
            self._present[stem][rows] = present

    # --- snapshots ---------------------------------------------------------------------------

    def memory(self) -> dict[str, np.ndarray]:
        """The arrays that say everything: physics, formula memory and counters."""
        registers = [register for formula in self._registers for register in formula]
        return {
            "state": self.batch.state,
            "first": self._first,
            "rounds": self._rounds,
            "clock": self._clock,
            "length": self._length,
            "return": self._return,
            "unstable": self._unstable,
            "levels": self._levels,
            "begun": self._begun,
            "observations": self.observations,
            **{f"register{i}": register for i, register in enumerate(registers)},
            **{f"present/{stem}": present for stem, present in self._present.items()},
        }

    def restore(self, memory: Mapping[str, np.ndarray]) -> None:
        """Go back to arrays that `memory` gave."""
        self._length, self._return = memory["length"].copy(), memory["return"].copy()
        self._unstable, self._levels = memory["unstable"].copy(), memory["levels"].copy()
        self._begun, self.observations = memory["begun"].copy(), memory["observations"].copy()
        for name, array in self.memory().items():
            array[...] = memory[name]
        self._ready[:] = False
        self._update_sensors()
        self._warnings = self.batch.warning[:, :, 1].sum(1)


def _ignore(_warning: str) -> None:
    pass


_READS_CONSTRAINTS = {
    getattr(mujoco.mjtSensor, f"mjSENS_{name}").value
    for name in ("JOINTLIMITPOS", "JOINTLIMITVEL", "TENDONLIMITPOS", "TENDONLIMITVEL", "CONTACT")
}


def _sensor_needs(model: mujoco.MjModel) -> tuple[int, int]:
    """The cheapest forward stage that updates all sensors, and what can be disabled in it."""
    stage = int(max([mujoco.mjtStage.mjSTAGE_VEL.value, *model.sensor_needstage]))
    if stage > mujoco.mjtStage.mjSTAGE_VEL.value or _READS_CONSTRAINTS & set(model.sensor_type):
        return stage, 0
    off = mujoco.mjtDisableBit
    return stage, off.mjDSBL_CONTACT.value | off.mjDSBL_CONSTRAINT.value


def _as_slice(addresses: np.ndarray) -> slice | np.ndarray:
    """Addresses (copies, dim) as a slice where they lie side by side, which saves a copy."""
    flat = addresses.ravel()
    if (np.diff(flat) == 1).all():
        return slice(int(flat[0]), int(flat[-1]) + 1)
    return flat
