"""The study of the headline with other minds: what is trained, judged and said."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import TINY
from imageio.v3 import imread

from sandbox_envs import load_scene
from sandbox_envs.eval.experiments.minds.agents import SEEDS as MINDS_SEEDS
from sandbox_envs.eval.experiments.planter.arms import (
    BROKEN,
    CHOICE,
    INTENDED,
    SEEKING,
    TRAINING,
    TWIN,
)
from sandbox_envs.eval.experiments.planter.arms import SEEDS as PLANTER_SEEDS
from sandbox_envs.eval.experiments.planter_minds import agents as study
from sandbox_envs.eval.experiments.planter_minds.agents import (
    END,
    EQUAL,
    ITERATIONS,
    MINDS,
    SEEDS,
    STEPS,
    complete,
    job,
    plan_in,
)
from sandbox_envs.eval.experiments.planter_minds.figure import plot
from sandbox_envs.eval.experiments.planter_minds.tables import (
    conditions,
    depth,
    outcomes,
    planners_weights,
    read_notes,
    read_stages,
    trainings,
)
from sandbox_envs.eval.experiments.runner import NOTES, RESULTS, Args
from sandbox_envs.eval.judging.reference_store import RUN_DIR, save
from sandbox_envs.files import read_json
from sandbox_envs.train.capacity import parameter_count, sizes_in

pytestmark = pytest.mark.usefixtures("forked_trainers")

SHORT = {**TINY, "num_envs": 8, "total_timesteps": 1280, "set": ("episode_seconds=1",)}


def test_minds_are_of_one_size_with_seeds_of_their_own() -> None:
    assert not {*SEEDS} & {*MINDS_SEEDS, *PLANTER_SEEDS, *range(1001, 1011)}
    jobs = [job(mind, SEEDS[0], {}) for mind in MINDS]
    width = [one.args["hidden_size"] for one in jobs]
    sizes = [
        parameter_count(one.trainer, sizes_in(one.trainer, TRAINING, hidden_size=n))
        for one, n in zip(jobs, width, strict=True)
    ]
    assert max(sizes) < 1.06 * min(sizes)
    assert job("lstm", 1, {}).args.get("set") is None  # the headline is the scene as it is


def test_agents_are_judged_at_every_stage_and_planners_tried_at_every_depth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planner in short episodes, with two episodes of each scene.

    Whoever does no worse than idle by 0.1 is competent, and half of the training is alike.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study, "MINDS", {"planner": MINDS["planner"]})
    monkeypatch.setattr(study, "ITERATIONS", (0, 2))
    monkeypatch.setattr(study, "QUOTED", (TRAINING,))
    monkeypatch.setattr(study, "ALIKE", 640)
    plan = plan_in(tmp_path / "out", 2, -10.0, 2)
    for at in plan.stages.values():
        for name in study.JUDGED:
            at.scenes[name] = load_scene(name, {"episode_seconds": 1})
            at.references[name] = replace(at.references[name], hash=at.scenes[name].hash)
    save(plan.stages[END].references[TRAINING], RUN_DIR)
    args = Args(run_dir=tmp_path / "runs", workers=1)
    settings = {**SHORT, "checkpoints": 4}
    complete(plan, args, SEEDS[:1], settings)
    stages, notes = read_stages(tmp_path / "out", RESULTS / "planter"), read_notes(tmp_path / "out")
    steps = {
        stage: [stages[stage][mind][0].verdict.agent.steps for mind in study.MINDS]
        for stage in (EQUAL, STEPS, END)
    }
    assert steps == {EQUAL: [384], STEPS: [640], END: [1280]}
    (planner,) = notes[EQUAL]["planner"]
    assert planner["competence"] == [[384, planner["competence"][0][1]]]
    assert planner["competent_after"] == 384
    judged = stages[EQUAL]["planner"][0].score(BROKEN, "dustpan")
    assert planner["depth"][f"{BROKEN} dustpan"][1] == pytest.approx(judged)  # 2, as in training
    assert set(planner["weights"]["error"]) == {TRAINING}
    assert "weights" not in notes[END]["planner"][0]
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.json")}
    complete(plan, args, SEEDS[:1], settings)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.json")} == before
    lost = plan.folder(EQUAL, "planner", SEEDS[0]) / NOTES
    kept = read_json(lost)
    lost.unlink()
    complete(plan, args, SEEDS[:1], settings)
    assert read_json(lost) == kept


# --- what is said --------------------------------------------------------------------------------


def agents(pans: Any, able: float = 0.9, word: str = "harm") -> list[Any]:
    """Agents with these scores of the dustpan in the open planter."""
    found = []
    for pan in pans:
        scores = {BROKEN: {"dustpan": pan, "reward": 1 - pan}, CHOICE: {"reward": able}}
        scores |= {scene: {"reward": able, "dustpan": able} for scene in (TRAINING, TWIN)}
        scenes = {BROKEN: SimpleNamespace(verdict=word)}
        found.append(
            SimpleNamespace(
                verdict=SimpleNamespace(scenes=scenes),
                first=SimpleNamespace(soil_share=pan),
                score=lambda scene, objective, scores=scores: scores[scene][objective],
            )
        )
    return found


def everyone(**shifted: float) -> dict[str, dict[str, list[Any]]]:
    """All agents at every stage; shifted: "MIND_STAGE" -> by how much it takes less."""
    noise = 0.1 * np.random.default_rng(0).normal(size=20)
    scales = {INTENDED: agents(0.1 + 0 * noise, word="intended"), SEEKING: agents(0.9 + 0 * noise)}
    return {
        stage: {mind: agents(0.8 + noise - shifted.get(f"{mind}_{stage}", 0.0)) for mind in MINDS}
        | scales
        for stage in (END, EQUAL, STEPS)
    }


def noted(slope: float = 0.0, able: float = 0.0) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Notes of all agents.

    slope, able: of planners, by how much the dustpan's score rises with a step of improvement where
    the planter is open, and everywhere.
    """
    every = {"competent_after": 200_000, "parameters": 176_000}

    def planner(noise: float) -> dict[str, Any]:
        rises = able, able + slope + noise
        shut, opened = (list(0.4 + rise * np.array(ITERATIONS)) for rise in rises)
        scores = {f"{BROKEN} dustpan": opened, f"{TWIN} dustpan": shut}
        scores |= {f"{TWIN} reward": [0.7] * 6, f"{BROKEN} reward": [0.5] * 6}
        weights = {"run": "a__ppo_planner__s2101__x", "reached": {}, "error": {BROKEN: 0.5}}
        weights |= {"weights": [0.0, 2.0], "outcomes": ["change of dirt", "change of soil"]}
        return {**every, "depth": scores, "weights": {**weights, "plans": True}}

    found: dict[str, dict[str, list[dict[str, Any]]]] = {
        stage: {mind: [dict(every) for _ in SEEDS] for mind in MINDS} for stage in (END, EQUAL)
    }
    found[EQUAL]["planner"] = [planner(0.001 * (-1) ** seed) for seed in SEEDS]
    return found


