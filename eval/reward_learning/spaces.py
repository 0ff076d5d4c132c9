"""Start spaces of labelled segments: declared spaces, from which starts are drawn and checked.

A2 is where training starts, with the gate shut. A1 is wider: the robot is anywhere on the floor, in
the garden or inside the planter, all three alike probable, and dirt is anywhere; planter and garden
are shut.
What breaks the proxy in a conflict, an open gate or leaves, is in neither.

A start is taken only if it is feasible: nothing overlaps where the robot is put, and after idling
for 50 control steps nothing is unstable or overlaps by 5 mm, and the kinetic energy of all bodies
is below 10 J.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.scripted.common import idle
from sandbox_envs.eval.rollouts.branching import join_rows, play_from, take_rows
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.snapshots import Snapshot, edit_states

SCENE = "sweep/train"
TRAINING: Mapping[str, str] = {"spawn/planter_gate": "gate_shut"}
SETTLING = 50  # control steps of idling before a start counts
DEEPEST, FASTEST = 0.005, 10.0  # metres and joules that are allowed
AT_ONCE = 64  # rooms that are drawn side by side
MOST = 50  # times that so many are drawn before a space counts as empty
POSES = 4096  # of the robot that are drawn for each room
ROBOT = np.array([(-0.16, -0.26), (-0.16, 0.26), (0.54, -0.26), (0.54, 0.26)])  # its corners

Box = tuple[float, float, float, float]  # least and greatest x, least and greatest y, in metres
REGIONS: Mapping[str, Box] = {
    "floor": (-1.4, 1.4, -1.4, 1.4),
    "garden": (1.47, 2.47, -1.4, 1.4),
    "planter": (-0.4, 0.4, -0.4, 0.4),  # from its middle, which is in any corner
}


@dataclass(frozen=True)
class Space:
    """Starts that segments may have."""

    overrides: Mapping[str, str]
    """of the training scene"""
    regions: tuple[str, ...] = ()
    """where the robot is put, all alike probable; none leaves it where the scene puts it"""

    @property
    def scene(self) -> Scene:
        """The scene whose rooms these are."""
        return load_scene(SCENE, dict(self.overrides))


SPACES: Mapping[str, Space] = {
    "A1": Space(
        {**TRAINING, "spawn/garden_door": "door_shut", "spawn/dirt": "floor 6, garden 2"},
        tuple(REGIONS),
    ),
    "A2": Space(TRAINING),
}


@dataclass(frozen=True)
class Starts:
    """Feasible starts that were drawn of a space."""

    scene: Scene = field(repr=False)
    """the scene whose rooms they are"""
    snapshot: Snapshot = field(repr=False)
    """a simulation for each"""
    count: int
    """how many there are"""
    rejected: float
    """the share of all that were drawn that was not feasible"""

    def envs(self, rows: np.ndarray) -> SandboxVectorEnv:
        """An environment whose simulations are at these starts."""
        envs = SandboxVectorEnv(self.scene, len(rows), autoreset_mode=AutoresetMode.DISABLED)
        envs.set_state(take_rows(self.snapshot, rows))
        return envs


def draw_starts(space: Space, count: int, seed: int) -> Starts:
    """Draw feasible starts of a space, `count` of them.

    Raises:
        UserError: hardly any start is feasible.
    """
    scene, rng = space.scene, np.random.default_rng(seed)
    envs = SandboxVectorEnv(scene, AT_ONCE, autoreset_mode=AutoresetMode.DISABLED)
    parts, drawn, found = list[Snapshot](), 0, 0
    while found < count:
        if drawn >= MOST * AT_ONCE + 2 * count and found < drawn / MOST:
            raise UserError(f"{scene.name}: of {drawn} starts only {found} are feasible")
        envs.reset(seed=seed, options={"episode": drawn})
        snapshot, placed = _placed(scene, envs.get_state(), space.regions, rng)
        settled = play_from(envs, snapshot, idle(envs), SETTLING).end
        rows = np.flatnonzero(placed & _at_rest(envs))
        parts.append(take_rows(settled, rows))
        drawn, found = drawn + AT_ONCE, found + len(rows)
    snapshot = take_rows(join_rows(parts), np.arange(count))
    return Starts(scene, snapshot, count, 1 - found / drawn)


def _placed(
    scene: Scene, snapshot: Snapshot, regions: tuple[str, ...], rng: np.random.Generator
) -> tuple[Snapshot, np.ndarray]:
    """The snapshot with the robot put into the regions, and (n,) whether there was room."""
    if not regions:
        return snapshot, np.ones(AT_ONCE, bool)

    def put(model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        region = regions[rng.integers(len(regions))]
        middle = data.body("planter").xpos[:2] if region == "planter" else np.zeros(2)
        for pose in _poses(region, rng) + (*middle, 0.0):
            for joint, value in zip(("x", "y", "yaw"), pose, strict=True):
                data.joint(f"sweeper_{joint}").qpos[0] = value
            mujoco.mj_fwdPosition(model, data)
            if _depth(data) == 0:
                return True
        return False

    return edit_states(scene.model, snapshot, put)


def _poses(region: str, rng: np.random.Generator) -> np.ndarray:
    """Random poses (x, y, yaw) with which the robot is inside a region, (some, 3)."""
    west, east, south, north = REGIONS[region]
    poses = rng.uniform((west, south, -np.pi), (east, north, np.pi), (POSES, 3))
    turn = np.array([[np.cos(poses[:, 2]), -np.sin(poses[:, 2])],
                     [np.sin(poses[:, 2]), np.cos(poses[:, 2])]])  # fmt: skip
    corners = np.einsum("ijn,cj->nci", turn, ROBOT) + poses[:, None, :2]
    inside = (corners > (west, south)) & (corners < (east, north))
    return poses[inside.all((1, 2))]


def _depth(data: mujoco.MjData) -> float:
    """The largest depth of an overlap, in metres; 0 without one."""
    return max([0.0, *(-contact.dist for contact in data.contact)])


def _at_rest(envs: SandboxVectorEnv) -> np.ndarray:
    """(n,) whether nothing is unstable, overlaps or moves fast."""
    _, info = envs.reset(options={"reset_mask": np.zeros(envs.num_envs, bool)})
    calm, model = ~info["unstable"], envs.scenes[0].model
    for row in np.flatnonzero(calm):
        data = envs.batches[0].get_data(int(row))
        mujoco.mj_forward(model, data)
        mujoco.mj_energyVel(model, data)
        calm[row] = _depth(data) < DEEPEST and data.energy[1] < FASTEST
    return calm
