"""Episodes in which sums of sensors are kept beside what every rollout keeps."""

from collections.abc import Sequence

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.rollouts.episodes import SEED
from sandbox_envs.eval.rollouts.steps import Keep, Steps, play_steps
from sandbox_envs.scene.scene import Scene
from sandbox_envs.sensor_sums import sensor_sums


def play_with_sums(
    scene: Scene,
    factory: PolicyFactory,
    episodes: int,
    names: Sequence[str],
    keep: Keep = (),
    seed: int = SEED,
) -> tuple[Steps, np.ndarray]:
    """Play the first episodes of a seed, by default those that judging plays, all at once.

    Args:
        names: of the sums, as `sandbox_envs.sensor_sums` has them.
        keep: as for `play`.

    Returns:
        What was kept, and the sums before the first step and after each, (T + 1, episodes, names).
    """
    envs = SandboxVectorEnv(scene, episodes, autoreset_mode="Disabled")
    start = envs.reset(seed=seed)
    sums = [sensor_sums(envs, names)]
    steps, _ = play_steps(
        envs,
        factory(envs),
        start,
        scene.episode_steps,
        keep=keep,
        on_step=lambda: sums.append(sensor_sums(envs, names)),
    )
    return steps, np.stack(sums)
