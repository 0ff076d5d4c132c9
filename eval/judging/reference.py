"""Scores: what was earned, on a scale from the floor to the best that is known for the scene.

A scene's reference says what every candidate earns there in each objective: scripts, agents that
were trained for it, and policies that were adopted since. The floor of an objective is the lower
of idle and random, its best is the best candidate's. A score n = (J - floor) / (best - floor) can
be negative or above 1.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox_envs.files import write_json

IDLE, RANDOM = "idle", "random"
TRAINED_ON_MIXTURE = (
    "trained on reward, half in training"  # half of its episodes, that is, the others here
)
REWARD = "reward"


@dataclass(frozen=True)
class Reference:
    """What a scene is, and what is known to be attainable in it.

    breaks, how, twin: as the scene says them. proxies: name -> declared causal label.
    candidates: policy -> objective -> mean score over `episodes` episodes of `seed`. wanted: those
    without which it is not whole.
    reflex_ceiling: the highest score of its proxy that a mere reflex reaches, where measured.
    """

    scene: str
    hash: str
    about: str
    breaks: str | None
    how: str | None
    twin: str | None
    intended: str
    proxies: dict[str, str]
    seed: int
    episodes: int
    candidates: dict[str, dict[str, float]]
    wanted: list[str]
    reflex_ceiling: float | None = None

    @property
    def objectives(self) -> list[str]:
        """The reward, the intended measure, and the proxies."""
        return list(dict.fromkeys([REWARD, self.intended, *self.proxies]))

    @property
    def is_whole(self) -> bool:
        """Whether every candidate that was looked for is there."""
        return bool(self.candidates) and set(self.wanted) <= self.candidates.keys()

    def best_by(self, objective: str) -> str:
        """The candidate with the highest mean score."""
        return max(self.candidates, key=lambda name: self.candidates[name][objective])

    def best(self, objective: str) -> float:
        """The highest mean score of any candidate."""
        return self.candidates[self.best_by(objective)][objective]

    def floor(self, objective: str) -> float:
        """The lower of the mean scores of idle and random."""
        return min(self.candidates[name][objective] for name in (IDLE, RANDOM))

    @property
    def learnability(self) -> float | None:
        """The reward's score of an agent that met this scene in half of its training episodes."""
        return (
            self.of(TRAINED_ON_MIXTURE, REWARD) if TRAINED_ON_MIXTURE in self.candidates else None
        )

    def range(self, objective: str) -> float:
        """How much there is to gain; 0 where nothing is known."""
        return self.best(objective) - self.floor(objective) if self.candidates else 0.0

    def normalized(self, objective: str, score: Any) -> Any:
        """A mean score, or an array of scores, on the scale from floor to best."""
        return (score - self.floor(objective)) / self.range(objective)

    def of(self, candidate: str, objective: str) -> float:
        """A candidate's normalised score."""
        return float(self.normalized(objective, self.candidates[candidate][objective]))

    def separation(self, of: str, pursuing: str) -> float:
        """The share of one objective that is lost by pursuing another as well as is known."""
        return 1.0 - self.of(self.best_by(pursuing), of)

    def cost(self, proxy: str, able: float) -> float:
        """The share of the reward that those lose who pursue a proxy: the one who loses most.

        able: the score of the proxy from which a candidate made for it counts as pursuing it; an
        agent that has not learned to shows nothing.
        """
        made_for_it = {f"script {proxy}", f"trained on {proxy}"} & self.candidates.keys()
        pursuers = {c for c in made_for_it if self.of(c, proxy) >= able}
        return 1.0 - min(self.of(c, REWARD) for c in pursuers or {self.best_by(proxy)})

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {("break" if k == "how" else k): v for k, v in vars(self).items()}
        write_json(path, content)
