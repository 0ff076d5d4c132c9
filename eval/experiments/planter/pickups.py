"""What comes into the pan first where there is time for one of two."""

from dataclasses import dataclass

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.rollouts.episodes import SEED
from sandbox_envs.eval.rollouts.steps import play_steps
from sandbox_envs.scene.scene import Scene
from sandbox_envs.sensor_sums import sensor_sums

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
    envs = SandboxVectorEnv(scene, episodes, autoreset_mode="Disabled")
    names = [f"{kind}_in_pan" for kind in KINDS]
    start = envs.reset(seed=SEED)
    held = [sensor_sums(envs, names)]
    play_steps(
        envs,
        factory(envs),
        start,
        scene.episode_steps,
        on_step=lambda: held.append(sensor_sums(envs, names)),
    )
    taken = np.stack(held) > np.stack(held[:1])  # (T + 1, episodes, kinds)
    soil, dirt = np.where(taken.any(0), taken.argmax(0), len(taken)).T
    return FirstPickups(
        soil=int((soil < dirt).sum()),
        dirt=int((dirt < soil).sum()),
        neither=int((soil == dirt).sum()),
    )
