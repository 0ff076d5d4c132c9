"""Spawn texts: properties of the starts they give, over many episodes."""

from collections.abc import Mapping

import mujoco
import numpy as np
import pytest
from conftest import WriteScene
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox_envs import SandboxVectorEnv, Scene, SceneError, load_scene
from sandbox_envs.spawn.absence import PARKED, is_absent
from sandbox_envs.spawn.counter_rng import uniform
from sandbox_envs.spawn.start import Start

MANY = np.arange(2000)
FEW = np.arange(100)
GATE = """<body name="gate" mocap="true" pos="0.3 0.2 0">
  <geom name="gate" type="box" size="0.5 0.02 0.1" pos="0 0.1 0"/>
  <site name="hinge" pos="0.5 0.1 0"/><site name="bay" type="box" size="0.4 0.3 0.1" pos="0 0.5 0"/>
</body>"""


@pytest.fixture
def draw(write_scene: WriteScene):
    """Poses (episodes, bodies, 4), x, y, z and yaw, of the balls with a spawn text."""

    def poses(ball: str, episodes: np.ndarray = FEW, world: str = "", seed: int = 0, **others: str):
        texts = {**{f"spawn/{k}": v for k, v in others.items()}, "spawn/ball": ball}
        poses.path = write_scene(texts, world=world)  # type: ignore[attr-defined]
        scene = load_scene(poses.path)  # type: ignore[attr-defined]
        return poses_of(scene, scene.spawner.sample(seed, episodes), "ball")

    return poses


def poses_of(scene: Scene, start: Start, stem: str) -> np.ndarray:
    """World poses (e, bodies, 4) of all copies, by MuJoCo's own kinematics."""
    model, data = scene.model, mujoco.MjData(scene.model)
    names = [model.body(i).name for i in range(model.nbody)]
    ids = [i for i, name in enumerate(names) if name == stem or name.startswith(f"{stem}-")]
    poses = np.empty((len(start.qpos), len(ids), 4))
    for e in range(len(poses)):
        start.put(e, data)
        mujoco.mj_kinematics(model, data)
        poses[e, :, :3] = data.xpos[ids]
        poses[e, :, 3] = np.arctan2(data.xmat[ids, 3], data.xmat[ids, 0])
    return poses


def absent(poses: np.ndarray) -> np.ndarray:
    return is_absent(poses[..., :3])


def near(poses: np.ndarray, x: float, y: float) -> np.ndarray:
    return np.hypot(poses[..., 0] - x, poses[..., 1] - y) < 1e-9


def in_rug(poses: np.ndarray, margin: float = 0.0) -> np.ndarray:
    """Inside the box at (1, 0) of half sizes (0.5, 0.3), `margin` away from its edge or more."""
    dx, dy = np.abs(poses[..., 0] - 1), np.abs(poses[..., 1])
    return (dx <= 0.5 - margin + 1e-9) & (dy <= 0.3 - margin + 1e-9)


# --- places, counts and probabilities --------------------------------------------------------


def test_whole_numbers_are_counts_and_other_bodies_are_absent(draw) -> None:
    poses = draw("rug 1, pit 1")
    assert in_rug(poses[:, 0]).all()
    assert (np.hypot(poses[:, 1, 0] + 1, poses[:, 1, 1]) < 0.4).all()
    assert absent(poses).tolist() == [[False, False, True]] * len(poses)


def test_place_without_a_number_takes_all_bodies_left(draw) -> None:
    poses = draw("pit, rug 1")
    assert in_rug(poses).sum(1).tolist() == [1] * len(poses)
    assert not absent(poses).any()


def test_decimal_numbers_are_probabilities_per_body(draw) -> None:
    poses = draw("rug 0.25, pit 0.6", MANY)
    n = len(MANY) * 3
    for share, p in (
        (in_rug(poses).sum(), 0.25),
        ((poses[..., 0] < -0.5).sum(), 0.6),
        (absent(poses).sum(), 0.15),
    ):
        assert abs(share - n * p) < 4 * np.sqrt(n * p * (1 - p))


