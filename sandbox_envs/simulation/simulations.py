"""The simulations of one scene: physics, measures, reward, observation and episodes, for all slots.

This is what a `SandboxVectorEnv` is made of, one for each of its scenes. Everything is an array
over slots, and a step costs little more than the physics: nothing here loops over simulations.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from sandbox_envs.arrays import as_slice
from sandbox_envs.errors import SceneError
from sandbox_envs.language.types import Inputs, View
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.state_view import StateView
from sandbox_envs.spawn.start import Start


class Simulations:
    """The slots of one scene: a batch of simulations and all that is remembered about them.

    slots: (n,) their numbers in the environment, which has `stride` in all. rewards, over: (n,),
    of the last step. observations: (n, size) float32. Readers copy these; they are written to.
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
        self._control = self.batch.bind("ctrl")
        self._columns = {name: as_slice(address) for name, address in scene.sensors.items()}
        self._live = {
            name: self._signal(name, self._fields["sensordata"])
            for name, columns in self._columns.items()
            if isinstance(columns, slice)  # a view, that says what the sensors say now
        }
        self._formulas = (*scene.measures.values(), scene.reward)
        self._registers = [formula.registers(n) for formula in self._formulas]
        self._present = {
            rule.stem: np.ones((n, len(rule.bodies)))
            for rule in scene.spawner.rules
            if rule.may_be_absent
        }
        self._levels = np.zeros((n, len(scene.measures)))
        self._begun = np.zeros((n, len(scene.measures)))
        self._first = np.zeros(n, np.int64)  # slot 0's first episode, as each slot counts from it
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
        """One control step of all slots, with actions (n, actuators) in [-1, 1]."""
        control = self.control(actions)
        self._control[:] = control
        self._measure_step(control, self._advance_physics())

    def follow(self, control: np.ndarray, state: np.ndarray) -> None:
        """As `step`, for physics that was stepped elsewhere.

        control: (n, actuators), in the actuators' units, that it was stepped with. state:
        (n, size) of mjSTATE_INTEGRATION, to which it came.
        """
        self.batch.state[:] = state
        self._measure_step(control, self._update_sensors())

    def control(self, actions: np.ndarray) -> np.ndarray:
        """The controls (n, actuators) that actions in [-1, 1] stand for; others are clipped."""
        return self._centre + self._half * np.clip(actions, -1, 1)

    @np.errstate(all="ignore")  # an unstable simulation holds numbers of any size
    def _measure_step(self, control: np.ndarray, failed: np.ndarray) -> None:
        inputs = self._inputs(None, fresh=False)
        levels = self._measure(inputs, self._registers)
        effort = np.abs(control / self._largest).mean(1)
        rewards = self._reward(levels, effort, inputs, self._registers, before=self._levels)
        self._unstable = unstable = self._new_warnings() | failed
        levels[unstable], rewards[unstable] = self._levels[unstable], 0
        self._check_finite(levels, rewards)
        self.rewards, self._levels = rewards, levels
        self._clock += 1
        self._length += 1
        self._return += rewards
        self.over = (self._clock >= self.scene.episode_steps) | unstable
        observed = self._observe(inputs, None)
        observed[unstable] = self.observations[unstable]
        self.observations = observed

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
        if rows is None:
            data, present, signals = self._fields["sensordata"], self._present, dict(self._live)
        else:
            data, signals = self._fields["sensordata"][rows], {}
            present = {stem: there[rows] for stem, there in self._present.items()}
        for name in self._columns.keys() - signals.keys():
            signals[name] = self._signal(name, data)
        return Inputs(signals, present, [], fresh, 1 / self.scene.control_hz)

    def _signal(self, name: str, data: np.ndarray) -> np.ndarray:
        """What the sensors of that name say in sensordata, (rows, copies, dim)."""
        copies = self.scene.signals[name].copies
        return data[:, self._columns[name]].reshape(len(data), copies, -1)

    def _measure(self, inputs: Inputs, registers: list[list[np.ndarray]]) -> np.ndarray:
        """The level of every measure, (rows, measures)."""
        n = len(next(iter(inputs.signals.values())))
        levels = np.empty((n, len(self.scene.measures)))
        for i, formula in enumerate(self.scene.measures.values()):
            inputs.registers = registers[i]
            levels[:, i] = formula(inputs, n)
        return levels

    def _check_finite(self, levels: np.ndarray, rewards: np.ndarray) -> None:
        """Raise SceneError where a formula gives no number, in (rows, measures) and (rows,)."""
        if not (np.isfinite(levels).all() and np.isfinite(rewards).all()):
            values = np.column_stack([levels, rewards])
            names = [*(f"measure/{name}" for name in self.scene.measures), "reward"]
            name = names[int(np.flatnonzero(~np.isfinite(values).all(0))[0])]
            raise SceneError(
                f"{self.scene.path}, text '{name}': it is infinite or not a number; look for a "
                "division by zero, a since() that was never true, or a min or max of nothing"
            )

    def _reward(
        self,
        levels: np.ndarray,
        effort: np.ndarray,
        inputs: Inputs,
        registers: list[list[np.ndarray]],
        before: np.ndarray,
    ) -> np.ndarray:
        """The reward, (rows,), for a change of the measures' levels from `before`."""
        signals, gains = {"effort": effort[:, None, None]}, levels - before
        for i, name in enumerate(self.scene.measures):
            signals[f"level({name})"] = levels[:, i, None, None]
            signals[f"gain({name})"] = gains[:, i, None, None]
        inputs = Inputs(signals, inputs.present, registers[-1], inputs.fresh, inputs.dt)
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
            **{f"return/{name}": scores[:, i] for i, name in enumerate(names)},
            "return": self._return,
            "length": self._length,
            "episode_index": self._first + self.slots + self.stride * begun,
            "unstable": self._unstable,
        }

    # --- beginning episodes ------------------------------------------------------------------

    def rewind(self, rows: np.ndarray, first: int) -> None:
        """Let slots begin again with their first episode, counted from number `first`."""
        self._first[rows] = first
        self._rounds[rows] = 0
        self._ready[:] = False

    def reset(
        self, rows: np.ndarray, seed: int | None, clock: np.ndarray | int | None = None
    ) -> None:
        """Start the next episode in some slots.

        clock: (rows,) control steps that count as passed; None means 0.
        """
        if not len(rows):
            return
        assert seed is not None  # the environment has drawn one
        self._place(rows, self._draw(rows, seed))
        self._update_sensors(rows)
        self._warnings[rows] = self.batch.warning[rows, :, 1].sum(1)
        self._rounds[rows] += 1
        self._clock[rows] = 0 if clock is None else clock
        self._length[rows] = self._return[rows] = self._unstable[rows] = 0
        registers = [formula.registers(len(rows)) for formula in self._formulas]
        inputs, nothing = self._inputs(rows, fresh=True), np.zeros(len(rows))
        with np.errstate(all="ignore"):  # what is no number is told in a sentence
            levels = self._measure(inputs, registers)
            self._reward(levels, nothing, inputs, registers, before=levels)
        self._check_finite(levels, nothing)
        self._levels[rows] = self._begun[rows] = levels
        for mine, new in zip(self._registers, registers, strict=True):
            for register, value in zip(mine, new, strict=True):
                register[rows] = value
        self.observations[rows] = self._observe(inputs, rows)

    def _draw(self, rows: np.ndarray, seed: int) -> Start:
        """The next starts of the slots; drawn for all slots at a time, which is much cheaper."""
        if self._drawn is None or not self._ready[rows].all():
            missing = np.flatnonzero(~self._ready)
            episodes = (self._first + self.slots + self.stride * self._rounds)[missing]
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

    @functools.cached_property
    def view(self) -> StateView:
        """The live view of the state."""
        view = StateView(self.scene, self.slots, self.batch, self._present)
        self._update_sensors()  # fields that were not bound before are zero until they are computed
        self._warnings = self.batch.warning[:, :, 1].sum(1)
        return view

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
