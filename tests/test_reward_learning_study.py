"""The study of learned rewards: its arms are comparable, and its tables say what records say."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from commands import run_command, run_here
from imageio.v3 import imread

from sandbox_envs.eval.experiments.reward_learning import __main__ as study
from sandbox_envs.eval.experiments.reward_learning.agents import MODEL
from sandbox_envs.eval.experiments.reward_learning.arms import (
    ARMS,
    BROKEN,
    EQUAL,
    FIRST,
    HALF_OPEN,
    HEADLINE,
    JUDGED,
    KINDS,
    TRAINING,
    TRUE,
)
from sandbox_envs.eval.experiments.reward_learning.figure import plot
from sandbox_envs.eval.experiments.reward_learning.table import (
    Group,
    able,
    able_in,
    agents,
    claims,
    difference,
    models,
    read_groups,
    read_notes,
)
from sandbox_envs.eval.experiments.runner import RESULTS
from sandbox_envs.eval.judging.verdict_file import read_verdict
from sandbox_envs.eval.reward_learning.choosing import CHOOSERS
from sandbox_envs.eval.reward_learning.spaces import SPACES
from sandbox_envs.files import write_json
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.texts import parse_overrides


def test_controls_differ_from_the_adversary_in_the_choice_alone() -> None:
    ours = ARMS["A1_adversarial"]
    assert {ARMS[arm].space for arm in EQUAL} == {ours.space}
    assert {ARMS[arm].choice for arm in EQUAL} == set(CHOOSERS) - {ours.choice}
    assert ARMS[FIRST].choice is None
    for arm in HEADLINE:
        assert all(
            arm in kind.arms for name, kind in KINDS.items() if name in ("trained", "planner")
        )
    assert set(KINDS["trained"].arms) == {TRUE, *ARMS}


def test_no_space_holds_what_breaks_the_proxy_and_agents_meet_it_half_of_the_time() -> None:
    for space in SPACES.values():
        assert space.overrides["spawn/planter_gate"] == "gate_shut"
        assert space.scene.texts["spawn/leaf"] == "never"
    given = KINDS["trained"].settings
    assert given is not None
    scene = load_scene("sweep/train", parse_overrides(given["set"]))
    assert scene.texts["spawn/planter_gate"] in HALF_OPEN
    assert "0.5" in scene.texts["spawn/planter_gate"]
    assert BROKEN in JUDGED


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Committed agents of another study, as though they were of this one."""
    sources = sorted((RESULTS / "default_agent" / "sweep").iterdir())
    places = ["none/s1/trained", "none/s2/trained", "A1_adversarial/s1/trained", "none/s1/planner"]
    for source, place in zip(sources, places, strict=False):
        (tmp_path / place).mkdir(parents=True)
        shutil.copy(source / "verdict.json", tmp_path / place)
    figures = {"labels": {"added": 20000, "rejected": 0.25, "rounds": []}, "tau": {BROKEN: 0.5}}
    figures |= {"starc": {"distance": 0.2, "error": 0.01}, "spread": {BROKEN: 0.3}}
    write_json(tmp_path / "A1_adversarial" / "s1" / MODEL, {**figures, "calibration": {}})
    return tmp_path


def test_tables_say_what_the_records_say(records: Path) -> None:
    def score(place: str) -> float:
        found = read_verdict(records / place).scenes[BROKEN].scores["reward"]
        assert found is not None
        return found

    groups = read_groups(records, (1, 2))
    head, rows = agents(groups)
    (ours,) = [row for row in rows if row[:3] == ["trained", "none", BROKEN]]
    cells = dict(zip(head, ours, strict=True))
    mean = np.mean([score("none/s1/trained"), score("none/s2/trained")])
    assert (cells["n"], cells["reward"]) == ("2", f"{mean:.2f}")
    _, rows = agents({"imagination": groups["trained"]})  # all of these are able
    counts = {(row[0], bool(row[-1])) for row in rows if row[1:3] == ["none", BROKEN]}
    assert counts == {("imagination", False), ("imagination, able", True)}
    _, differences = difference(groups)
    shift = score("A1_adversarial/s1/trained") - score("none/s1/trained")
    assert differences[0] == ["A1_adversarial - none", "1", f"{shift:.2f}"]
    assert differences[1][1:] == ["0", ""]
    head, rows = models(read_notes(records, (1, 2)))
    cells = dict(zip(head, rows[0], strict=True))
    assert (cells["labels"], cells["n"]) == ("A1_adversarial", "1")
    assert (cells["labels added"], cells["STARC"]) == ("20000.00", "0.20")
    assert (cells["starts rejected"], cells["tau, train"]) == ("0.25", "")
    plot(groups, records / "picture.png")
    assert imread(records / "picture.png").shape[2] == 4