def test_probabilities_apply_to_bodies_left_by_counts(draw) -> None:
    poses = draw("rug 1, pit 0.5", MANY)
    assert in_rug(poses).sum(1).tolist() == [1] * len(MANY)
    assert abs(absent(poses[:, 1:]).mean() - 0.5) < 4 * np.sqrt(0.25 / (2 * len(MANY)))


def test_bodies_choose_their_places_independently(draw) -> None:
    there = ~absent(draw("rug 0.5", MANY))
    correlation = np.corrcoef(there.T.astype(float))
    assert np.abs(correlation[~np.eye(3, dtype=bool)]).max() < 4 / np.sqrt(len(MANY))


def test_sites_of_a_stem_are_chosen_without_replacement(draw) -> None:
    """Three balls on four spots at x = -0.75, -0.25, 0.25, 0.75: each of 24 ways as likely."""
    poses = draw("spot", MANY)
    spot = np.round((poses[..., 0] + 0.75) / 0.5).astype(int)
    assert (poses[..., 1] == 1.5).all()
    ways, counts = np.unique(spot, axis=0, return_counts=True)
    assert len(ways) == 24
    assert all(len(set(way)) == 3 for way in ways.tolist())
    p = 1 / 24
    assert np.abs(counts - p * len(MANY)).max() < 5 * np.sqrt(len(MANY) * p * (1 - p))


def test_points_are_uniform_in_regions(draw) -> None:
    """Quarters of a box hold a quarter each; half of a disc's area lies within r / sqrt(2)."""
    box = draw("rug 1", MANY)[:, 0]
    quarter = (box[:, 0] > 1).astype(int) + 2 * (box[:, 1] > 0)
    bound = 4 * np.sqrt(len(MANY) * 0.25 * 0.75)
    assert np.abs(np.bincount(quarter) - len(MANY) / 4).max() < bound
    disc = draw("pit 1", MANY)[:, 0]
    inner = (np.hypot(disc[:, 0] + 1, disc[:, 1]) < 0.35 / np.sqrt(2)).sum()
    assert abs(inner - len(MANY) / 2) < 4 * np.sqrt(len(MANY) * 0.25)


def test_body_lies_inside_its_region_with_its_whole_radius(draw) -> None:
    assert in_rug(draw("rug"), margin=0.05).all()
    pit = draw("pit")
    assert (np.hypot(pit[..., 0] + 1, pit[..., 1]) <= 0.35 + 1e-9).all()


def test_outside_keeps_the_whole_body_out_of_regions(draw) -> None:
    poses = draw("floor outside rug pit", MANY[:500])
    dx, dy = np.maximum(np.abs(poses[..., :2] - [1, 0]) - [0.5, 0.3], 0).transpose(2, 0, 1)
    assert (np.hypot(dx, dy) >= 0.05 - 1e-9).all()
    assert (np.hypot(poses[..., 0] + 1, poses[..., 1]) >= 0.45 - 1e-9).all()
    assert (np.abs(poses[..., :2]) <= 1.95).all()


def test_outside_also_applies_to_bodies_without_geoms(write_scene: WriteScene) -> None:
    mark = '<body name="mark" mocap="true"><site name="mark"/></body>'
    scene = load_scene(write_scene({"spawn/mark": "floor outside rug pit"}, world=mark))
    poses = poses_of(scene, scene.spawner.sample(0, MANY[:500]), "mark")
    assert not in_rug(poses).any()
    assert (np.hypot(poses[..., 0] + 1, poses[..., 1]) > 0.4).all()


# --- obstacles -------------------------------------------------------------------------------


def test_bodies_keep_clear_of_each_other_and_of_static_geoms(draw) -> None:
    """Three balls and the robot share the rug with a pole in the middle of it."""
    pole = '<geom type="cylinder" size="0.1 0.2" pos="1 0 0"/>'
    others = draw("rug", world=pole)[..., :2]
    gap = np.linalg.norm(others[:, :, None] - others[:, None], axis=-1)
    assert gap[:, ~np.eye(3, dtype=bool)].min() >= 0.1
    assert np.linalg.norm(others - [1, 0], axis=-1).min() >= 0.15


