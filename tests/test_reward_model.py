"""Reward models: what labels say is learned, what they do not say is disagreed on; PPO on one."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import run_command
from conftest import TINY, WriteScene
from trainings import change, said, stopped, trained

from sandbox_envs import SandboxVectorEnv, UserError, load_scene
from sandbox_envs.sensor_sums import sensor_sums, sum_names
from sandbox_envs.train import reward_model
from sandbox_envs.train.arguments import check_ranges, identity_of
from sandbox_envs.train.jobs import Job, find_run
from sandbox_envs.train.learned_reward import LearnedReward
from sandbox_envs.train.reward_ensemble import RewardEnsemble, fit, load_ensemble
from sandbox_envs.train.run_files import read_training
from sandbox_envs.train.trainers import DEFAULT_TRAINER, trainer
from sandbox_envs.train.transitions import (
    Transitions,
    effort,
    read_transitions,
    rows_of,
    wander,
    write_transitions,
)

NAMES = ("in_pan", "in_planter", "swept")
PAID = np.array([2.0, 1.0, 0.0])  # for each that a sum rises by
COST = 0.1
SCENE = "keeper/train"


def scripted(seed: int = 0, moving: tuple[float, ...] = (1, 0, 1), n: int = 40) -> Transitions:
    """Counts that rise and fall by one now and then, if they move at all, and what that is paid."""
    rng = np.random.default_rng(seed)
    steps = rng.choice([-1, 0, 1], p=[0.02, 0.95, 0.03], size=(60, n, 3)) * moving
    sums = np.cumsum([np.broadcast_to([0, 7, 0], (n, 3)), *steps], axis=0)
    actions = rng.uniform(-1, 1, (60, n, 2))
    rewards = np.diff(sums, axis=0) @ PAID - COST * effort(actions)
    return Transitions(NAMES, np.float32(sums), np.float32(actions), rewards)


@pytest.fixture(scope="module")
def learned() -> RewardEnsemble:
    """Learned where nothing ever left the planter."""
    torch.manual_seed(0)
    ensemble = RewardEnsemble(NAMES)
    found = fit(ensemble, rows_of([scripted()]), 600, 64, 5e-3, torch.Generator().manual_seed(0))
    assert found["r2"] > 0.97
    return ensemble.requires_grad_(False)


# --- what is learned -------------------------------------------------------------------------


def test_rewards_that_labels_tell_are_learned(learned: RewardEnsemble) -> None:
    rows = rows_of([scripted(seed=1)])
    found = learned.estimate(rows.before, rows.after, rows.effort)
    assert found.shape == (5, len(rows.rewards))
    assert np.corrcoef(found.mean(0), rows.rewards)[0, 1] > 0.98
    np.testing.assert_allclose(learned.costs, COST, atol=0.03)


def test_members_disagree_about_what_no_label_tells_and_agree_elsewhere(
    learned: RewardEnsemble,
) -> None:
    nothing = np.zeros((1, 3))
    known, unknown = np.array([[2.0, 0, 0]]), np.array([[0, -2.0, 0]])
    of_known, of_unknown = (
        learned.estimate(nothing, one, np.zeros(1))[:, 0] for one in (known, unknown)
    )
    assert of_known.mean() == pytest.approx(4, abs=0.4)
    assert of_unknown.std() > 5 * of_known.std()


def test_labels_of_what_was_unknown_end_the_disagreement(learned: RewardEnsemble) -> None:
    torch.manual_seed(0)
    wiser = RewardEnsemble(NAMES)
    parts = [scripted(), scripted(seed=2, moving=(1, 1, 1), n=10)]
    fit(wiser, rows_of(parts), 600, 64, 5e-3, torch.Generator().manual_seed(0))
    nothing, taken = np.zeros((1, 3)), np.array([[0, -2.0, 0]])
    before, after = (one.estimate(nothing, taken, np.zeros(1))[:, 0] for one in (learned, wiser))
    assert after.std() < before.std() / 2
    assert after.mean() == pytest.approx(-2, abs=0.5)


def test_stocks_and_detours_pay_nothing(learned: RewardEnsemble) -> None:
    """Amounts at the start do not count, and a change that is undone has only costs."""
    part = scripted(seed=3)
    shifted = replace(part, sums=part.sums + np.float32([5, -3, 2]))
    for name, array in vars(rows_of([part])).items():
        np.testing.assert_array_equal(array, vars(rows_of([shifted]))[name])
    there, back = np.array([[3.0, -2, 1]]), np.zeros((1, 3))
    paid = learned.estimate(back, there, np.ones(1)) + learned.estimate(there, back, np.ones(1))
    np.testing.assert_allclose(paid[:, 0], -2 * learned.costs, atol=1e-6)


def test_members_have_priors_of_their_own_that_training_leaves_alone(
    learned: RewardEnsemble,
) -> None:
    torch.manual_seed(0)
    fresh = RewardEnsemble(NAMES)
    for before, after in zip(fresh.prior.parameters(), learned.prior.parameters(), strict=True):
        torch.testing.assert_close(before, after)
    far = torch.tensor([[4.0, 4.0, 4.0]])
    assert fresh.prior(far).std() > 0.05


# --- the command -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a small reward model of `keeper`."""
    return modelled(tmp_path_factory.mktemp("models"))


