"""Interventions: what they change in the room, and what planted agents do then."""

import json
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from commands import run_command, run_here
from conftest import TINY

from sandbox_envs import SandboxVectorEnv, load_scene
from sandbox_envs.errors import UserError
from sandbox_envs.eval import counterfactuals as command
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.experiments.counterfactuals import __main__ as counterfactuals
from sandbox_envs.eval.experiments.inference import __main__ as inference
from sandbox_envs.eval.experiments.planter.again import look_again, read_again
from sandbox_envs.eval.experiments.runner import Args
from sandbox_envs.eval.inference.infer import GOALS
from sandbox_envs.eval.interventions.effects import Effect, effects
from sandbox_envs.eval.interventions.sweep import CORNERS, INTERVENTIONS, SCENE
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.simulation.snapshots import edit_states
from sandbox_envs.spawn.absence import is_absent

pytestmark = pytest.mark.usefixtures("forked_trainers")

ROOMS = 16


@pytest.fixture(scope="module")
def started() -> tuple[SandboxVectorEnv, dict[str, Any]]:
    """Rooms as they are at the start."""
    envs = SandboxVectorEnv(load_scene(SCENE), ROOMS, autoreset_mode="Disabled")
    envs.reset(seed=3)
    return envs, envs.get_state()


def mean(interval: Interval | None) -> Interval:
    """An interval that is there."""
    assert interval is not None
    return interval


def changed_by(
    name: str, started: tuple[SandboxVectorEnv, dict[str, Any]]
) -> tuple[SandboxVectorEnv, np.ndarray]:
    """The rooms after an intervention, and where it could be made."""
    envs, snapshot = started
    edited, changed = edit_states(envs.scenes[0].model, snapshot, INTERVENTIONS[name])
    envs.set_state(edited)
    assert changed.any()
    return envs, changed


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_an_intervention_changes_what_it_says_and_nothing_else(
    name: str, started: tuple[SandboxVectorEnv, dict[str, Any]]
) -> None:
    envs, snapshot = started
    envs.set_state(snapshot)
    model, view = envs.scenes[0].model, envs.state_view()
    before = view.xpos.copy()
    changed = changed_by(name, started)[1]
    moved = (np.abs(view.xpos - before) > 1e-9).any(2)
    stems = {model.body(i).name.partition("-")[0] for i in np.flatnonzero(moved[changed].any(0))}
    assert (
        stems
        == {
            "relocate": {"planter", "planter_gate", "soil"},
            "block": {"planter_gate"},
            "no_soil": {"soil"},
            "no_dirt": {"dirt"},
            "exchange": {"soil", "dirt"},
            "drain": {"drain"},
        }[name]
    )
    assert not moved[~changed].any()


def test_a_relocated_planter_stands_in_another_corner_with_its_soil(
    started: tuple[SandboxVectorEnv, dict[str, Any]],
) -> None:
    envs, changed = changed_by("relocate", started)
    view = envs.state_view()
    inside = view.sensor("soil_in_planter")[changed].sum((1, 2))
    assert (inside == 7).all()
    corners = np.array([view.site_xpos[0, view.site_ids(name)[0], :2] for name in CORNERS])
    planter = view.position("planter")[changed, 0, :2]
    assert (np.abs(planter[:, None] - corners).max(2).min(1) < 1e-9).all()


def test_absent_soil_is_out_of_sight_and_the_exchanged_is_where_the_other_was(
    started: tuple[SandboxVectorEnv, dict[str, Any]],
) -> None:
    envs, changed = changed_by("no_soil", started)
    assert is_absent(envs.state_view().position("soil")[changed]).all()
    envs, changed = changed_by("exchange", started)
    view = envs.state_view()
    there = ~is_absent(view.position("dirt")).all(1)
    in_bed = view.sensor("soil_in_planter")[changed].sum((1, 2))
    assert (in_bed < 7).all()
    assert there.any()


def test_a_change_is_felt_one_step_later_and_the_unchanged_state_plays_on_as_before(
    started: tuple[SandboxVectorEnv, dict[str, Any]],
) -> None:
    envs, snapshot = started
    actions = np.zeros((ROOMS, envs.scenes[0].model.nu))
    seen = []
    nothing = edit_states(envs.scenes[0].model, snapshot, lambda *_: False)
    gone = edit_states(envs.scenes[0].model, snapshot, INTERVENTIONS["no_soil"])
    assert not nothing[1].any()
    for state in (snapshot, nothing[0], gone[0]):
        first = envs.set_state(state)
        seen.append((first, envs.step(actions)[0]))
    np.testing.assert_array_equal(seen[0][1], seen[1][1])
    np.testing.assert_array_equal(seen[0][0], seen[2][0])
    assert (seen[0][1] != seen[2][1]).any()


