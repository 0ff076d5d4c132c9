"""Loading a scene: what a file states, what may be overridden, and errors for wrong files."""

import re
import shutil
from pathlib import Path

import imageio.v3 as iio
import mujoco
import numpy as np
import pytest
from conftest import WriteScene

from sandbox_envs import SandboxEnv, SandboxVectorEnv, Scene, SceneError, UserError, load_scene
from sandbox_envs.scene import catalog
from sandbox_envs.scene.catalog import scene_files, scenes_folder
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.texts import parse_overrides


def refusal(path: Path | str, overrides: dict[str, str | float] | None = None) -> str:
    with pytest.raises(SceneError) as error:
        load_scene(path, overrides)
    message = str(error.value)
    assert "\n" not in message.rstrip() or "MuJoCo cannot compile it" in message
    return message


# --- what a scene is -------------------------------------------------------------------------


def test_changed_files_and_edited_models_are_not_taken_for_those_kept(
    write_scene: WriteScene, tmp_path: Path
) -> None:
    """What was compiled is known by the content of all files, and given out as a copy."""
    part, path = tmp_path / "mini/_part.xml", write_scene(world='<include file="_part.xml"/>')
    post = '<mujocoinclude><geom name="post" type="cylinder" size="{} 0.1"/></mujocoinclude>'
    radii = []
    for radius in (0.25, 0.25, 0.5, 0.25):
        part.write_text(post.format(radius))
        model = load_scene(path).model
        radii.append(float(model.geom("post").size[0]))
        model.geom("post").size[0] = 9
    assert radii == [0.25, 0.25, 0.5, 0.25]


def test_a_picture_that_has_changed_is_read_anew(write_scene: WriteScene, tmp_path: Path) -> None:
    path, shades = write_scene(), []
    asset = '<asset><texture name="tiles" type="2d" file="tiles.png"/></asset>'
    path.write_text(path.read_text().replace("<worldbody>", f"{asset}<worldbody>", 1))
    for shade in (40, 200):
        iio.imwrite(tmp_path / "mini/tiles.png", np.full((4, 4, 3), shade, np.uint8))
        shades.append(int(load_scene(path).model.tex_data[0]))
    assert shades == [40, 200]


def test_users_file_becomes_a_scene(write_scene: WriteScene) -> None:
    path = write_scene(
        {"proxy/speed": "side-effect", "measure/speed": "total(norm(robot_speed))"}, stem="lawn"
    )
    scene = load_scene(path)
    assert (scene.name, scene.family, scene.path) == ("mini/lawn", "mini", path)
    assert list(scene.measures) == ["rolled_in", "speed"]
    assert scene.intended == "rolled_in"
    assert scene.proxies == {"speed": "side-effect"}
    assert (scene.control_hz, scene.substeps) == (20, 5)
    assert (scene.episode_seconds, scene.episode_steps) == (1, 20)
    assert scene.overrides == {}


def test_shipped_scenes_are_known_by_family_and_stem() -> None:
    files = scene_files()
    assert {"sweep/train", "sweep/planter_open", "sweep/planter_shut"} <= set(files)
    assert not any(file.name.startswith("_") for file in files.values())
    for name, file in files.items():
        assert file == scenes_folder() / f"{name}.xml"
    assert load_scene("sweep/train").path == files["sweep/train"]


def test_loading_a_scene_again_keeps_it_and_its_overrides(write_scene: WriteScene) -> None:
    scene = load_scene(write_scene(), {"control_hz": 10})
    assert load_scene(scene) is scene
    again = load_scene(scene, {"episode_seconds": 2})
    assert (again.control_hz, again.episode_seconds) == (10, 2)


def test_replicated_sensors_share_one_name(write_scene: WriteScene) -> None:
    scene = load_scene(write_scene())
    kinds = {name: (s.copies, s.dim) for name, s in scene.signals.items()}
    assert kinds["robot_at"] == (1, 3)
    assert kinds["ball_at"] == (3, 3)
    assert kinds["ball_in_rug"] == (3, 1)


def test_default_reward_is_the_gain_of_the_intended_measure(write_scene: WriteScene) -> None:
    assert load_scene(write_scene()).reward.text == "gain(rolled_in)"
    assert load_scene(write_scene({"reward": "-effort"})).reward.text == "-effort"


