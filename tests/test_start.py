"""Start positions of joints: a keyframe that a text names, and texts for single joints."""

import mujoco
import numpy as np
import pytest
from conftest import WriteScene

from sandbox_envs import SandboxEnv, SandboxVectorEnv, Scene, SceneError, load_scene

ARM = """<body name="mast" pos="0.9 -0.9 0.1">
  <joint name="turn" axis="0 0 1" damping="1" range="-100 100"/>
  <geom name="beam" type="box" size="0.5 0.02 0.05" pos="0.5 0 0" mass="1"/>
  <body name="hand" pos="1 0 0">
    <joint name="reach" type="slide" axis="1 0 0" damping="1"/>
    <joint name="ball" type="ball" damping="1"/>
    <geom size="0.03" mass="0.1"/>
  </body>
</body>
<body name="door" mocap="true" pos="0 1 0"><geom type="box" size="0.1 0.1 0.1"/></body>
"""
SENSOR = '<jointpos name="turn" joint="turn"/><jointpos name="reach" joint="reach"/>'
MANY = np.arange(2000)
# turn, reach and the ball joint's quaternion, then 3 numbers of the robot and 2 of each ball
HOME = "1.2 -0.1 0 1 0 0 0.5 -0.5 0 1 1 0 0 0 0"


def key(attributes: str) -> str:
    return f"</worldbody><keyframe><key {attributes}/></keyframe><worldbody>"


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


@pytest.fixture
def arm(write_scene: WriteScene):
    """Loads the mini scene with an arm, these texts and a keyframe of these attributes."""

    def load(keyframe: str = "", **texts: str) -> Scene:
        world = ARM + (key(keyframe) if keyframe else "")
        named = {name.replace("__", "/"): text for name, text in texts.items()}
        return load_scene(
            write_scene({"observe": "turn reach", **named}, world=world, sensor=SENSOR)
        )

    return load


def test_episodes_start_as_the_named_keyframe_says(arm) -> None:
    scene = arm(f'name="home" qpos="{HOME}" mpos="0.2 0.3 0.4"', start="home")
    observation, _ = SandboxEnv(scene).reset(seed=0)
    assert observation.tolist() == pytest.approx([1.2, -0.1])
    start = scene.spawner.sample(0, MANY[:3])
    np.testing.assert_allclose(start.qpos, np.tile(numbers(HOME), (3, 1)))
    np.testing.assert_allclose(start.mocap_pos[:, 0], np.tile([0.2, 0.3, 0.4], (3, 1)))


def test_spawn_texts_place_their_bodies_after_the_keyframe(arm) -> None:
    scene = arm(f'name="home" qpos="{HOME}"', start="home", spawn__robot="home")
    qpos = scene.spawner.sample(0, MANY[:1]).qpos[0]
    assert qpos[6:9].tolist() == pytest.approx([0, -1, np.pi / 2])
    assert np.delete(qpos, [6, 7, 8]).tolist() == pytest.approx(
        [*numbers(HOME)[:6], *numbers(HOME)[9:]]
    )


def test_keyframe_changes_the_hash_only_where_a_text_names_it(arm) -> None:
    there, elsewhere = (f'name="home" qpos="{HOME}" mpos="{x} 0 0"' for x in (0, 1))
    assert arm().hash == arm(there).hash
    assert arm(there, start="home").hash != arm(elsewhere, start="home").hash


def test_joints_start_at_degrees_and_metres(arm) -> None:
    scene = arm(start__turn="-45", start__reach="0.25")
    observations, _ = SandboxVectorEnv(scene, 3).reset(seed=0)
    np.testing.assert_allclose(observations, np.tile([-np.pi / 4, 0.25], (3, 1)), rtol=1e-6)


def test_range_is_drawn_for_each_episode_alone(arm) -> None:
    scene = arm(start__turn="-20 to 60", start__reach=".1")
    at = scene.model.joint("turn").qposadr[0]
    degrees = np.rad2deg(scene.spawner.sample(1, MANY).qpos[:, at])
    assert degrees.min() == pytest.approx(-20, abs=1) and degrees.max() == pytest.approx(60, abs=1)
    assert degrees.mean() == pytest.approx(20, abs=2)
    some = np.rad2deg(scene.spawner.sample(1, MANY[[7, 3]]).qpos[:, at])
    np.testing.assert_array_equal(some, degrees[[7, 3]])
    assert (np.rad2deg(scene.spawner.sample(2, MANY).qpos[:, at]) != degrees).all()


def test_copies_of_a_joint_start_independently(write_scene: WriteScene) -> None:
    flap = '<body name="flap" pos="1 1 0"><joint name="flap"/><geom size="0.01" mass="1"/></body>'
    path = write_scene(
        {"start/flap": "0 to 90"}, world=f'<replicate count="4" sep="-">{flap}</replicate>'
    )
    start = load_scene(path).spawner.sample(0, MANY)
    angles = start.qpos[:, :4]
    assert np.abs(np.corrcoef(angles.T) - np.eye(4)).max() < 0.1


def test_bodies_are_placed_clear_of_parts_where_they_start(arm) -> None:
    """The beam lies along the south wall, or stands across the region."""
    for degrees, covered in (("0", False), ("90", True)):
        scene = arm(start__turn=degrees, spawn__ball="spot 2, floor", spawn__robot="floor")
        start, model = scene.spawner.sample(0, MANY[:200]), scene.model
        data, beam = mujoco.MjData(model), model.geom("beam").id
        for e in range(200):
            data.qpos = start.qpos[e]
            mujoco.mj_forward(model, data)
            assert not any(beam in (c.geom1, c.geom2) for c in data.contact)
        assert (data.geom_xpos[beam, 1] > -0.5) == covered


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"start": "hme"}, "text 'start': unknown keyframe 'hme'; did you mean 'home'?"),
        (
            {"start": "moving"},
            "text 'start': the keyframe 'moving' has velocities or activations, and episodes "
            "start at rest; remove its qvel and act",
        ),
        ({"start/tunr": "5"}, "text 'start/tunr': unknown joint 'tunr'; did you mean 'turn'?"),
        (
            {"start/turn": "fast"},
            "text 'start/turn': 'fast' is not understood; write a number, as in 45, or a range, as "
            "in -20 to 90 (degrees for a hinge, metres for a slide)",
        ),
        ({"start/turn": "1e999"}, "text 'start/turn': '1e999' is not understood; "),
        (
            {"start/turn": "20 to 10"},
            "text 'start/turn': '20 to 10' is not a range; write the smaller number first",
        ),
        (
            {"start/turn": "90 to 120"},
            "text 'start/turn': '90 to 120' leaves the joint's range, -100 to 100; stay within it",
        ),
        (
            {"start/ball": "1"},
            "text 'start/ball': only a hinge or a slide starts at a number; give other joints in "
            "a keyframe, and its name in a text 'start'",
        ),
        (
            {"start/robot_x": "1", "spawn/robot": "home"},
            "text 'start/robot_x': the text 'spawn/robot' places this joint's body; remove one of "
            "the two",
        ),
    ],
)
def test_wrong_start_ends_in_one_sentence(
    write_scene: WriteScene, texts: dict[str, str | None], message: str
) -> None:
    keys = key(f'name="home" qpos="{HOME}"') + key('name="moving" qvel="1' + 13 * " 0" + '"')
    path = write_scene(texts, world=ARM + keys, sensor=SENSOR)
    with pytest.raises(SceneError) as error:
        load_scene(path)
    assert str(error.value).startswith(f"{path}, {message}")