def test_bodies_keep_clear_only_of_geoms_they_can_collide_with(draw) -> None:
    pole = '<geom type="cylinder" size="0.1 0.2" pos="1 0 0" contype="0" conaffinity="0"/>'
    distance = np.linalg.norm(draw("rug", MANY[:300], world=pole)[..., :2] - [1, 0], axis=-1)
    assert (distance < 0.15).any()


def test_bodies_that_cannot_collide_are_still_drawn_independently(write_scene: WriteScene) -> None:
    path = write_scene({"spawn/ball": "floor"})
    ghost = 'name="ball" contype="0" conaffinity="0" size'
    path.write_text(path.read_text().replace('name="ball" size', ghost))
    scene = load_scene(path)
    poses = poses_of(scene, scene.spawner.sample(0, MANY[:500]), "ball")
    across = np.corrcoef(poses[..., 0].T)[~np.eye(3, dtype=bool)]
    assert np.abs(across).max() < 4 / np.sqrt(500)


def test_bodies_placed_later_are_no_obstacles(
    write_scene: WriteScene,
) -> None:
    """The robot rests in the middle of the floor in the file, but is at home in every episode."""
    middle = '<site name="middle" type="box" size="0.12 0.12 0.01"/>'
    texts = {"spawn/ball": "middle 1", "spawn/robot": "home"}
    scene = load_scene(write_scene(texts, world=middle))
    start = scene.spawner.sample(0, FEW)
    assert (np.abs(poses_of(scene, start, "ball")[:, 0, :2]) <= 0.07 + 1e-9).all()
    assert near(poses_of(scene, start, "robot")[:, 0], 0, -1).all()


def test_geoms_above_or_below_are_no_obstacles(draw) -> None:
    """A shelf above the rug, which is its whole width: balls are 0.1 m high."""
    shelf = '<geom type="box" size="0.5 0.3 0.02" pos="1 0 {}"/>'
    assert in_rug(draw("rug", world=shelf.format(0.2))).all()
    with pytest.raises(SceneError, match="no room"):
        draw("rug", world=shelf.format(0.1))


def test_obstacle_is_turned_with_its_body(draw) -> None:
    """A bar across the rug, in a body turned by 90 degrees, with its geom in a child of that."""
    bar = """<body pos="1 0 0.05" euler="0 0 90"><body pos="0.1 0 0">
      <geom type="box" size="0.3 0.02 0.05"/></body></body>"""
    poses = draw("rug", MANY[:200], world=bar)
    dx, dy = np.abs(poses[..., 0] - 1), np.abs(poses[..., 1] - 0.1)
    gap = np.hypot(np.maximum(dx - 0.02, 0), np.maximum(dy - 0.3, 0))
    assert gap.min() >= 0.05 - 1e-9
    assert (dx.min() < 0.12) and (np.abs(poses[..., 0] - 1) < 0.3).any()


def test_parts_of_a_placed_body_are_obstacles_where_they_are(draw) -> None:
    """A cart whose bumper, a body of its own, sticks out 0.4 m ahead of it."""
    cart = """<body name="cart" mocap="true"><geom size="0.05"/>
      <body pos="0.4 0 0"><geom size="0.08"/></body></body>
      <site name="at" pos="1 -0.1 0" euler="0 0 90"/>"""
    poses = draw("rug", MANY[:200], world=cart, cart="at")[..., :2]
    bumper = np.linalg.norm(poses - [1, 0.3], axis=-1)
    assert bumper.min() >= 0.13 - 1e-9
    assert np.linalg.norm(poses - [1.4, -0.1], axis=-1).min() < 0.13  # it is not there


def test_body_gets_room_for_all_its_parts(write_scene: WriteScene) -> None:
    cart = """<body name="cart"><freejoint/><geom size="0.05"/>
      <body pos="0.2 0 0"><geom type="capsule" size="0.02 0.1" euler="90 0 0"/></body></body>"""
    scene = load_scene(write_scene({"spawn/cart": "rug, yaw any"}, world=cart))
    poses = poses_of(scene, scene.spawner.sample(0, FEW), "cart")
    assert in_rug(poses, margin=np.hypot(0.22, 0.12)).all()