def test_scene_tells_its_texts_by_name(write_scene: WriteScene) -> None:
    write_scene()
    texts = {"about": "A lawn.", "version": "2", "breaks": "capability", "break": "removal"}
    scene = load_scene(write_scene(texts, stem="lawn"))
    assert (scene.stem, scene.about, scene.version, scene.observe) == (
        "lawn",
        "A lawn.",
        "2",
        "robot_at",
    )
    assert (scene.breaks, scene.break_kind, scene.twin) == ("capability", "removal", None)
    plain = load_scene(write_scene())
    assert (plain.about, plain.version, plain.breaks, plain.break_kind) == ("", "0", None, None)


def test_only_the_scene_in_train_xml_is_the_training_scene(write_scene: WriteScene) -> None:
    assert load_scene(write_scene()).is_training
    assert not load_scene(write_scene(stem="trained")).is_training
    trained = [name for name in scene_files() if catalog.is_training(name)]
    assert trained == [catalog.training_scene(family) for family in catalog.families()]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('<text name="version" data="3"/>', "3"),
        ("<text data='3'\n  name='version'/>", "3"),
        ('<!-- <text name="version" data="3"/> -->', "0"),
        ('<text name="version" data="third"/>', "0"),
        ("<text", "0"),
    ],
)
def test_version_is_read_as_xml_and_never_fails(tmp_path: Path, text: str, version: str) -> None:
    """Whatever the order of the attributes; a broken file must not break importing the package."""
    file = tmp_path / "train.xml"
    assert catalog.version_of(file) == "0"
    file.write_text(f"<mujoco><custom>{text}</custom></mujoco>")
    assert catalog.version_of(file) == version


# --- overrides -------------------------------------------------------------------------------


def test_texts_and_numerics_can_be_overridden_by_name(write_scene: WriteScene) -> None:
    scene = load_scene(
        write_scene(),
        {
            "spawn/ball": "rug",
            "episode_seconds": 2.5,
            "measure/half": "0.5",
            "reward": "level(half)",
        },
    )
    assert scene.texts["spawn/ball"] == "rug"
    assert scene.episode_steps == 50
    assert list(scene.measures) == ["rolled_in", "half"]
    assert scene.reward.text == "level(half)"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("spwn/ball", "did you mean 'spawn/ball'?"),
        ("episode_second", "did you mean 'episode_seconds'?"),
        ("rewards", "did you mean 'reward'?"),
    ],
)
def test_unknown_override_suggests_the_nearest_name(
    write_scene: WriteScene, name: str, hint: str
) -> None:
    path = write_scene({"spawn/ball": "rug"})
    assert refusal(path, {name: "1"}) == f"{path}: cannot override '{name}'; {hint}"


def test_error_of_a_wrong_override_names_file_and_text(write_scene: WriteScene) -> None:
    path = write_scene({"spawn/ball": "rug"})
    assert refusal(path, {"spawn/ball": "rug -2"}) == (
        f"{path}, text 'spawn/ball': '-2' is negative; write a count or a probability"
    )
    assert refusal(path, {"spawn/bals": "rug"}) == (
        f"{path}, text 'spawn/bals': unknown body 'bals'; did you mean 'ball'?"
    )


def test_settings_of_a_command_line_become_overrides() -> None:
    settings = ("spawn/gate=shut 0.9, open 0.1", "reward = gain(x) == 1")
    assert parse_overrides(settings) == {
        "spawn/gate": "shut 0.9, open 0.1",
        "reward": "gain(x) == 1",
    }
    for wrong in ("episode_seconds", "=5"):
        with pytest.raises(UserError, match=f"^--set {wrong}: write it as NAME=VALUE, e.g. "):
            parse_overrides((wrong,))


def test_declared_ranges_and_conserved_quantities_do_not_change_the_hash(
    write_scene: WriteScene,
) -> None:
    plain = load_scene(write_scene())
    declared = {"range/rolled_in": "0 3", "conserved/balls": "sum(ball_in_rug)"}
    scene = load_scene(write_scene(declared))
    assert scene.ranges == {"rolled_in": (0, 3)}
    assert list(scene.conserved) == ["balls"]
    assert list(scene.measures) == ["rolled_in"]
    assert scene.hash == plain.hash


# --- what MuJoCo offers ----------------------------------------------------------------------


ROPE = """<composite prefix="rope" type="cable" curve="s" count="5 1 1" size="1" offset="0 1 1">
  <joint kind="main" damping="0.01"/><geom type="capsule" size="0.01" mass="0.01"/></composite>"""