def modelled(folder: Path, **arguments: Any) -> Path:
    few: dict[str, Any] = {"scene": (SCENE,), "total_timesteps": 2000, "num_envs": 20}
    few |= {"updates": 100, "run_dir": str(folder), **arguments}
    return reward_model.main(reward_model.Args(**few))


def test_command_learns_from_starts_and_files_and_its_run_is_read(tmp_path: Path) -> None:
    names = sum_names(load_scene(SCENE))
    file = tmp_path / "more.npz"
    write_transitions(file, wander(load_scene(SCENE), names, 20, 3, seed=9))
    done = run_command(
        "train/reward_model.py",
        *("--scene", SCENE, "--data", file, "--run-dir", tmp_path / "runs"),
        *("--total-timesteps", 2000, "--num-envs", 20, "--updates", 100),
    )
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"{folder}: finished; {0.9 * 2060:.0f} labels" in done.stdout
    assert list(load_ensemble(folder).sums) == names
    described = json.loads((folder / "args.json").read_text())
    assert [one["labels"] for one in described["data"]] == [1600, 400, 60]
    assert described["scenes"][0]["hash"] == load_scene(SCENE).hash
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["update"] == 100
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_equal_arguments_give_equal_weights(run: Path, tmp_path: Path) -> None:
    again, other = modelled(tmp_path / "again"), modelled(tmp_path / "other", seed=2)
    one, same, another = (load_ensemble(r).costs.tolist() for r in (run, again, other))
    assert one == same != another


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"data": ("no.npz",)}, "no.npz: there is no such file; check the path"),
        ({"data": (__file__,)}, "this is no file of transitions"),
        ({"total_timesteps": 0}, "there is nothing to learn from; give --data FILE"),
        ({"total_timesteps": 3, "num_envs": 4}, "--total-timesteps 3: there is nothing to learn"),
        ({"scene": (SCENE, SCENE), "num_envs": 1}, "--num-envs 1: 2 scenes need as many or more"),
        ({"members": 1}, "--members 1: it must be 2 or more"),
        ({"agree": __file__}, "this is no file of numpy.save"),
        ({"scene": ("keeper/trian",)}, "keeper/train"),
    ],
)
def test_bad_input_is_said_in_a_sentence_and_leaves_nothing(
    arguments: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        modelled(tmp_path / "runs", **arguments)
    assert sentence in said(error)
    assert not (tmp_path / "runs").exists()


def test_scene_whose_measures_name_no_sensor_of_one_number_is_refused(
    tmp_path: Path, write_scene: WriteScene
) -> None:
    scene = write_scene({"measure/rolled_in": "x(robot_at)", "observe": "robot_at"})
    with pytest.raises(UserError, match="so there is nothing to learn a reward from"):
        modelled(tmp_path / "runs", scene=(str(scene),))
    assert not (tmp_path / "runs").exists()


def test_training_that_diverges_leaves_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not finite; lower --learning-rate"):
        modelled(tmp_path / "runs", learning_rate=1e30)
    assert list((tmp_path / "runs").iterdir()) == []


def test_data_of_another_family_is_refused(tmp_path: Path) -> None:
    write_transitions(tmp_path / "other.npz", scripted(n=2))
    with pytest.raises(UserError, match="it has sums of in_pan, in_planter, swept"):
        modelled(tmp_path / "runs", data=(str(tmp_path / "other.npz"),))


def test_transitions_survive_their_file(tmp_path: Path) -> None:
    part = scripted(n=3)
    write_transitions(tmp_path / "a.npz", part)
    again = read_transitions(tmp_path / "a.npz")
    assert again.names == part.names
    for name, array in part.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)


# --- an environment with a learned reward ----------------------------------------------------