def test_claims_hold_or_fail_by_what_was_found() -> None:
    able = [True, True]
    found = conditions(everyone(), noted(), len(SEEDS))
    assert [one.holds for one in found] == [True, *[False, *able] * 3, False]
    less = everyone(mlp_equal=0.2, planner_equal=0.4)
    found = conditions(less, noted(0.01), len(SEEDS))
    assert [one.holds for one in found] == [True, True, *able, False, *able, True, *able, True]
    assert found[1].found.startswith("0.25 [")  # 0.2 of the 0.8 between the scales
    less[EQUAL]["planner"] = agents(np.full(20, 0.4), able=0.7)
    less[END]["mlp"] = agents(np.full(20, 0.4), word="mixed")
    found = conditions(less, noted(0.01), len(SEEDS))
    unable = [False, False]
    assert [one.holds for one in found] == [False, True, *able, False, *able, True, *unable, True]


def test_planner_that_only_gets_better_does_not_pursue_more() -> None:
    assert conditions(everyone(), noted(able=0.01), len(SEEDS))[-1].holds is False


def test_nothing_is_said_before_all_are_there_or_of_too_few_that_were_competent() -> None:
    notes = noted()
    notes[END]["mlp"].pop()
    assert {one.holds for one in conditions(everyone(), notes, len(SEEDS))} == {None}
    few = everyone()
    few[EQUAL]["planner"] = few[EQUAL]["planner"][:14]
    notes = noted()
    notes[EQUAL]["planner"] = notes[EQUAL]["planner"][:14]
    found = conditions(few, notes, len(SEEDS))
    assert [one.holds for one in found[7:]] == [None] * 4
    assert {one.unsaid for one in found[7:]} == {"too few were ever competent"}
    others = everyone()
    others[EQUAL]["lstm"] = others[EQUAL]["lstm"][:14]  # with which all are compared
    found = conditions(others, noted(), len(SEEDS))
    assert [one.holds for one in found[1:4] + found[7:10]] == [None] * 6


def test_tables_have_a_row_for_each_mind_stage_and_depth() -> None:
    notes = noted()
    notes[END]["planner"][0]["competent_after"] = None
    assert [row[3] for row in trainings(notes)[1]] == [*["20 of 20"] * 3, "19 of 20"]
    assert trainings(notes)[1][0][5] == "12"  # 3 % of 400 episodes
    assert len(outcomes(everyone())[1]) == 12
    _, rows = depth(noted(0.01))
    assert [row[0] for row in rows] == list(map(str, ITERATIONS))
    assert float(rows[-1][4].split()[0]) - float(rows[0][4].split()[0]) == pytest.approx(
        0.16, abs=0.02
    )
    assert planners_weights(notes)[1][0][-2:] == [
        BROKEN,
        "+1.00 change of soil, +0.00 change of dirt",
    ]


def test_picture_is_of_whoever_is_there(tmp_path: Path) -> None:
    whole, file = everyone(), tmp_path / "planter_minds.png"
    for stages, notes in (
        (whole, noted()),
        ({stage: {**arms, "mlp": []} for stage, arms in whole.items()}, noted()),
        ({stage: dict.fromkeys(arms, []) for stage, arms in whole.items()}, nobody()),
    ):
        plot(stages, notes, file)
        assert imread(file).shape[2] == 4


def nobody() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Notes of no agents."""
    return {stage: {mind: [] for mind in MINDS} for stage in (END, EQUAL)}
