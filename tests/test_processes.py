"""Processes and threads: what works in a fork and in a thread, and an error where none can."""

import copy
import multiprocessing as mp
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
from conftest import WriteScene
from gymnasium.vector import AsyncVectorEnv

from sandbox_envs import SandboxEnv, SandboxVectorEnv, UserError

PATIENCE = 60  # seconds; what hangs does so for ever


def in_fork(task: Callable[[], Any]) -> str:
    """Return a task's result or UserError, as text, from a fork, which must end by itself."""
    context = mp.get_context("fork")
    queue = context.SimpleQueue()

    def run() -> None:
        try:
            queue.put(str(task()))
        except UserError as error:
            queue.put(f"UserError: {error}")

    process = context.Process(target=run)
    process.start()
    process.join(PATIENCE)
    alive = process.is_alive()
    process.kill()
    assert not alive, "it hangs"
    assert process.exitcode == 0
    return queue.get()


def step(envs: SandboxVectorEnv) -> float:
    return float(envs.step(np.ones(envs.action_space.shape))[0].sum())


# --- processes -------------------------------------------------------------------------------


def test_an_environment_with_threads_says_that_it_cannot_be_used_in_a_fork(
    write_scene: WriteScene,
) -> None:
    envs = SandboxVectorEnv(write_scene(), 4, num_threads=2)
    envs.reset(seed=0)
    message = "UserError: this environment was made before the process was forked, and its threads"
    for task in (
        lambda: step(envs),
        lambda: envs.reset(),
        lambda: envs.set_state(envs.get_state()),
    ):
        assert in_fork(task).startswith(message)


def test_a_fork_may_copy_free_or_make_environments(write_scene: WriteScene) -> None:
    path = write_scene()
    envs = [SandboxVectorEnv(path, 4, num_threads=2)]
    envs[0].reset(seed=0)

    def copies() -> float:
        twin = copy.deepcopy(envs[0])
        envs.clear()  # freeing threads that are not there would crash
        return step(twin)

    def new() -> float:
        other = SandboxVectorEnv(path, 4, num_threads=2)
        other.reset(seed=0)
        return step(other)

    single = SandboxVectorEnv(path, 4, num_threads=1)
    single.reset(seed=0)
    forked = [in_fork(task) for task in (copies, new, lambda: step(single))]
    assert forked == [str(step(envs[0]))] * 3


def test_a_fork_ends_quietly_although_it_holds_threads_and_frames(write_scene: WriteScene) -> None:
    """As `os.fork` and the end of the script do it, with everything freed."""
    env = SandboxEnv(write_scene(), render_mode="rgb_array", width=32, height=24)
    envs = SandboxVectorEnv(write_scene(), 4, num_threads=2)
    env.reset(seed=0)
    envs.reset(seed=0)
    here = env.render()

    def draw() -> tuple[int, ...]:
        frame = env.render()
        env.close()
        assert here is not None and frame is not None
        return frame.shape

    assert in_fork(draw) == "(24, 32, 3)"
    np.testing.assert_array_equal(env.render(), here)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_gymnasiums_async_vector_env_takes_our_environments(
    write_scene: WriteScene, method: str
) -> None:
    path = str(write_scene())
    makers = [partial(gymnasium.make, "sandbox_envs:sandbox/scene-v0", scene=path)] * 2
    envs = AsyncVectorEnv(makers, context=method, shared_memory=False)
    observations, _ = envs.reset(seed=[1, 1])
    np.testing.assert_array_equal(observations[0], SandboxEnv(path).reset(seed=1)[0])
    envs.step(envs.action_space.sample())
    envs.close()
    envs.close()


# --- threads ---------------------------------------------------------------------------------


def in_threads(*tasks: Callable[[], Any]) -> list[Any]:
    """Return the results of tasks that run at the same time; raise what one of them raises."""
    given: dict[int, Any] = {}

    def run(number: int, task: Callable[[], Any]) -> None:
        try:
            given[number] = task()
        except Exception as error:
            given[number] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    for value in given.values():
        if isinstance(value, Exception):
            raise value
    return [given[number] for number in range(len(tasks))]


def test_environments_in_threads_play_the_same_episodes(write_scene: WriteScene) -> None:
    path = write_scene({"spawn/robot": "floor", "spawn/ball": "floor"})

    def play() -> list[float]:
        envs = SandboxVectorEnv(path, 2, num_threads=1)
        envs.reset(seed=0)
        return [step(envs) for _ in range(50)]

    alone = play()
    assert in_threads(play, play, play) == [alone] * 3


def test_an_environment_draws_in_whichever_thread_asks(write_scene: WriteScene) -> None:
    env = SandboxEnv(write_scene(), render_mode="rgb_array", width=32, height=24)
    env.reset(seed=0)
    here = env.render()
    (there,) = in_threads(env.render)
    np.testing.assert_array_equal(there, here)
    np.testing.assert_array_equal(env.render(), here)
    env.close()


def unstable() -> None:
    """A simulation outside of this package, of which MuJoCo warns."""
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><freejoint/><geom size='1'/></body></worldbody></mujoco>"
    )
    data = mujoco.MjData(model)
    data.qpos[0] = np.nan
    mujoco.mj_step(model, data)


def test_a_users_handler_of_warnings_survives_threads_and_hears_of_their_simulations(
    write_scene: WriteScene,
) -> None:
    path, heard = write_scene(), []
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(heard.append)
    try:
        mine = mujoco.get_mju_user_warning()

        def play() -> None:
            envs = SandboxVectorEnv(path, 2, num_threads=1)
            envs.reset(seed=0)
            for _ in range(100):
                step(envs)

        in_threads(play, play, play, *[unstable] * 20)
        assert mujoco.get_mju_user_warning() is mine
        assert len(heard) >= 20
    finally:
        mujoco.set_mju_user_warning(before)


def test_our_own_warnings_stay_silent(write_scene: WriteScene) -> None:
    heard: list[str] = []
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(heard.append)
    try:
        for threads in (1, 2):
            envs = SandboxVectorEnv(write_scene(), 4, num_threads=threads)
            envs.reset(seed=0)
            envs.batches[0].qvel[:] = np.nan
            assert envs.step(np.zeros((4, 2)))[4]["final_info"]["unstable"].all()
        assert heard == []
    finally:
        mujoco.set_mju_user_warning(before)
