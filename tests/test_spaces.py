"""The documented meaning of each number of actions and observations, tested in the scenes."""

from pathlib import Path

import numpy as np
import pytest
from conftest import WriteScene

from sandbox_envs import SandboxVectorEnv, load_scene
from sandbox_envs.geometry import rotation_matrix
from sandbox_envs.language.terms import Retina
from sandbox_envs.names import stem_of
from sandbox_envs.scene.catalog import families
from sandbox_envs.scene.family import load_family
from sandbox_envs.spaces import action_rows, observation_rows, seen_colours

ROBOTS = {"sweep": "sweeper", "patrol": "sweeper", "keeper": "keeper"}
ROBOTS |= {"maze": "puck", "maze_anywhere": "puck", "lever": "puck", "lamps": "puck"}
AHEAD, LEFT, TURN_LEFT = 0, 1, 2  # what a full positive action changes most
EFFECTS = {
    "sweep": [AHEAD, TURN_LEFT, None],
    "patrol": [AHEAD, TURN_LEFT, None],
    "keeper": [AHEAD, LEFT],
    "maze": [AHEAD, LEFT],
    "maze_anywhere": [AHEAD, LEFT],
    "lever": [AHEAD, LEFT],
    "lamps": [AHEAD, LEFT],
}


def poses(envs: SandboxVectorEnv, body: str) -> tuple[np.ndarray, np.ndarray]:
    """Places (n, 2) and headings (n,) in radians."""
    view = envs.state_view()
    [row] = view.body_ids(body)
    ahead = view.xmat[:, row].reshape(-1, 3, 3)[:, :, 0]
    return view.xpos[:, row, :2].copy(), np.arctan2(ahead[:, 1], ahead[:, 0])


@pytest.mark.parametrize("family", families())
def test_actions_do_what_their_order_and_sign_say(family: str) -> None:
    """Each one alone for 0.3 s, against none; the median of 32 starts."""
    envs = SandboxVectorEnv(f"{family}/train", 32, num_threads=1)
    size = envs.action_space.shape[1]
    ways = []
    for action in (np.zeros(size), *np.eye(size)):
        envs.reset(seed=0)
        start, heading = poses(envs, ROBOTS[family])
        for _ in range(round(0.3 * envs.scenes[0].control_hz)):
            envs.step(np.tile(action, (32, 1)))
        end, now = poses(envs, ROBOTS[family])
        way = end - start
        turned = (now - heading + np.pi) % (2 * np.pi) - np.pi
        cos, sin = np.cos(heading), np.sin(heading)
        ahead, left = way[:, 0] * cos + way[:, 1] * sin, way[:, 1] * cos - way[:, 0] * sin
        ways.append(np.stack([ahead, left, turned], -1))
    effects = [np.median(way - ways[0], 0) for way in ways[1:]]
    assert [row.numbers for row in action_rows(envs.scenes[0])] == [str(i) for i in range(size)]
    for effect, expected in zip(effects, EFFECTS[family], strict=True):
        if expected is None:  # a brush moves no robot
            assert np.abs(effect).max() < 0.02
        else:
            assert effect[expected] > 0.05
            assert np.abs(np.delete(effect, expected)).max() < 0.2 * effect[expected]


def test_positive_brush_fills_the_pan() -> None:
    """Driving ahead with the brush forwards, and backwards."""
    filled = []
    for brush in (1.0, -1.0):
        envs = SandboxVectorEnv("sweep/planter_open", 16, num_threads=1)
        envs.reset(seed=0)
        for _ in range(60):
            *_, info = envs.step(np.tile([0.5, 0.0, brush], (16, 1)))
        filled.append((info["return/dustpan"] > 0).sum())
    assert filled[0] >= 2 and filled[1] == 0


