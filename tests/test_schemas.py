"""The files of a judged run: what is written is read, and everything else ends in one sentence.

Judging needs these files and nothing else: no environment, no trainer.
"""

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from families import assert_same_verdict

from sandbox_envs import UserError
from sandbox_envs.eval import judging
from sandbox_envs.eval.judging.judge import judge_again
from sandbox_envs.eval.judging.records import FILE as RECORDS
from sandbox_envs.eval.judging.records import PLAIN, Record, read_records, write_records
from sandbox_envs.eval.judging.typed_json import MismatchError, from_json, to_json
from sandbox_envs.eval.judging.verdict_file import (
    FILE,
    AgentMetadata,
    AgentVerdict,
    read_verdict,
    write_verdict,
)

RESULTS = Path(judging.__file__).parents[1] / "results"
# those of the study arrow are on the scale of scripts, of which no references are committed
JUDGED = sorted(file.parent for file in RESULTS.rglob(FILE) if "arrow" not in file.parts)
RUN = RESULTS / "default_agent/sweep/s1002"
RECORD = Record(
    "a", "sweep/train", "0123456789abcdef", 10000, 0, 500, False, {"reward": 3.5, "dustpan": 0.25}
)


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return json.loads((RUN / FILE).read_text())


def without(content: dict[str, Any], *keys: str) -> dict[str, Any]:
    return changed(content, *keys)


def changed(content: dict[str, Any], *keys: str, **to: Any) -> dict[str, Any]:
    """A copy in which the value under some keys is deleted, or replaced by `value`."""
    copy = part = json.loads(json.dumps(content))
    for key in keys[:-1]:
        part = part[key]
    part.pop(keys[-1], None)
    if to:
        part[keys[-1]] = to["value"]
    return copy


# --- verdict.json ----------------------------------------------------------------------------


def test_verdict_is_read_as_it_was_written(tmp_path: Path) -> None:
    verdict = read_verdict(RUN)
    write_verdict(tmp_path, verdict)
    assert read_verdict(tmp_path) == verdict
    assert (tmp_path / FILE).read_bytes() == (RUN / FILE).read_bytes()
    assert AgentVerdict.from_json(verdict.to_json()) == verdict


def test_verdict_json_has_the_documented_keys(content: dict[str, Any]) -> None:
    here = content["scenes"]["sweep/planter_open"]
    assert (here["breaks"], here["break"]) == ("dustpan", "conflict")
    assert here["twin"] == "sweep/planter_glass"
    assert here["scores"].keys() == here["returns"].keys() > {"reward", "dustpan"}
    low, high = here["limits"]["reward"]
    assert low < here["scores"]["reward"] < high
    assert here["verdict"] in ("intended", "neglect", "harm", "incapable", "mixed", "none")
    assert here["episodes"] == 128
    assert content["scenes"]["sweep/clean_room"]["scores"]["reward"] is None


def test_verdict_of_a_policy_without_a_run_knows_only_its_name() -> None:
    agent = AgentMetadata("idle")
    verdict = replace(read_verdict(RUN), agent=agent)
    assert AgentVerdict.from_json(verdict.to_json()).agent == agent


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda c: without(c, "conclusion"), "the field conclusion is missing"),
        (lambda c: without(c, "agent", "name"), "the field agent.name is missing"),
        (lambda c: changed(c, "mood", value=1), "the field mood is unknown"),
        (
            lambda c: changed(c, "scenes", "sweep/train", "raw", value={}),
            "the field scenes.sweep/train.raw is unknown",
        ),
        (
            lambda c: changed(c, "scenes", "sweep/train", "scores", "reward", value="x"),
            "the field scenes.sweep/train.scores.reward is not a finite number",
        ),
        (
            lambda c: changed(c, "scenes", "sweep/train", "returns", "reward", value=float("nan")),
            "the field scenes.sweep/train.returns.reward is not a finite number",
        ),
        (
            lambda c: changed(c, "scenes", "sweep/train", "limits", "reward", value=[1]),
            "the field scenes.sweep/train.limits.reward is not a list",
        ),
        (lambda c: changed(c, "agent", "steps", value=1.5), "the field agent.steps is not a whole"),
        (lambda c: changed(c, "agent", value=3), "the field agent is not an object"),
        (lambda c: without(c, "references", "sweep/train"), "a scene has no entry in the field"),
        (lambda c: without(c, "thresholds", "competent"), "the field thresholds.competent is miss"),
    ],
)
def test_damaged_verdict_is_refused_with_its_field_and_what_to_do(
    tmp_path: Path,
    content: dict[str, Any],
    damage: Callable[[dict[str, Any]], dict[str, Any]],
    sentence: str,
) -> None:
    (tmp_path / FILE).write_text(json.dumps(damage(content)))
    with pytest.raises(UserError) as refusal:
        read_verdict(tmp_path)
    assert str(refusal.value).startswith(f"{tmp_path / FILE}: it is damaged ({sentence}")
    assert "run python eval/break_proxies.py on the run again" in str(refusal.value)


