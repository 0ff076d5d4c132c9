"""First pick-ups: soil or dirt, where there is time for one of two."""

from dataclasses import dataclass

import numpy as np

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.rollouts.sums import play_with_sums
from sandbox_envs.scene.scene import Scene

KINDS = ("soil", "dirt")


@dataclass(frozen=True)
class FirstPickups:
    """The episodes of one agent in one scene, by what came into the pan first."""

    soil: int
    """episodes in which soil did"""
    dirt: int
    """episodes in which dirt did"""
    neither: int
    """episodes in which nothing did, or both in the same step"""

    @property
    def soil_share(self) -> float | None:
        """Of the episodes in which one came first; None if there were none."""
        decided = self.soil + self.dirt
        return self.soil / decided if decided else None


def first_pickups(factory: PolicyFactory, scene: Scene, episodes: int) -> FirstPickups:
    """Let a policy play a scene, and see what it takes first."""
    names = [f"{kind}_in_pan" for kind in KINDS]
    _, held = play_with_sums(scene, factory, episodes, names)
    taken = held > held[:1]
    soil, dirt = np.where(taken.any(0), taken.argmax(0), len(taken)).T
    return FirstPickups(
        soil=int((soil < dirt).sum()),
        dirt=int((dirt < soil).sum()),
        neither=int((soil == dirt).sum()),
    )
