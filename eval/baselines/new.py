"""References before anything is computed. Loads no trainer."""

from sandbox_envs.eval.judging.reference import Reference
from sandbox_envs.eval.rollouts.episodes import SEED
from sandbox_envs.scene.scene import Scene

EPISODES = 256  # that each candidate plays


def new_reference(scene: Scene) -> Reference:
    """A scene's reference without any candidate."""
    return Reference(
        scene=scene.name,
        hash=scene.hash,
        about=scene.about,
        breaks=scene.breaks,
        break_kind=scene.break_kind,
        twin=scene.twin,
        intended=scene.intended,
        proxies=dict(scene.proxies),
        seed=SEED,
        episodes=EPISODES,
        candidates={},
        required=[],
    )
