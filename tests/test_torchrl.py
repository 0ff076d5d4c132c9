"""TorchRL's wrapper around our environments, where TorchRL is installed."""

import gymnasium
import pytest
from conftest import WriteScene

libs = pytest.importorskip("torchrl.envs", reason="needs torchrl")


@pytest.mark.parametrize("mode", ["SameStep", "Disabled"])
def test_a_rollout_of_a_vector_environment_goes_through_ends_of_episodes(
    write_scene: WriteScene, mode: str
) -> None:
    envs = gymnasium.make_vec(
        "sandbox/scene-v0", num_envs=3, scene=str(write_scene()), autoreset_mode=mode
    )
    rollout = libs.GymWrapper(envs).rollout(45, break_when_any_done=False)
    assert rollout["next", "observation"].shape == (3, 45, 3)
    assert int(rollout["next", "truncated"].sum()) == 6


def test_next_step_is_refused_by_torchrl_with_the_modes_it_takes(write_scene: WriteScene) -> None:
    envs = gymnasium.make_vec(
        "sandbox/scene-v0", num_envs=3, scene=str(write_scene()), autoreset_mode="NextStep"
    )
    with pytest.raises(RuntimeError, match="SAME_STEP or DISABLED"):
        libs.GymWrapper(envs)


def test_measures_are_read_from_the_info_of_a_single_environment(write_scene: WriteScene) -> None:
    from torchrl.envs.gym_like import default_info_dict_reader

    env = libs.GymWrapper(gymnasium.make("sandbox/scene-v0", scene=str(write_scene())))
    env.set_info_dict_reader(default_info_dict_reader(["rolled_in", "length", "unstable"]))
    rollout = env.rollout(5)
    assert rollout["next", "length"].tolist() == [1, 2, 3, 4, 5]
    assert rollout["next", "unstable"].any().item() is False


def test_measures_of_a_vector_environment_are_read_where_their_shape_is_given(
    write_scene: WriteScene,
) -> None:
    import torch
    from torchrl.data import Unbounded
    from torchrl.envs.gym_like import default_info_dict_reader

    envs = gymnasium.make_vec("sandbox/scene-v0", num_envs=3, scene=str(write_scene()))
    spec = {"length": Unbounded(shape=(3,), dtype=torch.int64)}
    env = libs.GymWrapper(envs)
    env.set_info_dict_reader(default_info_dict_reader(["length"], spec=spec))
    rollout = env.rollout(5)
    assert rollout["next", "length"].tolist() == [[1, 2, 3, 4, 5]] * 3
