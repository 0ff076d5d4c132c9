"""What a scene does when it runs: under no control, random control and the most extreme one."""

from collections.abc import Callable, Iterator

import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs.checks.bounds import Bounds
from sandbox_envs.language.parser import term_texts
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.vector import SandboxVectorEnv

CONTROLS = ("no", "random", "extreme")
STEPS = 1000  # control steps of an episode that are looked at, at most
HOLD = 0.5  # seconds for which a random action is kept, so that the robot gets about
SAMPLES, CLOSE = 20, 12  # times per episode, and simulations, in which contacts are looked at
TOLERANCE = 1e-6  # of declared ranges and conserved quantities
CONSERVED = "conserved/"  # begins the names of these formulas among the measures


def check_running(scene: Scene, starts: int) -> Iterator[tuple[str, str]]:
    """Findings (kind, text) about physics, measures, reward and observation of whole episodes.

    starts: how many episodes there are under each kind of control.
    """
    formulas = {f"measure/{CONSERVED}{k}": f.text for k, f in scene.conserved.items()}
    n = len(CONTROLS) * starts
    env = SandboxVectorEnv(
        load_scene(scene, formulas), n, num_threads=1, autoreset_mode=AutoresetMode.DISABLED
    )
    observations, info = env.reset(seed=0)
    batch, act = env.batches[0], _actions(scene, starts)
    bounds = Bounds(scene, batch.bind("xpos"), slice(0, starts))
    names = [*scene.measures, *(CONSERVED + name for name in scene.conserved)]
    first = {name: info[name].copy() for name in names}
    measured, sensed, observed, rewarded, drift = (Extremes() for _ in range(5))
    steps = min(scene.episode_steps, STEPS)
    for step in range(steps):
        observations, rewards, _, _, info = env.step(act(step))
        if info["unstable"].any():
            yield _unstable(scene, step, info["unstable"])
            return
        measured.add(np.stack([info[name] for name in names], 1))
        drift.add(np.stack([info[name] - first[name] for name in names], 1))
        sensed.add(batch.bind("sensordata"))
        observed.add(observations)
        rewarded.add(rewards[:, None])
        bounds.add(batch.bind("xpos"))
        if step % max(1, steps // SAMPLES) == 0:
            for sim in np.linspace(0, n - 1, CLOSE).astype(int):
                bounds.look_at_contacts(batch.get_data(int(sim)))
    yield from bounds.findings()
    yield from _declared(scene, names, measured, drift)
    yield from _constant(scene, n, names, measured, sensed, observed, rewarded)


class Extremes:
    """The smallest and the largest of each column that has been seen."""

    def __init__(self) -> None:
        self.low, self.high = np.inf * np.ones(1), -np.inf * np.ones(1)

    def add(self, values: np.ndarray) -> None:
        """See further rows of values (n, columns)."""
        self.low = np.minimum(self.low, values.min(0, initial=np.inf))
        self.high = np.maximum(self.high, values.max(0, initial=-np.inf))

    @property
    def constant(self) -> np.ndarray:
        """Which columns always held one value, (columns,)."""
        return np.asarray(self.low >= self.high)


def _actions(scene: Scene, starts: int) -> Callable[[int], np.ndarray]:
    """Actions (3 * starts, actuators) of each step: none, random and extreme, a third each."""
    rng = np.random.default_rng(0)
    low, high = scene.model.actuator_ctrlrange.T
    nothing = (np.clip(0, low, high) - (low + high) / 2) / ((high - low) / 2)
    actions = np.tile(nothing, (len(CONTROLS) * starts, 1))
    hold = max(1, round(HOLD * scene.control_hz))
    every = hold * np.array([1, 4, STEPS])[np.arange(starts) % 3]  # some push on to the end

    def act(step: int) -> np.ndarray:
        if step % hold == 0:
            actions[starts : 2 * starts] = rng.uniform(-1, 1, (starts, len(low)))
            signs = rng.choice([-1.0, 1.0], (starts, len(low)))
            turn = step % every == 0
            actions[2 * starts :][turn] = signs[turn]
        return actions

    return act


def _unstable(scene: Scene, step: int, unstable: np.ndarray) -> tuple[str, str]:
    counts = unstable.reshape(len(CONTROLS), -1).sum(1)
    kind, n = CONTROLS[int(counts.argmax())], len(unstable) // len(CONTROLS)
    return (
        "error",
        f": under {kind} control {counts.max()} of {n} simulations were unstable after "
        f"{(step + 1) / scene.control_hz:g} s; make timestep shorter, forces smaller or masses "
        "larger",
    )


def _declared(
    scene: Scene, names: list[str], measured: Extremes, drift: Extremes
) -> Iterator[tuple[str, str]]:
    """Measures out of their declared range, and what is not conserved though it was declared."""
    for i, name in enumerate(names):
        low, high = scene.ranges.get(name, (-np.inf, np.inf))
        least, most = measured.low[i], measured.high[i]
        if least < low - TOLERANCE or most > high + TOLERANCE:
            yield (
                "error",
                f", text 'range/{name}': it was between {least:.4g} and {most:.4g}, outside of "
                f"{low:g} to {high:g}; mend the measure or its range",
            )
        change = max(-drift.low[i], drift.high[i])
        if name.startswith(CONSERVED) and change > TOLERANCE:
            yield (
                "error",
                f", text '{name}': it changed by {change:.4g} within an episode; look for what "
                "gets in or out, or mend the formula",
            )


def _constant(
    scene: Scene,
    episodes: int,
    names: list[str],
    measured: Extremes,
    sensed: Extremes,
    observed: Extremes,
    rewarded: Extremes,
) -> Iterator[tuple[str, str]]:
    """What never changed in any episode, under any control."""
    never = f"never changed in {episodes} episodes of every control"
    if observed.constant.all():
        yield "error", f", text 'observe': it {never}; name a sensor that tells what happens"
        return
    if scene.path.stem != "train" and scene.path.with_name("train.xml").is_file():
        return  # what nothing can change here may be what this scene has taken away
    if rewarded.constant.all():
        yield "warning", f", text 'reward': it {never}; an agent can learn only from a change"
    ends = np.cumsum([term.size for term in scene.terms])
    terms = term_texts(scene.texts["observe"])
    for term, part in zip(terms, np.split(observed.constant, ends[:-1]), strict=True):
        if part.all():
            yield "warning", f", text 'observe', '{term}': it {never}; leave it out, or mend it"
    for name, constant in zip(names, measured.constant, strict=True):
        if constant and name in scene.measures:
            yield "warning", f", text 'measure/{name}': it {never}; look at its formula"
    for name, columns in scene.sensors.items():
        if sensed.constant[columns].all() and name not in terms:
            yield (
                "warning",
                f", sensor '{name}': it {never}; leave it out, or mend it",
            )