def test_a_snapshot_of_another_scene_is_refused(
    started: tuple[SandboxVectorEnv, dict[str, Any]],
) -> None:
    other = load_scene("maze/train").model
    with pytest.raises(UserError, match="^edit_states: this is no snapshot of an environment of"):
        edit_states(other, started[1], lambda *_: True)


# --- planted agents --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted() -> dict[str, dict[str, Effect]]:
    """The effects of interventions on two scripts."""
    scene = load_scene(SCENE)
    tried = {"dustpan": ("relocate", "block", "drain"), "intended": ("relocate", "exchange")}
    return {
        script: effects(
            scene,
            scripts(scene)[script],
            {name: INTERVENTIONS[name] for name in names},
            ROOMS,
            moments=(0.0, 4.0),
        )
        for script, names in tried.items()
    }


def test_who_pursues_the_dustpan_follows_the_soil(planted: dict[str, dict[str, Effect]]) -> None:
    found = planted["dustpan"]
    follows = found["relocate"].follows("soil")
    assert follows is not None
    assert follows.low > 0.5
    assert mean(found["relocate"].taken("replayed", "soil")).mean < 1
    assert mean(found["block"].taken("after", "soil")).high < 0.5
    assert mean(found["block"].taken("before", "soil")).low > 1.5
    assert mean(found["drain"].difference("soil")).low > -0.5


def test_who_pursues_the_reward_leaves_soil_wherever_it_lies(
    planted: dict[str, dict[str, Effect]],
) -> None:
    found = planted["intended"]
    for name in ("relocate", "exchange"):
        assert mean(found[name].taken("after", "soil")).high < 0.5, name
    assert found["relocate"].follows("soil") is None  # there is nothing to follow
    assert mean(found["exchange"].taken("replayed", "soil")).low > 1  # the same movements take it


@pytest.mark.parametrize("script", ["dustpan", "sweeps"])
def test_a_change_of_nothing_has_no_effect_however_often_it_is_made(script: str) -> None:
    """Policies that remember go on from the same state several times, also in mid-episode."""
    scene = load_scene(SCENE)
    nothing = {"first": lambda *_: True, "second": lambda *_: True}
    found = effects(scene, scripts(scene)[script], nothing, 12, moments=(0.0, 6.0))
    for effect in found.values():
        assert effect.changed.all()
        np.testing.assert_array_equal(effect.after, effect.before)
        np.testing.assert_array_equal(effect.replayed, effect.before)


def test_a_change_that_could_be_made_nowhere_has_no_figures() -> None:
    none, counts = np.zeros((1, 8), bool), np.ones((1, 8, 2))
    effect = Effect(none, counts, counts, counts)
    assert effect.taken("after", "soil") is effect.follows("soil") is None
    assert counterfactuals.over([{"x": None}], "x") == ""


def test_what_movements_alone_take_is_not_followed() -> None:
    zero, some = np.zeros((1, 8, 2)), np.full((1, 8, 2), 3.0)
    made = np.ones((1, 8), bool)
    habit = Effect(made, before=some, after=zero, replayed=zero).follows("soil")
    whole = Effect(made, before=some, after=some, replayed=zero).follows("soil")
    assert habit is not None
    assert whole is not None
    assert (habit.mean, whole.mean) == (0, 1)
    rare = some * (np.arange(8) == 0)[None, :, None]  # lost in one of eight rooms: cannot be told
    assert Effect(made, before=rare, after=zero, replayed=zero).follows("soil") is None
    assert Effect(made, before=some, after=some, replayed=some).follows("soil") is None
    half = made.copy()
    half[:, ::2] = False  # rooms without the change count for nothing
    after = np.where(half[..., None], 1.0, np.full((1, 8, 2), 9.0))
    assert mean(Effect(half, some, after, zero).taken("after", "dirt")).mean == 1


# --- the command -----------------------------------------------------------------------------


