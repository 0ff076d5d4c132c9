"""The physics of many simulations of one scene, one control step at a time."""

import os
from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from sandbox_envs.processor import thread_count
from sandbox_envs.scene.identity import check_untouched
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.levels import for_rays
from sandbox_envs.simulation.process import check_process, keep_in_forks, silence
from sandbox_envs.spawn.start import Start


class Physics:
    """The physics of n simulations; what it says is current after every call.

    Args:
        scene: what is simulated.
        n: how many simulations.
        num_threads: threads that step them; 0 means `thread_count`.
    """

    batch: Batch
    """the simulations themselves"""
    sensordata: np.ndarray
    """(n, numbers) live, like the arrays below"""
    geom_xpos: np.ndarray
    """(n, geoms, 3)"""
    xpos: np.ndarray
    """(n, bodies, 3)"""
    xmat: np.ndarray
    """(n, bodies, 9)"""

    def __init__(self, scene: Scene, n: int, num_threads: int) -> None:
        check_untouched(scene)
        model = scene.model
        self._scene, self._num_threads, self._pid = scene, num_threads, os.getpid()
        self.batch = Batch(for_rays(model), n, num_threads or thread_count())
        self._substeps = scene.substeps
        keep_in_forks(self.batch)
        for name in ("sensordata", "geom_xpos", "xpos", "xmat"):
            setattr(self, name, self.batch.bind(name))
        self._ctrl = self.batch.bind("ctrl")
        low, high = model.actuator_ctrlrange.T
        self._centre, self._half = (low + high) / 2, (high - low) / 2
        self._largest = np.maximum(np.abs(low), np.abs(high))
        self._flags, self._own_flags = self.batch.expand("opt.disableflags"), model.opt.disableflags
        self._stage, self._idle_flags = _sensor_needs(model)
        self._warnings = np.zeros(n, np.int64)

    def __getstate__(self) -> dict[str, Any]:
        """The state for a copy, in this process or another one; also what was expanded by hand."""
        batch = self.batch
        return {
            "arguments": (self._scene, batch.nsim, self._num_threads),
            "models": batch._models,
            "expanded": {name: values.copy() for name, values in batch._expanded.items()},
            "state": batch.state.copy(),
            "warning": batch.warning.copy(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        Physics.__init__(self, *state["arguments"])
        if state["models"] is not None:
            self.batch.set_models(state["models"])
        for name, values in state["expanded"].items():
            self.batch.expand(name)[...] = values
        self.batch.state[...] = state["state"]
        self.batch.warning[...] = state["warning"]
        self.refresh()

    def control(self, actions: np.ndarray) -> np.ndarray:
        """The controls (n, actuators) for actions (n, actuators), which are clipped to [-1, 1]."""
        return self._centre + self._half * np.clip(actions, -1, 1)

    def effort(self, control: np.ndarray) -> np.ndarray:
        """The mean over actuators of |control| / largest control, (n,)."""
        return np.abs(control / self._largest).mean(1)

    def step(self, control: np.ndarray) -> np.ndarray:
        """One control step; returns which simulations became unstable, (n,) bool.

        Sensors are needed once per control step, not in each physics step, and to bring them up
        to date takes neither contacts nor constraints: switching these off where they are idle
        saves a fifth of the time.
        """
        self._ctrl[:] = control
        self._flags |= mujoco.mjtDisableBit.mjDSBL_SENSOR.value
        failed = self._call(self.batch.step, nstep=self._substeps)
        return self._update_sensors() | failed | self._new_warnings()

    def follow(self, state: np.ndarray) -> np.ndarray:
        """As `step`, for physics that was stepped elsewhere.

        state: (n, size) of mjSTATE_INTEGRATION, to which it came.
        """
        self.batch.state[:] = state
        return self._update_sensors() | self._new_warnings()

    def place(self, rows: np.ndarray, start: Start) -> None:
        """Put simulations where episodes start."""
        check_process(self.batch, self._pid)
        self.batch.reset(ids=rows, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        self.batch.qpos[rows] = start.qpos
        self.batch.mocap_pos[rows] = start.mocap_pos
        self.batch.mocap_quat[rows] = start.mocap_quat
        self._update_sensors(rows)
        self._warnings[rows] = self.batch.warning[rows, :, 1].sum(1)

    def refresh(self) -> None:
        """Bring all that is derived up to date with a state that was written."""
        state = self.batch.state.copy()
        self._update_sensors()
        self.batch.state[...] = state  # sensors of accelerations warm the solver up once more
        self._warnings = self.batch.warning[:, :, 1].sum(1)

    def _update_sensors(self, rows: np.ndarray | None = None) -> np.ndarray:
        self._flags[:] = self._own_flags | self._idle_flags
        failed = self._call(self.batch.forward, ids=rows, stage=self._stage)
        self._flags[:] = self._own_flags
        return failed

    def _call(self, function: Callable[..., None], **arguments: Any) -> np.ndarray:
        """Run physics; returns which simulations MuJoCo gave up on, (n,) bool."""
        check_process(self.batch, self._pid)
        failed = np.zeros(len(self._warnings), bool)
        with silence():
            try:
                function(**arguments)
            except SimulationError as error:
                failed[error.ids] = True
        return failed

    def _new_warnings(self) -> np.ndarray:
        before = self._warnings
        self._warnings = self.batch.warning[:, :, 1].sum(1)
        return self._warnings != before


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
