"""The simulations of one scene and the episodes that they play, for all slots at once.

This is what a `SandboxVectorEnv` is made of, one for each of its scenes. Everything is an array
over slots, and a step costs little more than the physics: nothing here loops over simulations.
"""

import functools
from collections.abc import Mapping

import numpy as np

from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.measuring import Measuring
from sandbox_envs.simulation.physics import Physics
from sandbox_envs.simulation.state_view import StateView
from sandbox_envs.spawn.start import Start


class Simulations:
    """n simulations of one scene, and the episode that each of them plays.

    Args:
        scene: what is simulated.
        slots: (n,) the simulations' numbers in the environment.
        stride: how many simulations the environment has. Slot i plays the episodes i, i + stride,
            i + 2 * stride, ...
        num_threads: threads that step the physics; 0 means one per core that this process may use,
            at most OMP_NUM_THREADS.
        most_steps: control steps after which an episode ends, if it does not end before; None
            leaves it at the scene's own length.
        carry_shift: how many slots farther what an episode leaves goes; the last ones are followed
            by the first.
    """

    episode_steps: int
    """control steps after which an episode ends"""
    rewards: np.ndarray
    """(n,) of the last step; readers copy these three, as they are written to"""
    over: np.ndarray
    """(n,) bool, where the last step ended the episode"""
    observations: np.ndarray
    """(n, size) float32, of now"""

    def __init__(
        self,
        scene: Scene,
        slots: np.ndarray,
        stride: int,
        num_threads: int,
        most_steps: int | None = None,
        carry_shift: int = 0,
    ) -> None:
        self.scene, self.slots, self._stride = scene, slots, stride
        self._sources = np.roll(np.arange(len(slots)), carry_shift)
        self.episode_steps = min(scene.episode_steps, most_steps or scene.episode_steps)
        n = len(slots)
        self.physics = Physics(scene, n, num_threads)
        self._measuring = Measuring(scene, self.physics, n)
        self._values = np.zeros((n, len(scene.measures)))
        self._initial_values = np.zeros((n, len(scene.measures)))
        self._first = np.zeros(n, np.int64)  # the episode that slot 0 counts from, for each slot
        self._episodes_started = np.zeros(n, np.int64)
        self._episode = np.zeros(n, np.int64)  # the number of the episode that is played
        self._clock = np.zeros(n, np.int64)  # control steps into the episode; it may start ahead
        self._length = np.zeros(n, np.int64)
        self._return = np.zeros(n)
        self._unstable = np.zeros(n, bool)
        self._starts: Start | None = None  # of every slot's next episode, drawn ahead ...
        self._drawn = np.full(n, -1)  # ... which are these; -1 is none
        self._drawn_seed: int | None = None
        self.rewards, self.over = np.zeros(n), np.zeros(n, bool)
        self.observations = np.zeros((n, self._measuring.size), np.float32)

    # --- stepping ----------------------------------------------------------------------------

    def step(self, actions: np.ndarray, idle: np.ndarray | None = None) -> None:
        """One control step of all slots, with actions (n, actuators) in [-1, 1].

        idle: (n,) bool, slots whose step counts for nothing, as they will be reset after it.
        """
        control = self.physics.control(actions)
        self._finish_step(control, self.physics.step(control), idle)

    def follow(self, control: np.ndarray, state: np.ndarray) -> None:
        """As `step`, for physics that was stepped elsewhere.

        control: (n, actuators), in the actuators' units, that it was stepped with. state:
        (n, size) of mjSTATE_INTEGRATION, to which it came.
        """
        self._finish_step(control, self.physics.follow(state))

    @np.errstate(all="ignore")  # an unstable simulation holds numbers of any size
    def _finish_step(
        self, control: np.ndarray, unstable: np.ndarray, idle: np.ndarray | None = None
    ) -> None:
        measuring, effort = self._measuring, self.physics.effort(control)
        inputs = measuring.inputs()
        values, rewards = measuring.step(inputs, self._values, effort)
        kept = unstable if idle is None else unstable | idle
        values[kept], rewards[kept] = self._values[kept], 0
        measuring.check_finite(values, rewards)
        self._clock += 1
        self._length += 1
        measuring.show(inputs, values, self._values, effort, rewards, self._length, kept)
        self.rewards, self._values, self._unstable = rewards, values, unstable
        self._return += rewards
        over = (self._clock >= self.episode_steps) | unstable
        if self.scene.carries:  # an episode that was over before has left what it leaves
            measuring.leave(inputs, over & ~self.over, unstable)
        self.over = over
        observed = measuring.observe(inputs, None, values, self._clock / self.scene.episode_steps)
        observed[unstable] = self.observations[unstable]
        self.observations = observed

    def info(self) -> dict[str, np.ndarray]:
        """Every measure, its change since the reset, and the episode's running figures, (n,)."""
        names = list(self.scene.measures)
        returns = self._values - self._initial_values
        return {
            **{name: self._values[:, i] for i, name in enumerate(names)},
            **{f"return/{name}": returns[:, i] for i, name in enumerate(names)},
            "return/reward": self._return,  # no measure has the name "reward"
            "length": self._length,
            "episode_index": self._episode,
            "unstable": self._unstable,
        }

    @functools.cached_property
    def view(self) -> StateView:
        """The live view of the state."""
        return StateView(self.scene, self.slots, self.physics, self._measuring.present)

    # --- starting episodes -------------------------------------------------------------------

    def rewind(self, rows: np.ndarray, first: int) -> None:
        """Let slots start again with their first episode, counted from number `first`."""
        self._first[rows] = first
        self._episodes_started[rows] = 0
        self._measuring.left[rows] = 0  # nothing has been before a first episode

    def reset(self, rows: np.ndarray, seed: int | None, clock: np.ndarray | int = 0) -> None:
        """Start the next episode in some slots.

        clock: (rows,) control steps that count as passed.
        """
        if not len(rows):
            return
        assert seed is not None  # the environment has drawn one
        start = self._next_start(rows, seed)
        for stem, present in start.present.items():
            self._measuring.present[stem][rows] = present
        self.physics.place(rows, start)
        self._episode[rows] = self._next_episode()[rows]
        self._episodes_started[rows] += 1
        self._clock[rows] = clock
        self._length[rows] = self._return[rows] = self._unstable[rows] = self.over[rows] = 0
        measuring = self._measuring
        measuring.give(rows, self._sources[rows])
        inputs = measuring.inputs(rows)
        values = measuring.start(inputs, rows)
        self._values[rows] = self._initial_values[rows] = values
        if measuring.channel:
            measuring.channel.start(rows, seed, self._episode[rows])
        passed = self._clock[rows] / self.scene.episode_steps
        self.observations[rows] = measuring.observe(inputs, rows, values, passed)

    def _next_episode(self) -> np.ndarray:
        return self._first + self.slots + self._stride * self._episodes_started

    def _next_start(self, rows: np.ndarray, seed: int) -> Start:
        """The slots' next starts; drawn for all slots at a time, which is much cheaper."""
        wanted = self._next_episode()
        if seed != self._drawn_seed:
            self._drawn_seed, self._drawn[:] = seed, -1
        if self._starts is None or (self._drawn[rows] != wanted[rows]).any():
            missing = np.flatnonzero(self._drawn != wanted)
            drawn = self.scene.spawner.sample(seed, wanted[missing])
            self._starts = drawn if self._starts is None else self._starts.updated(missing, drawn)
            self._drawn[missing] = wanted[missing]
        return self._starts.rows(rows)

    # --- snapshots ---------------------------------------------------------------------------

    def memory(self) -> dict[str, np.ndarray]:
        """The arrays that say everything, each with a row per slot; `restore` writes to them."""
        measuring = self._measuring
        registers = [register for formula in measuring.registers for register in formula]
        carries = self.scene.carries
        return {
            "state": self.physics.batch.state,
            "first_episode": self._first,
            "episodes_started": self._episodes_started,
            "episode": self._episode,
            "clock": self._clock,
            "length": self._length,
            "return": self._return,
            "unstable": self._unstable,
            "values": self._values,
            "initial_values": self._initial_values,
            "observations": self.observations,
            **{f"register{i}": register for i, register in enumerate(registers)},
            **{f"present/{stem}": present for stem, present in measuring.present.items()},
            **({"carried": measuring.carried, "left": measuring.left} if carries else {}),
            **(measuring.channel.memory() if measuring.channel else {}),
        }

    def restore(self, memory: Mapping[str, np.ndarray]) -> None:
        """Go back to arrays that `memory` gave."""
        for name, array in self.memory().items():
            array[...] = memory[name]
        self.over = (self._clock >= self.episode_steps) | self._unstable
        self.physics.refresh()
