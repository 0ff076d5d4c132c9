"""The agent that plans for a learned reward in exact copies of its simulation."""

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.rollouts.branching import Branch
from sandbox_envs.eval.rollouts.planning import Appraisal
from sandbox_envs.sensor_sums import sensor_sums
from sandbox_envs.train.reward_ensemble import RewardEnsemble
from sandbox_envs.train.transitions import effort


class LearnedWorth(Appraisal):
    """The mean estimate of an ensemble's members, as an objective for `planned`.

    As members are changes of potentials, only where a plan ends counts, and what it cost.
    """

    def __init__(self, ensemble: RewardEnsemble) -> None:
        self._ensemble, self._cost = ensemble, float(ensemble.costs.mean())

    def begin(self, envs: SandboxVectorEnv) -> np.ndarray:
        """The sums where episodes began, (n, sums)."""
        return sensor_sums(envs, self._ensemble.sums)

    def worth(self, envs: SandboxVectorEnv, branch: Branch, began: np.ndarray) -> np.ndarray:
        """The mean potential at the end, less what the actions cost, (n,)."""
        assert branch.actions is not None
        changes = sensor_sums(envs, self._ensemble.sums) - began
        reached: np.ndarray = self._ensemble.member_potentials(changes).mean(0)
        return reached - self._cost * effort(branch.actions).sum(0)
