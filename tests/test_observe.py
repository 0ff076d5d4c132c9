"""Observation terms, in small rooms with things where the right answer is known."""

from pathlib import Path

import mujoco
import numpy as np
import pytest
from conftest import WriteScene
from reference_env import retina_by_rays

from sandbox_envs import SandboxVectorEnv, SceneError, load_scene
from sandbox_envs.spawn.footprint import Footprints

LOADABLE = '<site name="hopper" type="box" size="0.1 0.1 0.1" pos="-0.2 0 0.05"/>'


def thing(at: str, rgba: str = "0 1 0 1", group: int = 1, shape: str = 'size="0.05"') -> str:
    return f'<geom pos="{at}" {shape} group="{group}" rgba="{rgba}"/>'


def first_observation(path: Path) -> np.ndarray:
    env = SandboxVectorEnv(path, 1, num_threads=1)
    observations, _ = env.reset(seed=0)
    assert env.observation_space.contains(observations)
    return observations[0]


@pytest.fixture
def retina(write_scene: WriteScene):
    """The cells of a retina (sectors, 4) in a room with the given XML; the balls are away."""

    def look(world: str = "", sectors: int = 8, **texts: str) -> np.ndarray:
        texts = {"spawn/ball": "floor 0", "observe": f"retina({sectors})", **texts}
        path = write_scene({k.replace("__", "/"): v for k, v in texts.items()}, world=world)
        return first_observation(path).reshape(sectors, 4)

    return look


def seen_in(cells: np.ndarray) -> list[int]:
    return np.flatnonzero(cells[:, 0]).tolist()


# --- the retina ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "sector"),
    [
        ("1 0.1 0", 4),  # ahead, a little to the left
        ("0.1 1 0", 5),
        ("-0.1 1 0", 6),
        ("-1 0.1 0", 7),
        ("-1 -0.1 0", 0),  # behind, a little to the right
        ("-0.1 -1 0", 1),
        ("0.1 -1 0", 2),
        ("1 -0.1 0", 3),
    ],
)
def test_sectors_run_from_behind_over_right_ahead_and_left(retina, at: str, sector: int) -> None:
    cells = retina(thing(at))
    assert seen_in(cells) == [sector]
    assert cells[sector, 0] == pytest.approx(1 / (1 + np.hypot(1, 0.1)))
    assert cells[sector, 1:].tolist() == [0, 1, 0]


def test_bearings_are_relative_to_the_heading(retina) -> None:
    """At `home` the robot faces north (y), from 1 m south of the middle."""
    cells = retina(thing("0.1 1 0"), spawn__robot="home")
    assert seen_in(cells) == [3]  # ahead, a little to the right
    assert cells[3, 0] == pytest.approx(1 / (1 + np.hypot(2, 0.1)))


def test_retina_shows_colour_of_nearest_object_in_sector(retina) -> None:
    far, near = thing("1.5 0.1 0", "1 0 0 1"), thing("0.5 0.1 0", "0 0 1 1")
    cells = retina(far + near)
    assert seen_in(cells) == [4]
    assert cells[4].tolist() == pytest.approx([1 / (1 + np.hypot(0.5, 0.1)), 0, 0, 1])


@pytest.mark.parametrize("shape", ['size="0.02"', 'type="box" size="0.02 0.9 0.02"'])
def test_object_of_any_size_and_height_is_one_point_at_its_centre(retina, shape: str) -> None:
    loose = f'{shape} contype="0" conaffinity="0"'
    near, low, high = (retina(thing(f"0.5 0.1 {z}", shape=loose)) for z in (0, -0.3, 2))
    assert seen_in(near) == [4]
    assert near[4, 0] == pytest.approx(1 / (1 + np.hypot(0.5, 0.1)))
    np.testing.assert_array_equal(low, near)
    np.testing.assert_array_equal(high, near)


def test_material_overrides_colour_of_geom(write_scene: WriteScene) -> None:
    path = write_scene({"observe": "retina(1)"}, world='<geom pos="0.5 0 0" size=".05" group="1"/>')
    with_material = path.read_text().replace(
        "<worldbody>", '<asset><material name="m" rgba="0.2 0.4 0.6 1"/></asset><worldbody>'
    )
    path.write_text(with_material.replace('size=".05"', 'size=".05" material="m"'))
    assert first_observation(path)[1:].tolist() == pytest.approx([0.2, 0.4, 0.6])


