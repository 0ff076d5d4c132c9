"""The public view of the state, and snapshots put together row by row."""

import mujoco
import numpy as np
import pytest
from conftest import WriteScene

from sandbox_envs import SandboxEnv, SandboxVectorEnv, SceneError, UserError
from sandbox_envs.simulation.snapshots import splice_states
from sandbox_envs.spawn.absence import is_absent
from sandbox_envs.spawn.maze import sample_layout

SHORT = {"episode_seconds": 1}  # 20 control steps


def random_actions(env: SandboxVectorEnv, steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (steps, *env.action_space.shape))


# --- the view --------------------------------------------------------------------------------


@pytest.mark.parametrize("made", ["before the reset", "in the middle of an episode"])
def test_the_view_shows_the_state_that_mujoco_computes(made: str) -> None:
    env = SandboxVectorEnv("sweep/train", 3, SHORT)
    if made == "before the reset":
        view = env.state_view()
    env.reset(seed=0)
    for action in random_actions(env, 25):
        env.step(action)
    if made != "before the reset":
        view = env.state_view()
    for i in range(3):
        data = env.batches[0].get_data(i)
        mujoco.mj_forward(env.scenes[0].model, data)
        np.testing.assert_allclose(view.xpos[i], data.xpos, atol=1e-9)
        np.testing.assert_allclose(view.xmat[i], data.xmat, atol=1e-9)
        np.testing.assert_allclose(view.site_xpos[i], data.site_xpos, atol=1e-9)
        np.testing.assert_allclose(view.qpos[i], data.qpos)
        np.testing.assert_allclose(view.qvel[i], data.qvel)
        np.testing.assert_allclose(view.field("geom_xmat")[i], data.geom_xmat, atol=1e-9)
        dirt = [data.body(f"dirt-{k}").xpos for k in range(view.position("dirt").shape[1])]
        np.testing.assert_allclose(view.position("dirt")[i], dirt, atol=1e-9)
        in_pan = [data.sensor(f"dirt_in_pan-{k}").data for k in range(len(dirt))]
        np.testing.assert_array_equal(view.sensor("dirt_in_pan")[i], in_pan)
        assert view.sensor("speed")[i].shape == (1, 1)


def test_view_of_a_scene_that_is_not_there_is_refused() -> None:
    env = SandboxVectorEnv(("keeper/train", "keeper/wide"), 2)
    assert env.state_view(1).qpos.shape == (1, env.scenes[1].model.nq)
    for number in (2, -1):
        with pytest.raises(UserError, match=f"scene {number}: there are 2, counted from 0"):
            env.state_view(number)


def test_looking_changes_nothing() -> None:
    watched, other = (SandboxVectorEnv("sweep/train", 3, SHORT) for _ in range(2))
    for env in (watched, other):
        env.reset(seed=0)
    for i, action in enumerate(random_actions(other, 45)):
        if i % 10 == 5:
            watched.state_view().position("dirt")
        np.testing.assert_array_equal(watched.step(action)[0], other.step(action)[0])
    states = watched.get_state(), other.get_state()
    for name in states[0]:
        np.testing.assert_array_equal(states[0][name], states[1][name])


def test_the_view_is_read_only() -> None:
    view = SandboxVectorEnv("sweep/train", 2).state_view()
    for array in (view.qpos, view.qvel, view.xpos, view.xmat, view.site_xpos, view.sensordata):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


def test_absent_bodies_are_not_present_and_all_others_are(write_scene: WriteScene) -> None:
    env = SandboxVectorEnv(write_scene({"spawn/ball": "rug 0.5"}), 16)
    view = env.state_view()
    for seed in (0, 1):
        env.reset(seed=seed)
        present = view.present("ball")
        assert present.shape == (16, 3)
        assert 0 < present.sum() < 48
        np.testing.assert_array_equal(present, ~is_absent(view.position("ball")))
        assert view.present("robot").tolist() == [[True]] * 16


def test_each_scene_of_a_mixture_has_its_own_view() -> None:
    env = SandboxVectorEnv(["sweep/train", "sweep/planter_open"], 5)
    env.reset(seed=0)
    views = [env.state_view(scene) for scene in (0, 1)]
    assert [view.slots.tolist() for view in views] == [[0, 1, 2], [3, 4]]
    assert [view.scene for view in views] == env.scenes
    assert [len(view.qpos) for view in views] == [3, 2]


def test_the_single_environment_has_a_view_too() -> None:
    env = SandboxEnv("sweep/train", SHORT)
    env.reset(seed=0)
    np.testing.assert_array_equal(env.state_view().qpos[0], env.data.qpos)


def test_unknown_names_are_answered_with_the_nearest_one(write_scene: WriteScene) -> None:
    view = SandboxVectorEnv(write_scene(), 1).state_view()
    with pytest.raises(SceneError, match="^mini/train: unknown body 'bal'; did you mean 'ball'"):
        view.position("bal")
    with pytest.raises(UserError, match="^mini/train has no sensor 'robot_a'; did you mean 'robot"):
        view.sensor("robot_a")
    with pytest.raises(UserError, match="^mini/train has no maze of 'cell'"):
        view.maze("cell")
    assert view.has_body("ball") and view.has_body("ball-2") and not view.has_body("bal")


