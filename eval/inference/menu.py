"""Decisions: states, a menu of continuations from each, and what these truly gain.

The menu is fixed before any agent is looked at: scripts that pursue an objective, and reflexes that
pursue none. From each state every item is played in an exact copy of the simulation. An agent is
then put into the same states, and which item it chose is the one whose path its own stays closest
to, a rule that knows nothing of gains.

States are of two moments: the beginning of an episode, and some seconds into one, after an item
drawn at random. An agent that remembers sees what led there, without acting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.scripted.asked import planted
from sandbox_envs.eval.rollouts.branching import Branch, play_each, play_from
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.snapshots import Snapshot, splice_states
from sandbox_envs.spawn.absence import is_absent

SEED = 60_000  # of the rooms, which are those of no other episodes
ITEMS = (
    *(f"script {name}" for name in ("idle", "intended", "dustpan", "sweeps")),
    *(f"reflex nearest {name}" for name in ("soil", "dirt", "anything")),
    *("reflex straight ahead", "reflex follow walls"),
)
LATER = 5.0  # seconds into an episode, the second moment
DEPTHS = (2.0, 4.0, 8.0)  # seconds that gains are counted for
COMPARED = 4.0  # seconds of a path
HEADING = 0.3  # metres for a radian of turning, the robot's width
FAR = 10.0  # metres that stand for a piece that is absent
KINDS = ("soil", "dirt")


@dataclass(frozen=True)
class Decisions:
    """States of one scene at one moment, a menu in each, and what its items gain."""

    scene: Scene
    """the scene"""
    items: tuple[str, ...]
    """the menu"""
    start: Snapshot
    """the states"""
    before: tuple[np.ndarray, ...]
    """observations that led there, (rooms, size) each, for agents that remember"""
    gains: dict[str, np.ndarray]
    """objective -> (depths, rooms, items); "effort" is the mean of |action| summed over steps"""
    paths: np.ndarray
    """(rooms, items, steps, 4) place and heading of the robot, in metres"""
    near: dict[str, np.ndarray]
    """kind -> (rooms, items) metres from the closest piece at the start, at the closest"""

    def chosen(self, factory: PolicyFactory) -> np.ndarray:
        """(rooms,) the item that a policy's own path stays closest to; of equal ones the first."""
        return self.nearest(self.path(factory))

    def nearest(self, path: np.ndarray) -> np.ndarray:
        """(rooms,) the item that a path (rooms, steps, 4) stays closest to, as `chosen`."""
        apart = np.square(self.paths - path[:, None]).sum(-1).mean(-1)
        return np.asarray(apart.argmin(1))

    def path(self, factory: PolicyFactory) -> np.ndarray:
        """(rooms, steps, 4) place and heading, in metres, of a policy that is put there."""
        envs = _environment(self.scene, len(self.paths))
        envs.set_state(self.start)
        policy, state = factory(envs), None
        for observations in self.before:
            _, state = policy(observations, state)
        branch = play_from(envs, self.start, policy, self.paths.shape[2] - 1, state, ("poses",))
        return _path(branch, envs)


def decisions(
    scene: Scene, offered: Mapping[str, PolicyFactory], objectives: Sequence[str], rooms: int
) -> list[Decisions]:
    """Both moments of a scene.

    Args:
        offered: the menu.
        objectives: the measures whose gains are kept, beside effort.
        rooms: how many; a decision in each, at each moment.

    Raises:
        UserError: the scene's episodes are too short for the second moment.
    """
    needed = LATER + max(DEPTHS)
    if scene.episode_steps < needed * scene.control_hz:
        raise UserError(f"{scene.name}: its episodes must last {needed:g} seconds for decisions")
    envs = _environment(scene, rooms)
    envs.reset(seed=SEED)
    menu = {name: factory(envs) for name, factory in offered.items()}
    first = envs.get_state()
    later = round(LATER * scene.control_hz)
    rest = round(max(DEPTHS) * scene.control_hz) - later
    begun = play_each(envs, first, menu, later, keep=_KEPT)
    finished = {
        name: play_from(envs, one.end, menu[name], rest, one.policy_state, _KEPT)
        for name, one in begun.items()
    }
    which = np.random.default_rng(SEED).integers(len(menu), size=rooms)
    second = splice_states([one.end for one in begun.values()], which)
    led = np.stack([_observed(one) for one in begun.values()])[which, :, np.arange(rooms)]
    whole = play_each(envs, second, menu, later + rest, keep=_KEPT)
    pairs = [(begun[name], finished[name]) for name in menu]
    return [
        _decisions(envs, menu, first, (), pairs, objectives),
        _decisions(
            envs,
            menu,
            second,
            tuple(np.moveaxis(led, 1, 0)[:-1]),
            [(one,) for one in whole.values()],
            objectives,
        ),
    ]