def test_geom_of_other_group_is_invisible_and_transparent(retina) -> None:
    screen = thing("0.5 0.1 0.1", group=0, shape='type="box" size="0.02 1 0.2"')
    assert seen_in(retina(screen + thing("1 0.1 0"))) == [4]


WALL = 'type="box" size="0.02 0.3 0.2"'


@pytest.mark.parametrize(
    ("world", "hidden"),
    [
        (thing("0.5 0 0.2", group=2, shape=WALL), True),
        (thing("1.5 0 0.2", group=2, shape=WALL), False),  # behind the object
        (thing("-0.5 0 0.2", group=2, shape=WALL), False),  # behind the robot
        (thing("0.5 0.45 0.2", group=2, shape=WALL), False),  # beside the line
        (thing("0.5 0 0.3", group=2, shape=WALL), False),  # above the eye, which is at 0.05 m
        (thing("0.5 0 -0.2", group=2, shape=WALL), False),  # sunk into the floor
        (thing("0.5 0 0.1", group=2, shape='type="cylinder" size="0.1 0.1"'), True),
        (thing("0.5 -0.055 0.1", group=2, shape='type="cylinder" size="0.1 0.1"'), False),
        (thing("0.5 0 0.05", group=2, shape='type="capsule" size="0.1 0.1" zaxis="0 1 0"'), True),
    ],
)
def test_opaque_geom_hides_objects_behind_it(retina, world: str, hidden: bool) -> None:
    assert seen_in(retina(world + thing("1 0.1 0"))) == ([] if hidden else [4])


def test_turned_wall_hides_along_its_own_direction(retina) -> None:
    """The wall points at the robot, and hides; turned crosswise beside the line, it does not."""
    wall = 'type="box" size="0.4 0.02 0.2" euler="0 0 {}"'
    along = thing("0.7 0.3 0.2", group=2, shape=wall.format(23.2))
    across = thing("0.7 0.3 0.2", group=2, shape=wall.format(113.2))
    ball = thing("1.2 0.55 0")
    assert seen_in(retina(along + ball)) == seen_in(retina(across + ball)) == []
    clear = thing("1.2 0.1 0")
    assert seen_in(retina(along + clear)) == [4]
    assert seen_in(retina(across + clear)) == []


def test_moving_wall_hides_where_it_stands_now(retina) -> None:
    gate = (
        f'<body name="gate" mocap="true" pos="0 2 0">{thing("0 0 0.2", group=2, shape=WALL)}</body>'
    )
    marks = '<site name="before" pos="0.5 0 0"/><site name="beside" pos="0.5 0.9 0"/>'
    world = gate + marks + thing("1 0.1 0")
    assert seen_in(retina(world, spawn__gate="before")) == []
    assert seen_in(retina(world, spawn__gate="beside")) == [4]


def test_own_parts_are_invisible_and_transparent(write_scene: WriteScene) -> None:
    world = thing("1 0.1 0")
    for group in (1, 2):
        path = write_scene(
            {"observe": "retina(8)", "spawn/ball": "floor 0"},
            world=world,
            robot=f'group="{group}"',
        )
        assert seen_in(first_observation(path).reshape(8, 4)) == [4]


def test_load_is_invisible_and_transparent(write_scene: WriteScene) -> None:
    """A ball in the tray, 0.2 m ahead of the eye; behind it, a ball that is not."""
    path = write_scene(
        {"observe": "retina(8)", "spawn/ball": "ahead 1, loaded 1"},
        world='<site name="ahead" pos="1 0.1 0"/><site name="loaded" pos="0.2 0.05 0"/>',
    )
    cells = first_observation(path).reshape(8, 4)
    assert seen_in(cells) == [4]
    assert cells[4].tolist() == pytest.approx([1 / (1 + np.hypot(1, 0.1)), 1, 0.5, 0.25])


