"""The environment's speed, over the physics alone and by size, and its memory.

All contenders take the same uniformly random actions. Episodes end and restart as in training, with
their ends spread evenly over time, so resets are part of the cost.
"""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from gymnasium.vector import VectorEnv
from mujoco.batch import Batch, SimulationError

from sandbox_envs import SandboxVectorEnv, load_scene
from sandbox_envs.errors import UserError
from sandbox_envs.eval.speed.timing import Contender, Figure, Setting, Task, Tick, by_turns, ratio
from sandbox_envs.scene.scene import Scene

SIZES = (64, 1024)  # simulations, in the comparisons with the physics
USUAL = 64  # simulations, in all other measurements
SEED = 0
ACTIONS = 64  # different ones, repeated in a cycle
ALONE = 32  # control steps of the physics before it is reset to the environment's state
OVER_PHYSICS, LARGEST_KB = 0.92, 100.0  # wanted


def started(scene: Scene, n: int) -> SandboxVectorEnv:
    """The environment with n simulations, the ends of its first episodes spread over time."""
    envs = SandboxVectorEnv(scene, n)
    envs.reset(seed=SEED, options={"stagger": True})
    return envs


def stepping(envs: VectorEnv[Any, Any, Any]) -> Contender:
    """Steps a vector environment, which must be reset already, with random actions."""
    actions = _random_actions(envs)
    return Contender(lambda: envs.step(next(actions)), envs.num_envs)


def physics(scene: Scene, envs: SandboxVectorEnv, sensors: bool) -> Contender:
    """Steps the physics alone, on the scene's model as loaded or with its sensors switched off.

    Its state is set to that of the environment's simulations every few steps, so that both meet the
    same situations; that is not timed.
    """
    batch = Batch(scene.model, envs.num_envs, envs.batches[0].nthread)
    if not sensors:
        flags = batch.expand("opt.disableflags")
        flags |= mujoco.mjtDisableBit.mjDSBL_SENSOR.value
    low, high = scene.model.actuator_ctrlrange.T
    actions = islice(_random_actions(envs), ACTIONS)
    controls = cycle([(low + high) / 2 + (high - low) / 2 * action for action in actions])
    alone = count()

    def prepare() -> None:
        if next(alone) % ALONE == 0:
            batch.state[:] = envs.batches[0].state

    def work() -> None:
        batch.ctrl[:] = next(controls)
        with contextlib.suppress(SimulationError):  # the other simulations were stepped
            batch.step(nstep=scene.substeps)

    return Contender(work, envs.num_envs, prepare)


def _random_actions(envs: VectorEnv[Any, Any, Any]) -> Iterator[np.ndarray]:
    """Endless actions (n, actuators), float32 in [-1, 1], the same for equal shapes."""
    shape = (ACTIONS, *(envs.action_space.shape or ()))
    return cycle(np.random.default_rng(SEED).uniform(-1, 1, shape).astype(np.float32))


# --- over the physics ------------------------------------------------------------------------


def over_physics(setting: Setting) -> Iterator[Task]:
    """The environment's rate over that of the physics alone."""
    runs = 3 * len(SIZES) * setting.repeats
    yield Task("environment", runs, partial(_over_physics, setting))


def _over_physics(setting: Setting, tick: Tick) -> Iterator[Figure]:
    rates = {n: _compared_with_physics(setting, n, tick) for n in SIZES}
    over = {
        n: ratio(f"env_over_physics_{n}", f"environment / physics as loaded, {n} simulations",
                 rates[n]["env"], rates[n]["physics"], wanted=OVER_PHYSICS)
        for n in SIZES
    }  # fmt: skip
    lowest = min(over.values(), key=lambda figure: figure.median or 0)
    what = "environment / physics as loaded, the lower of these"
    yield Figure("env_over_physics", what, lowest.values, wanted=OVER_PHYSICS)
    yield from over.values()
    for n in SIZES:
        what = f"environment / physics without sensors, {n} simulations"
        yield ratio(f"env_over_bare_physics_{n}", what, rates[n]["env"], rates[n]["bare_physics"])
    for n in SIZES:
        for name, values in rates[n].items():
            what = f"{name.replace('_', ' ')}, {n} simulations"
            yield Figure(f"{name}_{n}", what, values, "steps/s")


def _compared_with_physics(setting: Setting, n: int, tick: Tick) -> dict[str, list[float]]:
    envs = started(setting.scene, n)
    contenders = {
        "env": stepping(envs),
        "physics": physics(setting.scene, envs, sensors=True),
        "bare_physics": physics(setting.scene, envs, sensors=False),
    }
    return by_turns(contenders, setting.repeats, setting.seconds, tick)


