"""Stable-Baselines3 and sb3-contrib train on scenes, and their models act in them."""

import re
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from conftest import WriteScene
from gymnasium.vector import AutoresetMode

from sandbox_envs import SandboxVectorEnv, UserError, sb3
from sandbox_envs.acting import LEAST_ROWS
from sandbox_envs.eval import judge
from sandbox_envs.wrappers import ReplaceReward

stable_baselines3 = pytest.importorskip("stable_baselines3", reason="the extra sb3 is missing")
sb3_contrib = pytest.importorskip("sb3_contrib", reason="the extra sb3 is missing")
from stable_baselines3.common.env_util import make_vec_env  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402
from stable_baselines3.common.vec_env import VecFrameStack, VecMonitor, VecNormalize  # noqa: E402

SAME_STEP = AutoresetMode.SAME_STEP
SIZES = {"n_steps": 8, "batch_size": 16, "n_epochs": 1, "device": "cpu"}
NETS: dict[str, Any] = {"MlpPolicy": {"net_arch": [4]}, "MlpLstmPolicy": {"lstm_hidden_size": 4}}


@pytest.fixture
def scene(write_scene: WriteScene) -> Path:
    """Episodes of four steps; the observation is where the robot is."""
    return write_scene({"episode_seconds": "0.2"})


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stable-Baselines3 writes its logs where a test's files are cleared away."""
    monkeypatch.setenv("SB3_LOGDIR", str(tmp_path / "logs"))


def trained(algorithm: type, envs: Any, policy: str = "MlpPolicy") -> Any:
    model = algorithm(policy, envs, policy_kwargs=NETS[policy], **SIZES)
    return model.learn(2 * envs.num_envs * SIZES["n_steps"])


# --- the environment -------------------------------------------------------------------------


def test_steps_are_those_of_the_vector_environment(scene: Path) -> None:
    """Twice the length of an episode: observations, rewards, ends and every measure."""
    plain = SandboxVectorEnv(scene, 3, autoreset_mode=SAME_STEP)
    envs = sb3.vec_env(scene, 3)
    envs.seed(5)
    start, info = plain.reset(seed=5)
    np.testing.assert_array_equal(envs.reset(), start)
    assert [row["rolled_in"] for row in envs.reset_infos] == info["rolled_in"].tolist()
    rng, returns = np.random.default_rng(0), np.zeros(3)
    for step in range(1, 9):
        actions = rng.uniform(-1, 1, (3, 2))
        seen, rewards, _, over, info = plain.step(actions)
        observations, given, dones, infos = envs.step(actions)
        np.testing.assert_array_equal(observations, seen)
        np.testing.assert_array_equal(given, rewards)
        np.testing.assert_array_equal(dones, over)
        returns += rewards
        last = info["final_info"] if over.any() else info
        for i, row in enumerate(infos):
            assert row["return/rolled_in"] == last["return/rolled_in"][i]
            assert row["TimeLimit.truncated"] is bool(step % 4 == 0)
            assert ("terminal_observation" in row) == ("episode" in row) == over[i]
            if over[i]:
                np.testing.assert_array_equal(row["terminal_observation"], info["final_obs"][i])
                assert row["episode"]["r"] == pytest.approx(returns[i])
                assert row["episode"]["l"] == 4
                assert envs.reset_infos[i]["episode_index"] == info["episode_index"][i]
        returns[over] = 0


def test_first_episodes_end_at_different_steps_if_staggered(scene: Path) -> None:
    envs = sb3.vec_env(scene, 4)
    envs.set_options({"stagger": True})
    envs.reset()
    ends = [envs.step(np.zeros((4, 2)))[2].tolist() for _ in range(4)]
    assert np.array(ends).sum(0).tolist() == [1, 1, 1, 1]
    assert np.array(ends).sum(1).tolist() == [1, 1, 1, 1]
    envs.reset()  # options count once
    assert not envs.step(np.zeros((4, 2)))[2].any()


def test_simulations_that_go_on_keep_their_returns_and_lengths(scene: Path) -> None:
    inner = SandboxVectorEnv(scene, 2, autoreset_mode=SAME_STEP)
    envs = sb3.vec_env(ReplaceReward(inner, lambda step: np.ones(2)))
    envs.reset()
    ends = []
    for step in range(5):
        if step == 3:
            envs.set_options({"reset_mask": np.array([True, False])})
            envs.reset()
        ends += [row.get("episode") for row in envs.step(np.zeros((2, 2)))[3]]
    (end,) = [end for end in ends if end]
    assert (end["r"], end["l"]) == (4.0, 4)


