"""Measures, reward and observation of simulations, as the scene's texts define them.

Everything is an array over simulations, for all of them or for some rows.
"""

from typing import Any, NoReturn

import numpy as np

from sandbox_envs.arrays import as_slice
from sandbox_envs.errors import SceneError
from sandbox_envs.language.formula import Formula
from sandbox_envs.language.types import Inputs, TermInputs
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.channel import Channel
from sandbox_envs.simulation.physics import Physics


class Measuring:
    """Evaluates a scene's formulas and terms on n simulations, and keeps the formulas' memory."""

    present: dict[str, np.ndarray]
    """body stem -> (n, bodies), 1 where the body takes part; of stems that may be absent"""
    registers: list[list[np.ndarray]]
    """each formula's memory: of measures, of what is carried over, of the display, if any, and
    last of the reward"""
    carried: np.ndarray
    """(n, carries) what the present episodes were given"""
    left: np.ndarray
    """(n, carries) what the slots' last episodes that came to their end have left"""
    channel: Channel | None
    """what is shown of the reward; None where nothing is"""
    size: int
    """how many numbers an observation is"""

    def __init__(self, scene: Scene, physics: Physics, n: int) -> None:
        self.scene, self._physics = scene, physics
        self._columns = {name: as_slice(address) for name, address in scene.sensors.items()}
        self._live = self._live_signals()
        remembered = [*scene.measures.values(), *scene.carries.values()]
        displayed = [scene.display.formula] if scene.display else []
        self._formulas = (*remembered, *displayed, scene.reward)
        self.carried, self.left = np.zeros((2, n, len(scene.carries)))
        self.channel = Channel(scene.display, n, 1 / scene.control_hz) if scene.display else None
        self.registers = [formula.registers(n) for formula in self._formulas]
        self.present = {
            rule.stem: np.ones((n, len(rule.bodies)))
            for rule in scene.spawner.rules
            if rule.may_be_absent
        }
        self.size = sum(term.size for term in scene.terms)

    def _live_signals(self) -> dict[str, np.ndarray]:
        """The signals that are views of sensordata, which are always current."""
        return {
            name: self._signal(name, self._physics.sensordata)
            for name, columns in self._columns.items()
            if isinstance(columns, slice)
        }

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_live"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._live = self._live_signals()

    def inputs(self, rows: np.ndarray | None = None) -> Inputs:
        """The inputs of formulas: of all simulations, or of those rows that start an episode."""
        if rows is None:
            data, present, signals = self._physics.sensordata, self.present, dict(self._live)
        else:
            data, signals = self._physics.sensordata[rows], {}
            present = {stem: there[rows] for stem, there in self.present.items()}
        for name in self._columns.keys() - signals.keys():
            signals[name] = self._signal(name, data)
        for i, name in enumerate(self.scene.carries):
            given = self.carried[:, i] if rows is None else self.carried[rows, i]
            signals[f"carried({name})"] = given[:, None, None]
        return Inputs(signals, present, [], rows is not None, 1 / self.scene.control_hz)

    def _signal(self, name: str, data: np.ndarray) -> np.ndarray:
        """The numbers of the sensors of that name in sensordata, (rows, copies, dim)."""
        copies = self.scene.signals[name].copies
        return data[:, self._columns[name]].reshape(len(data), copies, -1)

    def step(
        self, inputs: Inputs, before: np.ndarray, effort: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The measures' values (n, measures) after a step, and its reward (n,).

        before: (n, measures) the values before it. effort: (n,), of `Physics.effort`.
        """
        values = self._values(inputs, self.registers)
        signals = self._changes(inputs, values, before, effort)
        return values, self._on(signals, self.scene.reward, inputs, self.registers[-1])

    def show(
        self,
        inputs: Inputs,
        values: np.ndarray,
        before: np.ndarray,
        effort: np.ndarray,
        rewards: np.ndarray,
        step: np.ndarray,
        kept: np.ndarray,
    ) -> None:
        """Update the display, if the scene has one, with control step `step` (n,) of each episode.

        The other arguments are those of `step` and what it returned. kept: (n,) bool, where the
        display stays as it is.
        """
        if self.channel is None:
            return
        signals = self._changes(inputs, values, before, effort)
        signals["reward"] = rewards[:, None, None]
        shown = self._on(signals, self.channel.display.formula, inputs, self.registers[-2])
        if not np.isfinite(shown[~kept]).all():
            self._refuse("channel")
        self.channel.step(shown, step, kept)

    def give(self, rows: np.ndarray, sources: np.ndarray) -> None:
        """Give the episodes that start in some slots what the last ones of `sources` have left."""
        self.carried[rows] = self.left[sources]

    def leave(self, inputs: Inputs, ended: np.ndarray, unstable: np.ndarray) -> None:
        """Note what the episodes that `ended` (n,) leave; `unstable` (n,) ones leave 0.

        It is called after every step, as these formulas may remember, too.
        """
        first = len(self.scene.measures)
        for i, (name, formula) in enumerate(self.scene.carries.items(), first):
            inputs.registers = self.registers[i]
            value = np.where(unstable, 0.0, formula(inputs, len(ended)))[ended]
            if not np.isfinite(value).all():
                self._refuse(f"carry/{name}")
            self.left[ended, i - first] = value

    def start(self, inputs: Inputs, rows: np.ndarray) -> np.ndarray:
        """The measures' values (rows, measures) at the start of episodes; forgets earlier ones."""
        registers = [formula.registers(len(rows)) for formula in self._formulas]
        nothing = np.zeros(len(rows))
        with np.errstate(all="ignore"):  # values that are not finite are reported below
            values = self._values(inputs, registers)
            for i, formula in enumerate(self.scene.carries.values(), len(self.scene.measures)):
                inputs.registers = registers[i]
                formula(inputs, len(rows))  # begins to remember
            signals = self._changes(inputs, values, values, nothing)
            rewards = self._on(signals, self.scene.reward, inputs, registers[-1])
            if self.scene.display:
                signals["reward"] = rewards[:, None, None]
                self._on(signals, self.scene.display.formula, inputs, registers[-2])
        self.check_finite(values, nothing)
        for mine, new in zip(self.registers, registers, strict=True):
            for register, value in zip(mine, new, strict=True):
                register[rows] = value
        return values

    def check_finite(self, values: np.ndarray, rewards: np.ndarray) -> None:
        """Raise SceneError where a formula is not finite, of (rows, measures) and (rows,)."""
        if not (np.isfinite(values).all() and np.isfinite(rewards).all()):
            both = np.column_stack([values, rewards])
            names = [*(f"measure/{name}" for name in self.scene.measures), "reward"]
            self._refuse(names[int(np.flatnonzero(~np.isfinite(both).all(0))[0])])

    def _refuse(self, name: str) -> NoReturn:
        raise SceneError(
            f"{self.scene.path}, text '{name}': it is infinite or not a number; look for a "
            "division by zero, a since() that was never true, or a min or max of nothing"
        )

    def observe(
        self, inputs: Inputs, rows: np.ndarray | None, values: np.ndarray, clock: np.ndarray
    ) -> np.ndarray:
        """The observations (rows, size) float32.

        inputs: of the same rows, None meaning all. values: (rows, measures). clock: (rows,), the
        share of the episode that has passed.
        """
        physics, every = self._physics, slice(None) if rows is None else rows
        term_inputs = TermInputs(
            inputs,
            sensordata=physics.sensordata[every],
            geom_xpos=physics.geom_xpos[every],
            xpos=physics.xpos[every],
            xmat=physics.xmat[every],
            measures=dict(zip(self.scene.measures, values.T, strict=True)),
            clock=clock,
            shown=self.channel.shown(every) if self.channel else {},
        )
        out = np.empty((len(values), self.size), np.float32)
        start = 0
        for term in self.scene.terms:
            term.write(term_inputs, out[:, start : start + term.size])
            start += term.size
        return out

    def _values(self, inputs: Inputs, registers: list[list[np.ndarray]]) -> np.ndarray:
        """The value of every measure, (rows, measures)."""
        n = len(next(iter(inputs.signals.values())))
        values = np.empty((n, len(self.scene.measures)))
        for i, formula in enumerate(self.scene.measures.values()):
            inputs.registers = registers[i]
            values[:, i] = formula(inputs, n)
        return values

    def _changes(
        self, inputs: Inputs, values: np.ndarray, before: np.ndarray, effort: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The signals that a reward reads, for a change of measures from `before` to `values`."""
        signals, gains = {"effort": effort[:, None, None]}, values - before
        for i, name in enumerate(self.scene.measures):
            signals[f"level({name})"] = values[:, i, None, None]
            signals[f"gain({name})"] = gains[:, i, None, None]
        for name in self.scene.carries:
            signals[f"carried({name})"] = inputs.signals[f"carried({name})"]
        return signals

    @staticmethod
    def _on(
        signals: dict[str, np.ndarray],
        formula: Formula,
        inputs: Inputs,
        registers: list[np.ndarray],
    ) -> np.ndarray:
        """A formula, (rows,), on these signals in place of the sensors."""
        inputs = Inputs(signals, inputs.present, registers, inputs.fresh, inputs.dt)
        return formula(inputs, len(signals["effort"]))
