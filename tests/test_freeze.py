"""Scenes, thresholds and defaults are those of the freeze, which the declared studies rest on.

`eval/frozen.json` is what they were. A change of one of them would change what committed records
are about: give a scene another name instead, or a study its own setting.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from conftest import shipped

from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.scene.catalog import scene_files
from sandbox_envs.train.arguments import OF_THE_MACHINE
from sandbox_envs.train.trainers import DEFAULT_TRAINER, trainer_args

FROZEN = json.loads(
    (Path(__file__).resolve().parents[1] / "eval" / "frozen.json").read_text(encoding="utf-8")
)


def present() -> dict[str, Any]:
    """The content of `eval/frozen.json` as it would be now; to be written once, at the freeze."""
    defaults = asdict(trainer_args(DEFAULT_TRAINER, {}))
    return {
        "scenes": {name: shipped(name).hash for name in sorted(scene_files())},
        "defaults": {k: v for k, v in defaults.items() if k not in OF_THE_MACHINE},
        "thresholds": asdict(THRESHOLDS),
    }


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    return dict(json.loads(json.dumps(present())))


@pytest.mark.parametrize("what", ["defaults", "thresholds"])
def test_settings_are_those_of_the_freeze(now: dict[str, Any], what: str) -> None:
    """Settings that came later, such as an argument, are not compared."""
    assert {name: now[what].get(name) for name in FROZEN[what]} == FROZEN[what]


def test_no_scene_has_changed_since_the_freeze(now: dict[str, Any]) -> None:
    changed = {name for name, hash_ in FROZEN["scenes"].items() if now["scenes"].get(name) != hash_}
    assert not changed