def test_options_may_be_given_for_each_simulation_if_they_are_equal(scene: Path) -> None:
    envs = sb3.vec_env(scene, 2)
    envs.set_options([{"clock": np.array([3, 0])} for _ in range(2)])
    envs.reset()
    assert envs.step(np.zeros((2, 2)))[2].tolist() == [True, False]


DIFFERENT = "set_options: give one dict for all simulations; they share a batch"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ([{"clock": 1}, {"clock": 2}], DIFFERENT),
        ({"clocks": 1}, "did you mean 'clock'?"),
        ([{"clock": 1}, {}], DIFFERENT),
    ],
)
def test_wrong_options_are_told_once(scene: Path, wrong: Any, sentence: str) -> None:
    envs = sb3.vec_env(scene, 2)
    envs.set_options(wrong)
    with pytest.raises(UserError, match=re.escape(sentence)):
        envs.reset()
    assert envs.reset().shape == (2, 3)


def test_measures_of_any_name_are_in_the_infos(write_scene: WriteScene) -> None:
    scene = write_scene({"measure/final_x": "sum(ball_in_rug)"})
    envs = sb3.vec_env(scene, 2)
    envs.reset()
    assert all("final_x" in row for row in envs.reset_infos)


def test_wrapped_environments_are_taken_and_say_their_own_returns(scene: Path) -> None:
    inner = SandboxVectorEnv(scene, 2, autoreset_mode=SAME_STEP)
    envs = sb3.vec_env(ReplaceReward(inner, lambda step: np.ones(2)))
    envs.reset()
    for _ in range(4):
        *_, infos = envs.step(np.zeros((2, 2)))
    assert [row["episode"]["r"] for row in infos] == [4.0, 4.0]
    assert infos[0]["return/reward"] == 0  # of the scene