@pytest.mark.parametrize("family", [f for f in families() if f != "patrol"])
def test_retina_shows_documented_colours_in_documented_directions(family: str) -> None:
    """Every cell shows a thing of its colour, at its distance, in its sector."""
    checked: set[str] = set()
    for scene in load_family(family).values():
        if seen_colours(scene).keys() <= checked:
            continue
        checked |= seen_colours(scene).keys()
        envs = SandboxVectorEnv(scene, 8, num_threads=1)
        envs.reset(seed=0)
        observations = envs.step(np.ones(envs.action_space.shape))[0]
        [row] = [row for row in observation_rows(scene) if row.name.startswith("retina")]
        first, last = map(int, row.numbers.split(" to "))
        cells = observations[:, first : last + 1].reshape(8, -1, 4)
        assert (cells[..., 0] > 0).any()
        kinds = seen_colours(scene)
        place, heading = poses(envs, ROBOTS[family])
        for sim, sector in np.argwhere(cells[..., 0] > 0):
            nearness, *colour = cells[sim, sector]
            seen = tuple(np.round(colour, 2).astype(float).round(2).tolist())
            alike = [kind for kind, own in kinds.items() if own == seen]  # as stains and dirt are
            to = np.concatenate([things(envs, kind)[sim] for kind in alike]) - place[sim]
            turn = np.arctan2(to[:, 1], to[:, 0]) - heading[sim] + np.pi  # from behind, to the left
            inside = (turn % (2 * np.pi)) / (2 * np.pi) * cells.shape[1] // 1 == sector
            distances = np.hypot(to[:, 0], to[:, 1])[inside]
            assert np.isclose(1 / (1 + distances), nearness, atol=2e-3).any(), (scene.name, alike)


def things(envs: SandboxVectorEnv, kind: str) -> np.ndarray:
    """(n, copies, 2) where the geoms of a kind are that a retina sees."""
    model, view = envs.scenes[0].model, envs.state_view()
    [retina] = [term for term in envs.scenes[0].terms if isinstance(term, Retina)]
    found = []
    for geom in retina.objects:
        body = model.geom_bodyid[geom]
        if stem_of(model.geom(geom).name or model.body(body).name) == kind:
            turn = view.xmat[:, body].reshape(-1, 3, 3)
            found.append((view.xpos[:, body] + turn @ model.geom_pos[geom])[:, :2])
    return np.stack(found, 1)


@pytest.mark.parametrize("family", families())
def test_rays_measure_walls_in_documented_directions(family: str) -> None:
    """Of the ray k, a full turn over the number of rays times k to the left of ahead."""
    scene = load_scene(f"{family}/train")
    rows = [row for row in observation_rows(scene) if row.name.startswith("ranges")]
    for row in rows:
        first, last = map(int, row.numbers.split(" to "))
        step = 360 / (last - first + 1)
        assert f"ray k points {step:g} k degrees to the left of ahead" in row.what
        for k in range(last - first + 1):
            site = scene.model.site(f"wall_range-{k:02}")
            direction = rotation_matrix(site.quat)[:, 2]
            expected = np.cos(np.radians(step * k)), np.sin(np.radians(step * k))
            np.testing.assert_allclose(direction[:2], expected, atol=1e-6)
    assert bool(rows) == (family not in ("keeper", "lamps"))


def test_rows_cover_every_number_of_a_scene_of_ones_own(write_scene: WriteScene) -> None:
    path = write_scene({"observe": "robot_at lidar(ball_at, sectors=5) gauge(rolled_in) clock"})
    scene = load_scene(path)
    rows = {row.name: (row.numbers, row.what) for row in observation_rows(scene)}
    assert rows["robot_at"] == ("0 to 2", "position of robot")
    assert rows["gauge(rolled_in)"] == ("8", "value of the measure rolled_in")
    assert rows["clock"][0] == "9"
    numbers, what = rows["lidar(ball_at, sectors=5)"]
    assert numbers == "3 to 7" and "sector 2 is straight ahead" in what
    assert seen_colours(scene) == {}
    [x, y] = action_rows(scene)
    assert (x.name, x.what) == ("push_x", "force of -2 to 2 N of the joint robot_x, along x")
    assert (y.name, y.what) == ("push_y", "force of -4 to 0 N of the joint robot_y, along y")


def test_command_prints_the_spaces_of_a_family(
    write_scene: WriteScene, capsys: pytest.CaptureFixture[str]
) -> None:
    from sandbox_envs import scenes

    folder: Path = write_scene().parent
    scenes.main(scenes.Args((str(folder),), spaces=True))
    printed = capsys.readouterr().out
    assert "mini, action:" in printed and "0 to 2  robot_at  position of robot" in printed