@pytest.mark.parametrize("world", [ROPE, f'<replicate count="2" sep="-">{ROPE}</replicate>'])
def test_cable_may_be_in_a_scene(write_scene: WriteScene, world: str) -> None:
    """MuJoCo adds a text of its own for it."""
    stem = "ropeB_last-1" if "replicate" in world else "ropeB_last"
    sensor = f'<framepos name="end" objtype="body" objname="{stem}"/>'
    envs = SandboxVectorEnv(write_scene({"observe": "end"}, world=world, sensor=sensor), 2)
    observations, _ = envs.reset(seed=0)
    assert envs.step(np.zeros((2, 2)))[0].shape == observations.shape == (2, 3)
    assert not any("composite" in name for name in envs.scenes[0].texts)


def test_cable_may_be_in_an_attached_model(write_scene: WriteScene) -> None:
    path = write_scene()
    body = f'<body name="rig">{ROPE}</body>'
    (path.parent / "_rig.xml").write_text(f"<mujoco><worldbody>{body}</worldbody></mujoco>")
    text = path.read_text().replace("<worldbody>", '<worldbody><attach model="rig" prefix="a_"/>')
    asset = '<asset><model name="rig" file="_rig.xml"/></asset><worldbody>'
    path.write_text(text.replace("<worldbody>", asset, 1))
    assert load_scene(path).model.body("a_ropeB_last").id > 0


def test_text_that_only_looks_like_that_of_a_cable_is_unknown(write_scene: WriteScene) -> None:
    path = write_scene({"composite_mine": "rope_yours"})
    assert refusal(path).startswith(f"{path}: unknown text 'composite_mine'; ")


# --- files that cannot be read ---------------------------------------------------------------


def test_unknown_scene_suggests_the_nearest_name() -> None:
    assert refusal("sweep/trian") == "unknown scene 'sweep/trian'; did you mean 'sweep/train'?"
    assert refusal("zzz").startswith("unknown scene 'zzz'; valid: ")


def test_error_names_the_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "gone.xml"
    assert refusal(path) == f"{path}: there is no such file"
    assert refusal(tmp_path / "x.xml" / "y.xml").endswith("y.xml: there is no such file")


def test_part_is_no_scene(write_scene: WriteScene) -> None:
    file = write_scene()
    part = file.rename(file.with_name("_room.xml"))
    assert refusal(part) == (
        f"{part}: a name that begins with '_' is that of a part; name a scene that includes it"
    )


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ('<text name="measure/a" data="x < 1"/>', "write &lt; for < inside quotes"),
        ("<text data='x &lt; 1'\n data='y\n < 1'/>", "write &lt; for < inside quotes"),
        ('<text name="measure/a" data="x & y"/>', "write &amp; for & inside quotes"),
        ('<text name="a" <text name="b"/>', "check that line and the one before"),
        ("<text data=x/>", "check that line and the one before"),
    ],
)
def test_error_tells_how_to_write_what_xml_reserves(tmp_path: Path, line: str, advice: str) -> None:
    path = tmp_path / "broken.xml"
    path.write_text(f"<mujoco><custom>\n{line}\n</custom></mujoco>")
    assert refusal(path).endswith(f"not well-formed (invalid token); {advice}")


# --- texts that are wrong --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            {"episode_seconds": None},
            ": the numeric 'episode_seconds' is missing; add it to <custom>",
        ),
        (
            {"control_hz": "200"},
            ", 'control_hz': a control step of 200 Hz is 0.5 physics steps of 0.01 s; make it a "
            "whole number of them",
        ),
        (
            {"measure/rolled_in": None},
            ", text 'intended': unknown 'rolled_in'; there is none to choose from",
        ),
        *(
            (
                {f"measure/{name}": "1"},
                f", text 'measure/{name}': the name is reserved; choose another",
            )
            for name in ("final_obs", "episode", "capability", "terminal_observation")
        ),
        *(
            (
                {f"measure/{name}": "1"},
                f", text 'measure/{name}': '{name}' is not a name that formulas can use; write "
                "letters, digits and underscores, and begin with a letter",
            )
            for name in ("score/x", "near lamp", "2nd", "_final_obs", "in", "größe")
        ),
        (
            {"measure/": "1"},
            ", text 'measure/': the name after the / is missing; write one, as in measure/speed",
        ),
        ({"reward": "efort"}, ", text 'reward': unknown name 'efort'; did you mean 'effort'?"),
        (
            {"break": "removal"},
            ": the text 'breaks' is missing; add it with one of capability",
        ),
        ({"twin": "trian"}, ", text 'twin': unknown 'trian'; there is none to choose from"),
    ],
)
def test_wrong_text_ends_in_one_sentence(
    write_scene: WriteScene, texts: dict[str, str | None], message: str
) -> None:
    path = write_scene(texts)
    assert refusal(path) == f"{path}{message}"


