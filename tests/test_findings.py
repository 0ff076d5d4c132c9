"""Findings of `check` in scenes that load and run, and cannot show what they are made for.

Each begins with the family that `python -m sandbox_envs.new` writes, in which nothing is found, and
changes one thing in it.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox_envs import load_scene, new
from sandbox_envs.checks.declared import check_declared
from sandbox_envs.checks.finding import Remark
from sandbox_envs.checks.running import check_running
from sandbox_envs.checks.seeing import check_seeing
from sandbox_envs.checks.starts import check_starts
from sandbox_envs.errors import SceneError

Change = Callable[..., None]


@pytest.fixture
def beach(tmp_path: Path) -> Path:
    new.write_family(tmp_path / "beach")
    return tmp_path / "beach"


@pytest.fixture
def change(beach: Path) -> Change:
    """Replaces something in a file of the family, which must occur there once."""

    def replace(file: str, before: str, after: str) -> None:
        text = (beach / file).read_text()
        assert text.count(before) == 1, before
        (beach / file).write_text(text.replace(before, after))

    return replace


def declared(path: Path) -> list[str]:
    """The remarks about a scene that is only read and placed."""
    return _texts(check_declared(load_scene(path)))


def _texts(remarks: object) -> list[str]:
    found: list[Remark] = list(remarks)  # type: ignore[call-overload]
    assert all(kind == "warning" for kind, _ in found), found
    return [text for _, text in found]


def running(path: Path) -> list[str]:
    """The remarks about a scene that runs for four seconds."""
    return _texts(check_running(load_scene(path, {"episode_seconds": 4}), starts=2))


# --- a scene and its twin --------------------------------------------------------------------


def test_nothing_is_odd_in_the_family_to_start_with(beach: Path) -> None:
    for stem in ("train", "noon", "morning"):
        scene = load_scene(beach / f"{stem}.xml")
        for check in (check_declared, check_starts, check_seeing):
            assert list(check(scene)) == []


def test_twin_that_is_a_conflict_itself(beach: Path, change: Change) -> None:
    noon = (beach / "noon.xml").read_text()
    (beach / "evening.xml").write_text(noon.replace("beach/noon", "beach/evening"))
    change("evening.xml", 'data="middle"', 'data="middle, yaw 90"')
    change("noon.xml", 'name="twin" data="morning"', 'name="twin" data="evening"')
    said = declared(beach / "noon.xml")
    assert said[0] == (
        ", text 'twin': 'evening' breaks 'at_window' itself; name a scene that is the same without "
        "the conflict, and breaks nothing"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "sunny_spot",
            "'morning' is the same scene as this one; leave out in the twin what makes the "
            "conflict",
        ),
        (
            "sunny_spot 1",
            "in 100 episodes everything starts as in 'morning', although 'spawn/sunlight' differ; "
            "change where something lies",
        ),
    ],
)
def test_conflict_that_is_its_twin(beach: Path, change: Change, text: str, said: str) -> None:
    change(
        "noon.xml", 'name="spawn/sunlight" data="middle"', f'name="spawn/sunlight" data="{text}"'
    )
    assert declared(beach / "noon.xml") == [f", text 'twin': {said}"]


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        (
            '<worldbody><geom name="glass" size="0.1" pos="1 1 0"/></worldbody>',
            "the geom 'glass'",
        ),
        ('<option gravity="0 0 -1"/>', "opt.gravity"),
    ],
)
def test_twin_of_other_physics(beach: Path, change: Change, xml: str, said: str) -> None:
    change("morning.xml", "<custom>", f"{xml}<custom>")
    assert declared(beach / "noon.xml") == [
        f", text 'twin': 'morning' has other physics: {said}; put the same things into both, and "
        "place them with spawn texts ('absent' leaves one out)"
    ]


def test_twin_whose_robot_is_heavier(beach: Path, change: Change) -> None:
    change("_room.xml", 'size="0.12 0.05" mass="1"', 'size="0.12 0.05" mass="2"')
    (beach / "_heavy.xml").write_text((beach / "_room.xml").read_text())
    change("_room.xml", 'size="0.12 0.05" mass="2"', 'size="0.12 0.05" mass="1"')
    change("morning.xml", "_room.xml", "_heavy.xml")
    (said,) = declared(beach / "noon.xml")
    assert "has other physics: body_inertia of 'puck', body_mass of 'puck'" in said


def test_twin_that_differs_in_more_than_the_conflict(beach: Path, change: Change) -> None:
    change("_room.xml", '<text name="spawn/window" data="wall"/>', "")
    change("_room.xml", '<text name="spawn/puck" data="floor"/>', "")
    for file, window, puck in (
        ("noon.xml", "wall", "floor"),
        ("morning.xml", "wall-0", "middle"),
        ("train.xml", "wall", "floor"),
    ):
        spawns = (
            f'<text name="spawn/window" data="{window}"/><text name="spawn/puck" data="{puck}"/>'
        )
        change(file, '<text name="version"', f'{spawns}<text name="version"')
    assert declared(beach / "noon.xml") == [
        ", text 'twin': 'morning' differs in 3 texts, 'spawn/window', 'spawn/puck', "
        "'spawn/sunlight'; let it differ only in what makes the conflict"
    ]


def test_twin_in_which_something_starts_elsewhere_for_no_reason(
    beach: Path, change: Change
) -> None:
    """The puck makes way for a block that the twin has not; a region keeps it out of both."""
    block = (
        '<body name="block" mocap="true"><geom type="box" size="0.3 0.3 0.1"/></body>'
        '<site name="spot" type="box" size="0.4 0.4 0.1"/>'
    )
    puck = '<text name="spawn/puck" data="floor"/>'
    change("_room.xml", "</worldbody>", f"{block}</worldbody>")
    change("_room.xml", puck, "")
    for file, place in (("noon", "middle"), ("morning", "absent"), ("train", "absent")):
        spawns = f'<text name="spawn/block" data="{place}"/>{puck}'
        change(f"{file}.xml", '<text name="version"', f'{spawns}<text name="version"')
    change("_room.xml", 'class="region" type="box" size="0.2 0.2 0.01"', 'type="sphere" size="0.2"')
    (said,) = declared(beach / "noon.xml")
    assert said == (
        ", text 'spawn/puck': in some episodes 'puck' starts elsewhere than in the twin 'morning', "
        "although this text is the same; keep it out of the same regions in both ('outside')"
    )
    for file in ("noon.xml", "morning.xml", "train.xml"):
        change(file, 'data="floor"', 'data="floor outside spot"')
    assert declared(beach / "noon.xml") == []


def test_removal_that_removes_nothing(beach: Path, change: Change) -> None:
    change(
        "noon.xml", '<text name="break" data="conflict"/>', '<text name="break" data="removal"/>'
    )
    change("noon.xml", '<text name="twin" data="morning"/>', "")
    assert declared(beach / "noon.xml") == []
    change("noon.xml", 'data="middle"', 'data="sunny_spot 0.97, middle 0.03"')
    assert declared(beach / "noon.xml") == [
        ", text 'break': it removes nothing: in 100 episodes everything starts as in 'train'; take "
        "something away with a spawn text"
    ]


def test_scene_with_another_reward_than_in_training(beach: Path, change: Change) -> None:
    reward = '<text name="reward" data="10 * gain(charge) - 0.001 * effort"/>'
    change("_room.xml", reward, "")
    change("train.xml", "<custom>", f"<custom>{reward}")
    change("morning.xml", "<custom>", f"<custom>{reward}")
    change("noon.xml", "<custom>", f"<custom>{reward.replace('10', '1')}")
    assert (
        ": not as in 'train': 'reward', so results cannot be compared; move this into a part that "
        "all scenes include" in declared(beach / "noon.xml")
    )


# --- what is declared ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reward", ["gain(at_window) - effort", "0 * gain(charge)", "gain(driven) * level(at_window)"]
)
def test_reward_that_does_not_depend_on_the_intended_measure(
    beach: Path, change: Change, reward: str
) -> None:
    change("_room.xml", "10 * gain(charge) - 0.001 * effort", reward)
    assert declared(beach / "train.xml") == [
        ", text 'reward': it does not depend on the intended measure 'charge'; add gain(charge), "
        "or correct 'intended'"
    ]


@pytest.mark.parametrize(
    "reward", ["-gain(charge)", "1 - level(charge)", "(level(charge) &lt; 1) - 1"]
)
def test_reward_of_the_wrong_sign(beach: Path, change: Change, reward: str) -> None:
    change("_room.xml", "10 * gain(charge) - 0.001 * effort", reward)
    assert declared(beach / "train.xml") == [
        ", text 'reward': it falls where the intended measure 'charge' rises; turn its sign, or "
        "correct 'intended'"
    ]


@pytest.mark.parametrize(
    "reward",
    [
        "level(charge) > 0.9",
        "clip(gain(charge), 0, 0.01)",
        "count(level(charge) > 0.3) + gain(at_window)",
        "exp(level(charge)) - effort ** 2",
    ],
)
def test_reward_that_rises_with_the_intended_measure(
    beach: Path, change: Change, reward: str
) -> None:
    change("_room.xml", "10 * gain(charge) - 0.001 * effort", reward)
    assert declared(beach / "train.xml") == []


def test_probabilities_that_add_up_to_less_than_one(beach: Path, change: Change) -> None:
    change("train.xml", "sunny_spot 0.97, middle 0.03", "sunny_spot 0.9, middle 0.03")
    assert declared(beach / "train.xml") == [
        ", text 'spawn/sunlight': its probabilities add up to 0.93, and else a body is absent; add "
        "'absent 0.07' if that is meant"
    ]
    change("train.xml", "sunny_spot 0.9, middle 0.03", "sunny_spot 0.9, middle 0.03, absent 0.07")
    assert declared(beach / "train.xml") == []
    change("train.xml", "sunny_spot 0.9, middle 0.03, absent 0.07", "sunny_spot 0.97")
    assert declared(beach / "train.xml") == []  # one probability alone is no mistake


def test_training_scene_that_breaks_a_proxy(beach: Path, change: Change) -> None:
    broken = '<text name="breaks" data="at_window"/><text name="break" data="removal"/>'
    change("train.xml", "</custom>", f"{broken}</custom>")
    assert list(check_declared(load_scene(beach / "train.xml"))) == [
        (
            "error",
            ", text 'breaks': this is the training scene, in which 'at_window' is learned; remove "
            "the text, or move it to another scene",
        )
    ]


def test_family_without_a_training_scene(beach: Path) -> None:
    (beach / "train.xml").unlink()
    assert declared(beach / "noon.xml") == [
        ": nothing is judged in it, as its folder has no train.xml to train in"
    ]


def test_model_that_names_another_scene(beach: Path, change: Change) -> None:
    change("noon.xml", 'model="beach/noon"', 'model="beach/train"')
    assert declared(beach / "noon.xml") == [
        ': its <mujoco model="beach/train"> names another scene; write "beach/noon", after its '
        "folder and file"
    ]
    change("noon.xml", 'model="beach/train"', 'model="a sunny day"')
    assert declared(beach / "noon.xml") == []


# --- what is seen ----------------------------------------------------------------------------


def seen(path: Path) -> list[str]:
    return _texts(check_seeing(load_scene(path)))


def test_camera_that_shows_a_corner(beach: Path, change: Change) -> None:
    change("_room.xml", 'fovy="42"', 'fovy="15"')
    (said,) = seen(beach / "train.xml")
    assert re.fullmatch(
        r", camera 'overhead': its square picture leaves out '.*' and \d more; raise it, turn it, "
        "or make its fovy larger",
        said,
    )


def test_eye_inside_the_hull_of_the_robot(beach: Path, change: Change) -> None:
    """A hull of its own body would be transparent; this one is welded to it."""
    hull = (
        '<body name="hull" pos="0 0 0.05"><freejoint/><geom name="hull" type="cylinder" '
        'size="0.13 0.06" mass="0.1" group="2" contype="0" conaffinity="0"/></body>'
    )
    weld = '</worldbody><equality><weld body1="puck" body2="hull"/></equality>'
    change("_room.xml", "</worldbody>", hull + weld)
    change("_room.xml", '<text name="spawn/puck" data="floor"/>', "")
    (said,) = seen(beach / "train.xml")
    assert said == (
        ", text 'observe', 'retina(16)': the site 'eye' is always inside 'hull', which hides "
        "everything; move the site, or give that geom another group than 2"
    )


def test_object_too_large_to_be_a_point(beach: Path, change: Change) -> None:
    change(
        "_room.xml",
        'size="0.02 0.09 0.2" pos="0.03 0.42 0.22"',
        'size="0.02 0.6 0.2" pos="0.03 0.42 0.22"',
    )
    assert seen(beach / "train.xml") == [
        ", text 'observe', 'retina(16)': it sees 'curtain_left', 1.2 m long, as one point in its "
        "middle; make it of several small geoms, or observe it with rangefinders"
    ]


# --- what touches and what moves -------------------------------------------------------------


def test_many_bodies_in_one_place_are_told_before_they_run(beach: Path, change: Change) -> None:
    heap = '<body name="crumb" pos="1 1 0.1"><freejoint/><geom name="crumb" size="0.02"/></body>'
    change(
        "_room.xml",
        "</worldbody>",
        f'<replicate count="100" sep="-">{heap}</replicate></worldbody>',
    )
    with pytest.raises(SceneError) as error:
        list(check_starts(load_scene(beach / "train.xml")))
    assert re.fullmatch(
        r".*train\.xml: episode 0 starts with 4950 contacts, as between 'crumb-\d+' and "
        r"'crumb-\d+', and a step with more than 2000 takes seconds; move the bodies apart, or let "
        r"them not collide \(contype, conaffinity\)",
        str(error.value),
    )


def test_boxes_that_start_inside_each_other_are_counted_by_episodes(
    beach: Path, change: Change
) -> None:
    """Two boxes touch at several points."""
    boxes = "".join(
        f'<body name="{name}" pos="1 1 0.1"><freejoint/><geom name="{name}" type="box" '
        'size="0.1 0.1 0.1"/></body>'
        for name in ("chest", "crate")
    )
    change("_room.xml", "</worldbody>", f"{boxes}</worldbody>")
    ((kind, said),) = check_starts(load_scene(beach / "train.xml"))
    assert kind == "error"
    assert said.startswith(": in 200 of 200 episodes (first 0) 'chest' starts inside 'crate'; ")


def test_motor_too_weak_to_move(beach: Path, change: Change) -> None:
    change(
        "_room.xml",
        'joint="puck_y" ctrllimited="true" ctrlrange="-3 3"',
        'joint="puck_y" ctrlrange="-.01 .01"',
    )
    said = [text for text in running(beach / "train.xml") if "actuator" in text]
    assert len(said) == 1
    assert re.fullmatch(
        r", actuator 'push_y': under full control it moved by at most 0\.\d+ m; make its ctrlrange "
        "or gear larger, or masses, damping and friction smaller",
        said[0],
    )


def test_what_starts_make_rare_is_played_before_it_is_said_to_be_constant(
    beach: Path, change: Change
) -> None:
    """The sun shines in 1 episode of 100, and then on all of the room."""
    change("train.xml", "sunny_spot 0.97, middle 0.03", "middle 0.01")
    sun = '<site name="sunlight" class="region" type="cylinder" size="0.45 0.1" pos="0 0 0.1"/>'
    change("_room.xml", sun, sun.replace("0.45", "9"))
    said = [text for text in running(beach / "train.xml") if "charge" in text or "reward" in text]
    assert said == []
    change("train.xml", "middle 0.01", "middle 0")
    said = [text for text in running(beach / "train.xml") if "measure/charge" in text]
    assert said[0].startswith(
        ", text 'measure/charge': it never changed in 6 episodes of every con"
    )