def test_load_in_any_carrying_site_is_invisible(write_scene: WriteScene) -> None:
    """With two regions, being in one of them is enough."""
    texts = {"observe": "retina(8)", "spawn/ball": "in_tray 1, in_hopper 1, ahead 1"}
    path = write_scene(
        texts,
        world='<site name="in_tray" pos="0.2 0.05 0"/><site name="in_hopper" pos="-0.2 0.05 0"/>'
        '<site name="ahead" pos="1 0.1 0"/>',
        sensor='<insidesite name="ball_in_hopper" site="hopper" objtype="body" objname="ball"/>',
    )
    path.write_text(path.read_text().replace('<site name="tray"', f'{LOADABLE}<site name="tray"'))
    assert seen_in(first_observation(path).reshape(8, 4)) == [4]


def test_absent_bodies_are_invisible(retina) -> None:
    assert seen_in(retina(spawn__ball="spot 2")) != []
    assert seen_in(retina(spawn__ball="spot 0")) == []


def test_eye_looks_from_its_site_along_the_first_axis(
    write_scene: WriteScene,
) -> None:
    """0.5 m ahead of the robot's middle, and looking to its right; the robot faces north."""
    path = write_scene(
        {"observe": "retina(8)", "spawn/ball": "floor 0", "spawn/robot": "home"},
        world=thing("1.5 -0.6 0"),
    )
    turned = 'name="eye" pos="0.5 0 0.05" euler="0 0 -90"'
    path.write_text(path.read_text().replace('name="eye" pos="0 0 0.05"', turned))
    cells = first_observation(path).reshape(8, 4)
    assert seen_in(cells) == [3]  # ahead, a little to the right
    assert cells[3, 0] == pytest.approx(1 / (1 + np.hypot(1.5, 0.1)))


def test_eye_fixed_to_the_world_sees_objects_of_the_world(write_scene: WriteScene) -> None:
    path = write_scene(
        {"observe": "retina(8)", "spawn/ball": "floor 0"},
        world=thing("1 0.1 0") + '<site name="eye" pos="0 0 0.05"/>',
    )
    path.write_text(
        path.read_text().replace('name="eye" pos="0 0 0.05"/>\n      <site', 'name="i"/><site')
    )
    assert seen_in(first_observation(path).reshape(8, 4)) == [4]


def test_retina_without_eye_or_objects_is_an_error(write_scene: WriteScene) -> None:
    path = write_scene({"observe": "retina(8)"})
    path.write_text(path.read_text().replace('name="eye"', 'name="i"'))
    with pytest.raises(SceneError, match="text 'observe', 'retina\\(8\\)': add a site named 'eye'"):
        load_scene(path)
    path.write_text(path.read_text().replace('name="i"', 'name="eye"').replace('group="1"', ""))
    with pytest.raises(SceneError, match="no object to see; put the geoms to be seen into group 1"):
        load_scene(path)


def test_retina_agrees_with_mujoco_rays_in_the_training_scene() -> None:
    """64 rooms after half a second of random driving, against mj_ray, object by object."""
    env = SandboxVectorEnv("sweep/train", 64, overrides={"observe": "retina(16)"})
    env.reset(seed=5)
    rng = np.random.default_rng(5)
    push = np.repeat(rng.uniform(-1, 1, (1, *env.action_space.shape)), 10, 0)
    for actions in push:
        observations, *_ = env.step(actions)
    model = env.scenes[0].model
    hidden = 0
    for i in range(env.num_envs):
        data = env.batches[0].get_data(i)
        mujoco.mj_forward(model, data)
        cells, count = retina_by_rays(model, data, 16)
        np.testing.assert_allclose(observations[i].reshape(16, 4), cells, atol=1e-5)
        hidden += count
    assert hidden > 64  # else the test would not have tried anything


# --- the other terms -------------------------------------------------------------------------


def test_raw_sensor_gives_its_numbers_copy_by_copy(
    write_scene: WriteScene,
) -> None:
    path = write_scene({"observe": "robot_at ball_at", "spawn/robot": "home"})
    assert first_observation(path).tolist() == pytest.approx(
        [0, -1, 0, -1.5, -0.5, 0.05, -1.5, -0.2, 0.05, -1.5, 0.1, 0.05]
    )