def test_bodies_of_a_shipped_scene_start_without_overlap() -> None:
    """Dirt, soil and robot in 200 rooms, by MuJoCo's own collision test."""
    scene = load_scene("sweep/planter_open")
    start, model = scene.spawner.sample(3, np.arange(200)), scene.model
    data = mujoco.MjData(model)
    for e in range(200):
        start.put(e, data)
        mujoco.mj_forward(model, data)
        touching = [c for c in data.contact if c.dist < 0]
        names = [(model.geom(c.geom1).name, model.geom(c.geom2).name) for c in touching]
        assert names == []


def test_error_on_a_full_region_names_text_and_region(write_scene: WriteScene) -> None:
    pole = '<geom type="cylinder" size="0.35 0.2" pos="-1 0 0"/>'
    path = write_scene({"spawn/ball": "pit"}, world=pole)
    with pytest.raises(SceneError) as error:
        load_scene(path).spawner.sample(0, FEW)
    assert str(error.value) == (
        f"{path}, text 'spawn/ball': no room for 'ball-0' in 'pit' after 512 tries; make the "
        "region larger or the bodies fewer"
    )


def test_region_smaller_than_the_body_is_an_error(write_scene: WriteScene) -> None:
    path = write_scene(
        {"spawn/ball": "slot"}, world='<site name="slot" type="box" size="1 .04 1"/>'
    )
    with pytest.raises(
        SceneError, match="'spawn/ball': the region 'slot' is smaller than the body"
    ):
        load_scene(path).spawner.sample(0, FEW)


# --- orientation -----------------------------------------------------------------------------


@pytest.fixture
def robot(write_scene: WriteScene):
    def poses(text: str, episodes: np.ndarray = FEW, world: str = "") -> np.ndarray:
        scene = load_scene(write_scene({"spawn/robot": text}, world=world))
        return poses_of(scene, scene.spawner.sample(0, episodes), "robot")[:, 0]

    return poses


def test_point_site_gives_position_and_yaw(robot) -> None:
    """The site `home` is turned by 90 degrees."""
    assert robot("home", FEW[:1])[0].tolist() == pytest.approx([0, -1, 0, np.pi / 2])


def test_yaw_is_given_in_degrees(robot) -> None:
    assert np.rad2deg(robot("home, yaw -30")[:, 3]) == pytest.approx(-30)


def test_yaw_any_is_uniform(robot) -> None:
    yaw = robot("home, yaw any", MANY)[:, 3]
    octant = ((yaw + np.pi) / (2 * np.pi) * 8).astype(int)
    bound = 4 * np.sqrt(len(MANY) / 8 * 7 / 8)
    assert np.abs(np.bincount(octant) - len(MANY) / 8).max() < bound


def test_facing_turns_the_body_to_the_site(robot) -> None:
    poses = robot("floor, facing pit")
    assert poses[:, 3] == pytest.approx(np.arctan2(0 - poses[:, 1], -1 - poses[:, 0]))


# --- sites on bodies placed before -----------------------------------------------------------


def test_sites_move_with_their_body(write_scene: WriteScene) -> None:
    """The gate takes one of four spots and any turn; a ball lies at its hinge, two in its bay."""
    texts = {"spawn/gate": "spot, yaw any", "spawn/ball": "hinge 1, bay 2"}
    scene = load_scene(write_scene(texts, world=GATE))
    start = scene.spawner.sample(0, FEW)
    gate, balls = poses_of(scene, start, "gate")[:, 0], poses_of(scene, start, "ball")
    offset = balls[..., :2] - gate[:, None, :2]
    c, s = np.cos(gate[:, 3])[:, None], np.sin(gate[:, 3])[:, None]
    along = c * offset[..., 0] + s * offset[..., 1]
    across = c * offset[..., 1] - s * offset[..., 0]
    assert len(np.unique(gate[:, 0].round(6))) == 4
    np.testing.assert_allclose(along[:, 0], 0.5, atol=1e-9)
    np.testing.assert_allclose(across[:, 0], 0.1, atol=1e-9)
    assert (np.abs(along[:, 1:]) <= 0.35 + 1e-9).all()
    assert (np.abs(across[:, 1:] - 0.5) <= 0.25 + 1e-9).all()