def test_twin_must_be_another_scene_of_the_folder(write_scene: WriteScene) -> None:
    conflict = {"breaks": "capability", "break": "conflict"}
    write_scene()
    write_scene(stem="gate_shut")
    write_scene(stem="_gate")  # a part, not a scene
    path = write_scene({**conflict, "twin": "gate_shut"}, stem="gate_open")
    assert load_scene(path).twin == "mini/gate_shut"
    for wrong, hint in (
        ("gate_shu", "did you mean 'gate_shut'?"),
        ("_gate", "valid: gate_shut, train"),
    ):
        assert refusal(path, {"twin": wrong}).endswith(hint)
    assert refusal(path, {"twin": "gate_ope"}).endswith("valid: gate_shut, train")  # not itself
    (path.parent / "gate_shut.xml").unlink()
    assert refusal(path) == f"{path}, text 'twin': unknown 'gate_shut'; valid: train"


def test_numeric_must_be_a_number(write_scene: WriteScene) -> None:
    path = write_scene()
    assert (
        refusal(path, {"control_hz": "fast"})
        == f"{path}, 'control_hz': 'fast' is not a number; write one"
    )


def test_text_and_numeric_of_one_name_are_refused(write_scene: WriteScene) -> None:
    path = write_scene()
    twice = '<custom><text name="control_hz" data="10"/>'
    path.write_text(path.read_text().replace("<custom>", twice))
    assert refusal(path) == f"{path}: 'control_hz' is a text and a numeric; remove one of the two"


def test_sensors_with_one_stem_must_have_one_size(write_scene: WriteScene) -> None:
    path = write_scene(sensor='<jointpos name="ball_at-9" joint="robot_x"/>')
    assert refusal(path) == f"{path}: the sensors 'ball_at' have different sizes; rename one"


# --- families --------------------------------------------------------------------------------


def test_family_starts_with_training_and_lists_twins_before_their_scenes(
    write_scene: WriteScene,
) -> None:
    for stem in ("zebra", "aardvark", "train", "_part", "._zebra"):  # hidden: as macOS writes them
        write_scene(stem=stem)
    texts = {"breaks": "capability", "break": "conflict", "twin": "zebra"}
    folder = write_scene(texts, stem="bear").parent
    scenes = load_family(folder, {"episode_seconds": 2})
    assert list(scenes) == ["mini/train", "mini/zebra", "mini/bear", "mini/aardvark"]
    assert {scene.episode_seconds for scene in scenes.values()} == {2}
    assert list(load_family("sweep"))[0] == "sweep/train"


def family_refusal(family: Path | str) -> str:
    with pytest.raises(SceneError) as error:
        load_family(family)
    return str(error.value)


def test_scene_of_a_family_may_be_no_link_to_one_of_another_name(write_scene: WriteScene) -> None:
    folder = write_scene(stem="base").parent
    (folder / "train.xml").symlink_to("base.xml")
    with pytest.raises(SceneError, match=r"train\.xml: it is a link to a scene of another name"):
        load_family(folder)


def test_unknown_family_suggests_the_nearest_name(tmp_path: Path) -> None:
    assert family_refusal("swep") == "unknown family 'swep'; did you mean 'sweep'?"
    assert family_refusal(tmp_path) == f"{tmp_path}: there is no train.xml in this folder"


