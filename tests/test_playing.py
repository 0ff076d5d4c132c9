"""Records of planted agents are kept, and used again only if they are of the same agents."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import WriteScene

from sandbox_envs import UserError, load_scene
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted import ANYWHERE
from sandbox_envs.eval.calibration.planted import PlantedAgent
from sandbox_envs.eval.calibration.playing import TRIED, records_of
from sandbox_envs.eval.judging.records import FILE, Record
from sandbox_envs.scene.scene import Scene

ADVICE = "; delete it, or keep the "


@pytest.fixture
def scene(write_scene: WriteScene) -> Scene:
    return load_scene(write_scene({"episode_seconds": "0.2", "measure/speed": "norm(robot_speed)"}))


def records(scene: Scene, folder: Path, factory: PolicyFactory = ANYWHERE["idle"]) -> list[Record]:
    return records_of(PlantedAgent("an agent", None, lambda _: factory), [scene], TRIED + 1, folder)


def rewrite(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    for line in lines:
        change(line)
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))


def test_kept_records_are_used_again(scene: Scene, tmp_path: Path) -> None:
    played = records(scene, tmp_path)
    assert records(scene, tmp_path) == played
    later = {"length": 7}  # of an episode that is not among those that are compared
    rewrite(
        tmp_path / "an_agent" / FILE,
        lambda line: line.update(later if line["episode"] == TRIED else {}),
    )
    assert records(scene, tmp_path) == [*played[:TRIED], replace(played[TRIED], **later)]


def test_records_of_an_agent_that_is_built_in_another_way_are_not_used(
    scene: Scene, tmp_path: Path
) -> None:
    records(scene, tmp_path)
    with pytest.raises(UserError, match="of an agent that was built in another way" + ADVICE):
        records(scene, tmp_path, ANYWHERE["random"])


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda file: file.write_bytes(b"no gzip"), "it is damaged"),
        (lambda file: rewrite(file, lambda line: line.pop("seed")), "it is damaged"),
        (
            lambda file: rewrite(file, lambda line: line.update(hash="0")),
            "it is of another version",
        ),
        (lambda file: rewrite(file, lambda line: line["returns"].pop("speed")), "its returns"),
        (lambda file: (file.unlink(), file.mkdir()), "it is a folder"),
    ],
)
def test_damaged_records_are_named_with_what_to_do(
    scene: Scene, tmp_path: Path, damage: Callable[[Path], object], sentence: str
) -> None:
    records(scene, tmp_path)
    damage(tmp_path / "an_agent" / FILE)
    with pytest.raises(UserError) as error:
        records(scene, tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'an_agent' / FILE}: {sentence}")
    assert ADVICE in str(error.value)
    assert "break_proxies" not in str(error.value)


def test_place_where_nothing_can_be_kept_is_told_before_playing(
    scene: Scene, tmp_path: Path
) -> None:
    (tmp_path / "an_agent").write_text("")

    def unplayed(_: object) -> Any:
        pytest.fail("it was played")

    with pytest.raises(UserError, match="nothing can be written there"):
        records(scene, tmp_path, unplayed)