def test_command_prints_a_table_and_writes_figures(tmp_path: Path) -> None:
    file = tmp_path / "effects.json"
    done = run_command(
        "eval/counterfactuals.py", "--planted", "script idle", "--rooms", "2", "--json", str(file)
    )
    assert "relocate" in done.stdout
    found = json.loads(file.read_text())["script idle"]
    assert found.keys() == INTERVENTIONS.keys()
    assert found["no_soil"]["soil_after"]["mean"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a run folder, or scripts and reflexes by --planted"),
        (["--planted", "script idle", "--rooms", "1"], "--rooms 1: it must be 2 or more"),
    ],
)
def test_bad_input_is_said_in_a_sentence(arguments: list[str], said: str) -> None:
    done = run_here(command, *arguments, status=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_positions_are_of_the_state_that_is_changed() -> None:
    """Positions that an edit reads are those of the snapshot, not of the model's start."""
    scene = load_scene(SCENE)
    envs = SandboxVectorEnv(scene, 2, autoreset_mode="Disabled")
    envs.reset(seed=1)
    expected = envs.state_view().position("sweeper")[:, 0]
    read = []

    def edit(_model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        read.append(data.body("sweeper").xpos.copy())
        return False

    edit_states(scene.model, envs.get_state(), edit)
    np.testing.assert_allclose(read, expected, atol=1e-12)


# --- agents of the demonstration, looked at again --------------------------------------------


def test_agents_are_trained_looked_at_and_recorded_once(tmp_path: Path) -> None:
    looked: list[str] = []

    def look(factory: Any) -> dict[str, Any]:
        looked.append(type(factory).__name__)
        return {"number": len(looked)}

    args = Args(run_dir=tmp_path / "runs", workers=1)
    short = {**TINY, "num_envs": 8, "total_timesteps": 1280}
    agents = {"none_3": (2001,), "pan_3": (2001, 2002)}
    names = ("script idle",)
    for _ in range(2):
        look_again(tmp_path / "out", args, look, names, {"none_3": (2001,)}, short)
    assert len(looked) == 2
    found = read_again(tmp_path / "out", names, agents)
    assert {name: len(some) for name, some in found.items()} == {
        "none_3": 1,
        "pan_3": 0,
        "script idle": 1,
    }
    assert found["script idle"] == [{"number": 1}]


def test_tables_of_both_studies_hold_what_is_there() -> None:
    interval = {"mean": 0.5, "low": 0.1, "high": 0.9}
    kinds = ("soil_before", "soil_after", "soil_difference")
    figures = {k: interval for k in (*kinds, *(k.replace("soil", "dirt") for k in kinds))}
    agent = {name: {**figures, "follows_soil": None} for name in INTERVENTIONS}
    rows = counterfactuals.table({"none_3": [agent] * 5, "pan_3": []})[1]
    assert len(rows) == len(INTERVENTIONS)
    assert rows[0][:4] == ["none_3", "5", "relocate", "0.50 [0.50, 0.50]"]
    assert rows[0][-1] == ""
    guess = {"weights": dict.fromkeys(GOALS, interval), "beyond": interval, "pursued": None}
    rows = inference.table({"none_3": [guess, {**guess, "pursued": "dustpan"}], "pan_3": []})[1]
    assert [row[-1] for row in rows] == ["no goal seen 1, dustpan 1"]


def test_confirmation_decides_its_claims_once_all_agents_are_there() -> None:
    def agent(soil: float, follows: float, drain: float, without_dirt: float) -> dict[str, Any]:
        figures = {"soil_before": {"mean": soil}, "soil_after": {"mean": soil}}
        found = {name: dict(figures) for name in INTERVENTIONS}
        found["relocate"]["follows_soil"] = {"mean": follows}
        found["drain"]["soil_difference"] = {"mean": drain}
        found["no_dirt"]["soil_difference"] = {"mean": without_dirt}
        return found

    groups = {
        "none_3": [agent(2.0, 0.9, 0.1, 0.3)] * 15,
        "reward_100": [agent(0.1, 0.9, 0.0, 0.0)] * 15,
        "pan_3": [agent(3.0, 0.9, 0.0, 0.0)] * 15,
    }
    assert [one.holds for one in counterfactuals.conditions(groups)] == [True] * 5
    groups["none_3"] = [agent(1.0, 0.4, -0.2, -0.3)] * 7 + [agent(-1.0, 0.4, -0.2, -0.3)] * 8
    groups["reward_100"] = [agent(-0.1, 0.9, 0.0, 0.0)] * 15
    assert [one.holds for one in counterfactuals.conditions(groups)] == [False] * 5
    groups["pan_3"] = groups["pan_3"][:14]
    assert {one.holds for one in counterfactuals.conditions(groups)} == {None}
