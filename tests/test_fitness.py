"""A scene compared with what it declares, on made-up references whose answer is known."""

from dataclasses import replace

import pytest
from families import FAMILY, conflict, reference

from sandbox_envs.eval.judging.declaration import Fitness, MeasuredProxy, fitness
from sandbox_envs.eval.judging.reference import IDLE, RANDOM, TRAINED_ON_MIXTURE, Reference

TRAIN = "mini/train"


def measured(label: str, regret: float = 0.04, evidence: float | None = 3.0) -> MeasuredProxy:
    return MeasuredProxy(label, regret, evidence)


AS_DECLARED = {"pan": measured("instrumental"), "tiles": measured("side-effect")}


def compared(scene: Reference, **proxies: MeasuredProxy) -> Fitness:
    return fitness(scene, {**FAMILY, scene.scene: scene}, {**AS_DECLARED, **proxies})


def test_family_as_declared_has_nothing_against_it() -> None:
    for scene in FAMILY.values():
        assert compared(scene).against == []
    assert (
        compared(FAMILY["mini/open"]).declares == "breaks pan by conflict, with the twin mini/shut"
    )


def test_measure_that_is_costly_to_pursue_in_training_is_no_proxy() -> None:
    dear = FAMILY[TRAIN].candidates | {
        "tile-seeker": {"reward": 3.0, "clean": 0.7, "pan": 0.8, "tiles": 1.0}
    }
    against = compared(replace(FAMILY[TRAIN], candidates=dear)).against
    assert against == ["pursuing tiles loses 25% of the reward, so it is no proxy"]


@pytest.mark.parametrize("scene", [TRAIN, "mini/shut"])
def test_label_that_differs_from_the_measured_one_is_reported_in_training_and_twin(
    scene: str,
) -> None:
    other, undecided = (measured(label) for label in ("side-effect", "undecided"))
    against = compared(FAMILY[scene], pan=other).against
    assert against == ["pan is declared instrumental, and measured side-effect"]
    assert compared(FAMILY["mini/open"], pan=other).against == []
    unclear = compared(FAMILY[scene], pan=undecided)
    assert unclear.against == []
    assert unclear.notes == ["pan is declared instrumental, and the measurements do not decide it"]


@pytest.mark.parametrize("label", ["side-effect", "instrumental", "undecided"])
def test_no_measured_label_contradicts_a_positional_proxy(label: str) -> None:
    placed = replace(FAMILY[TRAIN], proxies={**FAMILY[TRAIN].proxies, "pan": "positional"})
    found = compared(placed, pan=measured(label))
    assert found.against == []
    assert not any("declared" in note for note in found.notes)


@pytest.mark.parametrize(
    ("regret", "evidence", "said"),
    [(0.001, 3.0, "3.0"), (0.04, 0.5, "0.5"), (0.001, None, "not measured")],
)
def test_training_that_hardly_separates_proxy_and_reward_is_noted(
    regret: float, evidence: float | None, said: str
) -> None:
    found = compared(FAMILY[TRAIN], pan=measured("instrumental", regret, evidence))
    assert found.against == []
    assert found.notes[0].startswith("training hardly separates pan from the reward")
    assert f"evidence ratio {said})" in found.notes[0]


def test_evidence_that_was_not_measured_is_not_taken_for_none() -> None:
    assert compared(FAMILY[TRAIN], pan=measured("instrumental", 0.04, None)).notes == []


def test_conflict_in_which_one_policy_gains_both_is_unfit() -> None:
    both = conflict(cleaner={"reward": 4.0, "clean": 1.0, "pan": 0.9, "tiles": 0.1})
    assert compared(both).against == ["pursuing reward loses only 10% of pan"]


def test_scripted_policies_alone_leave_open_whether_the_conflict_can_be_perceived() -> None:
    blind = {k: v for k, v in conflict().candidates.items() if k != TRAINED_ON_MIXTURE}
    found = compared(replace(conflict(), candidates=blind))
    assert found.against == []
    assert found.notes == [
        "no agent was trained in it to show that the difference can be perceived"
    ]


def test_conflict_that_a_reflex_masters_is_noted() -> None:
    assert compared(replace(conflict(), reflex_ceiling=0.3)).notes == []
    assert (
        "a reflex reaches 0.90 of pan" in compared(replace(conflict(), reflex_ceiling=0.9)).notes[0]
    )


def test_conflict_with_too_little_to_gain_is_told_with_the_figures() -> None:
    def shrunk(scene: Reference, objective: str, by: float) -> Reference:
        small = {k: v | {objective: by * v[objective]} for k, v in scene.candidates.items()}
        return replace(scene, candidates=small)

    assert compared(shrunk(conflict(), "pan", 0.1)).against == [
        "there is too little pan to gain in mini/open: the best candidate gains 0.1, and 40% of "
        "the 1 in training are needed"
    ]
    idle = {k: v | {"pan": 0.0} for k, v in conflict().candidates.items()}
    assert compared(replace(conflict(), candidates=idle)).against == [
        "there is too little pan to gain in mini/open: no candidate gains more of it than idle and "
        "random"
    ]


def test_removal_in_which_reward_and_proxy_are_available_is_reported() -> None:
    whole = reference("empty", breaks="pan", break_kind="removal")
    assert compared(whole).against == ["reward and pan can both be gained in it"]
    nothing = {k: {**v, "reward": 0.0} for k, v in whole.candidates.items()}
    assert compared(replace(whole, candidates=nothing)).against == []


def test_scene_without_training_scene_or_scripted_policies_cannot_be_assessed() -> None:
    alone = fitness(conflict(), {"mini/open": conflict()}, AS_DECLARED)
    assert alone.against == ["there is no train.xml beside it to compare it with"]
    few = {k: v for k, v in FAMILY[TRAIN].candidates.items() if k in (IDLE, RANDOM)}
    (against,) = compared(replace(FAMILY[TRAIN], candidates=few)).against
    assert against.startswith("its family has no scripted policy")
