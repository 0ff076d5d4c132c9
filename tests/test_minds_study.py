"""The study of minds: what is trained and judged, and the tables of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY

from sandbox_envs import SandboxVectorEnv, load_scene
from sandbox_envs.eval.experiments.minds import agents as minds
from sandbox_envs.eval.experiments.minds.agents import Study, complete, course, job
from sandbox_envs.eval.experiments.minds.table import (
    UNVARYING,
    Group,
    differences,
    outcomes,
    read_groups,
    trainings,
    unvarying,
    weights,
)
from sandbox_envs.eval.experiments.runner import Args, folder_of
from sandbox_envs.eval.judging.reference_store import RUN_DIR, save
from sandbox_envs.eval.judging.verdict_file import read_verdict
from sandbox_envs.files import read_json
from sandbox_envs.sensor_sums import sensor_sums, sum_names
from sandbox_envs.train.capacity import parameter_count, sizes_in
from sandbox_envs.train.jobs import Job
from sandbox_envs.train.trainers import TRAINERS

pytestmark = pytest.mark.usefixtures("forked_trainers")

SEED = 1201
PLANNER = "ppo_planner"
SHORT = {**TINY, "num_envs": 8, "total_timesteps": 1280, "set": ("episode_seconds=1",)}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study as declared, with records elsewhere."""
    return minds.study(tmp_path_factory.mktemp("minds"))


def parameters(one: Job) -> int:
    given = {name: one.args[name] for name in one.args if name != "seed"}
    return parameter_count(one.trainer, sizes_in(one.trainer, minds.TRAINING, **given))


def test_declared_agents_have_seeds_and_sizes_of_their_own() -> None:
    jobs = [job(mind, seed) for mind in minds.MINDS for seed in minds.SEEDS]
    assert len({one.identity for one in jobs}) == 40
    assert {one.trainer for one in jobs} == set(TRAINERS)
    every = [job(*agent) for agent in minds.AGENTS]
    assert len({one.identity for one in every}) == 40 + 9
    assert {one.args["checkpoints"] for one in every} == {20}
    alike = {json.dumps([one.trainer, {**one.args, "seed": 0}]): one for one in every}
    assert len(alike) == len(minds.MINDS) + len(minds.VARIANTS)  # a seed changes nothing else
    sizes = [parameters(one) for one in alike.values()]
    assert max(sizes) < 1.1 * min(sizes)


