"""Files that would make MuJoCo read elsewhere, hang or take all memory are refused first."""

import os
import struct
import zlib
from pathlib import Path

import pytest

from sandbox_envs import SceneError, load_scene
from sandbox_envs.scene.catalog import scenes_folder, texts_in
from sandbox_envs.scene.guard import ASSET_BYTES, XML_BYTES

SECRET = '<mujoco><worldbody><site name="secret"/></worldbody></mujoco>'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A scene's folder; the scene may not read what lies above it."""
    folder = tmp_path / "family"
    folder.mkdir()
    (tmp_path / "secret.xml").write_text(SECRET)
    os.mkfifo(tmp_path / "pipe.xml")  # opening it waits for ever
    return folder


def refusal(folder: Path, body: str) -> str:
    """The refusal of a file with this in its <mujoco>, without the place that it begins with."""
    path = folder / "scene.xml"
    path.write_text(f"<mujoco>{body}</mujoco>")
    with pytest.raises(SceneError) as error:
        load_scene(path)
    return str(error.value).removeprefix(f"{path}, line 1, ")


def picture(path: Path, width: int, height: int) -> None:
    """A PNG whose header states this size, without any pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + checksum)


OUT = (
    "leads out of the scene's folder; copy the file into the folder, or into a folder 'shared' "
    "beside it for all your families"
)


@pytest.mark.parametrize(
    "name", ["../secret.xml", "../pipe.xml", "../../etc/passwd", "sub/../../x"]
)
def test_file_above_the_folder_is_refused(home: Path, name: str) -> None:
    assert refusal(home, f'<include file="{name}"/>') == f"<include>: '{name}' {OUT}"


@pytest.mark.parametrize("target", ["secret.xml", "pipe.xml"])
def test_link_that_leads_out_is_refused(home: Path, target: str) -> None:
    (home / "part.xml").symlink_to(home.parent / target)
    assert refusal(home, '<include file="part.xml"/>') == f"<include>: 'part.xml' {OUT}"
    (home / "sub").symlink_to(home.parent)
    assert refusal(home, f'<include file="sub/{target}"/>') == f"<include>: 'sub/{target}' {OUT}"


@pytest.mark.parametrize("attribute", ["meshdir", "texturedir", "assetdir"])
def test_folder_named_by_the_compiler_may_not_lead_out(home: Path, attribute: str) -> None:
    (home / "out").symlink_to(home.parent)
    for name in ("..", "out"):
        said = refusal(home, f'<compiler {attribute}="{name}"/>')
        assert said == f"<compiler>: '{name}' {OUT}"


def test_stripped_path_is_checked_as_mujoco_reads_it(home: Path) -> None:
    (home / "secret.xml").symlink_to(home.parent / "secret.xml")
    body = '<compiler strippath="true"/><asset><mesh name="m" file="far/secret.xml"/></asset>'
    assert refusal(home, body) == f"<mesh>: 'secret.xml' {OUT}"


def test_file_names_with_blanks_or_drives_are_refused(home: Path) -> None:
    (home / "a b.xml").write_text(SECRET)
    for name in ("a b.xml", "a&#10;b.xml", "..\\secret.xml", "C:x.xml", ""):
        assert "is not a plain file name" in refusal(home, f'<include file="{name}"/>')


def test_include_in_a_namespace_is_checked(home: Path) -> None:
    said = refusal(home, '<include xmlns="elsewhere" file="../secret.xml"/>')
    assert said == f"<include>: '../secret.xml' {OUT}"


@pytest.mark.parametrize("tag", ["include", "mesh"])
def test_pipe_is_refused(home: Path, tag: str) -> None:
    os.mkfifo(home / "part.xml")
    said = refusal(home, f'<asset><{tag} file="part.xml"/></asset>')
    assert said == f"<{tag}>: 'part.xml' is not a regular file; name one that is"


def test_small_file_of_a_huge_picture_is_refused(home: Path) -> None:
    picture(home / "bomb.png", 30_000, 30_000)
    said = refusal(home, '<asset><texture name="t" type="2d" file="bomb.png"/></asset>')
    assert said.startswith("<texture>: pictures and height fields have 900000000 pixels in all,")


def test_pixels_of_all_pictures_are_added(home: Path) -> None:
    one = '<texture name="t{}" type="2d" builtin="flat" width="4096" height="4096"/>'
    said = refusal(home, f"<asset>{''.join(one.format(i) for i in range(5))}</asset>")
    assert said.startswith("<texture>: pictures and height fields have 83886080 pixels in all,")


def test_large_files_are_refused(home: Path) -> None:
    (home / "part.xml").write_text(f"<mujoco>{' ' * XML_BYTES}</mujoco>")
    assert refusal(home, '<include file="part.xml"/>').startswith(
        "<include>: part.xml has 2000017 "
    )
    with (home / "mesh.stl").open("wb") as file:
        file.truncate(ASSET_BYTES + 1)
    said = refusal(home, '<asset><mesh name="m" file="mesh.stl"/></asset>')
    assert said.startswith("<mesh>: mesh.stl has 32000001 bytes")


def test_deep_nesting_is_refused(home: Path) -> None:
    deep = "<frame>" * 2000 + "</frame>" * 2000
    said = refusal(home, f"<worldbody>{deep}</worldbody>")
    assert said == "<frame>: elements are nested more than 100 deep; nest them less"


def test_copies_of_copies_of_models_are_multiplied(home: Path) -> None:
    """Each model attaches the next one a hundred times."""
    copies = '<replicate count="100"><frame><attach model="m" prefix="p"/></frame></replicate>'
    for i in range(4):
        text = (
            f'<asset><model name="m" file="m{i + 1}.xml"/></asset><worldbody>{copies}</worldbody>'
        )
        (home / f"m{i}.xml").write_text(f"<mujoco>{text}</mujoco>")
    (home / "m4.xml").write_text("<mujoco/>")
    said = refusal(home, '<asset><model name="m" file="m0.xml"/></asset>')
    assert "elements once all copies are made, and the limit is 10000" in said


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (SECRET.encode("utf-16"), "is not UTF-8; save it as UTF-8"),
        (SECRET.encode("utf-16-le"), "a zero byte shows that this is not text; save it as UTF-8"),
        (b"<mujoco model='\xff'/>", "byte 15 is not UTF-8; save it as UTF-8"),
        (b"\x7fELF", "not well-formed XML: not well-formed (invalid token);"),
    ],
)
def test_other_encodings_than_utf_8_are_refused(home: Path, content: bytes, reason: str) -> None:
    path = home / "scene.xml"
    path.write_bytes(content)
    with pytest.raises(SceneError) as error:
        load_scene(path)
    assert reason in str(error.value)


def test_entities_are_not_expanded(home: Path) -> None:
    path = home / "scene.xml"
    entity = f'<!ENTITY a SYSTEM "file://{home.parent}/pipe.xml">'
    path.write_text(f"<!DOCTYPE mujoco [{entity}]><mujoco>&a;</mujoco>")
    with pytest.raises(SceneError, match="line 1: <!DOCTYPE> is not allowed; remove it"):
        load_scene(path)


TETRAHEDRON = "v 0 0 0\nv .1 0 0\nv 0 .1 0\nv 0 0 .1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 1 4 3\n"
RUNNABLE = """<mujoco>
  <option timestep="0.01"><flag autoreset="disable"/></option>
  {}
  <actuator><motor joint="wheel" ctrlrange="-1 1"/></actuator>
  <sensor><jointpos name="angle" joint="wheel"/></sensor>
  <custom>
    <text name="measure/angle" data="angle"/>
    <text name="intended" data="angle"/>
    <text name="observe" data="angle"/>
    <numeric name="episode_seconds" data="1"/>
    <numeric name="control_hz" data="20"/>
  </custom>
