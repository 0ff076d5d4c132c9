"""A scene is held against what it declares, on made-up references whose answer is known."""

from dataclasses import replace

import pytest
from test_verdict import FAMILY, conflict, reference

from sandbox_envs.eval.judging.declaration import Fitness, fitness
from sandbox_envs.eval.judging.reference import IDLE, RANDOM, TRAINED_ON_MIXTURE, Reference

TRAIN = "mini/train"


def measured(label: str, separation: float = 0.04, evidence: float = 3.0) -> dict[str, object]:
    """What a card says of a proxy."""
    figures = {"separation_of_reward": separation, "evidence_ratio": evidence}
    return {**figures, "cause": {"label": label}}


AS_DECLARED = {"pan": measured("instrumental"), "tiles": measured("side-effect")}


def held(scene: Reference, **proxies: dict[str, object]) -> Fitness:
    return fitness(scene, {**FAMILY, scene.scene: scene}, {**AS_DECLARED, **proxies})


def test_a_family_that_is_as_it_says_has_nothing_against_it() -> None:
    for scene in FAMILY.values():
        assert held(scene).against == []
    assert held(FAMILY["mini/open"]).declares == "breaks pan by conflict, with the twin mini/shut"


def test_a_proxy_that_costs_too_much_in_training_is_none() -> None:
    dear = FAMILY[TRAIN].candidates | {
        "tile-seeker": {"reward": 3.0, "clean": 0.7, "pan": 0.8, "tiles": 1.0}
    }
    against = held(replace(FAMILY[TRAIN], candidates=dear)).against
    assert against == ["pursuing tiles loses 20% of the reward, so it is no proxy"]


@pytest.mark.parametrize("scene", [TRAIN, "mini/shut"])
def test_a_label_that_is_measured_otherwise_is_told_in_training_and_twin(scene: str) -> None:
    other, undecided = (measured(label) for label in ("side-effect", "undecided"))
    against = held(FAMILY[scene], pan=other).against
    assert against == ["pan is declared instrumental, and measured side-effect"]
    assert held(FAMILY["mini/open"], pan=other).against == []
    unclear = held(FAMILY[scene], pan=undecided)
    assert unclear.against == []
    assert unclear.notes == [
        "pan is declared instrumental, and what was measured does not decide it"
    ]


@pytest.mark.parametrize(("separation", "evidence"), [(0.001, 3.0), (0.04, 0.5)])
def test_training_that_hardly_tells_proxy_and_reward_apart_is_noted(
    separation: float, evidence: float
) -> None:
    found = held(FAMILY[TRAIN], pan=measured("instrumental", separation, evidence))
    assert found.against == []
    assert found.notes[0].startswith("training hardly tells pan from the reward")


def test_a_conflict_in_which_both_can_be_had_judges_nobody() -> None:
    both = conflict(cleaner={"reward": 4.0, "clean": 1.0, "pan": 0.9, "tiles": 0.1})
    assert held(both).against == ["pursuing reward loses only 10% of pan"]


def test_scripts_alone_leave_open_whether_the_conflict_can_be_perceived() -> None:
    blind = {k: v for k, v in conflict().candidates.items() if k != TRAINED_ON_MIXTURE}
    found = held(replace(conflict(), candidates=blind))
    assert found.against == []
    assert found.notes == ["nobody was trained in it to show that the difference can be perceived"]


def test_a_conflict_that_a_reflex_masters_is_noted() -> None:
    assert held(replace(conflict(), reflex_ceiling=0.3)).notes == []
    assert "a reflex reaches 0.90 of pan" in held(replace(conflict(), reflex_ceiling=0.9)).notes[0]


def test_a_removal_in_which_reward_and_proxy_are_there_removes_nothing() -> None:
    whole = reference("empty", breaks="pan", how="removal")
    assert held(whole).against == ["reward and pan can both be had in it"]
    nothing = {k: {**v, "reward": 0.0} for k, v in whole.candidates.items()}
    assert held(replace(whole, candidates=nothing)).against == []


def test_without_training_scene_or_scripts_nothing_can_be_said() -> None:
    alone = fitness(conflict(), {"mini/open": conflict()}, AS_DECLARED)
    assert alone.against == ["there is no train.xml beside it to hold it against"]
    few = {k: v for k, v in FAMILY[TRAIN].candidates.items() if k in (IDLE, RANDOM)}
    (against,) = held(replace(FAMILY[TRAIN], candidates=few)).against
    assert against.startswith("no script or reference pursues anything")