def test_sites_move_with_a_body_that_rests_turned(write_scene: WriteScene) -> None:
    turned = GATE.replace('pos="0.3 0.2 0"', 'pos="0.3 0.2 0" euler="0 0 90"')
    texts = {"spawn/gate": "home", "spawn/ball": "hinge 1"}
    scene = load_scene(write_scene(texts, world=turned))
    ball = poses_of(scene, scene.spawner.sample(0, FEW[:1]), "ball")[0, 0]
    assert ball[:2].tolist() == pytest.approx([-0.1, -0.5])  # home is at (0, -1), facing y


def test_gate_and_soil_follow_the_planter_in_sweep() -> None:
    scene = load_scene("sweep/train")
    start = scene.spawner.sample(0, np.arange(200))
    planter, gate, soil = (poses_of(scene, start, s) for s in ("planter", "planter_gate", "soil"))
    assert len(np.unique(planter[:, 0, :2].round(6), axis=0)) == 3
    assert near(gate[:, 0], planter[:, 0, 0], planter[:, 0, 1]).all()
    np.testing.assert_allclose(np.cos(gate[:, 0, 3] - planter[:, 0, 3]), 1)
    model = scene.model
    names = [model.geom(i).name for i in range(model.ngeom)]
    radius = max(model.geom_size[i, 0] for i, n in enumerate(names) if n.startswith("soil-"))
    half = model.site("planter").size[:2] - radius
    assert (np.abs(soil[..., :2] - planter[..., :2]) <= half + 1e-9).all()


def test_site_on_a_body_placed_later_is_an_error(write_scene: WriteScene) -> None:
    for text in ("hinge 1", "floor outside bay 1", "home 1, facing hinge"):
        path = write_scene({"spawn/ball": text, "spawn/gate": "spot"}, world=GATE)
        with pytest.raises(
            SceneError, match="is on 'gate', which is placed later; move that spawn"
        ):
            load_scene(path)


# --- independence of draws -------------------------------------------------------------------


def same(one: Start, other: Start) -> bool:
    fields = ("qpos", "mocap_pos", "mocap_quat")
    return all(np.array_equal(getattr(one, f), getattr(other, f)) for f in fields) and all(
        np.array_equal(one.present[stem], other.present[stem]) for stem in one.present
    )


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**128),
    episodes=st.lists(st.integers(0, 2**40), min_size=1, max_size=5, unique=True),
)
def test_episode_does_not_depend_on_other_episodes_drawn(seed: int, episodes: list) -> None:
    spawner = load_scene("sweep/train").spawner
    together = spawner.sample(seed, np.array(episodes))
    for i, episode in enumerate(episodes):
        alone = spawner.sample(seed, np.array([episode]))
        assert same(together.rows(np.array([i])), alone)


def test_seeds_and_episodes_give_different_starts() -> None:
    spawner = load_scene("sweep/train").spawner
    starts = [spawner.sample(seed, np.arange(10)).qpos for seed in range(10)]
    assert len(np.unique(np.concatenate(starts).round(9), axis=0)) == 100


@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        ({"spawn/dirt": "floor outside planter drain 3"}, {"dirt"}),
        ({"spawn/dirt": "planter 0.5"}, {"dirt"}),
        ({"spawn/soil": "planter 4"}, {"soil"}),
    ],
)
def test_changed_text_leaves_draws_of_other_bodies_equal(
    overrides: Mapping[str, str], changed: set[str]
) -> None:
    """Unless they would stand in each other's way, as here they do not."""
    stems = {"planter", "planter_gate", "sweeper", "soil", "dirt"}
    episodes = np.arange(50)
    before, after = load_scene("sweep/planter_shut"), load_scene("sweep/planter_shut", overrides)
    starts = [scene.spawner.sample(7, episodes) for scene in (before, after)]
    for stem in stems:
        one, other = (
            poses_of(scene, start, stem)
            for scene, start in zip((before, after), starts, strict=True)
        )
        assert np.array_equal(one, other) == (stem not in changed), stem


