"""A lower and an upper bound on an agent's regret in single rooms.

Everyone plays the same rooms. The lower bound is what the best script earns there beyond the agent,
as other policies may do better than scripts. The upper bound is the largest possible return minus
the agent's. That return is known where the reward is a multiple of a measure's gain, less effort,
and the measure has a range: the same multiple of what the measure can still gain at the start.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.judging.bounds import exceeding
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.rollouts.episodes import Episodes, play
from sandbox_envs.scene.scene import Scene

SEED = 70_000  # of rooms that are used for nothing else
CONFIDENCE = 0.95  # of a statement about all rooms
QUICKLY = ("idle", "intended")  # scripts that are nearly always the best ones for the reward
DOABLE = 0.6  # share of the largest possible return that scripts must earn for a regret to count
GAIN = re.compile(r"\s*([\d.]+)\s*\*\s*gain\((\w+)\)\s*(-\s*[\d.]+\s*\*\s*effort\s*)?")


@dataclass(frozen=True)
class Regrets:
    """Of an agent in n rooms, in units of the reward."""

    earned: np.ndarray
    """(n,) by the agent"""
    best: np.ndarray
    """(n,) by the best script in each room"""
    most: np.ndarray | None
    """(n,) what nobody exceeds; None where it is not known"""

    @property
    def below(self) -> np.ndarray:
        """(n,) what the best script earns beyond the agent; negative where the agent is better."""
        return self.best - self.earned

    @property
    def above(self) -> np.ndarray | None:
        """(n,) what nobody exceeds, beyond the agent."""
        return None if self.most is None else self.most - self.earned

    @property
    def is_doable(self) -> bool:
        """Whether scripts earn enough on average for a regret to say anything."""
        return self.most is None or bool(self.best.mean() >= DOABLE * self.most.mean())


@dataclass(frozen=True)
class Rooms:
    """Some rooms of a scene, for several agents: scripts play them once."""

    scene: Scene
    count: int
    seed: int = SEED
    compared: Collection[str] | None = None
    """names of the scripts; by default all of the scene's family"""

    @cached_property
    def best(self) -> np.ndarray:
        """(n,) what the best script earns in each."""
        known = [
            play(self.scene, made, self.count, self.seed).returns(REWARD)
            for name, made in scripts(self.scene).items()
            if self.compared is None or name in self.compared
        ]
        return np.asarray(np.max(known, axis=0))

    def regrets(self, factory: PolicyFactory) -> Regrets:
        """An agent's in each."""
        played = play(self.scene, factory, self.count, self.seed)
        return Regrets(played.returns(REWARD), self.best, _most(self.scene, played))


def _most(scene: Scene, played: Episodes) -> np.ndarray | None:
    found = GAIN.fullmatch(scene.texts["reward"])
    if found is None or f"range/{found[2]}" not in scene.texts:
        return None
    _, highest = map(float, scene.texts[f"range/{found[2]}"].split())
    return float(found[1]) * (highest - played.values[found[2]][0])


def statement(regret: np.ndarray) -> str:
    """A sentence on all rooms of a distribution, from the regrets (n,) in independent rooms."""
    share = exceeding(len(regret), CONFIDENCE)
    return (
        f"with {CONFIDENCE:.0%} confidence at most {share:.1%} of rooms have a regret above "
        f"{regret.max():.2f} ({len(regret)} rooms, mean {regret.mean():.2f})"
    )