def test_vec_monitor_and_evaluation_agree_on_returns(scene: Path, tmp_path: Path) -> None:
    envs = sb3.vec_env(scene, 2)
    model = stable_baselines3.PPO("MlpPolicy", envs, **SIZES)
    returns, lengths = evaluate_policy(model, envs, 4, return_episode_rewards=True, warn=True)
    assert lengths == [4] * 4
    with pytest.warns(UserWarning, match="already wrapped with a `Monitor`"):
        monitored = VecMonitor(envs, str(tmp_path / "log"), info_keywords=("rolled_in",))
    assert np.shape(evaluate_policy(model, monitored, 4)) == (2,)
    assert "rolled_in" in (tmp_path / "log.monitor.csv").read_text()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda scene: SandboxVectorEnv(scene, 2, autoreset_mode=AutoresetMode.DISABLED),
            "Stable-Baselines3 needs AutoresetMode.SAME_STEP",
        ),
        (
            lambda scene: gymnasium.make_vec("CartPole-v1", num_envs=2),
            "CartPoleVectorEnv is not an environment of this project",
        ),
    ],
)
def test_environments_that_do_not_fit_are_refused(scene: Path, make: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        sb3.vec_env(make(scene))
    with pytest.raises(UserError, match="this environment is made already"):
        sb3.vec_env(SandboxVectorEnv(scene, 2), num_envs=3)


def test_simulations_are_no_objects_of_their_own(scene: Path) -> None:
    envs = sb3.vec_env(scene, 2)
    assert envs.get_attr("num_envs", [0]) == [2]
    assert not envs.has_attr("colour")
    shared = "simulations share one environment, .envs"
    for call, sentence in (
        (lambda: envs.set_attr("x", 1), f"set_attr('x'): {shared}"),
        (lambda: envs.env_method("reset"), f"env_method('reset'): {shared}"),
        (lambda: (envs.set_options([{"stagger": True}, {}]), envs.reset()), DIFFERENT),
    ):
        with pytest.raises(UserError) as error:
            call()
        assert str(error.value) == sentence


# --- models as policies ----------------------------------------------------------------------


def played(model: Any, scene: Path, **options: Any) -> dict[str, Any]:
    """Returns of the model's policy, equal in two plays, which leave torch's random state alone."""
    before = torch.random.get_rng_state()
    found = [
        judge(sb3.policy(model, **options), scene.parent, episodes=3, references="none")
        for _ in range(2)
    ]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert found[0] == found[1]
    return found[0]["scenes"]["mini/train"]["returns"]


def test_ppo_trains_is_saved_and_acts_as_it_did(scene: Path, tmp_path: Path) -> None:
    model = trained(stable_baselines3.PPO, sb3.vec_env(scene, 2))
    assert {episode["l"] for episode in model.ep_info_buffer} == {4}
    model.save(tmp_path / "model")
    again = stable_baselines3.PPO.load(tmp_path / "model")
    assert played(again, scene) == played(model, scene)
    observations = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    mean, _ = sb3.policy(model, deterministic=True)(observations, None)
    np.testing.assert_array_equal(mean, model.predict(observations, deterministic=True)[0])
    samples, state = sb3.policy(model)(observations, None)
    more, _ = sb3.policy(model)(observations, state)
    other, _ = sb3.policy(model, seed=1)(observations, None)
    for one, two in ((samples, mean), (more, samples), (other, samples)):
        assert (np.abs(one - two) > 1e-6).mean() > 0.5
    single, _ = sb3.policy(model, deterministic=True)(observations[0].tolist(), None)
    np.testing.assert_allclose(single, mean[0], atol=1e-6)


def made(name: str, scene: Path) -> Any:
    envs, small = sb3.vec_env(scene, 2), {"device": "cpu", "seed": 0}
    if name == "RecurrentPPO":
        return sb3_contrib.RecurrentPPO("MlpLstmPolicy", envs, policy_kwargs=NETS["MlpLstmPolicy"])
    library = stable_baselines3 if hasattr(stable_baselines3, name) else sb3_contrib
    return getattr(library, name)("MlpPolicy", envs, **small)


def actions_of(policy: Any, observations: np.ndarray) -> np.ndarray:
    """Three steps' actions (3, n, actuators) for the same observations (n, size)."""
    acted, state = [], None
    for _ in range(3):
        actions, state = policy(observations, state)
        acted.append(actions)
    return np.stack(acted)


@pytest.mark.parametrize("name", ["PPO", "RecurrentPPO", "SAC", "TD3", "TQC"])
def test_episode_is_the_same_alone_or_beside_others(scene: Path, name: str) -> None:
    model = made(name, scene)
    observations = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    together = actions_of(sb3.policy(model), observations)
    for part in (slice(3, 4), slice(3, 20), slice(None, None, -1)):
        alone = actions_of(sb3.policy(model), observations[part])
        np.testing.assert_array_equal(alone, together[:, part])
    single = actions_of(sb3.policy(model), observations[3])
    np.testing.assert_array_equal(single, together[:, 3])
    assert len(np.unique(together[0], axis=0)) > 20


def test_samples_are_of_the_models_distribution(scene: Path) -> None:
    model = made("PPO", scene)
    with torch.no_grad():
        model.policy.log_std[:] = torch.tensor([-2.0, -3.0])
    observations = np.random.default_rng(0).normal(size=(4000, 3)).astype(np.float32)
    mean, _ = sb3.policy(model, deterministic=True)(observations)
    noise = sb3.policy(model)(observations)[0] - mean
    np.testing.assert_allclose(noise.std(0), np.exp([-2, -3]), rtol=0.05)
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.01)
    assert model.predict(observations)[0].std() > 0  # it draws by itself again


def test_samples_of_a_squashed_gaussian_are_squashed(scene: Path) -> None:
    model = made("SAC", scene)
    observations = np.random.default_rng(0).normal(size=(2000, 3)).astype(np.float32)
    ours = sb3.policy(model)(observations)[0]
    theirs = model.predict(observations)[0]
    assert (np.abs(ours) < 1).all()
    np.testing.assert_allclose(
        np.quantile(ours, [0.1, 0.5, 0.9]), np.quantile(theirs, [0.1, 0.5, 0.9]), atol=0.06
    )