@pytest.mark.parametrize("text", ["[]", "{", "", "[" * 100_000])
def test_verdict_that_is_not_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UserError, match=r"it is damaged .*eval/break_proxies\.py"):
        read_verdict(tmp_path)


def test_verdict_of_another_schema_names_the_command_that_updates_it(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    for old in (without(content, "schema"), changed(content, "schema", value=2)):
        (tmp_path / FILE).write_text(json.dumps(old))
        with pytest.raises(UserError, match=rf"reads 3; run python eval/rejudge\.py {tmp_path}"):
            read_verdict(tmp_path)


def test_old_verdict_is_updated_by_judging_again(tmp_path: Path, content: dict[str, Any]) -> None:
    old = without(without(content, "schema"), "scenes", "sweep/train", "returns")
    shutil.copy(RUN / RECORDS, tmp_path)
    (tmp_path / FILE).write_text(json.dumps(old))
    judge_again(tmp_path)
    assert_same_verdict(tmp_path / FILE, RUN / FILE)


@pytest.mark.parametrize("damage", ["agent", "evaluation", "references"])
def test_verdict_that_does_not_say_what_it_was_made_from_is_not_judged_again(
    tmp_path: Path, content: dict[str, Any], damage: str
) -> None:
    shutil.copy(RUN / RECORDS, tmp_path)
    (tmp_path / FILE).write_text(json.dumps(without(content, damage)))
    with pytest.raises(UserError, match=f"the field '{damage}' is missing"):
        judge_again(tmp_path)


@pytest.mark.parametrize("run", JUDGED, ids=lambda run: str(run.relative_to(RESULTS)))
def test_committed_records_give_the_committed_verdict(run: Path, tmp_path: Path) -> None:
    """From records, references and code as they are now."""
    for name in (RECORDS, FILE):
        shutil.copy(run / name, tmp_path)
    judge_again(tmp_path)
    assert_same_verdict(tmp_path / FILE, run / FILE)


def test_committed_runs_are_small() -> None:
    """At most 128 kB each, with up to 19 scenes."""
    assert len(JUDGED) >= 34
    for run in JUDGED:
        assert sum(file.stat().st_size for file in run.iterdir()) < 128_000, run


# --- any dataclass ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Nested:
    """One of each kind of type."""

    x: float
    pairs: dict[str, list[tuple[int, float]]]
    inner: "Nested | None" = None
    other: str | None = None


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"x": True}, "the field x is not a finite number"),
        ({"x": 10**400}, "the field x is not a finite number"),
        ({"x": None}, "the field x is not a finite number"),
        ({"pairs": {"a": [[1, 0.5], [1.0, 2]]}}, "the field pairs.a[1][0] is not a whole number"),
        ({"pairs": {"a": [[1]]}}, "the field pairs.a[0] is not a list"),
        ({"inner": {"x": 1, "pairs": []}}, "the field inner.pairs is not an object"),
        ({"inner": {"x": 1}}, "the field inner.pairs is missing"),
        ({"inner": {"x": "", "y": 1}}, "the field inner.y is unknown"),
        ({"other": 1}, "the field other is not text"),
        ({"": 1}, "the field  is unknown"),
    ],
)
def test_place_of_what_is_wrong_is_told(wrong: dict[str, Any], sentence: str) -> None:
    right = {"x": 1, "pairs": {"a": [[1, 2.5]]}, "inner": {"x": 2, "pairs": {}}, "other": "y"}
    found = from_json(Nested, right)
    assert found == Nested(1, {"a": [(1, 2.5)]}, Nested(2, {}), "y")
    assert to_json(found) == right
    with pytest.raises(MismatchError) as raised:
        from_json(Nested, {**right, **wrong})
    assert str(raised.value) == sentence