def test_agents_are_judged_at_the_end_and_when_they_first_were_competent(
    plan: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two minds, in short episodes of the training scene, two each; any return is competent."""
    two = (TRAINERS[0], PLANNER)
    agents = [(mind, SEED) for mind in two]
    monkeypatch.setattr(minds, "TRIED", 2)
    scene = load_scene(minds.TRAINING, {"episode_seconds": 1})
    known = replace(plan.references[minds.TRAINING], hash=scene.hash)
    references = {**plan.references, minds.TRAINING: known}
    monkeypatch.chdir(tmp_path)
    save(known, RUN_DIR)
    few = Study(tmp_path / "out", {minds.TRAINING: scene}, references, 2, share=-1e3)
    args = Args(run_dir=tmp_path / "runs", workers=2)
    complete(few, args, agents, **SHORT)
    for mind in two:
        own = folder_of(few.out, mind, SEED)
        done = read_json(own / "training.json")
        (run,) = (tmp_path / "runs" / f"minds-{mind}-s{SEED}").iterdir()
        assert done["returns"] == [list(pair) for pair in course(run)]
        assert done["competent_after"] == done["returns"][0][0]
        steps = [read_verdict(own / stage).agent.steps for stage in ("equal", "end")]
        assert steps == [done["competent_after"], 1280]
    assert not (folder_of(few.out, TRAINERS[0], SEED) / "weights.json").exists()
    found = read_json(folder_of(few.out, PLANNER, SEED) / "weights.json")
    assert found["episodes"] == 2
    assert set(found["error"]) == {minds.TRAINING}
    before = {file: file.stat().st_mtime_ns for file in few.out.rglob("*.json")}
    complete(few, args, agents, **SHORT)
    assert {file: file.stat().st_mtime_ns for file in few.out.rglob("*.json")} == before


def group(mind: str, after: list[int | None], scores: list[float]) -> Group:
    """A group whose agents have these scores of everything, everywhere, at equal competence."""

    class Scene:
        def __init__(self, score: float) -> None:
            self.scores = {"reward": 1 - score, "dustpan": score}
            self.verdict = "harm" if score > 0.5 else "intended"

    class Verdict:
        def __init__(self, score: float) -> None:
            self.scenes = {name: Scene(score) for name in minds.JUDGED}

    courses = [
        {"parameters": 1000, "competent_after": a, "returns": [[10, 3.0]], "seconds": 1.0}
        for a in after
    ]
    judged = {"equal": [Verdict(s) for s in scores], "end": []}
    return Group(mind, courses, judged)  # type: ignore[arg-type]


def test_tables_count_agents_that_never_were_competent_and_say_what_differs() -> None:
    rng = np.random.default_rng(0)
    one = group("a", [100_000, 200_000, None], list(0.9 + 0.01 * rng.normal(size=10)))
    other = group("b", [300_000], list(0.4 + 0.01 * rng.normal(size=10)))
    _, rows = trainings([one, other])
    assert [row[5] for row in rows] == ["2 of 3", "1 of 1"]
    assert [row[6] for row in rows] == ["150", "300"]
    _, rows = outcomes([one, other])
    (planter,) = (row for row in rows if row[:3] == ["sweep/planter_open", "a", "equal"])
    assert planter[5] == "harm 10"
    _, rows = differences([one, other])
    shift = next(row for row in rows if row[:2] == ["sweep/planter_open", "dustpan"])
    assert shift[2] == "b - a"
    mean, low, high = (
        float(x) for x in shift[3].replace("[", "").replace("]", "").replace(",", "").split()
    )
    assert low < mean < high < 0
    assert mean == pytest.approx(-0.5, abs=0.02)
    assert 0 < float(shift[4]) < 0.05


def test_planners_weights_are_quoted_where_both_checks_pass() -> None:
    errors = {minds.CONFLICTS[0]: 0.4, minds.CONFLICTS[1]: 1.2}
    found = {"run": "sweep__ppo_planner__s7__1", "reached": {"dustpan": 0.7}, "error": errors}
    names = ["change of dirt", "change of soil", "mean of leaf_in_pan"]
    found |= {"weights": [0.3, -0.4, 0.0], "outcomes": names}
    _, (passed, failed) = weights([found | {"plans": plans} for plans in (True, False)])
    said = "-0.80 change of soil, +0.60 change of dirt, +0.00 mean of leaf_in_pan"
    assert passed == ["s7", "0.70 of dustpan", "0.40", "1.20", "0.00", minds.CONFLICTS[0], said]
    assert failed[-2:] == ["nowhere", ""]
    assert unvarying(found | {"weights": [0.3, -0.4, -0.3]}) == pytest.approx(0.3)


def test_stains_and_leaves_never_vary_in_training() -> None:
    scene = load_scene("sweep/train")
    envs, rng = SandboxVectorEnv(scene, 16), np.random.default_rng(0)
    envs.reset(seed=1)
    names, seen = sum_names(scene), []
    for _ in range(100):
        envs.step(rng.uniform(-1, 1, (16, 3)))
        seen.append(sensor_sums(envs, names))
    varies = dict(zip(names, np.ptp(seen, axis=(0, 1)) > 0, strict=True))
    never = {name for name in names if any(word in name for word in UNVARYING)}
    assert len(never) == 4
    assert not any(varies[name] for name in never)
    assert all(varies[name] for name in ("speed", "brush_at_dirt", "dirt_in_pan"))


def test_without_records_there_are_no_rows_of_outcomes(tmp_path: Path) -> None:
    groups = read_groups(tmp_path)
    assert [group.mind for group in groups] == list(TRAINERS)
    assert outcomes(groups)[1] == []
