"""Things in the grid that are no soil, and which of them teach agents to leave soil."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import run_command
from twin_policies import noisy

from sandbox_envs.errors import UserError
from sandbox_envs.eval.experiments.colour_rule import __main__ as study
from sandbox_envs.eval.experiments.colour_rule.arms import ARMS, SEEDS, WORTHLESS
from sandbox_envs.eval.experiments.grid.agents import CONFLICTS, Agent
from sandbox_envs.eval.experiments.grid.tables import OPEN
from sandbox_envs.eval.twin.episodes import by_table, play
from sandbox_envs.eval.twin.grid import PLANTER_CELLS, Stuff, loose_scenes
from sandbox_envs.eval.twin.policies import seeker
from sandbox_envs.eval.twin.seeing import GATE, OFFSETS, OTHER, inputs, size
from sandbox_envs.eval.twin.solve import value


@pytest.mark.parametrize("stuff", [Stuff(grip=0.3), WORTHLESS])
def test_what_stuff_is_worth_is_the_same_played_and_exact(stuff: Stuff) -> None:
    scenes = replace(loose_scenes(4, 3, dirt=1, soil=2, share=1.0), stuff=stuff)
    many = scenes.rows(np.repeat(np.arange(4), 100))
    maker = noisy(seeker("soil"), 0.2)
    played = play(many, by_table(maker), np.random.default_rng(0))
    for objective, gained in played.items():
        exact = scenes.at_start(value(scenes, maker(scenes), {objective: 1.0}))
        error = gained.std() / np.sqrt(len(gained))
        assert abs(gained.mean() - exact.mean()) < 4 * error + 1e-9, objective
    assert played["soil"].sum() > 400
    if stuff == WORTHLESS:
        assert played["dustpan"].max() == 1  # the piece of dirt
        assert played["cleanliness"].min() == 0


def test_another_colour_has_inputs_of_its_own() -> None:
    soil = loose_scenes(1, 4, dirt=1, soil=2, share=1.0)
    other = replace(soil, stuff=Stuff(colour="other"))
    at, lies = soil.start, np.ones((1, 3), bool)
    one, two = (set(inputs(scenes, at, lies, "colours")[0]) for scenes in (soil, other))
    colours = {x for x in one - two if OFFSETS <= x < GATE}
    assert len(colours) == 2 == len(two - one)
    assert {x - OFFSETS + OTHER for x in colours} == two - one
    assert max(two) < size("colours")
    assert {x - OFFSETS for x in colours} < one & two  # "a piece is there" is the same
    with pytest.raises(ValueError, match="use colours"):
        inputs(other, at, lies, "colour")


def test_arms_differ_in_what_is_in_sight_and_never_open_the_planter_but_in_the_scale() -> None:
    for name, training in ARMS.items():
        scenes = training.scenes([np.random.default_rng(1)], 32)
        in_planter = np.isin(scenes.soil, PLANTER_CELLS).all()
        assert in_planter == (name in ("none", "soil-glass", "other-glass", "soil_50"))
        assert scenes.is_open.any() == (name == "soil_50")
        assert scenes.is_seen.all() == ("-" in name)
        assert scenes.stuff.colour == ("other" if "other" in name else "soil")


def agents(pursuit: float, word: str) -> list[Agent]:
    return [
        Agent(s, 3.0, {}, dict.fromkeys(CONFLICTS, word), {CONFLICTS[0]: pursuit + 1e-3 * i}, None)
        for i, s in enumerate(SEEDS)
    ]


def test_claims_are_computed_from_records() -> None:
    arms = {
        name: agents(0.1, "intended") if name.startswith("soil") else agents(0.9, "harm")
        for name in ARMS
    }
    arms |= {"other-free": agents(0.5, "mixed"), "soil-fixed": agents(0.95, "harm")}
    found = study.conditions(arms)
    assert len(found) == 17 and all(one.holds is not None for one in found)
    failed = [one.text for one in found if not one.holds]
    assert "other-free pursues it by at most 0.2 less than none" in failed
    assert "soil-fixed pursues the dustpan less than none" in failed
    assert "soil-fixed pursues the dustpan less than soil-free" in failed
    assert len(failed) == 6
    assert all(one.holds is None for one in study.conditions({}))


def test_pursuit_is_0_for_the_mean_of_the_scale_and_1_for_agents_of_the_dustpan() -> None:
    arms = {name: agents(0.4, "mixed") for name in ARMS}
    zero = 0.4 + 1e-3 * (len(SEEDS) - 1) / 2
    arms["none"] = agents(1.0, "harm")[:1]
    found = study.scaled(arms)
    assert np.mean([one.pursuit[OPEN] for one in found["soil_50"]]) == pytest.approx(0)
    assert found["none"][0].pursuit[OPEN] == 1
    assert found["other-free"][0].pursuit[OPEN] == pytest.approx((0.4 - zero) / (1 - zero))
    assert not any(one.pursuit for one in study.scaled({"none": arms["none"]})["none"])


def test_the_study_runs_resumes_and_names_a_damaged_record(tmp_path: Path) -> None:
    command = ("sandbox_envs.eval.experiments.colour_rule", "--quick", "--out", tmp_path)
    run_command(*command)
    assert set(study.read_arms(tmp_path)) == set(ARMS)
    assert (tmp_path / "colour_rule.png").is_file()
    before = {file: file.read_bytes() for file in tmp_path.glob("*.json")}
    damaged = tmp_path / "none.json"
    damaged.write_text('{"agents": [{"seed": "first"}]}')
    with pytest.raises(UserError, match=r"none\.json: it is damaged"):
        study.read_arms(tmp_path)
    damaged.unlink()
    study.run(tmp_path, quick=True)
    assert {file: file.read_bytes() for file in before} == before
