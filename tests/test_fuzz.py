"""Hostile scenes and texts: each is refused in one sentence, or runs with finite numbers.

`python tests/long/fuzz.py` runs thousands of such cases in processes of their own; here are a few
hundred in this one, most of them texts, which take the least time.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import hostile
import hostile_files
import pytest
from conftest import WriteScene
from hostile_files import chunk, png
from hostile_texts import formula
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox_envs import SceneError, load_scene
from sandbox_envs.errors import LONGEST, UserError
from sandbox_envs.language.formula import Formula
from sandbox_envs.language.types import Signal

SIGNALS = {"s": Signal(), "x": Signal(copies=3), "v": Signal(copies=2, dim=3)}
SEEDS = st.integers(0, 2**32)
ODD_TEXTS = st.text(max_size=60) | st.text("sxv()+-*/.,<>= 019e\n'\"[]{}:#\\", max_size=60)


@given(SEEDS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_formula_is_compiled_or_refused_in_a_sentence(seed: int) -> None:
    compile_or_refuse(formula(random.Random(seed), [*SIGNALS]))


@given(ODD_TEXTS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_text_for_a_formula_is_compiled_or_refused_in_a_sentence(text: str) -> None:
    compile_or_refuse(text)


def compile_or_refuse(text: str) -> None:
    try:
        Formula(text, SIGNALS, "x.xml")
    except SceneError as error:
        hostile.check_sentence(error)


@given(SEEDS)
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_hostile_scene_is_refused_in_a_sentence_or_runs(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "case"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    assert hostile.outcome(hostile.make_case(random.Random(seed), folder)) in ("refused", "loaded")


def test_scene_that_the_fuzzer_changes_runs(tmp_path: Path) -> None:
    hostile_files.write_assets(tmp_path)
    scene = shutil.copy(hostile.RICH, tmp_path / "train.xml")
    assert hostile.outcome(hostile.Case("rich", str(scene))) == "loaded"


def test_long_form_counts_its_cases_and_reports_crashes_and_hangs(tmp_path: Path) -> None:
    """Its planted cases show that it would find what it looks for."""
    command = [sys.executable, str(Path(__file__).parent / "long" / "fuzz.py"), "--keep", tmp_path]
    done = subprocess.run([*command, "--cases=6"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 cases in " in done.stdout
    planted = subprocess.run([*command, "--plant"], capture_output=True, text=True, check=False)
    assert planted.returncode == 1
    for said in ("the process died: SIGABRT", "it hung: no end after", "RuntimeError: planted"):
        assert said in planted.stdout
    assert "3 findings" in planted.stdout


# --- numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("pos", "0x1p200 0 0"),
        ("pos", "0X.8P+999 0 0"),
        ("pos", "-0x1p9999999 0 0"),
        ("pos", "NaN(12) 0 0"),
        ("pos", "-Infinity 0 0"),
        ("mass", "-0x1"),
        ("mass", "9" * 400),
    ],
)
def test_number_beyond_the_limits_is_refused_in_every_notation_of_mujocos(
    write_scene: WriteScene, attribute: str, value: str
) -> None:
    path = write_scene(world=f'<geom size="1" {attribute}="{value}"/>')
    with pytest.raises(SceneError, match=rf'line \d+, <geom>: {attribute}="'):
        load_scene(path)


def test_size_with_a_unit_in_small_letters_is_limited(write_scene: WriteScene) -> None:
    path = write_scene(world='</worldbody><size memory="900g"/><worldbody>')
    with pytest.raises(SceneError, match='memory="900g" is too large; write at most 1073741824'):
        load_scene(path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("spawn/ball", "floor " + "9" * 5000, "is too large; write at most 1e"),
        ("spawn/ball", "floor, yaw " + "9" * 400, "is too large; write at most 1e"),
        ("observe", "lidar(ball_at, sectors=1e999)", "inf sectors; choose 1 to 360"),
        ("observe", "lidar(ball_at, sectors=8.5)", "8.5 sectors; choose 1 to 360"),
        ("observe", "lidar(ball_at, sectors='8')", "sectors and range must be numbers"),
        ("observe", "lidar(ball_at, sectors=-8)", "sectors and range must be numbers"),
        ("observe", "lidar(ball_at, range=True)", "sectors and range must be numbers"),
        ("control_hz", "1e-320", "is not between 1e-09 and 1e+09"),
        ("episode_seconds", "1e300", "is not between 1e-09 and 1e+09"),
    ],
)
def test_absurd_number_in_a_text_is_refused(
    write_scene: WriteScene, name: str, text: str, said: str
) -> None:
    path = write_scene()
    with pytest.raises(SceneError) as error:
        load_scene(path, {name: text})
    assert f"'{name}'" in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize("sensor", ["<clock/>", '<e_kinetic name="e"/>', '<contact num="2"/>'])
def test_sensor_that_mujoco_would_double_with_every_copy_is_refused(
    write_scene: WriteScene, sensor: str
) -> None:
    world = '<replicate count="30" sep="-"><site name="many"/></replicate>'
    path = write_scene(world=world, sensor=sensor)
    with pytest.raises(SceneError, match="and there are 37 copies; remove this sensor"):
        load_scene(path)


def test_site_that_carries_nothing_visible_hides_nothing(write_scene: WriteScene) -> None:
    sensor = '<insidesite name="home_in_tray" site="tray" objtype="site" objname="home"/>'
    path = write_scene({"observe": "retina(8)"}, sensor=sensor)
    assert hostile.outcome(hostile.Case("retina", str(path))) == "loaded"


# --- files -----------------------------------------------------------------------------------

TEXTURE = '</worldbody><asset><texture name="t" type="2d" file="p.png"/></asset><worldbody>'
MANY = zlib.compress(bytes(300_000_000), 9)  # becomes a thousand times as many bytes
PACKED = zlib.compress(bytes(12_000_000), 9)  # of which the decoder takes each by itself


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (lambda: png(1, 1, rows=bytes(30_000_000)), "packs more pixels than its size says"),
        (lambda: png(1, 1, chunk(b"zTXt", b"a\0\0" + MANY)), "pixels in all, and the limit"),
        (lambda: png(1, 1, chunk(b"zTXt", b"a\0\0" + PACKED) * 20), "pixels in all, and the limit"),
        (lambda: png(1, 1, chunk(b"iCCP", b"a\0\0" + MANY)), "pixels in all, and the limit"),
        (
            lambda: png(1, 1, chunk(b"iTXt", b"a\0\1\0\0\0" + PACKED) * 20),
            "pixels in all, and the limit",
        ),
    ],
)
def test_picture_that_packs_more_than_it_shows_is_refused(
    write_scene: WriteScene, picture: Callable[[], bytes], said: str
) -> None:
    path = write_scene(world=TEXTURE)
    (path.parent / "p.png").write_bytes(picture())
    with pytest.raises(SceneError, match=said):
        load_scene(path)


def test_ordinary_pictures_are_accepted(write_scene: WriteScene) -> None:
    """Also one with a colour profile, a packed text, and pixels in several chunks."""
    pixels = zlib.compress(bytes(64 * (1 + 3 * 64)))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    extra = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"text"))
    parts = chunk(b"IDAT", pixels[:20]) + chunk(b"IDAT", pixels[20:])
    path = write_scene(world=TEXTURE)
    for data in (png(64, 64), hostile_files.PNG + header + extra + parts + chunk(b"IEND", b"")):
        (path.parent / "p.png").write_bytes(data)
        assert load_scene(path).model.ntex == 1


def test_scene_file_that_is_a_pipe_a_folder_or_a_circle_of_links_is_refused(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "pipe.xml")
    (tmp_path / "folder.xml").mkdir()
    (tmp_path / "loop.xml").symlink_to("other.xml")
    (tmp_path / "other.xml").symlink_to("loop.xml")
    for name, said in (
        ("pipe.xml", "this is not a regular file; name one that is"),
        ("folder.xml", "this is not a regular file; name one that is"),
        ("loop.xml", "a symbolic link in this path leads back to itself; remove it"),
        ("a\0b.xml", "there is no such file"),
        (f"{'x' * 300}.xml", "choose a shorter name"),
    ):
        with pytest.raises(SceneError, match=said):
            load_scene(tmp_path / name)


def test_links_in_a_circle_inside_the_folder_are_refused(write_scene: WriteScene) -> None:
    path = write_scene(world='<include file="part.xml"/>')
    (path.parent / "part.xml").symlink_to("part.xml")
    with pytest.raises(SceneError, match="leads back to itself; remove it"):
        load_scene(path)


@pytest.mark.parametrize("name", [b"\xff\xfe", "a\u202eb".encode(), b"a\nb"])
def test_path_that_mujoco_cannot_read_is_refused_in_printable_words(
    write_scene: WriteScene, name: bytes
) -> None:
    source = write_scene()
    folder = Path(os.fsdecode(os.fsencode(source.parent.parent) + b"/" + name))
    shutil.move(source.parent, folder)
    with pytest.raises(SceneError, match="only files whose path is printable UTF-8") as error:
        load_scene(folder / source.name)
    assert str(error.value).isprintable()


def test_message_is_one_printable_line_of_bounded_length() -> None:
    error = UserError("a\n  b\tc\x1b[31m \udcff " + "x" * 10_000 + " the end")
    assert str(error).startswith("a b c\\x1b[31m \\udcff xxx")
    assert str(error).endswith("xxx the end")
    assert len(str(error)) < LONGEST + 10
    assert str(UserError("two  blanks")) == "two  blanks"
