"""Reflexes find out how a robot is moved, and act on what they see of a scene alone."""

import numpy as np
import pytest
from conftest import WriteScene

from sandbox_envs import SandboxVectorEnv, Scene, load_scene
from sandbox_envs.eval.agents.handling import handling
from sandbox_envs.eval.agents.reflexes import reflexes
from sandbox_envs.eval.rollouts.episodes import Episodes, play

SEEING = {
    "observe": "robot_at retina(16) lidar(ball_at) robot_speed",
    "measure/rolled_in": "-min(norm(ball_at - robot_at))",  # metres to the nearest ball, negative
    "episode_seconds": "3",
}


@pytest.fixture(scope="module")
def room() -> Scene:
    return load_scene("sweep/train", {"episode_seconds": 5})


def closer(played: Episodes) -> np.ndarray:
    return played.returns("rolled_in")


def test_handling_tells_drive_and_steering_motors_from_a_brush(room: Scene) -> None:
    move = handling(room)
    np.testing.assert_array_equal(move.moves, [[1, 0, 0], [0, 0, 0], [0, 1, 0]])
    assert move.spare.tolist() == [False, False, True]
    assert (move.turns, move.sidles) == (True, False)


def test_two_motors_that_push_sideways_and_one_of_them_one_way_only(
    write_scene: WriteScene,
) -> None:
    move = handling(load_scene(write_scene()))
    np.testing.assert_allclose(move.moves[:2], np.eye(2), atol=1e-6)
    assert (move.turns, move.sidles) == (False, True)
    # push_x has the range -2 to 2, push_y -4 to 0: to stand still is action 0 and action 1
    np.testing.assert_allclose(move.actions(np.zeros((1, 2))), [[0, 1]])
    np.testing.assert_allclose(move.actions(np.array([[-0.5, -0.5]])), [[-0.5, 0]])


@pytest.mark.parametrize("kind", ["ball", "ball_at"])
def test_the_reflex_drives_to_the_nearest_ball_it_sees(write_scene: WriteScene, kind: str) -> None:
    """By its colour in the retina, and in the lidar; balls lie behind and to the right."""
    scene = load_scene(write_scene(SEEING))
    assert closer(play(scene, reflexes(scene)[f"nearest {kind}"], 2)).min() > 0.3
    assert closer(play(scene, reflexes(scene)["straight ahead"], 2)).max() < 0


def test_reflexes_tell_colours_apart(room: Scene) -> None:
    """The reflex to the nearest dirt cleans more than the one to the nearest soil."""
    found = reflexes(room)
    kinds = {f"nearest {kind}" for kind in ("dirt", "soil", "leaf", "drain", "anything")}
    assert set(found) == {"straight ahead", "spin", "follow walls", *kinds}
    cleaned = {
        kind: play(room, found[kind], 32).returns("cleanliness").mean()
        for kind in ("nearest dirt", "nearest soil")
    }
    assert cleaned["nearest dirt"] > 2 * cleaned["nearest soil"]


def way(room: Scene, reflex: str) -> float:
    """Metres that a reflex gets in an episode, the median of 16."""
    env = SandboxVectorEnv(room, 16)
    policy, place = reflexes(room)[reflex](env), env.state_view().qpos
    obs, _ = env.reset(seed=3)
    length = np.zeros(16)
    for _ in range(room.episode_steps - 1):
        before = place[:, :2].copy()
        obs, *_ = env.step(policy(obs, None)[0])
        length += np.linalg.norm(place[:, :2] - before, axis=1)
    return float(np.median(length))


def test_following_walls_keeps_moving_where_other_reflexes_get_stuck(room: Scene) -> None:
    assert way(room, "follow walls") > 1.5 * way(room, "straight ahead")


def test_mean_and_replay_of_training_repeat_the_recorded_actions(room: Scene) -> None:
    recorded = np.random.default_rng(0).uniform(-1, 1, (4, 2, 3))
    recorded[..., 2] = -np.abs(recorded[..., 2])  # the brush backwards
    found, env = reflexes(room, recorded), SandboxVectorEnv(room, 3)
    obs, _ = env.reset(seed=0)
    replay, state, seen = found["replay of training"](env), None, []
    for _ in range(5):
        action, state = replay(obs, state)
        seen.append(action)
    np.testing.assert_array_equal(np.array(seen)[:4, 2], recorded[:, 0])  # slot 2 begins anew
    np.testing.assert_array_equal(seen[4], seen[0])
    mean, _ = found["mean of training"](env)(obs, None)
    np.testing.assert_allclose(mean[1], recorded.mean((0, 1)))
    ahead, _ = found["straight ahead"](env)(obs, None)
    np.testing.assert_allclose(ahead, [[1, 0, -1]] * 3)