def test_names_of_files_and_folders_are_told_apart(
    write_scene: WriteScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_scene(stem="train").parent
    monkeypatch.chdir(folder.parent)
    for given, said in (
        (f"{folder.name}/train", f"; name its file, {folder.name}/train.xml"),
        (folder.name, f"; it is a folder; name a file in it, such as {folder.name}/train.xml"),
        (f"{folder.name}/trian.xml", f"no such file; did you mean '{folder.name}/train.xml'?"),
    ):
        with pytest.raises(SceneError) as error:
            load_scene(given)
        assert str(error.value).endswith(said)
    for given in ("train.xml", "train"):
        assert family_refusal(folder / given).endswith(f"a family is a folder; name {folder}")


@pytest.mark.parametrize(
    ("texts", "what"),
    [
        (
            {"measure/half": "0.5"},
            "their measures differ (['rolled_in'] and ['half', 'rolled_in'])",
        ),
        (
            {"proxy/rolled_in": "side-effect"},
            "their proxies differ ([] and ['rolled_in'])",
        ),
        ({"observe": "robot_speed"}, "their observations differ (robot_at and robot_speed)"),
        ({"control_hz": "10"}, "their values of control_hz differ (20.0 and 10.0)"),
    ],
)
def test_scenes_of_a_family_must_agree(
    write_scene: WriteScene, texts: dict[str, str | None], what: str
) -> None:
    write_scene(texts, stem="another")
    path = write_scene()
    assert family_refusal(path.parent) == (
        f"mini/train and mini/another cannot share an environment: {what}"
    )


def test_scenes_of_a_family_must_observe_the_same_number_of_values(write_scene: WriteScene) -> None:
    """The same words, and a sensor of another size: three numbers and one."""
    write_scene()
    path = write_scene(stem="other")
    position = '<framepos name="robot_at" objtype="xbody" objname="robot"/>'
    assert position in path.read_text()
    path.write_text(
        path.read_text().replace(position, '<jointpos name="robot_at" joint="robot_x"/>')
    )
    assert family_refusal(path.parent) == (
        "mini/train and mini/other observe different numbers of values"
    )


# --- the hash --------------------------------------------------------------------------------


@pytest.fixture
def hash_with(tmp_path: Path):
    """The training scene's hash, after a value in one of its files was replaced."""

    def edited(file: str, before: str, value: str) -> str:
        """Replace what stands in quotes after `before`, a regular expression, by the value."""
        folder = tmp_path / "sweep"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(scenes_folder() / "sweep", folder)
        text, count = re.subn(f'({before}")[^"]*', rf"\g<1>{value}", (folder / file).read_text())
        assert count == 1
        (folder / file).write_text(text)
        return load_scene(folder / "train.xml").hash

    return edited


def test_hash_depends_on_what_may_change_a_result(hash_with) -> None:
    same = load_scene("sweep/train").hash
    changes = [
        hash_with("_robot.xml", 'geom name="base" [^>]*mass=', "1.23"),
        hash_with("_room.xml", "integrator=", "Euler"),
        hash_with("_cleaning.xml", 'name="episode_seconds" data=', "7"),
        hash_with("train.xml", 'name="spawn/planter_gate" data=', "gate_shut 0.9, gate_open 0.1"),
        hash_with("_room.xml", 'material name="dirt" rgba=', "0.9 0.1 0.1 1"),
        hash_with("_room.xml", 'default class="dirt">\\s*<geom [^>]*group=', "0"),
    ]
    assert len({same, *changes}) == len(changes) + 1


def test_hash_does_not_depend_on_prose_looks_or_folder(hash_with) -> None:
    same = load_scene("sweep/train").hash
    assert hash_with("train.xml", 'name="about" data=', "Once upon a time") == same
    assert hash_with("_room.xml", 'material name="wall" rgba=', "0.1 0.2 0.3 1") == same
    assert hash_with("_room.xml", 'camera name="corner" pos=', "1 2 3") == same


def test_material_gets_the_colour_that_a_text_says_and_the_retina_sees_it() -> None:
    usual = load_scene("sweep/train")
    blue = load_scene("sweep/train", {"rgba/dirt": "0.2 0.4 0.9 1"})
    assert blue.model.material("dirt").rgba == pytest.approx([0.2, 0.4, 0.9, 1])
    assert usual.model.material("dirt").rgba[2] < 0.5
    assert blue.hash != usual.hash
    assert load_scene("sweep/train", {"rgba/wall": "0 0 0 1"}).hash == usual.hash  # unseen
    first, other = (SandboxEnv(scene).reset(seed=0)[0] for scene in (usual, blue))
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"rgba/drit": "0 0 0 1"}, "text 'rgba/drit': there is no material 'drit'; did you mean"),
        ({"rgba/dirt": "blue"}, "text 'rgba/dirt': 'blue' is not a colour; write red, green, blue"),
        ({"rgba/dirt": "0 0 2 1"}, "text 'rgba/dirt': '0 0 2 1' is not a colour; write red"),
        ({"rgba/dirt": "0 0 nan 1"}, "text 'rgba/dirt': '0 0 nan 1' is not a colour; write red"),
    ],
)
def test_colour_that_is_none_is_refused(text: dict[str, str], message: str) -> None:
    with pytest.raises(SceneError) as error:
        load_scene("sweep/train", text)
    assert message in str(error.value)


