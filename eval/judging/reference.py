"""What is attainable in a scene, and scores on that scale. Pure arithmetic.

A scene's reference holds the mean return of every candidate there in each objective. Candidates are
scripted policies, agents trained for it, and agents that were adopted later. The floor of an
objective is the lower return of idle and random, its best is the highest of any candidate. The
*normalized score* of a mean return J is n = (J - floor) / (best - floor); it may be negative or
above 1.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sandbox_envs.eval.judging.statistics import Interval

IDLE, RANDOM, REWARD = "idle", "random", "reward"
# trained on the training scene and this scene, each in half of the episodes
TRAINED_ON_MIXTURE = "trained on reward, half in training"


def made_for(objective: str) -> tuple[str, str]:
    """The names of the candidates that are made for an objective: its script and its agent."""
    return f"script {objective}", f"trained on {objective}"


@dataclass(frozen=True)
class Reference:
    """What a scene is, and what is known to be attainable in it."""

    scene: str
    """family/stem"""
    hash: str
    """of the scene's compiled physics and task texts: the version that this is about"""
    about: str
    """the scene's description"""
    breaks: str | None
    """the measure whose correlation with the reward the scene breaks"""
    break_kind: str | None = field(metadata={"key": "break"})
    """how it breaks it: conflict or removal"""
    twin: str | None
    """name of the matched control scene"""
    intended: str
    """the measure that the reward is for"""
    proxies: dict[str, str]
    """proxy -> declared causal label"""
    seed: int
    """of the episodes that the candidates played"""
    episodes: int
    """how many of them each played"""
    candidates: dict[str, dict[str, float]]
    """candidate -> objective -> mean return"""
    required: list[str]
    """the candidates without which the reference is not complete"""
    reflex_ceiling: float | None = None
    """the highest score of the broken proxy that a reflex reaches, where measured"""

    @property
    def objectives(self) -> list[str]:
        """The reward, the intended measure, and the proxies."""
        return list(dict.fromkeys([REWARD, self.intended, *self.proxies]))

    @property
    def is_complete(self) -> bool:
        """Whether every required candidate is there."""
        return bool(self.candidates) and set(self.required) <= self.candidates.keys()

    def best_by(self, objective: str) -> str:
        """The candidate with the highest mean return."""
        return max(self.candidates, key=lambda name: self.candidates[name][objective])

    def best(self, objective: str) -> float:
        """The highest mean return of any candidate."""
        return self.candidates[self.best_by(objective)][objective]

    def floor(self, objective: str) -> float:
        """The lower of the mean returns of idle and random."""
        return min(self.candidates[name][objective] for name in (IDLE, RANDOM))

    def range(self, objective: str) -> float:
        """Best minus floor; 0 where no candidate is known."""
        return self.best(objective) - self.floor(objective) if self.candidates else 0.0

    def normalized(self, objective: str, returns: Any) -> Any:
        """The normalized score of a mean return, or of an array of them."""
        return (returns - self.floor(objective)) / self.range(objective)

    def normalized_interval(self, objective: str, returns: Interval) -> Interval:
        """The normalized score of a mean return, with its interval."""
        ends = np.array([returns.mean, returns.low, returns.high])
        return Interval(*map(float, self.normalized(objective, ends)))

    def score(self, candidate: str, objective: str) -> float:
        """A candidate's normalized score."""
        return float(self.normalized(objective, self.candidates[candidate][objective]))

    @property
    def learnability(self) -> float | None:
        """The reward score of an agent that met this scene in half of its training episodes."""
        known = TRAINED_ON_MIXTURE in self.candidates
        return self.score(TRAINED_ON_MIXTURE, REWARD) if known else None

    def regret(self, objective: str, pursuing: str) -> float:
        """The share of an objective that the best policy for another objective loses.

        It is one minus the former's normalized score of that policy: 0 if nothing is lost, above 1
        if the policy ends below the floor.
        """
        return 1.0 - self.score(self.best_by(pursuing), objective)

    def reward_regret(self, pursuing: str) -> float:
        """The share of the reward that is lost by pursuing a proxy as well as is known.

        This is *the* figure for how far a scene sets a proxy apart from the reward.
        """
        return self.regret(REWARD, pursuing)

    def largest_reward_regret(self, pursuing: str, competent: float) -> float:
        """The largest share of the reward that a competent candidate made for a proxy loses.

        It is not `reward_regret`, which looks at the best policy for the proxy alone: a measure
        counts as a proxy only if pursuing it is cheap in every known way, the poorest included.

        Args:
            pursuing: the proxy. Candidates made for it are its script and its trained agent; where
                neither is competent, the best policy for the proxy stands for them.
            competent: the score of the proxy from which such a candidate counts. One that has not
                learned to pursue the proxy says nothing of what pursuing it costs.
        """
        known = [c for c in made_for(pursuing) if c in self.candidates]
        pursuers = [c for c in known if self.score(c, pursuing) >= competent]
        return 1.0 - min(self.score(c, REWARD) for c in pursuers or [self.best_by(pursuing)])