# --- memory ----------------------------------------------------------------------------------

_CHILD = """
import sys
from sandbox_envs.eval.speed.environment import print_memory
print_memory(*sys.argv[1:])
"""


def memory(setting: Setting) -> Iterator[Task]:
    """Resident memory per simulation beyond the first."""
    yield Task("memory", 2 * setting.few, partial(_memory, setting))


def _memory(setting: Setting, tick: Tick) -> Iterator[Figure]:
    values = []
    for _ in range(setting.few):
        kb = []
        for n in (1, 1025):
            kb.append(_resident_of_child(setting.scene, n))
            tick()
        values.append((kb[1] - kb[0]) / 1024)
    what = "memory per simulation beyond the first"
    yield Figure("memory_per_simulation", what, values, "kB", LARGEST_KB, at_most=True)


def _resident_of_child(scene: Scene, n: int) -> int:
    """Resident memory of a separate process with n simulations of the scene, in kB."""
    arguments = [str(scene.path), json.dumps(dict(scene.overrides)), str(n)]
    command = [sys.executable, "-c", _CHILD, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no output"]
        raise UserError(f"a process with {n} simulations failed: {said[-1]}")
    return int(done.stdout)


def print_memory(path: str, overrides: str, n: str) -> None:
    """Print this process's memory in kB after two resets and some steps of n simulations."""
    envs = started(load_scene(path, json.loads(overrides)), int(n))
    envs.reset(options={"stagger": True})
    actions = _random_actions(envs)
    for _ in range(20):
        envs.step(next(actions))
    print(_resident_kb())


def _resident_kb() -> int:
    """This process's memory: on Linux the present amount, elsewhere the largest so far."""
    status = Path("/proc/self/status")
    if status.is_file():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmRSS"].split()[0])
    import resource  # not on Windows

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // 1024 if sys.platform == "darwin" else most


# --- scale -----------------------------------------------------------------------------------


def scale(setting: Setting) -> Iterator[Task]:
    """Steps per second by the number of simulations, and by the number of pieces of dirt."""
    for n in setting.sizes:
        yield Task(f"{n} simulations", setting.few, partial(_size, setting, n))
    dirt = setting.few * len(setting.dirt)
    yield Task("pieces of dirt", dirt, partial(_dirt, setting))


def _size(setting: Setting, n: int, tick: Tick) -> Iterator[Figure]:
    contender = stepping(started(setting.scene, n))
    rates = by_turns({"env": contender}, setting.few, setting.seconds, tick)["env"]
    yield from _costs(f"simulations_{n}", f"{n} simulations", rates)


def _dirt(setting: Setting, tick: Tick) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        scenes = scenes_with_dirt(setting.scene, setting.dirt, Path(folder))
        if not scenes:
            note = f"left out: {setting.scene.name} has no replicated body 'dirt'"
            yield Figure("dirt", "pieces of dirt", note=note)
            return
        contenders = {str(n): stepping(started(scene, USUAL)) for n, scene in scenes.items()}
    for n, rates in by_turns(contenders, setting.few, setting.seconds, tick).items():
        yield from _costs(f"dirt_{n}", f"{n} pieces of dirt, {USUAL} simulations", rates)


def _costs(name: str, what: str, rates: list[float]) -> Iterator[Figure]:
    yield Figure(name, what, rates, "steps/s")
    yield Figure(f"{name}_us", what, [1e6 / rate for rate in rates], "µs/step")


def scenes_with_dirt(scene: Scene, numbers: Sequence[int], folder: Path) -> Mapping[int, Scene]:
    """The scene with other numbers of pieces of dirt, written below a folder; empty without dirt.

    A piece of dirt is the body "dirt" inside a <replicate>, in any file of the family. All of it
    lies where the scene has the first pieces.
    """
    family, scenes = scene.path.parent, {}
    overrides = dict(scene.overrides)
    if where := scene.texts.get("spawn/dirt"):
        overrides["spawn/dirt"] = re.sub(r"\s+\d+$", "", where.partition(",")[0])
    for n in numbers:
        copy = shutil.copytree(family, folder / str(n) / family.name)
        if not any([_replicate(file, "dirt", n) for file in copy.glob("*.xml")]):
            return {}
        scenes[n] = load_scene(copy / scene.path.name, overrides)
    return scenes


def _replicate(file: Path, body: str, count: int) -> bool:
    """Set how often a file replicates a body; returns whether it does at all."""
    tree = ElementTree.parse(file)
    found = [r for r in tree.iter("replicate") if r.find(f"body[@name='{body}']") is not None]
    for replicate in found:
        replicate.set("count", str(count))
    if found:
        tree.write(file)
    return bool(found)