@pytest.mark.parametrize("algorithm", ["PPO", "SAC"])
def test_models_whose_noise_follows_from_no_seed_act_by_the_mean(
    scene: Path, algorithm: str
) -> None:
    make = getattr(stable_baselines3, algorithm)
    model = make("MlpPolicy", sb3.vec_env(scene, 2), use_sde=True, device="cpu")
    with pytest.raises(UserError, match="use_sde=True.; give deterministic=True"):
        sb3.policy(model)
    actions, _ = sb3.policy(model, deterministic=True)(np.ones((9, 3)))
    assert actions.shape == (9, 2)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seed": -1}, "seed is -1; it must be 0 to "),
        ({"seed": 1.5}, "seed is 1.5; it must be a whole number"),
        ({"normalizer": "x"}, "normalizer is a str; give the VecNormalize"),
    ],
)
def test_wrong_arguments_of_a_policy_are_told_at_once(
    scene: Path, wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        sb3.policy(made("PPO", scene), **wrong)


def test_states_of_other_episodes_are_refused(scene: Path) -> None:
    policy = sb3.policy(made("PPO", scene))
    _, state = policy(np.ones((3, 3)))
    with pytest.raises(UserError, match="the state is not of 2 episodes"):
        policy(np.ones((2, 3)), state)


def test_recurrent_ppo_remembers_within_an_episode_only(scene: Path) -> None:
    envs = sb3.vec_env(scene, 2)
    model = trained(sb3_contrib.RecurrentPPO, envs, "MlpLstmPolicy")
    assert set(played(model, scene)) == {"reward", "rolled_in"}
    policy = sb3.policy(model, deterministic=True)
    observations = np.ones((2, 3), np.float32)
    first, state = policy(observations, None)
    second, _ = policy(observations, state)
    assert not np.allclose(first, second, atol=1e-7)
    np.testing.assert_array_equal(policy(observations, None)[0], first)


def test_their_own_environments_over_our_ids_do_as_well(scene: Path) -> None:
    settings = {"scene": str(scene)}
    envs = make_vec_env("sandbox/scene-v0", 2, seed=0, env_kwargs=settings)
    model = trained(stable_baselines3.PPO, envs)
    assert {episode["l"] for episode in model.ep_info_buffer} == {4}
    assert set(played(model, scene)) == {"reward", "rolled_in"}


def test_off_policy_algorithms_train(scene: Path) -> None:
    sac = stable_baselines3.SAC(
        "MlpPolicy", sb3.vec_env(scene, 2), learning_starts=4, batch_size=4, device="cpu"
    )
    assert set(played(sac.learn(12), scene)) == {"reward", "rolled_in"}


def test_normalised_observations_are_normalised_in_judging(scene: Path, tmp_path: Path) -> None:
    envs = VecNormalize(sb3.vec_env(scene, 2))
    model = trained(stable_baselines3.PPO, envs)
    few = (LEAST_ROWS, 3)  # of fewer rows ours makes some up, and `predict` does not
    observations = np.random.default_rng(0).normal(size=few).astype(np.float32)
    expected = model.predict(envs.normalize_obs(observations), deterministic=True)[0]
    assert not np.allclose(expected, model.predict(observations, deterministic=True)[0])
    acted, _ = sb3.policy(model, deterministic=True)(observations, None)
    np.testing.assert_array_equal(acted, expected)
    model.save(tmp_path / "model")
    envs.save(tmp_path / "normalizer")
    loaded = stable_baselines3.PPO.load(tmp_path / "model")
    normalizer = VecNormalize.load(tmp_path / "normalizer", sb3.vec_env(scene))
    again = sb3.policy(loaded, deterministic=True, normalizer=normalizer)(observations, None)[0]
    np.testing.assert_array_equal(again, expected)


def test_models_that_do_not_fit_are_refused(scene: Path) -> None:
    model = stable_baselines3.PPO("MlpPolicy", sb3.vec_env(scene, 2), **SIZES)
    with pytest.raises(UserError, match="this model observes 3 numbers, the scene gives 260"):
        judge(sb3.policy(model), "keeper", episodes=2, references="none")
    with pytest.raises(UserError, match=r"sandbox_envs.sb3.policy\(model\) makes one"):
        judge(model, scene.parent, episodes=2, references="none")
    with pytest.raises(UserError, match=r"not a str; a saved one is loaded by its class"):
        sb3.policy("model.zip")
    stacked = VecFrameStack(sb3.vec_env(scene, 2), 2)
    with pytest.raises(UserError, match="or with stacked observations"):
        played(stable_baselines3.PPO("MlpPolicy", stacked, **SIZES), scene)
    cartpole = stable_baselines3.PPO("MlpPolicy", "CartPole-v1", **SIZES)
    with pytest.raises(UserError, match=r"this model acts in Discrete\(2\)"):
        sb3.policy(cartpole)


def test_missing_library_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sandbox_envs.sb3_adapter", raising=False)
    monkeypatch.delattr("sandbox_envs.sb3_adapter", raising=False)
    monkeypatch.setitem(sys.modules, "stable_baselines3.common.monitor", None)
    with pytest.raises(UserError, match=r'is missing; pip install "sandbox_envs\[sb3\]"'):
        sb3.vec_env("keeper/train")
