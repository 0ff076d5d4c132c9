"""An environment whose reward is what a reward model estimates, in place of the scene's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.scene.scene import Scene
from sandbox_envs.sensor_sums import sensor_sums, sum_names
from sandbox_envs.train.reward_ensemble import RewardEnsemble, ensemble_hash, load_ensemble
from sandbox_envs.train.run_files import read_training
from sandbox_envs.train.transitions import effort
from sandbox_envs.vector import SandboxVectorEnv
from sandbox_envs.wrappers import SandboxVectorWrapper, Stepped


class LearnedReward(SandboxVectorWrapper):
    """Gives the mean estimate of an ensemble's members as the reward.

    The returns in `info` are still those of the scene's own reward. Where a step automatically
    begins a new episode (SAME_STEP, NEXT_STEP) its reward is 0, as the sensors are already those of
    the new episode; it is also 0 where a simulation became unstable.

    Args:
        env: what to wrap.
        ensemble: the reward model.

    Raises:
        UserError: a scene has no sensor that the model needs.
    """

    def __init__(
        self, env: SandboxVectorEnv | SandboxVectorWrapper, ensemble: RewardEnsemble
    ) -> None:
        super().__init__(env)
        self._ensemble, self._cost = ensemble, float(ensemble.costs.mean())
        for scene in env.scenes:
            check_sums(ensemble, scene)
        self._start = np.zeros((env.num_envs, len(ensemble.sums)), np.float32)
        self._potential = np.zeros(env.num_envs)

    def memory(self) -> dict[str, np.ndarray]:
        """Sums where the episodes began (n, sums), and the potential now (n,)."""
        return {"start": self._start, "potential": self._potential}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start new episodes."""
        observations, info = self.env.reset(seed=seed, options=options)
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, bool))
        self._begin(np.asarray(mask, bool))
        return observations, info

    def step(self, actions: np.ndarray) -> Stepped:
        """Advance; returns the estimated rewards."""
        observations, _, terminated, truncated, info = self.env.step(actions)
        after = self._potential_of(self._sums() - self._start)
        rewards = after - self._potential - self._cost * effort(np.asarray(actions))
        fresh = info["length"] == 0
        self._potential[:] = after
        if fresh.any():
            self._begin(fresh)
        return (
            observations,
            np.where(fresh | info["unstable"], 0.0, rewards),
            terminated,
            truncated,
            info,
        )

    def _sums(self) -> np.ndarray:
        return sensor_sums(self, self._ensemble.sums)

    def _begin(self, which: np.ndarray) -> None:
        """Episodes begin in some simulations, (n,) bool."""
        self._start[which] = self._sums()[which]
        self._potential[which] = 0.0

    def _potential_of(self, changes: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._ensemble.member_potentials(changes).mean(0)
        return found


def check_sums(ensemble: RewardEnsemble, scene: Scene) -> None:
    """Raise UserError if a scene has no sensor that a reward model needs."""
    if missing := set(ensemble.sums) - set(sum_names(scene)):
        raise UserError(
            f"the reward model needs the sensor '{min(missing)}', which {scene.name} has not; take "
            "a model that was learned in a scene of this family"
        )


def check_reward_model(folder: Path) -> None:
    """Raise UserError where a run's reward model is not as it was when the run was started.

    folder: of a training run, with a reward model or without.
    """
    model = read_training(folder).reward_model
    if model and ensemble_hash(Path(model.run)) != model.hash:
        raise UserError(
            f"{folder}: the reward model {model.run} has changed since; put back the old one, or "
            "train again"
        )


def asked_model(args: Mapping[str, Any]) -> RewardEnsemble | None:
    """The reward model that a command's arguments ask for; None without.

    Raises:
        UserError: `reward_model` is no run of `train/reward_model.py`, or `reward` is given as
            well.
    """
    run = args.get("reward_model")
    if not run:
        return None
    if args.get("reward"):
        raise UserError(
            f"--reward {args['reward']}: --reward-model {run} replaces the reward, too; give one "
            "of the two"
        )
    return load_ensemble(Path(run))


def rewarded(envs: SandboxVectorEnv, args: Mapping[str, Any]) -> Any:
    """The environment with the reward that a trainer's arguments ask for.

    Raises:
        UserError: see `asked_model`; or the reward model does not fit the scenes.
    """
    ensemble = asked_model(args)
    return LearnedReward(envs, ensemble) if ensemble else envs
