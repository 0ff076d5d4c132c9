"""A latent model learns what actions come to, and the agent that plans with it does what pays."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import run_command
from trainings import said

from sandbox_envs import UserError, load_scene
from sandbox_envs.sensor_sums import sum_names
from sandbox_envs.train import imagine, reward_model
from sandbox_envs.train.imagination import (
    Imagination,
    ImaginingPolicy,
    Search,
    load_imagination,
)
from sandbox_envs.train.imagine import to_imagine
from sandbox_envs.train.reward_ensemble import load_ensemble
from sandbox_envs.train.transitions import Transitions, wander, write_transitions

SCENE = "keeper/train"
N, STEPS = 24, 48


def pushed(seed: int = 0, steps: int = STEPS) -> Transitions:
    """A cart on a line that is pushed: it is paid for how far it comes to the right."""
    rng = np.random.default_rng(seed)
    actions = np.repeat(rng.uniform(-1, 1, (steps // 4, N, 1)), 4, 0)
    moved = 0.1 * actions
    place = np.concatenate([np.zeros((1, N, 1)), moved.cumsum(0)])
    arrays = (place, actions)
    sums, done = (np.float32(one) for one in arrays)
    return Transitions(("place",), sums, done, moved[..., 0], sums)


@pytest.fixture(scope="module")
def model() -> Imagination:
    """The model that was learned of the cart."""
    torch.manual_seed(0)
    made, losses = Imagination(1, 1, ("place",), hidden_size=16), list[float]()
    part, args = pushed(), imagine.Args(updates=100, batch_size=8, learning_rate=5e-3)
    generator = torch.Generator().manual_seed(0)
    imagine.learn(
        made, [part], [part.rewards], args, generator, lambda _, loss: losses.append(loss)
    )
    assert losses[-1] < losses[0] / 4
    return made.requires_grad_(False)


def test_imagined_rewards_are_those_that_actions_come_to(model: Imagination) -> None:
    part = pushed(seed=1)
    before = np.concatenate([np.zeros_like(part.actions[:1]), part.actions[:15]])
    assert part.observations is not None
    features, _ = model.features(torch.as_tensor(part.observations[:16]), torch.as_tensor(before))
    plans = torch.as_tensor(part.actions[15 + 1 : 48 : 4][:8, :, None])
    found = model.imagined(features[-1], plans).numpy()[:, 0]
    true = 4 * 0.1 * plans.numpy()[..., 0, 0].sum(0)
    assert np.corrcoef(found, true)[0, 1] > 0.9


def test_agent_does_what_is_paid_and_the_opposite_where_that_is(model: Imagination) -> None:
    right, _ = ImaginingPolicy(model)(np.zeros((3, 1), np.float32), None)
    assert (right > 0.7).all()
    torch.manual_seed(0)
    other, part = Imagination(1, 1, ("place",), hidden_size=16), pushed()
    args = imagine.Args(updates=100, batch_size=8, learning_rate=5e-3)
    generator = torch.Generator().manual_seed(0)
    imagine.learn(other, [part], [-part.rewards], args, generator, lambda *_: None)
    left, _ = ImaginingPolicy(other)(np.zeros((3, 1), np.float32), None)
    assert (left < -0.7).all()


def test_what_is_earned_after_the_plan_counts() -> None:
    part = pushed(steps=96)
    time = np.broadcast_to(np.linspace(-1, 1, 97)[:, None, None], part.sums.shape)
    seen = np.concatenate([part.sums, time], -1).astype(np.float32)
    later = part.sums[1:, :, 0] * (np.arange(96) >= 64)[:, None]
    part = replace(part, rewards=later, observations=seen)
    torch.manual_seed(0)
    made, generator = (
        Imagination(2, 1, ("place",), hidden_size=16),
        torch.Generator().manual_seed(0),
    )
    args = imagine.Args(updates=80, batch_size=8, learning_rate=5e-3)
    imagine.learn(made, [part], [later], args, generator, lambda *_: None)
    before = np.concatenate([np.zeros_like(part.actions[:1]), part.actions[:19]])
    features, _ = made.features(torch.as_tensor(seen[:20]), torch.as_tensor(before))
    plans = torch.tensor([-0.5, 0, 0.5])[:, None].expand(8, 1, 3, 1)  # until step 52
    worth = made.imagined(features[-1], plans.expand(8, N, 3, 1)).mean(0)
    assert worth[0] + 1 < worth[1] < worth[2] - 1


def test_the_best_plan_that_was_tried_is_followed() -> None:
    class Known(Imagination):
        """Its best plan is known, and what it was asked for is kept."""

        def __init__(self) -> None:
            super().__init__(1, 1, (), hidden_size=4)
            self.asked = list[torch.Tensor]()

        def imagined(self, features: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
            wish = torch.linspace(-0.5, 0.5, len(actions))[:, None, None]
            self.asked.append(-(actions[..., 0] - wish).square().sum(0))
            return self.asked[-1]

    known = Known()
    _, mind = ImaginingPolicy(known)(np.zeros((5, 1), np.float32), None)
    *_, of_the_last = known.asked
    most = torch.cat(known.asked, 1).max(1).values
    torch.testing.assert_close(known.imagined(mind.plan[0], mind.plan[:, :, None])[:, 0], most)
    assert (most > of_the_last.mean(1) + 0.01).all()


def test_episodes_do_not_depend_on_how_many_are_played(model: Imagination) -> None:
    policy = ImaginingPolicy(model, Search(samples=16, iterations=2))
    seen = np.random.default_rng(0).normal(size=(9, 4, 1)).astype(np.float32)

    def acts(rows: slice) -> np.ndarray:
        mind, actions = None, []
        for observations in seen:
            action, mind = policy(observations[rows], mind)
            actions.append(action)
        return np.stack(actions)

    np.testing.assert_allclose(acts(slice(0, 4))[:, 2:3], acts(slice(2, 3)), atol=1e-5)


# --- the command -----------------------------------------------------------------------------


def few(folder: Path, **arguments: Any) -> imagine.Args:
    made: dict[str, Any] = {"scene": (SCENE,), "set": ("episode_seconds=2",), "num_envs": 4}
    made |= {"updates": 3, "batch_size": 4, "hidden_size": 16, "run_dir": str(folder)}
    return imagine.Args(**{**made, **arguments})


def test_command_plays_learns_and_its_run_acts(tmp_path: Path) -> None:
    run_command(
        "train/imagine.py",
        *("--scene", SCENE, "--set", "episode_seconds=2", "--num-envs", 4, "--rounds", 2),
        *("--updates", 3, "--batch-size", 4, "--hidden-size", 16, "--run-dir", tmp_path),
    )
    (run,) = tmp_path.iterdir()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["round"] for row in rows] == [0, 1]
    size = load_imagination(run).sizes["observation_size"]
    actions, _ = ImaginingPolicy(load_imagination(run))(np.zeros((2, size), np.float32), None)
    assert actions.shape == (2, load_scene(SCENE).model.nu)
    assert (abs(actions) <= 1).all()


def test_equal_arguments_give_equal_models_and_files_count(tmp_path: Path) -> None:
    scene = load_scene(SCENE, {"episode_seconds": "2"})
    part = wander(scene, sum_names(scene), scene.episode_steps, 4, seed=7, observe=True)
    write_transitions(tmp_path / "a.npz", part)
    data = {"data": (str(tmp_path / "a.npz"),), "rounds": 1}
    one, same, another = (
        load_imagination(imagine.main(few(tmp_path / name, **given))).encoder[0].weight
        for name, given in (("one", data), ("same", data), ("another", {"rounds": 1}))
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, another)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"rounds": 0}, "--rounds 0: it must be 1 or more"),
        ({"random_share": 1.5}, "--random-share 1.5: it must be between 0 and 1"),
        ({"scene": (SCENE, SCENE)}, "--scene: the model is learned in one scene"),
        ({"data": ("no.npz",)}, "no.npz: there is no such file"),
        ({"reward_model": "nowhere"}, "this is no run of train/reward_model.py"),
    ],
)
def test_bad_input_is_said_in_a_sentence_and_leaves_nothing(
    arguments: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        imagine.main(few(tmp_path / "runs", **arguments))
    assert sentence in said(error)
    assert not (tmp_path / "runs").exists()


def test_reward_model_of_another_family_is_refused_and_one_in_another_order_is_read_by_name(
    tmp_path: Path,
) -> None:
    """Families may have equally many sums, so that only their names tell."""
    given: dict[str, Any] = {"total_timesteps": 2000, "num_envs": 20, "updates": 2}
    given |= {"run_dir": str(tmp_path / "models")}
    lever = reward_model.main(reward_model.Args(scene=("lever/train",), **given))
    model = load_ensemble(lever)
    scene = load_scene("maze/train")
    assert len(model.sums) == len(sum_names(scene))
    with pytest.raises(UserError, match="maze/train has not; take a model that was learned in"):
        imagine.main(few(tmp_path / "runs", scene=(scene.name,), reward_model=str(lever)))
    with pytest.raises(UserError, match="--reward 1: --reward-model .* replaces the reward, too"):
        imagine.main(few(tmp_path / "runs", reward="1", reward_model=str(lever)))
    assert not (tmp_path / "runs").exists()
    rng = np.random.default_rng(0)
    sums = rng.normal(size=(4, 2, len(model.sums))).astype(np.float32)
    part = Transitions(model.sums, sums, np.zeros((3, 2, 2), np.float32), np.zeros((3, 2)))
    turned = replace(part, names=part.names[::-1], sums=part.sums[..., ::-1])
    np.testing.assert_array_equal(to_imagine(part, model), to_imagine(turned, model))


def test_model_that_learning_ruins_is_no_finished_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the loss rose from .* to .*; lower --learning-rate"):
        imagine.main(few(tmp_path / "runs", learning_rate=1e4, updates=1))
    assert not list((tmp_path / "runs").glob("*"))


def test_data_without_observations_is_refused(tmp_path: Path) -> None:
    scene = load_scene(SCENE, {"episode_seconds": "2"})
    part = wander(scene, sum_names(scene), scene.episode_steps, 4, seed=7)
    write_transitions(tmp_path / "a.npz", part)
    with pytest.raises(UserError, match="it must have observations"):
        imagine.main(few(tmp_path / "runs", data=(str(tmp_path / "a.npz"),)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda one: {"observations": one.observations[..., 1:]}, "not those of"),
        (lambda one: {"actions": one.actions[..., 1:]}, "not those of"),
        (
            lambda one: {
                "sums": one.sums[:5], "actions": one.actions[:4], "rewards": one.rewards[:4],
                "observations": one.observations[:5],
            },
            "it has 4 steps in a row, too few to learn from",
        ),
    ],
)  # fmt: skip
def test_data_that_does_not_fit_is_refused(
    tmp_path: Path, change: Callable[[Transitions], dict[str, Any]], sentence: str
) -> None:
    scene = load_scene(SCENE, {"episode_seconds": "2"})
    part = wander(scene, sum_names(scene), scene.episode_steps, 4, seed=7, observe=True)
    write_transitions(tmp_path / "a.npz", replace(part, **change(part)))
    with pytest.raises(UserError, match=sentence):
        imagine.main(few(tmp_path / "runs", data=(str(tmp_path / "a.npz"),)))
