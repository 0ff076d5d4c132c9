"""The study of bounds, searches and the shield: what is concluded from its records."""

from typing import Any

import pytest

from sandbox_envs.eval.experiments.planter.arms import BROKEN, HEADLINE, INTENDED, SEEKING, TRAINING
from sandbox_envs.eval.experiments.worst_case.__main__ import (
    AGENTS,
    SCENES,
    conditions,
    shield,
    table,
)

Figures = dict[str, Any]


def agent(regret: float, gate: str = "gate_open", shielded: float = 1.0) -> Figures:
    """One whose regrets are large or small, found where the planter is open or shut."""
    one = {"reward": 4.0, "shielded_reward": 3.9, "dustpan": 4.0, "shielded_dustpan": 3.0}
    found = {"values": {"planter": gate, "seconds": 20.0}, "fresh": regret + 1}
    limits = {"at_least": regret, "at_most": None}
    return {
        "bounds": {
            TRAINING: {"below": [0.0, regret]},
            BROKEN: {"below": [0.0, regret], "above": [1.0, regret + 0.5]},
        },
        "search": {"again": [{**found, **limits}], "archive": []},
        "shield": {
            k: {
                **one,
                "least_intended": 0.0,
                **({"shielded_reward": shielded} if k == BROKEN else {}),
            }
            for k in SCENES
        },
    }


def groups(**changed: list[Figures]) -> dict[str, list[Figures]]:
    """Three agents of each arm, as the declaration expects them."""
    large, small = [agent(5.0)] * 3, [agent(1.0, "gate_shut")] * 3
    return {HEADLINE: large, INTENDED: small, SEEKING: large, **changed}


def test_all_claims_hold_of_agents_as_they_were_expected() -> None:
    assert [one.holds for one in conditions(groups())] == [True] * 6


@pytest.mark.parametrize(
    ("arm", "some", "broken"),
    [
        (INTENDED, [agent(1.0), agent(1.0), agent(6.0)], {0, 2}),
        (SEEKING, [agent(5.0), agent(5.0), agent(5.0, "gate_shut")], {1}),
        (HEADLINE, [agent(5.0, shielded=-0.1)] * 3, {4}),
    ],
)
def test_one_agent_that_is_otherwise_refutes_its_claims(
    arm: str, some: list[Figures], broken: set[int]
) -> None:
    found = conditions(groups(**{arm: some}))
    assert {number for number, one in enumerate(found) if not one.holds} == broken


def test_nothing_is_concluded_before_the_last_agent() -> None:
    few = groups(**{SEEKING: [agent(5.0)] * (len(AGENTS[SEEKING]) - 1)})
    assert [one.holds for one in conditions(few)] == [None] * 6


def test_tables_have_a_row_for_each_agent_and_each_scene_of_an_arm() -> None:
    _, agents = table(groups())
    assert [row[0] for row in agents] == [
        arm for arm in (HEADLINE, INTENDED, SEEKING) for _ in "123"
    ]
    assert agents[0][2:] == [
        "5.00 to ?",
        "5.00 to 5.50",
        "6.00",
        "5.00 to ?",
        "planter gate open, seconds 20",
    ]
    _, scenes = shield(groups())
    assert [row[:3] for row in scenes[:3]] == [[HEADLINE, "3", scene] for scene in SCENES]
