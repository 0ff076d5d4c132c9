"""Checks of a running scene: without control, under random and under extreme control."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs.checks.bounds import Bounds
from sandbox_envs.checks.finding import Remark
from sandbox_envs.checks.motors import Motors
from sandbox_envs.checks.rare import SEED, rare_episodes
from sandbox_envs.checks.starts import check_contacts
from sandbox_envs.language.parser import term_texts
from sandbox_envs.scene.catalog import TRAINING
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.vector import SandboxVectorEnv

CONTROLS = ("no", "random", "extreme")
STEPS = 1000  # control steps of an episode that are run, at most
HOLD = 0.5  # seconds for which a random action is kept, so that the robot moves about
SAMPLES, CLOSE = 20, 12  # times per episode, and simulations, in which contacts are looked at
EACH = 4  # episodes for every rare choice of a spawn text
TOLERANCE = 1e-6  # of declared ranges and conserved quantities
CONSERVED = "conserved/"  # prefix of these texts
MEASURED = "conserved_in_check_"  # ... and, before a number, of the measures made of them


class Extremes:
    """The smallest and the largest value of each column."""

    def __init__(self) -> None:
        self.low, self.high = np.inf * np.ones(1), -np.inf * np.ones(1)

    def add(self, values: np.ndarray) -> None:
        """Take in further rows of values (n, columns)."""
        self.low = np.minimum(self.low, values.min(0, initial=np.inf))
        self.high = np.maximum(self.high, values.max(0, initial=-np.inf))

    @property
    def constant(self) -> np.ndarray:
        """Whether each column always held the same value, (columns,) bool."""
        return np.asarray(self.low >= self.high)


@dataclass
class Seen:
    """The extremes of everything that changes in an episode."""

    measured: Extremes = field(default_factory=Extremes)
    """measures and conserved quantities"""
    drift: Extremes = field(default_factory=Extremes)
    """how far each of these is from its value at the start"""
    sensed: Extremes = field(default_factory=Extremes)
    """all sensor data"""
    observed: Extremes = field(default_factory=Extremes)
    """observations"""
    rewarded: Extremes = field(default_factory=Extremes)
    """rewards"""


def check_running(scene: Scene, starts: int) -> Iterator[Remark]:
    """Remarks about physics, measures, reward and observation of whole episodes.

    Args:
        scene: the scene.
        starts: episodes to run under each kind of control.

    Raises:
        SceneError: at some time there are so many contacts that a step takes seconds.
    """
    formulas = {
        f"measure/{MEASURED}{i}": formula.text for i, formula in enumerate(scene.conserved.values())
    }
    names = [*scene.measures, *(CONSERVED + name for name in scene.conserved)]
    columns = [*scene.measures, *(name.removeprefix("measure/") for name in formulas)]
    n = len(CONTROLS) * starts
    played = load_scene(scene, formulas)
    env = SandboxVectorEnv(  # which also leaves what it carries where it is cut
        played, n, None, 1, AutoresetMode.DISABLED, max_episode_steps=STEPS
    )
    env.reset(seed=SEED)
    batch, seen = env.batches[0], Seen()
    bounds = Bounds(scene, batch.bind("xpos"), slice(0, starts))
    motors = Motors(scene, batch, slice(starts, n))
    every = max(1, min(scene.episode_steps, STEPS) // SAMPLES)
    for step, unstable in enumerate(_play(env, _actions(scene, starts), columns, seen)):
        if unstable.any():
            yield _unstable(scene, step, unstable)
            return
        bounds.add(batch.bind("xpos"))
        motors.add()
        if step % every == 0:
            for sim in np.linspace(0, n - 1, CLOSE).astype(int):
                data = batch.get_data(int(sim))
                check_contacts(scene, data, f"after {(step + 1) / scene.control_hz:g} s there are")
                bounds.look_at_contacts(data)
    if scene.carries:  # what is carried over shows in a second episode
        env.reset()
        for step, unstable in enumerate(_play(env, _actions(scene, starts), columns, seen)):
            if unstable.any():
                yield _unstable(scene, step, unstable)
                return
    yield from bounds.findings()
    yield from motors.findings(bounds.size)
    yield from _declared(scene, names, seen)
    yield from _constant(played, n, names, columns, seen)


def _play(
    env: SandboxVectorEnv, act: Callable[[int], np.ndarray], columns: list[str], seen: Seen
) -> Iterator[np.ndarray]:
    """Play episodes that have started, as far as a check does; yields after each step.

    Args:
        env: the simulations, just reset.
        act: step -> actions (n, actuators).
        columns: names of the measures to look at.
        seen: takes in all that happens.

    Yields:
        Which simulations are unstable, (n,) bool; their step is not taken in.
    """
    scene, batch = env.scenes[0], env.batches[0]
    first: dict[str, np.ndarray] = {}
    for step in range(min(scene.episode_steps, STEPS)):
        observations, rewards, _, _, info = env.step(act(step))
        if info["unstable"].any():
            yield info["unstable"]
            return
        now = {name: info[name] for name in columns}
        first = first or {name: now[name] - info[f"return/{name}"] for name in columns}
        seen.measured.add(np.stack([now[name] for name in columns], 1))
        seen.drift.add(np.stack([now[name] - first[name] for name in columns], 1))
        seen.sensed.add(batch.bind("sensordata"))
        seen.observed.add(observations)
        seen.rewarded.add(rewards[:, None])
        yield info["unstable"]


def _actions(scene: Scene, starts: int) -> Callable[[int], np.ndarray]:
    """Step -> actions (3 * starts, actuators): no, random and extreme control, a third each."""
    rng = np.random.default_rng(0)
    low, high = scene.model.actuator_ctrlrange.T
    nothing = (np.clip(0, low, high) - (low + high) / 2) / ((high - low) / 2)
    actions = np.tile(nothing, (len(CONTROLS) * starts, 1))
    hold = max(1, round(HOLD * scene.control_hz))
    every = hold * np.array([1, 4, STEPS])[np.arange(starts) % 3]  # some keep pushing to the end

    def act(step: int) -> np.ndarray:
        if step % hold == 0:
            actions[starts : 2 * starts] = rng.uniform(-1, 1, (starts, len(low)))
            signs = rng.choice([-1.0, 1.0], (starts, len(low)))
            turn = step % every == 0
            actions[2 * starts :][turn] = signs[turn]
        return actions

    return act


def _unstable(scene: Scene, step: int, unstable: np.ndarray) -> Remark:
    counts = unstable.reshape(len(CONTROLS), -1).sum(1)
    kind, n = CONTROLS[int(counts.argmax())], len(unstable) // len(CONTROLS)
    return (
        "error",
        f": under {kind} control {counts.max()} of {n} simulations were unstable after "
        f"{(step + 1) / scene.control_hz:g} s; make timestep shorter, forces smaller or masses "
        "larger",
    )


def _declared(scene: Scene, names: list[str], seen: Seen) -> Iterator[Remark]:
    """Remarks about measures out of their declared range, and conserved quantities that change."""
    for i, name in enumerate(names):
        low, high = scene.ranges.get(name, (-np.inf, np.inf))
        least, most = seen.measured.low[i], seen.measured.high[i]
        if least < low - TOLERANCE or most > high + TOLERANCE:
            yield (
                "error",
                f", text 'range/{name}': it was between {least:.4g} and {most:.4g}, outside of "
                f"{low:g} to {high:g}; correct the measure or its range",
            )
        change = max(-seen.drift.low[i], seen.drift.high[i])
        if name.startswith(CONSERVED) and change > TOLERANCE:
            yield (
                "error",
                f", text '{name}': it changed by {change:.4g} within an episode; find what enters "
                "or leaves, or correct the formula",
            )


def _constant(
    scene: Scene, episodes: int, names: list[str], columns: list[str], seen: Seen
) -> Iterator[Remark]:
    """Remarks about what never changed in any episode, under any control."""
    never = f"never changed in {episodes} episodes of every control"
    if seen.observed.constant.all():
        yield "error", f", text 'observe': it {never}; name a sensor that shows what happens"
        return
    if not scene.is_training and scene.path.with_name(f"{TRAINING}.xml").is_file():
        return  # constant here may be intended: the scene may remove it
    if any(_still(scene, names, seen)) and len(rare := rare_episodes(scene, EACH)):
        _play_also(scene, rare, columns, seen)
        never += f", nor in {len(rare)} with a rare start"
    for where, advice in _still(scene, names, seen):
        yield "warning", f"{where}: it {never}; {advice}"


def _play_also(scene: Scene, episodes: np.ndarray, columns: list[str], seen: Seen) -> None:
    """Take in these episodes (e,), too, under random and under extreme control."""
    twice = np.repeat(episodes, 2)
    env = SandboxVectorEnv(scene, len(twice), num_threads=1, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=SEED)
    for slot, episode in enumerate(twice):
        only = np.arange(len(twice)) == slot
        env.reset(options={"episode": int(episode) - slot, "reset_mask": only})
    act = _actions(scene, len(twice))
    mixed = np.arange(len(twice)) % 2 == 0

    def alternate(step: int) -> np.ndarray:
        _, random, extreme = np.split(act(step), len(CONTROLS))
        return np.where(mixed[:, None], random, extreme)

    for _ in _play(env, alternate, columns, seen):
        pass


def _still(scene: Scene, names: list[str], seen: Seen) -> Iterator[tuple[str, str]]:
    """The texts and sensors whose values never changed, each with advice on what to do."""
    if seen.rewarded.constant.all():
        yield ", text 'reward'", "an agent can learn only from a change"
    ends = np.cumsum([term.size for term in scene.terms])
    terms = term_texts(scene.observe)
    for term, part in zip(terms, np.split(seen.observed.constant, ends[:-1]), strict=True):
        if part.all():
            yield f", text 'observe', '{term}'", "remove or correct it"
    for name, constant in zip(names, seen.measured.constant, strict=True):
        if constant and name in scene.measures:
            yield f", text 'measure/{name}'", "check its formula"
    for name, columns in scene.sensors.items():
        if seen.sensed.constant[columns].all() and name not in terms:
            yield f", sensor '{name}'", "remove or correct it"