def test_rewards_are_the_changes_of_the_mean_potential_less_effort(run: Path) -> None:
    ensemble = load_ensemble(run)
    plain = SandboxVectorEnv(SCENE, 3)
    envs = LearnedReward(SandboxVectorEnv(SCENE, 3), ensemble)
    plain.reset(seed=4)
    envs.reset(seed=4)
    start = sensor_sums(plain, ensemble.sums)
    rng, before = np.random.default_rng(0), np.zeros_like(start)
    episode, seen = plain.scenes[0].episode_steps, 0.0
    for t in range(episode + 5):
        actions = rng.uniform(-1, 1, (3, plain.scenes[0].model.nu))
        observations, *_ = plain.step(actions)
        also, rewards, *_ = envs.step(actions)
        np.testing.assert_array_equal(observations, also)
        now = sensor_sums(plain, ensemble.sums)
        if t == episode - 1:  # the sensors are those of the next episode
            assert not rewards.any()
            start, before = now, np.zeros_like(now)
            continue
        expected = ensemble.estimate(before, now - start, effort(actions)).mean(0)
        np.testing.assert_allclose(rewards, expected, atol=1e-9)
        seen, before = max(seen, abs(expected).max()), now - start
    assert seen > 0.01


def test_learned_reward_goes_on_exactly_from_a_state(run: Path) -> None:
    envs = LearnedReward(SandboxVectorEnv(SCENE, 3), load_ensemble(run))
    envs.reset(seed=4)
    actions = np.random.default_rng(0).uniform(-1, 1, (30, 3, envs.scenes[0].model.nu))
    for action in actions[:10]:
        envs.step(action)
    state = envs.get_state()
    first = [envs.step(action)[1] for action in actions[10:]]
    envs.set_state(state)
    np.testing.assert_array_equal(first, [envs.step(action)[1] for action in actions[10:]])


# --- PPO on it -------------------------------------------------------------------------------


def test_agent_trains_on_the_model_and_its_run_resumes_exactly(run: Path, tmp_path: Path) -> None:
    args = {"scene": (SCENE,), "reward_model": str(run), "total_timesteps": 192}
    whole = trained(tmp_path / "whole", **args)
    part = stopped(tmp_path / "part", at=64, **args)
    module = trainer(DEFAULT_TRAINER)
    module.main(module.Args(resume=str(part)))
    assert (whole / "policy.safetensors").read_bytes() == (part / "policy.safetensors").read_bytes()
    other = trained(tmp_path / "other", **{**args, "reward_model": None})
    assert (whole / "policy.safetensors").read_bytes() != (
        other / "policy.safetensors"
    ).read_bytes()
    assert read_training(whole).wrappers == ("LearnedReward",)


def test_job_is_identified_by_the_models_weights_wherever_they_lie(
    run: Path, tmp_path: Path
) -> None:
    args = {**TINY, "scene": (SCENE,)}
    trained(tmp_path / "runs", **args, reward_model=str(run))
    moved = shutil.copytree(run, tmp_path / "elsewhere")
    another = modelled(tmp_path / "models", seed=3)

    def found(model: Path | None) -> bool:
        given = {} if model is None else {"reward_model": str(model)}
        return find_run(Job("x", DEFAULT_TRAINER, {**args, **given}), tmp_path / "runs") is not None

    assert found(run)
    assert found(moved)
    assert not found(another)
    assert not found(None)


def test_trainings_without_a_model_are_those_of_before_the_argument() -> None:
    now = vars(trainer(DEFAULT_TRAINER).Args())
    before = {name: value for name, value in now.items() if name != "reward_model"}
    scenes = [("sweep/train", "x")]
    assert identity_of("t", now, scenes) == identity_of("t", before, scenes)
    with_model = {**now, "reward_model": {"run": "r", "hash": "0"}}
    assert identity_of("t", now, scenes) != identity_of("t", with_model, scenes)


def test_model_that_was_changed_is_refused_when_a_run_goes_on(run: Path, tmp_path: Path) -> None:
    model = shutil.copytree(run, tmp_path / "model")
    args = {"scene": (SCENE,), "reward_model": str(model), "total_timesteps": 192}
    part = stopped(tmp_path / "runs", at=64, **args)
    other = modelled(tmp_path / "models", seed=3)
    shutil.copy(other / "reward_model.safetensors", model)
    module = trainer(DEFAULT_TRAINER)
    with pytest.raises(UserError, match="has changed since; put back the old one"):
        module.main(module.Args(resume=str(part)))


def test_model_that_does_not_fit_is_refused_in_a_sentence(run: Path, tmp_path: Path) -> None:
    for given, sentence in (
        ({"reward_model": str(run)}, "the reward model needs the sensor "),
        ({"reward_model": str(tmp_path)}, "this is no run of train/reward_model.py"),
        ({"reward_model": str(run), "reward": "gain(sweeps)"}, "replaces the reward, too"),
    ):
        with pytest.raises(UserError, match=sentence):
            trained(tmp_path / "runs", **given)
    damaged = shutil.copytree(run, tmp_path / "damaged")
    for size in (8, 0):
        change(damaged / "reward_model.json", "hidden_size", to=size)
        with pytest.raises(UserError, match="are damaged, or not of one run"):
            trained(tmp_path / "runs", scene=(SCENE,), reward_model=str(damaged))


def test_defaults_are_in_their_ranges() -> None:
    check_ranges(reward_model.Args())
