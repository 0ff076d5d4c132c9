"""Stable-Baselines3 and sb3-contrib: scenes to train on, and their agents as policies.

    from stable_baselines3 import PPO
    from sandbox_envs import sb3
    from sandbox_envs.eval import judge

    model = PPO("MlpPolicy", sb3.vec_env("sweep/train", num_envs=64), n_steps=64)
    model.learn(500_000)
    judge(sb3.policy(model), "sweep", name="ppo", folder="judged/ppo")

Stable-Baselines3 is imported by `vec_env` and `policy` and not before; the extra `sb3` installs it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gymnasium.vector import AutoresetMode, VectorEnv

from sandbox_envs.arguments import whole_number
from sandbox_envs.errors import UserError
from sandbox_envs.scene.scene import Scene
from sandbox_envs.vector import SandboxVectorEnv


def vec_env(
    scene: str | Path | Scene | Sequence[str | Path | Scene] | VectorEnv[Any, Any, Any],
    num_envs: int = 1,
    **options: Any,
) -> Any:
    """`num_envs` simulations of a scene as a `VecEnv`, which algorithms of SB3 take.

    Episodes reset by themselves. The info of every step holds every measure, as in Gymnasium; of an
    episode's last step also `episode` (its return, length and seconds, as a Monitor gives them),
    `terminal_observation` and `TimeLimit.truncated`. `seed` and `set_options` count from the next
    `reset` on; options are those of `SandboxVectorEnv.reset`: {"stagger": True} spreads the ends
    of the first episodes, which steadies training with short rollouts.

    Args:
        scene: as for `SandboxVectorEnv`; or such an environment, wrapped or not, that resets in the
            same step.
        num_envs: how many simulations.
        options: further arguments of `SandboxVectorEnv`, such as overrides.

    Raises:
        UserError: Stable-Baselines3 is missing, or the environment resets in another way.
        SceneError: a scene is wrong.
    """
    adapter = _adapter()
    if isinstance(scene, VectorEnv):
        if num_envs != 1 or options:
            raise UserError("this environment is made already; give num_envs and options to it")
        return adapter.SandboxVecEnv(_usable(scene))
    options = {"autoreset_mode": AutoresetMode.SAME_STEP, **options}
    return adapter.SandboxVecEnv(_usable(SandboxVectorEnv(scene, num_envs, **options)))


def policy(
    model: Any, *, deterministic: bool = False, normalizer: Any = None, seed: int = 0
) -> Callable[[Any, Any], tuple[Any, Any]]:
    """A model as a policy `(observations, state) -> (actions, state)`, for `judge` and other loops.

    It samples actions from its distribution, as in training. The noise of an episode is determined
    by its first observation and the seed, so an episode that is played again is the same, alone or
    in a batch; torch's own random state does not change. Recurrent models remember by the
    state, which is None where episodes start. Where the model was trained in a `VecNormalize`,
    observations are normalised as they were at the end of the training.

    Args:
        model: a trained one of Stable-Baselines3 or sb3-contrib.
        deterministic: act by the mean of the distribution instead.
        normalizer: the `VecNormalize` of its training; by default that of the model's environment.
            A model that was loaded from a file has none, so give `VecNormalize.load(FILE, envs)`.
        seed: of the samples, 0 or more.

    Raises:
        UserError: Stable-Baselines3 is missing, the model does not act in scenes, its samples do
            not follow from a seed (gSDE, `use_sde=True`: give deterministic=True), or another
            argument is wrong.
    """
    if not hasattr(model, "predict"):
        raise UserError(
            f"a model of Stable-Baselines3 is needed, not a {type(model).__name__}; a saved one is "
            "loaded by its class, as in PPO.load(FILE)"
        )
    seed = whole_number("seed", seed, 0, 2**64 - 1)
    return _adapter().ModelPolicy(model, deterministic, normalizer, seed)


def _usable(envs: VectorEnv[Any, Any, Any]) -> VectorEnv[Any, Any, Any]:
    """The environment, if `SandboxVecEnv` can drive it."""
    if not isinstance(envs.unwrapped, SandboxVectorEnv):
        raise UserError(
            f"{type(envs.unwrapped).__name__} is not an environment of this project; give the "
            "scene, or use Stable-Baselines3's own make_vec_env, which takes the Gymnasium id"
        )
    mode = envs.metadata.get("autoreset_mode")
    if mode != AutoresetMode.SAME_STEP:
        raise UserError(
            f"this environment was made with autoreset_mode={mode}, and Stable-Baselines3 needs "
            "AutoresetMode.SAME_STEP; make it with that, or give the scene instead"
        )
    return envs


def _adapter() -> Any:
    try:
        from sandbox_envs import sb3_adapter
    except ModuleNotFoundError as error:
        raise UserError(
            f"this takes Stable-Baselines3, and '{error.name}' is missing; "
            'pip install "sandbox_envs[sb3]"'
        ) from None
    return sb3_adapter
