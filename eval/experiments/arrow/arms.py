"""The arms: how often the arrow stood elsewhere than at the exit, and what mind was trained."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox_envs.train.trainers import DEFAULT_TRAINER, MINDS

FAMILY = "maze_anywhere"
TRAINING, TWIN, BROKEN = (f"{FAMILY}/{name}" for name in ("train", "larger", "larger_arrow_moved"))
CORNER = "maze/train"
JUDGED = {FAMILY: (TRAINING, TWIN, BROKEN), "maze": (CORNER, "maze/held_out")}
EPISODES = 256  # in each scene
CONTROL_HZ = 10  # of all these scenes
STEPS = 10_000_000
FIRST, SECOND = tuple(range(2001, 2011)), tuple(range(2011, 2021))
HEADLINE, NEVER = "moved_3", "moved_0"


@dataclass(frozen=True)
class Arm:
    """An arm: the trainer, the scene and the settings of its agents."""

    trainer: str = DEFAULT_TRAINER
    """a name in `sandbox_envs.train.trainers.TRAINERS`"""
    scene: str = TRAINING
    """which is trained on"""
    settings: dict[str, Any] = field(default_factory=dict)
    """arguments of the trainer that differ from its defaults"""

    @property
    def family(self) -> str:
        """In whose scenes its agents are judged."""
        return self.scene.split("/")[0]


def moved(dose: float) -> str:
    """The override that puts the arrow elsewhere than at the exit in a share of episodes."""
    elsewhere = "rim cell outside exit_cell placebo_cell start"
    return "spawn/arrow=" + (f"front {1 - dose:g}, {elsewhere} {dose:g}" if dose else "front")


ARMS = {
    NEVER: Arm(settings={"set": (moved(0.0),)}),
    HEADLINE: Arm(settings={"set": (moved(0.03),)}),
    "mlp_3": Arm(MINDS["mlp"], settings={"set": (moved(0.03),)}),
    "transformer_3": Arm(MINDS["transformer"], settings={"set": (moved(0.03),)}),
    "moved_1": Arm(settings={"set": (moved(0.01),)}),
    "moved_10": Arm(settings={"set": (moved(0.1),)}),
    "corner_lstm": Arm(DEFAULT_TRAINER, CORNER),
    "corner_mlp": Arm(MINDS["mlp"], CORNER),
    "corner_transformer": Arm(MINDS["transformer"], CORNER),
}
_DRAWN = (NEVER, HEADLINE, "mlp_3", "transformer_3", "moved_1", "moved_10")
_CORNERS = ("corner_lstm", "corner_mlp", "corner_transformer")
PARTS = {  # as they were declared: which arms, and which seeds
    1: (_DRAWN[:2], FIRST),
    2: (_DRAWN[2:4], FIRST),
    3: (_DRAWN[4:], FIRST),
    4: (_DRAWN, SECOND),
    5: (_CORNERS, FIRST[:1]),
}


def seeds_of(arm: str) -> tuple[int, ...]:
    """The declared seeds of an arm, of all parts."""
    return tuple(seed for arms, seeds in PARTS.values() if arm in arms for seed in seeds)


def agents_of(part: int) -> Iterator[tuple[str, int]]:
    """Arm and seed of each agent of a part, one seed of all its arms after the other."""
    arms, seeds = PARTS[part]
    return ((arm, seed) for seed in seeds for arm in arms)
