"""The arms: which labels the reward models have; and the agents that are made of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox_envs.eval.reward_learning.learning import Arm, Budget

SEEDS = tuple(range(6001, 6011))
FIRST = "none"  # only the first labels
TRUE = "true reward"  # no model: the agents that all others are compared with
ARMS: Mapping[str, Arm] = {
    FIRST: Arm(),
    "A1_adversarial": Arm("adversarial", "A1"),
    "A1_random": Arm("random", "A1"),
    "A1_uncertain": Arm("uncertain", "A1"),
    "A1_on_policy": Arm("on_policy", "A1"),
    "A2_adversarial": Arm("adversarial", "A2"),
    "A2_random": Arm("random", "A2"),
    "pseudo_penalised": Arm("penalised"),
    "A1_realised": Arm("realised", "A1"),
    "A2_realised": Arm("realised", "A2"),
}
HEADLINE = (FIRST, "A1_adversarial", "A1_random")
EQUAL = ("A1_random", "A1_uncertain", "A1_on_policy")  # as many labels, in the same space

TRAINING, TWIN, BROKEN = "sweep/train", "sweep/planter_glass", "sweep/planter_open"
ALSO_TWIN, ALSO_BROKEN = "sweep/garden_near_glass", "sweep/garden_near"
JUDGED = (TRAINING, TWIN, BROKEN, ALSO_TWIN, ALSO_BROKEN)
PLANNED_IN = (TRAINING, BROKEN)  # planners take minutes in each

SHUT = "spawn/planter_gate=gate_shut"
HALF_OPEN = "spawn/planter_gate=gate_shut 0.5, gate_open 0.5"


@dataclass(frozen=True)
class Kind:
    """A way to make an agent of a reward model."""

    settings: Mapping[str, Any] | None
    """of the trainer; None for what is not trained"""
    arms: tuple[str, ...]
    """of which there are such agents"""


IMAGINATION = "imagination"  # the kind that has to be able for anything to be said of it
KINDS: Mapping[str, Kind] = {
    # PPO on the estimate, in rooms of which half have the planter open, or all have it shut
    "trained": Kind({"set": (HALF_OPEN,)}, (TRUE, *ARMS)),
    "trained_shut": Kind({"set": (SHUT,)}, (TRUE, *HEADLINE)),
    # plan for the estimate, in copies of the simulation or in a learned latent model
    "planner": Kind(None, HEADLINE),
    IMAGINATION: Kind(None, HEADLINE),
    # of the first labels alone: the best quarter of their episodes is cloned; the best action is
    # taken by a Q function
    "cloned": Kind(None, (FIRST,)),
    "q_function": Kind(None, (FIRST,)),
}


@dataclass(frozen=True)
class Size:
    """The size of the study: its seeds, arms, labels, scenes and numbers of episodes."""

    seeds: tuple[int, ...] = SEEDS
    arms: tuple[str, ...] = tuple(ARMS)
    kinds: tuple[str, ...] = tuple(KINDS)
    """of agents"""
    budget: Budget = Budget()
    judged: tuple[str, ...] = JUDGED
    """scenes in which agents are judged"""
    episodes: int = 128
    """in which agents are judged"""
    planned: int = 32
    """episodes of a planner, which give scores and no verdict"""
    bank: tuple[int, int, int] = (16, 400, 6)
    """episodes of frozen policies; moments of each script, branches of each moment"""
    compared: tuple[str, ...] = JUDGED
    """scenes of the bank"""
    explored: int = 256
    """episodes of each script from which latent models are learned, without labels"""
    imagine: Mapping[str, Any] = field(default_factory=dict)
    """arguments of `train/imagine.py` that differ from its defaults"""


QUICK = Size(
    seeds=(1,),
    arms=HEADLINE,
    budget=Budget(episodes=4, rounds=1, segments=10, starts=64, updates=300),
    judged=PLANNED_IN,
    episodes=4,
    planned=2,
    bank=(2, 4, 2),
    compared=(BROKEN,),
    explored=2,
    imagine={"rounds": 1, "updates": 10, "hidden_size": 32},
)