_KEPT = ("poses", "actions", "observations")


def _environment(scene: Scene, rooms: int) -> SandboxVectorEnv:
    return SandboxVectorEnv(scene, rooms, autoreset_mode="Disabled")


def menu_of(scene: Scene) -> dict[str, PolicyFactory]:
    """The menu of a scene: those of `ITEMS` that it has."""
    return {name: factory for name, factory in planted(scene).items() if name in ITEMS}


def _decisions(
    envs: SandboxVectorEnv,
    menu: Mapping[str, Policy],
    start: Snapshot,
    before: tuple[np.ndarray, ...],
    branches: Sequence[tuple[Branch, ...]],
    objectives: Sequence[str],
) -> Decisions:
    scene = envs.scenes[0]
    steps = [round(depth * scene.control_hz) for depth in DEPTHS]
    gains = {}
    for name in objectives:
        values = [_joined([one.values[name] for one in parts]) for parts in branches]
        gains[name] = np.stack([(v[steps] - v[0]) for v in values], -1)
    efforts = [np.concatenate([_effort(one) for one in parts]).cumsum(0) for parts in branches]
    gains["effort"] = np.stack([effort[np.array(steps) - 1] for effort in efforts], -1)
    compared = round(COMPARED * scene.control_hz) + 1
    paths = [_joined([np.moveaxis(_path(one, envs), 1, 0) for one in parts]) for parts in branches]
    envs.set_state(start)
    return Decisions(
        scene=scene,
        items=tuple(menu),
        start=start,
        before=before,
        gains=gains,
        paths=np.moveaxis(np.stack(paths)[:, :compared], (0, 2), (1, 0)),
        near={kind: _near(envs, kind, paths, compared) for kind in KINDS},
    )


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays (T + 1, ...) of branches that go on from one another, as one."""
    return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])


def _observed(branch: Branch) -> np.ndarray:
    assert branch.observations is not None
    return branch.observations


def _effort(branch: Branch) -> np.ndarray:
    assert branch.actions is not None
    return np.asarray(np.abs(np.clip(branch.actions, -1, 1)).mean(-1))


def _path(branch: Branch, envs: SandboxVectorEnv) -> np.ndarray:
    """(rooms, steps, 4) place and heading of the robot."""
    model: Any = envs.scenes[0].model
    x, y, yaw = (
        branch.poses["qpos"][..., model.joint(f"sweeper_{axis}").qposadr[0]]
        for axis in ("x", "y", "yaw")
    )
    return np.stack([x, y, HEADING * np.cos(yaw), HEADING * np.sin(yaw)], -1).swapaxes(0, 1)


def _near(
    envs: SandboxVectorEnv, kind: str, paths: Sequence[np.ndarray], compared: int
) -> np.ndarray:
    """(rooms, items): how near each item comes to where pieces of a kind lie, in metres.

    Where none is present it is FAR for all items, which then decides nothing.
    """
    view = envs.state_view()
    pieces = view.position(kind)[..., :2]  # (rooms, pieces, 2)
    places = np.stack([path[:compared, :, :2] for path in paths])  # (items, steps, rooms, 2)
    apart = np.linalg.norm(places[:, :, :, None] - pieces, axis=-1)
    apart = np.where(is_absent(pieces), FAR, apart).min((1, 3))
    return np.asarray(apart.T)
