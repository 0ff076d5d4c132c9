"""Fixtures that tests share: a small scene to write features with, and one tiny trained run."""

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from forked import fork_trainers

from sandbox_envs import SandboxVectorEnv, Scene, load_scene
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.train.jobs import Job, run_jobs
from sandbox_envs.train.trainers import DEFAULT_TRAINER

# a proxy would not reach the servers that tests start
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"

WriteScene = Callable[..., Path]

TEXTS = {
    "measure/rolled_in": "sum(ball_in_rug)",
    "intended": "rolled_in",
    "observe": "robot_at",
    "episode_seconds": "1",
    "control_hz": "20",
}

# A puck that is pushed in x and y, a room of 4 x 4 m, and three balls; nothing is spawned.
MINI = """<mujoco model="mini">
  <option timestep="0.01" gravity="0 0 0" integrator="implicitfast">{flag}</option>
  <worldbody>
    <site name="floor" type="box" size="2 2 0.01"/>
    <site name="rug" type="box" size="0.5 0.3 0.1" pos="1 0 0"/>
    <site name="pit" type="cylinder" size="0.4 0.1" pos="-1 0 0"/>
    <site name="home" pos="0 -1 0" euler="0 0 90"/>
    <replicate count="4" sep="-" offset="0.5 0 0">
      <site name="spot" pos="-0.75 1.5 0"/>
    </replicate>
    {world}
    <body name="robot">
      <joint name="robot_x" type="slide" axis="1 0 0" damping="1"/>
      <joint name="robot_y" type="slide" axis="0 1 0" damping="1"/>
      <joint name="robot_yaw" type="hinge" axis="0 0 1" damping="1"/>
      <geom name="robot" type="cylinder" size="0.1 0.1" pos="0 0 0.1" mass="1" {robot}/>
      <site name="eye" pos="0 0 0.05"/>
      <site name="tray" type="box" size="0.1 0.1 0.1" pos="0.2 0 0.05"/>
    </body>
    <replicate count="3" sep="-" offset="0 0.3 0">
      <body name="ball" pos="-1.5 -0.5 0.05">
        <joint name="ball_x" type="slide" axis="1 0 0" damping="0.1"/>
        <joint name="ball_y" type="slide" axis="0 1 0" damping="0.1"/>
        <geom name="ball" size="0.05" mass="0.05" group="1" rgba="1 0.5 0.25 1"/>
      </body>
    </replicate>
  </worldbody>
  <actuator>
    <motor name="push_x" joint="robot_x" ctrlrange="-2 2"/>
    <motor name="push_y" joint="robot_y" ctrlrange="-4 0"/>
  </actuator>
  <sensor>
    <framepos name="robot_at" objtype="xbody" objname="robot"/>
    <framelinvel name="robot_speed" objtype="xbody" objname="robot"/>
    <framepos name="ball_at" objtype="body" objname="ball"/>
    <insidesite name="ball_in_rug" site="rug" objtype="body" objname="ball"/>
    <insidesite name="ball_in_tray" site="tray" objtype="body" objname="ball"/>
    {sensor}
  </sensor>
  <custom>{custom}</custom>
</mujoco>
"""


def _custom(texts: Mapping[str, str]) -> str:
    lines = []
    for name, value in texts.items():
        escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
        tag = "numeric" if name in ("episode_seconds", "control_hz") else "text"
        lines.append(f'<{tag} name="{name}" data="{escaped}"/>')
    return "".join(lines)


@pytest.fixture
def write_scene(tmp_path: Path) -> WriteScene:
    """Writes the mini scene to `<tmp>/mini/<stem>.xml`, with its own texts and further XML.

    texts: added to or replacing the usual ones; None leaves one out. world, sensor: XML put into
    these sections. robot: attributes of the robot's geom. flag: replaces autoreset="disable".
    """

    def write(
        texts: Mapping[str, str | None] | None = None,
        *,
        stem: str = "train",
        world: str = "",
        sensor: str = "",
        robot: str = "",
        flag: str = '<flag autoreset="disable"/>',
    ) -> Path:
        kept = {k: v for k, v in {**TEXTS, **(texts or {})}.items() if v is not None}
        path = tmp_path / "mini" / f"{stem}.xml"
        path.parent.mkdir(exist_ok=True)
        parts = {"world": world, "sensor": sensor, "robot": robot, "flag": flag}
        path.write_text(MINI.format(custom=_custom(kept), **parts))
        return path

    return write


# A training of two updates: the agent is not competent, but its run is complete.
TINY: dict[str, Any] = {
    "num_envs": 4, "num_steps": 16, "num_minibatches": 2, "hidden_size": 16, "total_timesteps": 128
}  # fmt: skip


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one tiny training, shared by all test processes; copy it to change it."""
    return _shared_run("tiny_run", TINY, tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_keeper_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in keeper, whose scenes are played ten times as fast as those of sweep."""
    args = {**TINY, "scene": ("keeper/train",)}
    return _shared_run("tiny_keeper_run", args, tmp_path_factory)


@pytest.fixture
def forked_trainers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainings of a test are forked; see `forked`."""
    fork_trainers(monkeypatch)


def _shared_run(name: str, args: dict[str, Any], factory: pytest.TempPathFactory) -> Path:
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # whose own folder is inside that of all workers
        folder = folder.parent
    with FileLock(folder / f"{name}.lock"), pytest.MonkeyPatch.context() as patch:
        fork_trainers(patch)
        return run_jobs([Job(name, DEFAULT_TRAINER, args)], folder / "tiny", workers=1)[0]


@cache
def shipped(name: str) -> Scene:
    """A shipped scene that is loaded once, for tests that only read it."""
    return load_scene(name)


def final_infos(
    scene: str,
    make: PolicyFactory,
    episodes: int,
    overrides: Mapping[str, str | float] | None = None,
    seed: int = 1,
) -> dict[str, np.ndarray]:
    """The final infos (each (episodes,)) of one episode per slot, and what was there to clean."""
    env = SandboxVectorEnv(scene, episodes, overrides)
    policy, state = make(env), None
    observations, begun = env.reset(seed=seed)
    for _ in range(env.scenes[0].episode_steps):
        actions, state = policy(observations, state)
        assert actions.shape == env.action_space.shape
        assert np.abs(actions).max() <= 1
        observations, *_, info = env.step(actions)
    assert not info["final_info"]["unstable"].any()
    return {**info["final_info"], "dirty": 1 - begun["cleanliness"]}