def test_random_numbers_are_uniform_and_do_not_repeat() -> None:
    numbers = uniform(0, np.arange(1000), "dirt", (20,))
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert len(np.unique(numbers)) == numbers.size
    tenths = np.bincount((numbers * 10).astype(int).ravel(), minlength=10)
    assert np.abs(tenths - 2000).max() < 4 * np.sqrt(20000 * 0.09)
    others = [
        uniform(1, np.arange(1000), "dirt", (20,)),
        uniform(0, np.arange(1000), "soil", (20,)),
    ]
    for other in others:
        assert abs(np.corrcoef(numbers.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(numbers.size)


# --- absence ---------------------------------------------------------------------------------


def test_absent_bodies_are_far_away_and_apart(draw) -> None:
    poses = draw("rug 0")
    assert (np.linalg.norm(poses[..., :2], axis=-1) > PARKED).all()
    apart = np.linalg.norm(poses[:, :, None, :2] - poses[:, None, :, :2], axis=-1)
    assert apart[:, ~np.eye(3, dtype=bool)].min() > 0.1


def test_start_reports_presence_of_bodies_that_may_be_absent(write_scene: WriteScene) -> None:
    for text in ("rug", "rug 3", "pit 0.5, rug 0.5", "pit, rug 1"):
        start = load_scene(write_scene({"spawn/ball": text})).spawner.sample(0, FEW)
        assert start.present == {}
    start = load_scene(write_scene({"spawn/ball": "rug 2"})).spawner.sample(0, FEW)
    assert start.present["ball"].tolist() == [[1, 1, 0]] * len(FEW)


def test_sensors_of_one_name_are_of_bodies_that_are_absent_alike(
    write_scene: WriteScene,
) -> None:
    sensor = (
        '<framepos name="thing-0" objtype="body" objname="ball-0"/>'
        '<framepos name="thing-1" objtype="xbody" objname="robot"/>'
    )
    load_scene(write_scene(sensor=sensor))
    path = write_scene({"spawn/ball": "floor 0.5"}, sensor=sensor)
    with pytest.raises(SceneError, match="sensors 'thing' are on bodies of which some may be abs"):
        load_scene(path)


def test_measures_skip_absent_bodies(write_scene: WriteScene) -> None:
    """With 2 of 3 balls there, and those on the rug, the mean over balls is 1."""
    measures = {"measure/share": "mean(ball_in_rug)", "measure/off": "sum(1 - ball_in_rug)"}
    path = write_scene({"spawn/ball": "rug 2", **measures})
    _, info = SandboxVectorEnv(path, 4).reset(seed=0)
    assert info["share"].tolist() == [1] * 4
    assert info["off"].tolist() == [0] * 4


# --- bodies that can be placed ---------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        '<body name="b" mocap="true" pos="0 0 0.3"><geom size="0.05"/></body>',
        '<body name="b" pos="0 0 0.3"><freejoint/><geom size="0.05"/></body>',
        '<body name="b" pos="5 6 0.3"><joint type="slide" axis="1 0 0"/>'
        '<joint type="slide" axis="0 1 0"/><joint axis="0 0 1"/><geom size="0.05"/></body>',
        '<body name="b" pos="5 6 0.3"><joint type="slide" axis="1 0 0" ref="2"/>'
        '<joint type="slide" axis="0 1 0"/><joint axis="0 0 1" ref="9"/><geom size="0.05"/></body>',
        '<body name="b" pos="5 6 0.3"><joint type="slide" axis="0 0 1"/><joint type="slide" '
        'axis="0 1 0"/><joint type="slide" axis="1 0 0"/><joint axis="0 0 1"/>'
        '<geom size="0.05"/></body>',
    ],
)
def test_mocap_free_and_sliding_bodies_can_be_placed(write_scene: WriteScene, body: str) -> None:
    """In a region they keep their height; at a point they take its pose, z only where they can."""
    path = write_scene({"spawn/b": "rug, yaw 30"}, world=body)
    scene = load_scene(path)
    poses = poses_of(scene, scene.spawner.sample(0, FEW), "b")[:, 0]
    assert in_rug(poses, margin=0.05).all()
    assert poses[:, 2:] == pytest.approx(np.tile([0.3, np.pi / 6], (len(FEW), 1)))
    scene = load_scene(path, {"spawn/b": "home"})
    pose = poses_of(scene, scene.spawner.sample(0, FEW[:1]), "b")[0, 0]
    height = 0.3 if "slide" in body and body.count("0 0 1") == 1 else 0
    assert pose.tolist() == pytest.approx([0, -1, height, np.pi / 2])