RANGES = """<site name="range-0" pos="0 0 0.5" zaxis="1 0 0"/>
<site name="range-1" pos="0 0 0.5" zaxis="0 1 0"/>
<body pos="1.05 0 0"><geom type="box" size="0.05 1 1"/></body>"""
RANGEFINDERS = "".join(f'<rangefinder name="range-{i}" site="range-{i}"/>' for i in range(2))


def test_ranges_give_nearness_and_0_without_a_hit(write_scene: WriteScene) -> None:
    path = write_scene({"observe": "ranges(range)"}, world=RANGES, sensor=RANGEFINDERS)
    assert first_observation(path).tolist() == pytest.approx([1 / 2, 0])


def test_ranges_ignore_absent_bodies(write_scene: WriteScene) -> None:
    """A ray that happens to point to where a body is parked."""
    texts = {"observe": "range", "spawn/box": "home 0"}
    box = '<body name="box" mocap="true" pos="0 0 0.5"><geom size="0.2"/></body>'
    site = '<site name="range" pos="0 0 0.5" zaxis="{} {} 0"/>'
    sensor = '<rangefinder name="range" site="range"/>'
    away = load_scene(write_scene(texts, world=box + site.format(1, 0), sensor=sensor))
    parked = away.spawner.sample(0, np.arange(1)).mocap_pos[0, 0]
    path = write_scene(texts, world=box + site.format(*parked[:2]), sensor=sensor)
    assert first_observation(path)[0] > 500  # the raw sensor does meet it
    path = write_scene(
        {**texts, "observe": "ranges(range)"}, world=box + site.format(*parked[:2]), sensor=sensor
    )
    assert first_observation(path).tolist() == [0]


def test_lidar_gives_nearest_copy_of_its_kind(write_scene: WriteScene) -> None:
    at = {"a": "1 0.1 0", "b": "1.5 0.1 0", "c": "-1 0.1 0"}
    marks = "".join(f'<site name="{name}" pos="{pos}"/>' for name, pos in at.items())
    spawn = {"spawn/ball": "a 1, b 1, c 1"}
    near, far, behind = (1 / (1 + np.hypot(x, 0.1)) for x in (1, 1.5, 1))

    def lidar(options: str) -> list[float]:
        path = write_scene({**spawn, "observe": f"lidar(ball_at, {options})"}, world=marks)
        return pytest.approx(first_observation(path).tolist())

    assert lidar("sectors=4") == [0, 0, near, behind]
    assert lidar("sectors=2") == [0, near]
    assert lidar("sectors=4, range=0.5") == [0, 0, 0, 0]
    assert lidar("sectors=4, range=1e6, where=ball_in_rug") == [0, 0, near, 0]
    assert lidar("sectors=4, where=1 - (norm(ball_at) < 1.2)") == [0, 0, far, 0]
    path = write_scene({"spawn/ball": "a 0", "observe": "lidar(ball_at, range=1e6)"}, world=marks)
    assert not first_observation(path).any()  # absent ones are out of any range


def test_gauge_and_clock_follow_the_episode(write_scene: WriteScene) -> None:
    path = write_scene({"observe": "gauge(seconds) clock", "measure/seconds": "total(1)"})
    env = SandboxVectorEnv(path, 1)
    observations, _ = env.reset(seed=0)
    assert observations.tolist() == [[0, 0]]
    for step in range(1, 20):
        observations, *_ = env.step(np.zeros((1, 2)))
        assert observations[0].tolist() == pytest.approx([step / 20, step / 20])


