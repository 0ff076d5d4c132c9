"""Effects of interventions: what an agent takes, and what its own movements would have taken.

An agent plays until a moment, at which everything is kept. From there it plays on as it would, and
from the same state with one thing changed (common random numbers: the rest is the same to the last
bit). In the changed room the actions of the unchanged one are replayed, too: what these take is
what a habit of movement takes, whatever the agent pursues. So an agent *follows* a thing as far as

    (taken by the agent in the changed room - taken by the replay there)
    / (taken by the agent in the unchanged room - taken by the replay in the changed one)

0 is the replay, 1 as much as before. Only rooms count in which the change could be made. Rooms are
resampled for the intervals, with all their moments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.judging.statistics import Interval, percentile_interval
from sandbox_envs.eval.rollouts.branching import play_from, replay
from sandbox_envs.eval.rollouts.episodes import SEED
from sandbox_envs.scene.scene import Scene
from sandbox_envs.sensor_sums import sensor_sums
from sandbox_envs.simulation.snapshots import Edit, Snapshot, edit_states

MOMENTS = (0.0, 4.0, 8.0)  # seconds into an episode
AFTER = 8.0  # seconds that are watched from there
KINDS = ("soil", "dirt")
CONFIDENCE, RESAMPLES = 0.95, 2000
LEAST = 0.1  # pieces lost to the replay, at least, for a share of them to say anything


@dataclass(frozen=True)
class Effect:
    """Pieces taken after one intervention, (moments, rooms, kinds) each; KINDS has the kinds."""

    changed: np.ndarray
    """(moments, rooms) bool, where the change was made"""
    before: np.ndarray
    """by the agent in the room as it was"""
    after: np.ndarray
    """by the agent in the changed room"""
    replayed: np.ndarray
    """in the changed room, by the actions of the room as it was"""

    def taken(self, what: str, kind: str) -> Interval | None:
        """Mean pieces of a kind; what: "before", "after" or "replayed".

        None, like the other figures, where the change could be made nowhere.
        """
        counts: np.ndarray = getattr(self, what)
        return self._mean(counts[..., KINDS.index(kind)])

    def difference(self, kind: str) -> Interval | None:
        """Pieces of a kind more than without the change."""
        number = KINDS.index(kind)
        return self._mean(self.after[..., number] - self.before[..., number])

    def follows(self, kind: str) -> Interval | None:
        """The degree to which the agent follows a kind: 0 is the replay, 1 as much as before.

        None where movements alone take about as many as before: fewer than LEAST are lost to the
        replay, or it is not sure that any are.
        """
        number = KINDS.index(kind)
        before, after, replayed = (
            np.where(self.changed, counts[..., number], 0.0).sum(0)
            for counts in (self.before, self.after, self.replayed)
        )
        kept, lost = after - replayed, before - replayed
        drawn = _drawn(len(lost))
        if not self.rooms:
            return None
        totals = lost[drawn].sum(1)
        surely = percentile_interval(lost.sum(), totals, CONFIDENCE).low
        if surely <= 0 or lost.sum() < LEAST * self.changed.sum():
            return None
        shares = kept[drawn].sum(1) / np.maximum(totals, surely)
        return percentile_interval(kept.sum() / lost.sum(), shares, CONFIDENCE)

    @property
    def rooms(self) -> int:
        """In how many rooms the change was made at some moment."""
        return int(self.changed.any(0).sum())

    def _mean(self, counts: np.ndarray) -> Interval | None:
        if not self.rooms:
            return None
        summed, made = np.where(self.changed, counts, 0.0).sum(0), self.changed.sum(0)

        def mean(rows: np.ndarray) -> np.ndarray:
            return np.asarray(summed[rows].sum(-1) / np.maximum(made[rows].sum(-1), 1))

        every, drawn = np.arange(len(summed)), _drawn(len(summed))
        return percentile_interval(float(mean(every)), mean(drawn), CONFIDENCE)


def effects(
    scene: Scene,
    factory: PolicyFactory,
    edits: Mapping[str, Edit],
    rooms: int,
    moments: Sequence[float] = MOMENTS,
) -> dict[str, Effect]:
    """The effect of every intervention on a policy, in the first rooms that judging plays.

    The policy keeps what it remembers across the change. It must remember nothing outside of its
    state, and not change that in place.

    Args:
        edits: interventions by name.
        moments: seconds into an episode at which things are changed, in order.
    """
    envs = SandboxVectorEnv(scene, rooms, autoreset_mode="Disabled")
    envs.reset(seed=SEED)
    policy, state, now = factory(envs), None, 0
    watched = round(AFTER * scene.control_hz)
    parts: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in edits}
    for moment in moments:
        steps = round(moment * scene.control_hz) - now
        trunk = play_from(envs, envs.get_state(), policy, steps, state)
        state, now = trunk.policy_state, now + steps
        before, actions = _taken(envs, trunk.end, policy, watched, state)
        for name, edit in edits.items():
            start, changed = edit_states(scene.model, trunk.end, edit)
            after, _ = _taken(envs, start, policy, watched, state)
            replayed, _ = _taken(envs, start, replay(actions), watched)
            parts[name].append((changed, before, after, replayed))
        envs.set_state(trunk.end)
    return {
        name: Effect(*(np.stack(part) for part in zip(*found, strict=True)))
        for name, found in parts.items()
    }


def figures(found: Mapping[str, Effect]) -> dict[str, Any]:
    """Effects as plain JSON; how far soil is followed only for `relocate`, which moves it."""
    content: dict[str, Any] = {}
    for name, effect in found.items():
        row: dict[str, Any] = {"rooms": effect.rooms}
        for kind in KINDS:
            for what in ("before", "after", "replayed"):
                row[f"{kind}_{what}"] = _plain(effect.taken(what, kind))
            row[f"{kind}_difference"] = _plain(effect.difference(kind))
        follows = effect.follows("soil") if name == "relocate" else None
        content[name] = row | {"follows_soil": _plain(follows)}
    return content


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else asdict(interval)


def _taken(
    envs: SandboxVectorEnv, start: Snapshot, policy: Policy, steps: int, state: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pieces (rooms, kinds) that a policy takes from a snapshot on, and its actions."""
    names = [f"{kind}_in_pan" for kind in KINDS]
    envs.set_state(start)
    held = sensor_sums(envs, names)
    branch = play_from(envs, start, policy, steps, state, keep=("actions",))
    assert branch.actions is not None
    return sensor_sums(envs, names) - held, branch.actions


def _drawn(rooms: int) -> np.ndarray:
    return np.random.default_rng(0).integers(rooms, size=(RESAMPLES, rooms))
