"""The study of the green arrow: its arms, and what was declared."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import TINY
from imageio.v3 import imread

from sandbox_envs import load_scene
from sandbox_envs.eval.baselines.build import ReferenceBudget, obtain
from sandbox_envs.eval.experiments.arrow import agents as arrow
from sandbox_envs.eval.experiments.arrow.agents import Agent, jobs, read_agents, read_scripts
from sandbox_envs.eval.experiments.arrow.arms import (
    ARMS,
    BROKEN,
    CONTROL_HZ,
    FIRST,
    HEADLINE,
    NEVER,
    PARTS,
    SECOND,
    TRAINING,
    TWIN,
    agents_of,
    seeds_of,
)
from sandbox_envs.eval.experiments.arrow.estimands import (
    Arms,
    conditions,
    corners,
    drawn,
    table,
)
from sandbox_envs.eval.experiments.arrow.figure import plot
from sandbox_envs.eval.experiments.arrow.searching import (
    after_arrow,
    by_way,
    reaching,
)
from sandbox_envs.eval.experiments.runner import RESULTS, Args, Study, complete
from sandbox_envs.eval.judging.records import Record
from sandbox_envs.scene.texts import parse_overrides

pytestmark = pytest.mark.usefixtures("forked_trainers")

SHORT = {**TINY, "num_envs": 8, "total_timesteps": 1280, "hidden_size": 16}


def test_parts_hold_every_declared_agent_once() -> None:
    pairs = [pair for part in PARTS for pair in agents_of(part)]
    assert len(pairs) == len(set(pairs)) == 20 + 20 + 20 + 60 + 3
    assert seeds_of(HEADLINE) == FIRST + SECOND
    assert {job.name for job in jobs(Path("out"), pairs, SHORT).values()} == {
        f"arrow-{arm}-s{seed}" for arm, seed in pairs
    }
    assert (
        len({job.identity for job in jobs(Path("out"), [(a, 2001) for a in ARMS], {}).values()})
        == 9
    )


def test_committed_scores_follow_from_the_committed_episodes() -> None:
    found = [agent for arm in ARMS for agent in read_agents(RESULTS / "arrow", arm)]
    assert len(found) >= 3
    for agent in found:
        assert agent.verdict
        for scene, used in agent.verdict.references.items():
            for k, score in agent.verdict.scenes[scene].scores.items():
                above = agent.returns(scene, k).mean() - used.floor[k]
                assert score == pytest.approx(above / (used.best[k] - used.floor[k]), abs=1e-4)


def test_headline_is_the_training_scene_as_it_is_and_minds_are_of_one_size() -> None:
    overrides = parse_overrides(ARMS[HEADLINE].settings["set"])
    assert load_scene(TRAINING, overrides).hash == load_scene(TRAINING).hash
    found = jobs(Path("out"), [(HEADLINE, 2001), ("mlp_3", 2001), ("transformer_3", 2001)], {})
    assert {job.total_steps for job in found.values()} == {10_000_000}
    widths = [job.args["hidden_size"] for job in found.values()]
    assert widths[0] == 128
    assert len(set(widths)) == 3


def test_scripts_and_one_agent_are_played_and_recorded_once(tmp_path: Path) -> None:
    scenes = {name: load_scene(name) for name in (TRAINING, BROKEN)}
    plan = Study(tmp_path / "out", scenes, obtain(scenes, "none", ReferenceBudget()), 4)
    scripts = arrow.played_scripts(plan)
    seconds = {name: one.returns(BROKEN, "at_end").mean() for name, one in scripts.items()}
    assert max(seconds, key=lambda name: seconds[name]) == "intended"
    order = ("at_placebo", "intended", "at_arrow")
    assert sorted(order, key=lambda name: drawn(scripts[name])) == list(order)
    args = Args(run_dir=tmp_path / "runs", workers=1)
    todo = jobs(plan.out, [(HEADLINE, 2001)], SHORT)
    complete(plan, todo, args)
    (agent,) = read_agents(plan.out, HEADLINE)
    assert agent.verdict is not None
    assert agent.verdict.agent.seed == 2001
    assert np.isnan(agent.score(BROKEN))  # of no reference
    before = {file: file.stat().st_mtime_ns for file in plan.out.rglob("*.gz")}
    complete(plan, todo, args)
    arrow.played_scripts(plan)
    assert {file: file.stat().st_mtime_ns for file in plan.out.rglob("*.gz")} == before
    assert read_scripts(plan.out).keys() == scripts.keys()


def test_where_the_exit_is_found_and_for_how_long_it_is_kept_gives_the_seconds_at_it() -> None:
    agents = {NEVER: read_agents(RESULTS / "arrow", NEVER)}
    head, rows = reaching(agents, read_scripts(RESULTS / "arrow"))
    found = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert found["script intended"]["arrow moved: found"] == "1.00"
    assert (found["script idle"]["larger: found"], found["script idle"]["larger: s at it"]) == (
        "0.00",
        "",
    )
    share, seconds = (
        float(found[NEVER][f"larger: {name}"].split()[0]) for name in ("found", "s at it")
    )
    whole = np.mean([one.returns(TWIN, "at_end").mean() for one in agents[NEVER]])
    assert share * seconds == pytest.approx(whole, rel=0.02)  # none is at it without finding it


def test_episodes_with_longer_ways_are_rarer_in_training_and_their_exits_less_often_found() -> None:
    agents = {NEVER: read_agents(RESULTS / "arrow", NEVER)}
    head, rows = by_way(agents, read_scripts(RESULTS / "arrow")["intended"])
    assert {load_scene(name).control_hz for name in (TRAINING, TWIN, BROKEN)} == {CONTROL_HZ}
    for scene in ("training", "larger"):
        share, found = (head.index(f"{scene}: {name}") for name in ("episodes", "found"))
        assert sum(float(row[share]) for row in rows) == pytest.approx(1, abs=0.011)
        whole = sum(float(row[share]) * float(row[found].split()[0]) for row in rows)
        every = float(reaching(agents, {})[1][0][1 if scene == "training" else 3].split()[0])
        assert whole == pytest.approx(every, abs=0.015)
        assert [float(row[found].split()[0]) for row in rows] == sorted(
            (float(row[found].split()[0]) for row in rows), reverse=True
        )


def test_what_follows_on_the_arrow_adds_up_to_what_is_found_where_it_is_moved() -> None:
    agents = {HEADLINE: read_agents(RESULTS / "arrow", HEADLINE)}
    head, (row,) = after_arrow(agents)
    first, _, then, _, otherwise, _ = (float(cell.split()[0]) for cell in row[1:])
    every = float(reaching(agents, {})[1][0][5].split()[0])
    assert head[1] == "at the arrow first"
    assert first * then + (1 - first) * otherwise == pytest.approx(every, abs=0.015)


# --- what was declared -----------------------------------------------------------------------


def agent(rng: Any, arrow_first: float, at_arrow: float, reward: float = 0.9) -> Agent:
    """An agent that passes the disc before the exit in 0.1, and the arrow as often as is given."""
    rows = []
    for number in range(200):
        first, disc = rng.random() < arrow_first, rng.random() < 0.1
        returns = {
            "arrow_first": float(first),
            "placebo_first": float(disc),
            "end_reached": 1.0,
            "at_arrow": at_arrow,
            "at_end": 10.0,
        }
        rows.append(Record("x", BROKEN, "h", 0, number, 400, False, returns))
    row = SimpleNamespace(scores={"reward": reward})
    verdict: Any = SimpleNamespace(scenes={TWIN: row, TRAINING: row})
    return Agent({BROKEN: rows}, verdict)


def arms(n: int = 10, **headline: float) -> Arms:
    """Headline agents as given; agents of the arm without evidence that the arrow draws in 0.95."""
    rng = np.random.default_rng(0)
    given = {"arrow_first": 0.7, "at_arrow": 20.0, **headline}
    found: dict[str, list[Agent]] = {arm: [] for arm in ARMS}
    found[HEADLINE] = [agent(rng, **given) for _ in range(n)]
    found[NEVER] = [agent(rng, 0.95, 25.0) for _ in range(n)]
    return found


def test_conditions_hold_where_the_arrow_draws_able_agents() -> None:
    assert [one.holds for one in conditions(arms())] == [True] * 4


@pytest.mark.parametrize(
    ("changed", "fails"),
    [
        ({"reward": 0.5}, {0}),
        ({"arrow_first": 0.1}, {1}),
        ({"at_arrow": 3.0}, {2}),  # the arrow is a sign of the exit: passed, not stayed at
        ({"arrow_first": 0.95}, {3}),
    ],
)
def test_each_condition_can_fail(changed: dict[str, float], fails: set[int]) -> None:
    found = conditions(arms(**changed))
    assert {i for i, one in enumerate(found) if one.holds is False} == fails
    if 0 in fails:  # nothing is said about objectives of agents that are not able
        assert {(one.holds, one.unsaid) for one in found[1:]} == {(None, "agents are not able")}


def test_nothing_is_concluded_before_all_agents_are_there(tmp_path: Path) -> None:
    assert {one.holds for one in conditions(arms(n=5))} == {None}
    assert {one.holds for one in conditions(arms(n=12))} == {None}  # of twenty now
    one_short = {**arms(), HEADLINE: arms()[HEADLINE][:9]}
    assert {one.holds for one in conditions(one_short)} == {None}
    empty: Arms = {arm: [] for arm in ARMS}
    assert {one.holds for one in conditions(empty)} == {None}
    assert corners(empty)[1] == []
    plot(empty, {}, tmp_path / "arrow.png")
    rows = table(arms(), {})[1]
    plot(arms(), {"intended": agent(np.random.default_rng(0), 0.1, 0.0)}, tmp_path / "arrow.png")
    assert imread(tmp_path / "arrow.png").shape[2] == 4
    assert len(rows) == 6
    assert rows[1][3] == "10 of 10"


def test_an_agent_that_comes_nowhere_is_left_out() -> None:
    lost = agent(np.random.default_rng(0), 0.5, 1.0)
    for row in lost.records[BROKEN]:
        row.returns.update(arrow_first=0.0, placebo_first=0.0, end_reached=0.0)
    assert np.isnan(lost.share_first(BROKEN, "arrow"))
    shown = dict(arms())
    before = table(shown, {})[1][1][6]
    shown[HEADLINE] = [*shown[HEADLINE], lost]
    assert table(shown, {})[1][1][6].split()[0] == before.split()[0]
