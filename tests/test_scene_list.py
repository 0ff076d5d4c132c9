"""The command that lists scenes, as text, Markdown and JSON, and draws their pictures."""

import json
import subprocess
import sys
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from sandbox_envs import load_scene, new, scenes
from sandbox_envs.scene.catalog import is_training, scene_files

LARGEST = 40_000  # bytes of a picture; a page shows dozens


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's family of three scenes, in the current folder."""
    monkeypatch.chdir(tmp_path)
    new.write_family(Path("sunny"))
    return Path("sunny")


def printed(capsys: pytest.CaptureFixture[str], *arguments: object, **options: object) -> str:
    scenes.main(scenes.Args(tuple(map(str, arguments)), **options))  # type: ignore[arg-type]
    return capsys.readouterr().out


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


# --- what is listed --------------------------------------------------------------------------


def test_the_command_lists_every_shipped_scene_with_what_it_breaks() -> None:
    command = [sys.executable, "-m", "sandbox_envs.scenes"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert max(map(len, done.stdout.splitlines())) <= 80
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert {name.partition("/")[2] for name in scene_files()} <= listed
    [line] = [line for line in done.stdout.splitlines() if line.startswith("  planter_open ")]
    assert "breaks dustpan" in line


def test_text_table_gives_the_role_and_the_whole_description_of_each_scene(
    family: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, family)
    head, *lines = text.splitlines()
    assert head == "sunny: intended is charge; correlated in training: at_window (side-effect)"
    assert [line.split()[0] for line in lines if line[2] != " "] == ["train", "morning", "noon"]
    assert "training" in text and "twin of noon" in text and "breaks at_window" in text
    words = " ".join(load_scene(family / "noon.xml").texts["about"].split())
    assert all(word in text for word in words.split())
    (family / "noon.xml").rename(family / f"{'noon' * 20}.xml")
    assert all(word in printed(capsys, family) for word in words.split())  # beside a long name


def test_json_holds_the_texts_of_each_scene(
    family: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {row["scene"]: row for row in json.loads(printed(capsys, family, json=True))}
    noon, morning = rows["sunny/noon"], rows["sunny/morning"]
    assert (noon["breaks"], noon["break"], noon["twin"]) == (
        "at_window",
        "conflict",
        "sunny/morning",
    )
    assert (morning["twin_of"], morning["breaks"], noon["twin_of"]) == (["sunny/noon"], None, [])
    assert noon["rises_with"] == {"at_window": "side-effect"} and noon["intended"] == "charge"
    assert Path(noon["file"]) == family.resolve() / "noon.xml"


def test_twin_of_two_scenes_names_both(family: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (family / "noon.xml").read_text()
    (family / "late_noon.xml").write_text(text.replace("sunny/noon", "sunny/late_noon"))
    assert "twin of late_noon, noon" in " ".join(printed(capsys, family).split())


def test_training_scene_that_is_a_twin_is_still_the_training_scene(
    family: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (family / "noon.xml").read_text()
    (family / "noon.xml").write_text(text.replace('"morning"', '"train"'))
    assert "training, twin of noon" in " ".join(printed(capsys, family).split())


def test_markdown_table_says_how_each_scene_is_broken(
    family: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    titles, rule, *lines = printed(capsys, family, markdown=True).splitlines()
    assert cells(titles) == [
        "scene",
        "what it is",
        "what correlates in training",
        "how it is broken here",
        "twin",
    ]
    assert set(cells(rule)) == {"---"} and {line.count("|") for line in lines} == {6}
    train, morning, noon = map(cells, lines)
    assert noon[2:] == [
        "charge with **at_window** (side-effect)",
        "at_window, by conflict",
        "`sunny/morning`",
    ]
    assert morning[2:] == ["charge with at_window (side-effect)", "", "is the twin of `sunny/noon`"]
    assert train[0] == "`sunny/train`" and train[3:] == ["", ""]


def test_bar_in_a_text_does_not_break_the_table(
    family: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = family / "train.xml"
    file.write_text(file.read_text().replace("A room with a window.", "A | B."))
    line = printed(capsys, family, markdown=True).splitlines()[2]
    assert "A \\| B." in line


# --- pictures --------------------------------------------------------------------------------


def test_pictures_show_the_scenes_are_small_and_are_linked(
    family: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path("docs/pictures")
    table = printed(capsys, family, markdown=True, pictures=out)
    names = ["sunny-train", "sunny-morning", "sunny-noon"]
    assert sorted(file.name for file in out.iterdir()) == sorted(f"{name}.jpg" for name in names)
    for name in names:
        assert_is_picture(out / f"{name}.jpg")
        assert f'src="docs/pictures/{name}.jpg"' in table
    noon, morning = (
        imageio.imread(out / f"sunny-{s}.jpg").astype(int) for s in ("noon", "morning")
    )
    assert (np.abs(noon - morning) > 30).mean() > 0.01  # the sun lies elsewhere


def assert_is_picture(file: Path) -> None:
    picture = imageio.imread(file)
    assert picture.shape == (scenes.HEIGHT, scenes.WIDTH, 3) and picture.std() > 10
    assert file.stat().st_size < LARGEST


@pytest.mark.parametrize("name", [name for name in scene_files() if is_training(name)])
def test_picture_of_a_shipped_family_is_small_too(name: str, tmp_path: Path) -> None:
    file = scenes.draw_picture(load_scene(name), tmp_path)
    assert file == tmp_path / f"{name.replace('/', '-')}.jpg"
    assert_is_picture(file)


def test_picture_is_the_same_each_time(family: Path) -> None:
    scene = load_scene(family / "noon.xml")
    first = scenes.draw_picture(scene, Path()).read_bytes()
    assert scenes.draw_picture(scene, Path()).read_bytes() == first


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        (["swep"], {}, "error: unknown family 'swep'; did you mean 'sweep'?"),
        (["."], {}, "error: .: there is no train.xml in this folder"),
        (["sunny"], {"markdown": True, "json": True}, "error: --markdown, --json and --spaces: "),
        (["sunny"], {"pictures": Path("file")}, "error: File exists (file); choose another name"),
        (["sunny"], {"pictures": Path("file/x")}, "error: Not a directory (file/x); a part of "),
    ],
)
def test_bad_input_ends_in_one_sentence(
    arguments: list[str], options: dict[str, object], sentence: str, family: Path
) -> None:
    Path("file").touch()
    with pytest.raises(SystemExit) as end:
        scenes.main(scenes.Args(tuple(arguments), **options))  # type: ignore[arg-type]
    assert str(end.value.code).startswith(sentence) and "\n" not in str(end.value.code)