def test_a_maze_is_seen_as_cells_and_closed_sides() -> None:
    env = SandboxVectorEnv("maze/train", 6)
    view = env.state_view()
    maze, (rule, grid) = view.maze("cell"), view.scene.spawner.mazes["cell"]
    for first in (0, 6):
        env.reset(seed=4, options={"episode": first})
        walls = sample_layout(rule, grid, 4, first + np.arange(6)).walls
        closed = maze.closed(np.arange(6))
        stands = maze.walls().reshape(6, -1, 2)
        assert (~is_absent(stands)).sum(1).tolist() == closed_slots(closed, grid.beside).tolist()
        inner = closed & (maze.neighbour < len(maze.centres))  # the exit is in the outer wall
        expected = walls[:, grid.beside] & (maze.neighbour < len(maze.centres))
        np.testing.assert_array_equal(inner, expected)
        np.testing.assert_array_equal(maze.cell_at(maze.centres), np.arange(len(maze.centres)))


def closed_slots(closed: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """The number of slots that have a wall, (n,)."""
    return np.array([len(np.unique(beside[sides])) for sides in closed])


# --- the clock -------------------------------------------------------------------------------


def test_clocks_can_start_ahead(write_scene: WriteScene) -> None:
    env = SandboxVectorEnv(write_scene({"observe": "clock"}), 3)
    observations, info = env.reset(seed=0, options={"clock": np.array([0, 15, 19])})
    assert observations[:, 0].tolist() == pytest.approx([0, 0.75, 0.95])
    assert info["length"].tolist() == [0, 0, 0]
    ends = [env.step(np.zeros((3, 2)))[3].tolist() for _ in range(5)]
    assert ends == [[False, False, True], *[[False, False, False]] * 3, [False, True, False]]
    assert env.reset(options={"clock": 10})[0][:, 0].tolist() == [0.5] * 3


@pytest.mark.parametrize("clock", [-1, 20, 1.0, [1, 2], np.array([0, 0, 20]), True])
def test_a_clock_outside_the_episode_is_refused(write_scene: WriteScene, clock: object) -> None:
    env = SandboxVectorEnv(write_scene(), 3)
    message = "^clock must be a whole number of control steps from 0 to 19, or 3 of them"
    with pytest.raises(UserError, match=message):
        env.reset(seed=0, options={"clock": clock})
    with pytest.raises(UserError, match="^stagger and clock both set the clocks; give one of them"):
        env.reset(seed=0, options={"clock": 0, "stagger": True})


# --- splicing --------------------------------------------------------------------------------


def test_spliced_simulations_go_on_each_from_its_own_snapshot() -> None:
    """Also those of a mixture of scenes, and over the ends of episodes."""
    names = ["sweep/train", "sweep/planter_open"]
    env, which = SandboxVectorEnv(names, 5, SHORT), np.array([1, 0, 1, 1, 0])
    env.reset(seed=0, options={"stagger": True})
    states, onwards, actions = [], [], random_actions(env, 30, seed=7)
    for seed in (1, 2):
        for action in random_actions(env, 7, seed):
            env.step(action)
        states.append(env.get_state())
    for state in states:
        env.set_state(state)
        onwards.append([env.step(action)[:2] for action in actions])
    observations = env.set_state(splice_states(states, which))
    np.testing.assert_array_equal(
        observations, np.stack([env_start(env, s) for s in states])[which, np.arange(5)]
    )
    env.set_state(splice_states(states, which))
    for t, action in enumerate(actions):
        for spliced, one, other in zip(env.step(action)[:2], *(o[t] for o in onwards), strict=True):
            np.testing.assert_array_equal(spliced, np.stack([one, other])[which, np.arange(5)])


def env_start(env: SandboxVectorEnv, state: dict) -> np.ndarray:
    return env.set_state(state)


def test_snapshots_that_do_not_fit_are_not_spliced(write_scene: WriteScene) -> None:
    path = write_scene()
    env, other = SandboxVectorEnv(path, 3), SandboxVectorEnv(path, 2)
    states = []
    for seed in (0, 1):
        env.reset(seed=seed)
        states.append(env.get_state())
    other.reset(seed=0)
    with pytest.raises(UserError, match="^these snapshots cannot be spliced: their 'seed' differs"):
        splice_states(states, np.array([0, 1, 0]))
    with pytest.raises(
        UserError, match="^these snapshots are of different environments: '0/state'"
    ):
        splice_states([states[0], other.get_state()], np.array([0, 1, 0]))
    with pytest.raises(UserError, match=r"^`which` has the shape \(2,\), not \(3,\)"):
        splice_states(states, np.array([0, 1]))


def test_an_episode_keeps_its_number_in_a_snapshot(write_scene: WriteScene) -> None:
    env = SandboxVectorEnv(write_scene(), 2)
    env.reset(seed=0, options={"episode": 40})
    state = env.get_state()
    env.reset(seed=1)
    env.set_state(state)
    assert env.step(np.zeros((2, 2)))[4]["episode_index"].tolist() == [40, 41]