def test_command_shows_what_there_is_and_says_bad_input_in_a_sentence(
    records: Path, tmp_path: Path
) -> None:
    done = run_command(study.__file__, "--show", "--quick", "--out", records)
    assert "trained" in done.stdout
    done = run_here(study, "--quick", "--workers", 0, "--run-dir", tmp_path / "runs", status=1)
    assert "--workers 0: it must be 1 or more" in done.stderr
    assert not (tmp_path / "runs").exists()


def group(broken: float, trained: float = 0.9, n: int = 10) -> Group:
    """Agents whose scores of the reward differ little."""

    def verdict(seed: int) -> Any:
        scores = {BROKEN: broken + 0.01 * (seed % 3), TRAINING: trained}
        return SimpleNamespace(
            scenes={
                k: SimpleNamespace(scores={"reward": x}, competent=x >= 0.7)
                for k, x in scores.items()
            }
        )

    return Group({seed: verdict(seed) for seed in range(n)})


def said(true: float = 0.9, **scores: float) -> list[bool | None]:
    """Whether the claims hold for arms with these scores in the broken scene, and 0.3 otherwise.

    true: the score of agents that are trained on the true reward.
    """
    groups = {TRUE: group(true), **{arm: group(scores.get(arm, 0.3)) for arm in ARMS}}
    shut = {arm: group(scores.get(f"shut_{arm}", 0.3)) for arm in HEADLINE}
    possible, *found = [one.holds for one in claims(groups, shut, 10)]
    assert possible == (true >= 0.6)
    return found


def test_declared_claims_hold_or_fail_by_the_differences() -> None:
    assert said(A1_adversarial=0.5) == [True] * 5
    assert said() == [False, True, False, True, True]
    assert said(true=0.5) == [None] * 5  # nothing that labels could do would be seen
    assert said(A1_adversarial=0.5, A1_uncertain=0.6)[0] is False  # the best of the controls counts
    assert said(A1_adversarial=0.5, A2_adversarial=0.5)[2] is False
    assert said(A1_adversarial=0.5, A2_realised=0.1)[3] is False
    assert said(A1_adversarial=0.5, shut_none=0.5)[4] is False


def test_nothing_is_said_while_agents_are_missing() -> None:
    groups = {TRUE: group(0.9), **{arm: group(0.3) for arm in ARMS}}
    groups["A1_on_policy"] = group(0.3, n=9)
    shut = {arm: group(0.3, n=4) for arm in HEADLINE}
    found = claims(groups, shut, 10)
    assert [one.holds for one in found] == [True, None, True, False, True, None]
    before = claims({**groups, TRUE: group(0.9, n=9)}, shut, 10)
    assert [one.holds for one in before] == [None] * 6
    unable = {**groups, "A1_adversarial": group(0.5, trained=0.5)}
    assert claims(unable, shut, 10)[2].holds is False
    unable["A1_on_policy"] = group(0.3)
    assert claims(unable, shut, 10)[1].holds is False  # more, and not competent


def test_nothing_is_said_of_agents_that_imagine_and_are_not_able() -> None:
    mixed = Group({**group(0.3).verdicts, 3: group(0.5, trained=0.55).verdicts[3]})
    assert sorted(able_in(mixed).verdicts) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    one, other = able({"none": mixed, "A1_random": group(0.3)}, 10)
    assert (one.found.split(" [")[0], one.holds, other.holds) == ("9 of 10", False, True)
    assert able({"none": group(0.3, n=9)}, 10)[0].holds is None