def test_terms_follow_the_text_and_bound_the_space(write_scene: WriteScene) -> None:
    path = write_scene({"observe": "clock robot_at  retina(2)\tgauge(rolled_in)"})
    space = SandboxVectorEnv(path, 1).single_observation_space
    inf = np.inf
    assert space.low.tolist() == [0, -inf, -inf, -inf, *[0] * 8, -inf]
    assert space.high.tolist() == [1, inf, inf, inf, *[1] * 8, inf]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": it is empty; name at least one sensor or term"),
        ("robot_att", ", 'robot_att': unknown name; did you mean 'robot_at'?"),
        ("retna(8)", ", 'retna(8)': not a term; write a sensor's name, retina(SECTORS), "),
        ("retina(0)", ", 'retina(0)': 0 sectors; choose 1 to 360"),
        ("retina(8", ", 'retina(8': 'retina(8' is not a formula; check its brackets"),
        ("retina(x.y)", ", 'retina(x.y)': not a term; "),
        ("ranges(robot)", ", 'ranges(robot)': unknown sensor 'robot'; did you mean 'robot_at'?"),
        ("gauge(rolled)", ", 'gauge(rolled)': unknown measure 'rolled'; did you mean 'rolled_in'?"),
        ("lidar(ball_in_rug)", ": 'ball_in_rug' is not made of framepos sensors"),
        ("ranges(ball_in_rug)", ": 'ball_in_rug' is not made of rangefinder sensors"),
        ("lidar(ball_at, far=3)", ", 'lidar(ball_at, far=3)': lidar takes position sensors"),
        ("lidar(ball_at, sectors=x)", ": sectors and range must be numbers"),
        ("lidar(ball_at, where=ball_in_rg)", ", where: unknown name 'ball_in_rg'; did you mean"),
        (
            "lidar(ball_at, where=ever(ball_in_rug))",
            ": where has no memory; leave out count, total, ever, since",
        ),
        ("clock()", ", 'clock()': not a term; "),
        ("1", ", '1': not a term; "),
    ],
)
def test_error_names_the_wrong_term(write_scene: WriteScene, text: str, message: str) -> None:
    path = write_scene({"observe": text or None})
    with pytest.raises(SceneError) as error:
        load_scene(path)
    assert str(error.value).startswith(f"{path}, text 'observe'")
    assert message in str(error.value)


# --- footprints ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("geom", "half", "radius", "height"),
    [
        ('type="sphere" size="0.1"', (0, 0), 0.1, 0.1),
        ('type="cylinder" size="0.1 0.3"', (0, 0), 0.1, 0.3),
        ('type="capsule" size="0.1 0.3"', (0, 0), 0.1, 0.4),
        ('type="box" size="0.1 0.2 0.3"', (0.1, 0.2), 0, 0.3),
        ('type="box" size="0.1 0.2 0.3" euler="0 0 30"', (0.1, 0.2), 0, 0.3),
        ('type="capsule" size="0.1 0.3" euler="0 90 0"', (0.4, 0.1), 0, 0.1),
        ('type="box" size="0.1 0.2 0.3" euler="0 90 0"', (0.3, 0.2), 0, 0.1),
        ('type="ellipsoid" size="0.1 0.2 0.3"', (0.1, 0.2), 0, 0.3),
    ],
)
def test_footprint_encloses_its_geom(
    geom: str, half: tuple[float, float], radius: float, height: float
) -> None:
    model = mujoco.MjModel.from_xml_string(
        f"<mujoco><worldbody><geom {geom}/></worldbody></mujoco>"
    )
    print_ = Footprints(model, np.array([0]))
    assert print_.half[0].tolist() == pytest.approx(half)
    assert print_.radius[0] == pytest.approx(radius)
    assert [-print_.low[0], print_.high[0]] == pytest.approx([height, height])
    assert print_.reach == pytest.approx(np.hypot(*half) + radius)


@pytest.mark.parametrize("name", ["sweep/train", "sweep/planter_open", "patrol/train"])
def test_geoms_hidden_from_rays_change_no_sensor(name: str) -> None:
    envs = SandboxVectorEnv(name, 8)
    envs.reset(seed=1)
    for actions in np.random.default_rng(0).uniform(-1, 1, (40, *envs.action_space.shape)):
        envs.step(actions)
    model = envs.scenes[0].model
    for state, said in zip(envs.batches[0].state, envs.state_view().sensordata, strict=True):
        data = mujoco.MjData(model)
        mujoco.mj_setState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
        mujoco.mj_forward(model, data)
        np.testing.assert_array_equal(said, data.sensordata)