</mujoco>"""


@pytest.fixture
def shared(home: Path) -> Path:
    """A folder beside the family's, with a robot in parts, a mesh and a texture."""
    folder = home.parent / "shared"
    (folder / "robots").mkdir(parents=True)
    (folder / "wheel.obj").write_text(TETRAHEDRON)
    (folder / "robots" / "rubber.png").write_bytes(
        (scenes_folder() / "sweep" / "floor.png").read_bytes()
    )
    (folder / "robots" / "_cart.xml").write_text("""<mujoco>
      <asset>
        <mesh name="wheel" file="../shared/wheel.obj"/>
        <texture name="rubber" type="2d" file="rubber.png"/>
      </asset>
      <include file="_axle.xml"/>
    </mujoco>""")
    (folder / "robots" / "_axle.xml").write_text("""<mujoco><worldbody><body name="cart">
      <joint name="wheel"/><geom type="mesh" mesh="wheel" mass="1"/></body></worldbody></mujoco>""")
    return folder


@pytest.mark.usefixtures("shared")
def test_families_share_parts_meshes_and_textures(home: Path) -> None:
    """A part is found beside the one that includes it, too; every family sees the same robot."""
    hashes = set()
    for family in (home, home.parent / "another"):
        family.mkdir(exist_ok=True)
        path = family / "train.xml"
        path.write_text(RUNNABLE.format('<include file="../shared/robots/_cart.xml"/>'))
        scene = load_scene(path)
        assert (scene.model.nmesh, scene.model.ntex) == (1, 1)
        assert texts_in(path)["intended"] == "angle"
        hashes.add(scene.hash)
    assert len(hashes) == 1


