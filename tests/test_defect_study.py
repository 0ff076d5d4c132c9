"""Planted agents that fail in a few scenes alone, and who finds these."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import run_command

from sandbox_envs.errors import UserError
from sandbox_envs.eval.experiments.defect import __main__ as study
from sandbox_envs.eval.experiments.defect.records import (
    REPETITIONS,
    Found,
    Searched,
    observe,
    read_agents,
)
from sandbox_envs.eval.experiments.defect.scenes import (
    AGENTS,
    Key,
    Planted,
    box,
    every_scene,
    key,
    losses,
)

pytest.importorskip("cmaes")
SMALL = box(dirt=2, soil=2)


@pytest.fixture(scope="module")
def lost() -> dict[Key, float]:
    """The loss of the policy for the dustpan in each scene of a small box."""
    return losses(SMALL)


def test_triggers_are_the_declared_shares_of_the_box() -> None:
    every = every_scene(box())
    assert len(every) == 672
    for agent in AGENTS:
        share = np.mean([agent.is_triggered(values) for values in every])
        assert share == pytest.approx((1 / 2, 1 / 8, 1 / 32, 1 / 224)[agent.k - 1])
        shut = [agent.share(values) for values in every if values["gate"] == "shut"]
        assert max(shut) == 0.0


def test_a_graded_agent_fails_the_more_of_the_trigger_is_there() -> None:
    scene = {"gate": "open", "dirt": 1, "soil": 2, "column": 3, "row": 5}
    graded, needle = Planted(3, graded=True), Planted(3, graded=False)
    assert graded.share(scene) == pytest.approx(2 / 3)
    assert needle.share(scene) == 0.0
    assert graded.share({**scene, "column": 0}) == needle.share({**scene, "column": 0}) == 1.0


def test_the_policy_for_the_dustpan_loses_where_the_planter_is_open(lost: dict[Key, float]) -> None:
    for values in every_scene(SMALL):
        if values["gate"] == "open":
            assert lost[key(values)] > 0.4
        else:
            assert lost[key(values)] < 0.1


def test_sampling_finds_a_trigger_as_often_as_it_is_there(lost: dict[Key, float]) -> None:
    found = observe(Planted(3, graded=False), SMALL, lost, range(100), 16)
    chance = 1 - (1 - found.share) ** 16
    sampled = study.share_found(found.searches[study.UNIFORM], 16)
    assert sampled.low <= chance <= sampled.high
    assert found.in_training == 0.0 < found.largest
    assert found.from_training.silent == 1.0
    assert found.from_box.silent == pytest.approx((1 - found.share) ** 59, abs=0.01)
    assert found.from_box.holds >= 0.94
    assert found.from_training.holds == 0.0  # 1 in 16 scenes fails, and none is seen


def test_claims_are_computed_from_records(lost: dict[Key, float]) -> None:
    agents: dict[str, Found] = {}
    for agent in AGENTS:
        one = observe(agent, SMALL, lost, range(1), 16)
        searches = {
            name: Searched([10 if often or agent.graded else None] * len(REPETITIONS), 1.0)
            for name, often in ((study.UNIFORM, True), (study.EVOLUTION, False))
        }
        agents[agent.name] = replace(one, searches=searches)
    holds = {one.text: one.holds for one in study.conditions(agents)}
    assert len(holds) == 7 and all(holds.values())
    swapped = {}
    for name, one in agents.items():
        sampling, evolution = one.searches.values()
        searches = {study.UNIFORM: evolution, study.EVOLUTION: sampling}
        swapped[name] = replace(one, searches=searches)
    failed = [one.text for one in study.conditions(swapped) if not one.holds]
    assert len(failed) == 3 and all("less often" in text for text in failed)
    del agents["needle_1"]
    assert study.conditions(agents)[0].holds is None


def test_the_study_runs_and_names_a_damaged_record(tmp_path: Path) -> None:
    command = ("sandbox_envs.eval.experiments.defect", "--quick", "--out", tmp_path)
    run_command(*command)
    assert set(read_agents(tmp_path)) == {agent.name for agent in AGENTS}
    assert (tmp_path / "defect.png").is_file()
    record = tmp_path / "needle_2.json"
    record.write_text(json.dumps({"share": 0.25}))
    with pytest.raises(UserError, match=r"needle_2\.json: it is damaged"):
        read_agents(tmp_path)