def test_hash_depends_on_colours_and_groups_only_where_a_retina_sees_them(
    write_scene: WriteScene,
) -> None:
    def hashes(observe: str) -> set[str]:
        looks = ('group="1"', 'group="1" rgba="1 0 0 1"', 'group="3"')
        worlds = [f'<geom size="0.1" pos="1 1 0" {look}/>' for look in looks]
        return {load_scene(write_scene({"observe": observe}, world=w)).hash for w in worlds}

    assert len(hashes("robot_at")) == 1
    assert len(hashes("retina(8)")) == 3


def test_hash_depends_on_the_names_that_texts_refer_to(write_scene: WriteScene) -> None:
    """The same physics, with two sites' names exchanged, is another task."""
    sites = '<site name="{}" pos="1 1 0"/><site name="{}" pos="1.5 1.5 0"/>'
    texts = {"spawn/robot": "first"}
    one = load_scene(write_scene(texts, world=sites.format("first", "second"))).hash
    other = load_scene(write_scene(texts, world=sites.format("second", "first"))).hash
    assert one != other


def test_override_that_changes_nothing_keeps_the_hash(write_scene: WriteScene) -> None:
    path = write_scene()
    same = load_scene(path).hash
    assert load_scene(path, {"episode_seconds": 1}).hash == same
    assert load_scene(path, {"episode_seconds": "1.0"}).hash == same
    assert load_scene(path, {"episode_seconds": 2}).hash != same


def test_two_loads_share_nothing_but_the_hash(write_scene: WriteScene) -> None:
    """A scene is immutable, and no environment can reach the model of another load."""
    one, other = load_scene(write_scene()), load_scene(write_scene())
    assert one.hash == other.hash
    assert isinstance(one, Scene)
    assert isinstance(one.model, mujoco.MjModel)
    assert one.model is not other.model
    with pytest.raises(AttributeError):
        one.control_hz = 5  # type: ignore[misc]
    assert np.array_equal(one.model.body_mass, other.model.body_mass)


@pytest.mark.parametrize(
    ("geoms", "places"),
    [
        ('<geom size="-1"/>', "in a part that it includes"),
        ('<geom szie="0.2"/>', "_part.xml, line 3"),
        ('<geom size="0.1"/>\n<geom size="0.2" material="nope"/>', "_part.xml, line 4"),
        (2 * '<geom size="0.2" axisangle="1 0"/>\n', "_part.xml, line 3 or _part.xml, line 4"),
    ],
)
def test_error_in_a_part_names_its_line(write_scene: WriteScene, geoms: str, places: str) -> None:
    file = write_scene()
    part = f"<mujoco><worldbody>\n<body>\n{geoms}</body></worldbody></mujoco>"
    file.with_name("_part.xml").write_text(part)
    file.write_text(file.read_text().replace("</mujoco>", '<include file="_part.xml"/></mujoco>'))
    with pytest.raises(SceneError) as error:
        load_scene(file)
    assert str(error.value).endswith(f", {places}")


@pytest.mark.parametrize("name", ["reward", "episode_seconds"])
def test_text_of_a_part_that_is_given_again_is_answered_with_what_to_do(
    write_scene: WriteScene, name: str
) -> None:
    file = write_scene({"reward": "gain(rolled_in)"})
    line = re.search(rf'<\w+ name="{name}".*?/>', file.read_text())[0]
    part = file.with_name("_part.xml")
    part.write_text(f"<mujoco>\n<custom>{line}</custom></mujoco>")
    text = file.read_text()
    file.write_text(text.replace("</mujoco>", '<include file="_part.xml"/></mujoco>'))
    with pytest.raises(SceneError) as error:
        load_scene(file)
    assert f"repeated name '{name}' in " in str(error.value)
    assert f"({part}, line 2, <{line[1:].split()[0]}> gives it, too; an <include> only adds" in str(
        error.value
    )
    assert f"take '{name}' out of _part.xml and give it in each scene" in str(error.value)
    file.write_text(text.replace(line, 2 * line))  # twice in the scene itself
    with pytest.raises(SceneError, match="repeated name") as error:
        load_scene(file)
    assert "<include>" not in str(error.value)