@pytest.mark.usefixtures("shared")
def test_shared_folders_may_be_named_by_the_compiler(home: Path) -> None:
    assets = '<compiler meshdir="../shared"/><asset><mesh name="w" file="wheel.obj"/></asset>'
    body = '<body><joint name="wheel"/><geom type="mesh" mesh="w" mass="1"/></body>'
    (home / "train.xml").write_text(RUNNABLE.format(f"{assets}<worldbody>{body}</worldbody>"))
    assert load_scene(home / "train.xml").model.nmesh == 1


def test_shared_files_may_not_lead_elsewhere(home: Path, shared: Path) -> None:
    (shared / "secret.xml").symlink_to(home.parent / "secret.xml")
    name = "../shared/secret.xml"
    assert refusal(home, f'<include file="{name}"/>') == f"<include>: '{name}' {OUT}"
    (shared / "_part.xml").write_text('<mujoco><include file="../secret.xml"/></mujoco>')
    assert OUT in refusal(home, '<include file="../shared/_part.xml"/>')
    (home.parent / "another").mkdir()
    (home.parent / "another" / "part.xml").write_text(SECRET)
    assert OUT in refusal(home, '<include file="../another/part.xml"/>')


def test_shared_folder_may_not_be_a_link_to_elsewhere(home: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "part.xml").write_text(SECRET)
    (tmp_path / "shared").symlink_to(tmp_path / "far")
    name = "../shared/part.xml"
    assert refusal(home, f'<include file="{name}"/>') == f"<include>: '{name}' {OUT}"


def test_scene_may_include_parts_of_its_folder_and_of_shipped_scenes(home: Path) -> None:
    (home / "more").mkdir()
    (home / "more" / "part.xml").write_text('<mujoco><include file="deeper.xml"/></mujoco>')
    (home / "more" / "deeper.xml").write_text(SECRET)
    robot = os.path.relpath(scenes_folder() / "sweep" / "_robot.xml", home)
    (home / "scene.xml").write_text(f"""<mujoco>
      <option timestep="0.01"><flag autoreset="disable"/></option>
      <default><default class="look"/></default>
      <include file="more/part.xml"/>
      <include file="{robot}"/>
      <custom>
        <text name="measure/speed" data="speed"/>
        <text name="intended" data="speed"/>
        <text name="observe" data="turn_rate"/>
        <numeric name="episode_seconds" data="1"/>
        <numeric name="control_hz" data="20"/>
      </custom>
    </mujoco>""")
    model = load_scene(home / "scene.xml").model
    assert model.site("secret").id >= 0
    assert model.body("sweeper").id > 0