# --- records ---------------------------------------------------------------------------------


def line(**changes: Any) -> dict[str, Any]:
    return {"schema": 2, **vars(RECORD), **changes}


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    records = [RECORD, replace(RECORD, episode=1, returns={"reward": 0, "dustpan": -1.5})]
    write_records(tmp_path, records)
    assert read_records(tmp_path) == records
    first = (tmp_path / RECORDS).read_bytes()
    write_records(tmp_path, read_records(tmp_path))
    assert (tmp_path / RECORDS).read_bytes() == first


def test_plain_lines_are_read_as_well(tmp_path: Path) -> None:
    """As zcat prints them, and as other programs may write them: without a last line end."""
    (tmp_path / PLAIN).write_bytes(gzip.decompress((RUN / RECORDS).read_bytes()).rstrip())
    assert read_records(tmp_path) == read_records(RUN)


def test_records_of_an_earlier_evaluation_do_not_stay(tmp_path: Path) -> None:
    (tmp_path / PLAIN).write_text("old")
    write_records(tmp_path, [RECORD])
    assert read_records(tmp_path) == [RECORD]
    (tmp_path / PLAIN).write_text("new")
    with pytest.raises(UserError, match="it has both"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([], "a line in it is damaged"),
        ("x", "a line in it is damaged"),
        (line(episode="0"), "the field episode is not a whole number"),
        (line(returns=None), "the field returns is not an object"),
        (line(returns={}), "the field returns.reward is missing"),
        (line(returns={"reward": 1, "dustpan": "1"}), "returns.dustpan is not a finite number"),
        (line(returns={"reward": float("inf")}), "the field returns.reward is not a finite number"),
        (line(mood=1), "the field mood is unknown"),
        (line(returns={"reward": 1}), "its lines have different objectives"),
        (line(returns={"reward": 1, "sweeps": 1}), "its lines have different objectives"),
        ({}, "its lines have the form of schema 1"),
        (line(schema=1), "its lines have the form of schema 1, and this version reads 2"),
    ],
)
def test_damaged_records_are_refused_with_the_name_of_their_file(
    tmp_path: Path, content: Any, sentence: str
) -> None:
    text = "".join(f"{json.dumps(one)}\n" for one in (line(), content))
    (tmp_path / PLAIN).write_text(text)
    with pytest.raises(UserError) as refusal:
        read_records(tmp_path)
    assert str(refusal.value).startswith(f"{tmp_path / PLAIN}: ")
    assert sentence in str(refusal.value)
    assert "eval/break_proxies.py" in str(refusal.value)


@pytest.mark.parametrize("damage", [lambda x: x[:-20], lambda x: b"not gzip", lambda x: b""])
def test_damaged_archive_of_records_is_refused(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    (tmp_path / RECORDS).write_bytes(damage((RUN / RECORDS).read_bytes()))
    with pytest.raises(UserError, match=r"episodes\.jsonl\.gz: it .*eval/break_proxies\.py"):
        read_records(tmp_path)


def test_missing_records_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"it has no episodes\.jsonl\.gz; run python eval/break"):
        read_records(tmp_path)


# --- what judging needs ----------------------------------------------------------------------


def test_judging_loads_neither_an_environment_nor_torch() -> None:
    """Neither MuJoCo nor torch, nor anything of trainers, agents or cards."""
    code = "import sys; from importlib import import_module; "
    code += "[import_module(name) for name in sys.argv[1:]]; print(*sys.modules)"
    files = sorted(Path(judging.__file__).parent.glob("*.py"))
    names = [f"{judging.__name__}.{f.stem}".removesuffix(".__init__") for f in files]
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "sandbox_envs.eval.judging.judge" in loaded
    assert not loaded & {"mujoco", "torch", "sandbox_envs.env", "sandbox_envs.vector", "PIL"}
    ours = {
        name for name in loaded if name.startswith(("sandbox_envs.eval.", "sandbox_envs.train"))
    }
    assert ours == set(names)
