"""Records of studies that are damaged: one sentence, with the file's name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox_envs.errors import UserError
from sandbox_envs.eval.experiments.grid.__main__ import read_arms
from sandbox_envs.eval.experiments.runner import RESULTS
from sandbox_envs.eval.experiments.side_channel.measure import read_measured
from sandbox_envs.eval.experiments.simplicity.__main__ import read_cells


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"agents": [{"seed": 1}]}'])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("colour_0.json", read_arms),
        ("near_colour-base.json", read_cells),
        ("s1.json", lambda out: read_measured(out / "s1.json")),
    ],
)
def test_damaged_record_is_told_in_a_sentence(
    tmp_path: Path, name: str, read: Callable[[Path], Any], damage: str
) -> None:
    (tmp_path / name).write_text(damage)
    with pytest.raises(UserError, match=f"{name}: .*damaged|{name}: .*not an object"):
        read(tmp_path)


def test_committed_record_is_read_and_a_missing_field_is_not_made_up(tmp_path: Path) -> None:
    content = json.loads((RESULTS / "grid" / "colour_0.json").read_text())
    (tmp_path / "colour_0.json").write_text(json.dumps(content))
    assert [one.seed for one in read_arms(tmp_path)["colour_0"]] == list(range(2001, 2021))
    del content["agents"][7]["verdicts"]
    (tmp_path / "colour_0.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="delete it and run the study again"):
        read_arms(tmp_path)