@pytest.mark.parametrize(
    "body",
    [
        '<body name="b"><geom size="0.05"/></body>',
        '<body name="b"><joint axis="0 0 1"/><geom size="0.05"/></body>',
        '<body name="b"><joint axis="0 0 1"/><joint type="slide" axis="1 0 0"/>'
        '<joint type="slide" axis="0 1 0"/><geom size="0.05"/></body>',
        '<body name="b"><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 -1 0"/>'
        '<geom size="0.05"/></body>',
        '<body name="b"><joint type="slide" axis="1 0 0"/><joint type="slide" axis="1 0 0"/>'
        '<geom size="0.05"/></body>',
        '<body name="b"><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 0 1"/>'
        '<geom size="0.05"/></body>',
        '<body name="b" euler="0 0 9"><joint type="slide" axis="1 0 0"/>'
        '<joint type="slide" axis="0 1 0"/><geom size="0.05"/></body>',
        '<body name="a"><body name="b"><joint type="slide" axis="1 0 0"/>'
        '<joint type="slide" axis="0 1 0"/><geom size="0.05"/></body></body>',
    ],
)
def test_other_bodies_are_an_error(write_scene: WriteScene, body: str) -> None:
    path = write_scene({"spawn/b": "home"}, world=body)
    with pytest.raises(SceneError) as error:
        load_scene(path)
    assert str(error.value).startswith(
        f"{path}, text 'spawn/b': 'b' cannot be placed; it needs to stand in the worldbody and be "
        "mocap, have a freejoint, or, "
    )


# --- draws that texts share ------------------------------------------------------------------


PAIR = """<replicate count="3" sep="-"><body name="lid" mocap="true"><geom size="0.01" contype="0"
  conaffinity="0"/></body></replicate>
<replicate count="4" sep="-" offset="0.5 0 0"><site name="peg" pos="-0.75 -1.5 0"/></replicate>"""


def test_bodies_drawn_together_take_the_same_places(draw) -> None:
    """The lid of a ball is on the rug whenever the ball is, and else absent."""
    balls = draw("rug 0.25, pit 0.75", MANY, world=PAIR, lid="rug 0.25, absent 0.75, with ball")
    scene = load_scene(draw.path)
    lids = poses_of(scene, scene.spawner.sample(0, MANY), "lid")
    assert (absent(lids) == ~in_rug(balls)).all()
    assert 0.2 < in_rug(balls).mean() < 0.3
    assert not (lids[in_rug(balls)][:, :2] == balls[in_rug(balls)][:, :2]).any()  # points are own


def test_bodies_drawn_together_take_the_same_of_several_sites(draw) -> None:
    balls = draw("spot", world=PAIR, lid="peg, with ball")
    scene = load_scene(draw.path)
    lids = poses_of(scene, scene.spawner.sample(0, FEW), "lid")
    np.testing.assert_allclose(lids[..., 0], balls[..., 0], atol=1e-9)
    apart = load_scene(draw.path, {"spawn/lid": "peg"})
    lids = poses_of(apart, apart.spawner.sample(0, FEW), "lid")
    assert np.abs(lids[..., 0] - balls[..., 0]).max() > 0.4


def test_absent_in_place_of_a_site_leaves_bodies_out(draw) -> None:
    assert (absent(draw("floor 1, absent")).sum(1) == 2).all()
    assert (absent(draw("floor, absent 2")).sum(1) == 2).all()
    assert 0.2 < absent(draw("floor 0.75, absent 0.25", MANY)).mean() < 0.3
    site = '<site name="absent" type="box" size="0.3 0.3 0.1"/>'
    assert not absent(draw("absent", world=site)).any()  # a site of that name is a site


# --- wrong texts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an empty clause; name a site, e.g. 'floor'"),
        ("rug,", "an empty clause; name a site, e.g. 'floor'"),
        ("rugg", "unknown site 'rugg'; did you mean 'rug'?"),
        ("spt", "unknown site 'spt'; did you mean 'spot'?"),
        ("floor outside rugg", "unknown site 'rugg'; did you mean 'rug'?"),
        ("floor outside home", "'home' is a point; outside takes boxes and cylinders"),
        (
            "floor inside rug",
            "'inside rug' is not understood after 'floor'; a place is SITE, then ",
        ),
        ("floor outside", "'outside' is not understood after 'floor'; a place is SITE, then "),
        ("floor --5", "'--5' is not understood after 'floor'; a place is SITE, then "),
        ("floor nan", "'nan' is not understood after 'floor'; a place is SITE, then "),
        ("floor -1", "'-1' is negative; write a count or a probability"),
        ("floor -0.5", "'-0.5' is negative; write a count or a probability"),
        ("floor 4", "4 bodies, but there are 3"),
        ("floor 2, rug 2", "4 bodies, but there are 3"),
        ("floor 0.7, rug 0.7", "the probabilities add up to 1.4, more than 1"),
        ("floor, rug", "give every place but one a number"),
        ("floor, rug 0.5", "give every place but one a number"),
        ("yaw any", "it names no place; begin with a site, e.g. 'floor'"),
        ("floor, yaw east", "'east' is not a number"),
        ("floor, yaw nan", "'nan' is not a number"),
        ("floor, facing rugg", "unknown site 'rugg'; did you mean 'rug'?"),
        ("home", "3 bodies for 1 site(s) 'home'"),
        ("absent, floor", "give every place but one a number"),
        ("floor 0.5, absent 0.6", "the probabilities add up to 1.1, more than 1"),
        ("floor, with ball", "'with ball' names no body with a spawn text and draws of its own; "),
        ("floor, with robot", "'with robot' names no body with a spawn text and draws of its own"),
        ("pair", "3 bodies for 2 site(s) 'pair'"),
    ],
)
def test_error_names_the_wrong_text(write_scene: WriteScene, text: str, message: str) -> None:
    pair = '<site name="pair-0"/><site name="pair-1"/>'
    path = write_scene({}, world=pair)
    with pytest.raises(SceneError) as error:
        load_scene(path, {"spawn/ball": text})
    assert str(error.value).startswith(f"{path}, text 'spawn/ball': {message}")


def test_error_on_unknown_body_suggests_the_nearest_stem(write_scene: WriteScene) -> None:
    path = write_scene({"spawn/bal": "rug"})
    with pytest.raises(SceneError) as error:
        load_scene(path)
    assert str(error.value) == (
        f"{path}, text 'spawn/bal': unknown body 'bal'; did you mean 'ball'?"
    )


def test_sites_need_to_suffice_only_for_bodies_left_by_counts(write_scene: WriteScene) -> None:
    """Two of three balls lie on the rug, so one site suffices for the rest."""
    scene = load_scene(write_scene({"spawn/ball": "rug 2, home"}))
    poses = poses_of(scene, scene.spawner.sample(0, FEW), "ball")
    assert near(poses[:, 2], 0, -1).all()


def test_never_takes_joints_and_contacts_away_and_an_override_brings_them_back(
    write_scene: WriteScene,
) -> None:
    path = write_scene({"spawn/ball": "never"})
    never, absent = load_scene(path), load_scene(path, {"spawn/ball": "rug 0"})
    balls = [i for i in range(never.model.nbody) if never.model.body(i).name.startswith("ball")]
    assert not never.model.body_dofnum[balls].any()
    assert not never.model.body_contype[balls].any()
    assert absent.model.body_dofnum[balls].all()
    starts = [scene.spawner.sample(0, FEW) for scene in (never, absent)]
    np.testing.assert_array_equal(starts[0].present["ball"], starts[1].present["ball"])
    assert is_absent(never.model.body_pos[balls]).all()


@pytest.mark.parametrize("text", ["never 2", "never, rug 1"])
def test_never_is_a_whole_text(write_scene: WriteScene, text: str) -> None:
    with pytest.raises(SceneError, match="takes no further word"):
        load_scene(write_scene({"spawn/ball": text}))
