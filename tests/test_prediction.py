"""Prediction and planning: sums of sensors, a model of them, and a planner with its weights."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import run_command, run_here
from conftest import WriteScene
from trainings import said, trained

from sandbox_envs import SandboxVectorEnv, load_scene
from sandbox_envs.errors import UserError
from sandbox_envs.eval import weights
from sandbox_envs.eval.calibration.weights import _parts
from sandbox_envs.sensor_sums import sensor_sums, sum_names
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.ppo_planner import Agent, Args, Rollout, _loss
from sandbox_envs.train.prediction import HORIZON, STRIDE, SensorModel, outcome_names

KEEPER = {"scene": ("keeper/train",)}


# --- sums ------------------------------------------------------------------------------------


def test_sums_are_of_the_sensors_that_measures_are_made_of() -> None:
    scene = load_scene("sweep/train")
    names = sum_names(scene)
    assert {"dirt_in_pan", "dirt_in_drain", "soil_in_pan", "brush_speed"} <= set(names)
    assert all(any(name in text for text in scene.texts.values()) for name in names)
    assert not set(names) & set(scene.measures)


def test_sums_of_two_scenes_are_in_the_order_of_the_simulations() -> None:
    envs = SandboxVectorEnv(["sweep/train", "sweep/clean_room"], 4)
    envs.reset(seed=3)
    for _ in range(5):
        envs.step(np.ones((4, 3)))
    found = sensor_sums(envs, ["dirt_in_drain", "speed"])
    for number in range(2):
        view = envs.state_view(number)
        for column, name in enumerate(("dirt_in_drain", "speed")):
            expected = view.sensor(name)[:, :, 0].sum(1)
            np.testing.assert_allclose(found[view.slots, column], expected, rtol=1e-6)


# --- the model -------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [1, 2])
def test_forecast_of_many_plans_is_what_the_model_predicts_of_each(layers: int) -> None:
    torch.manual_seed(0)
    model = SensorModel(6, 2, 3, 5, latent=16, layers=layers).requires_grad_(False)
    model.observe_outcomes(torch.randn(40, 4, 3).cumsum(0), torch.zeros(39, 4, dtype=torch.bool))
    features, plans = torch.randn(7, 6), torch.randn(HORIZON, 7, 9, 2)
    expected = model.restored(model(features[:, None].expand(-1, 9, -1), plans)[0])
    found = model.forecast(features, plans, [4, 1])
    torch.testing.assert_close(found, expected[..., [4, 1]], rtol=1e-4, atol=1e-5)
    assert found.std() > 0.1


def pushed(steps: int = 64, n: int = 32) -> dict[str, torch.Tensor]:
    """A point that is pushed: features are where it is and how fast; the sum is where it is."""
    actions = torch.randn(steps, n, 1).clamp(-1, 1)
    place, speed = torch.zeros(n), torch.randn(n)
    rows, sums = [], [place]
    for t in range(steps):
        rows.append(torch.stack([place, speed], -1))
        speed = 0.8 * speed + actions[t, :, 0]
        place = place + speed
        sums.append(place)
    features = torch.stack(rows)
    none = torch.zeros(steps, n, dtype=torch.bool)
    return {"features": features, "actions": actions, "sums": torch.stack(sums)[..., None],
            "observations": 0.1 * features, "dones": none}  # fmt: skip


def errors(model: SensorModel, data: dict[str, torch.Tensor]) -> torch.Tensor:
    return model.errors(**{k: v for k, v in data.items() if k != "observations"})


def test_model_learns_what_actions_do_and_sees_it_coming() -> None:
    torch.manual_seed(0)
    model = SensorModel(features=2, action_size=1, sums=1, observation_size=2)
    model.observe_outcomes(pushed()["sums"], pushed()["dones"])
    adam, fresh = torch.optim.Adam(model.parameters(), 3e-3), pushed()
    before = errors(model, fresh)
    for _ in range(300):
        loss = model.loss(**pushed())
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert (before > 0.9).all()
    change, mean = errors(model, fresh)
    assert change < 0.5
    other = {**fresh, "actions": -fresh["actions"]}  # and so it is for other actions than taken
    assert errors(model, other)[0] > 2 * change
    assert mean < 0.5


def test_nothing_is_predicted_beyond_an_episodes_end() -> None:
    model, data = SensorModel(features=2, action_size=1, sums=1, observation_size=2), pushed(32, 4)
    data["dones"][10, 0] = True  # in the third of eight steps, and there is one start
    loss = model.loss(**data)
    for name, first in (("sums", 9), ("observations", 9), ("actions", 8)):
        data[name] = data[name].clone()
        data[name][first:, 0] += 10
    assert model.loss(**data) == loss
    data["sums"][8, 0] += 10  # the end of the second step, which is before
    assert model.loss(**data) != loss


def test_outcomes_are_changes_and_means_over_four_steps() -> None:
    model = SensorModel(features=2, action_size=1, sums=1, observation_size=2)
    sums = torch.arange(9.0)[:, None, None] ** 2
    model.observe_outcomes(sums, torch.zeros(8, 1, dtype=torch.bool))
    changes = [(t + STRIDE) ** 2 - t**2 for t in range(5)]
    means = [np.mean([(t + i) ** 2 for i in range(1, 5)]) for t in range(5)]
    assert model.outcome_mean.tolist() == pytest.approx(
        [np.mean(changes), np.mean(means)], rel=1e-4
    )
    assert outcome_names(["x"]) == ["change of x", "mean of x"]


# --- beside the task -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ppo_lstm", "ppo_mlp", "ppo_transformer"])
def test_prediction_beside_the_task_is_learned_logged_and_recorded(
    name: str, tmp_path: Path
) -> None:
    plain = trained(tmp_path / "plain", name, **KEEPER, total_timesteps=640)
    run = trained(tmp_path / "with", name, **KEEPER, total_timesteps=640, aux_coef=1.0)
    logs = [[json.loads(line)["loss/prediction"] for line in file.read_text().splitlines()]
            for file in (plain / "metrics.jsonl", run / "metrics.jsonl")]  # fmt: skip
    assert set(logs[0]) == {0.0}
    assert min(logs[1]) > 0
    agents: list[Any] = [load_policy(folder).agent for folder in (plain, run)]
    features = [agent.encoder[0].weight for agent in agents]
    assert not torch.equal(*features)
    sums = [json.loads((folder / "agent.json").read_text())["agent"]["sums"]
            for folder in (plain, run)]  # fmt: skip
    assert sums == [[], sum_names(load_scene("keeper/train"))]
    assert load_policy(run)(np.zeros(load_policy(run).observation_size))[0].shape == (2,)


# --- the planner -----------------------------------------------------------------------------


def planner(**options: Any) -> Agent:
    torch.manual_seed(1)
    agent = Agent(observation_size=5, action_size=2, hidden_size=16, sums=["a", "b"], **options)
    with torch.no_grad():
        agent.weights.copy_(torch.randn(4))
    return agent


def reached(agent: Agent) -> dict[str, set[str]]:
    """The parts of an agent that the gradients of PPO and of prediction reach."""
    torch.manual_seed(1)
    steps, n = 40, 6
    shape = steps, n
    data = Rollout(
        obs=torch.randn(*shape, 5), actions=torch.randn(*shape, 2), logprobs=torch.randn(shape),
        values=torch.zeros(shape), next_values=torch.zeros(shape), rewards=torch.randn(shape),
        episode_starts=torch.zeros(shape, dtype=torch.bool),
        dones=torch.zeros(shape, dtype=torch.bool),
        terminated=torch.zeros(shape, dtype=torch.bool), state=agent.initial_state(n),
        sums=torch.randn(steps + 1, n, 2),
    )  # fmt: skip
    found = {}
    for part, coefficients in (("ppo", (1.0, 0.0)), ("prediction", (0.0, 1.0))):
        agent.zero_grad(set_to_none=True)
        args = Args(vf_coef=0.5, aux_coef=coefficients[1])
        advantages = torch.randn(shape)
        loss, _ = _loss(agent, data, advantages, advantages, torch.arange(n), args)
        if part == "prediction":
            features = agent.features(data.obs, data.episode_starts, data.state)
            loss = agent.prediction_loss(features, data, torch.arange(n))
        agent.zero_grad(set_to_none=True)
        loss.backward()
        found[part] = {
            name.split(".")[0]
            for name, parameter in agent.named_parameters()
            if parameter.grad is not None and parameter.grad.abs().max() > 0
        }
    return found


def test_reward_reaches_weights_step_and_noise_alone() -> None:
    found = reached(planner())
    assert found["ppo"] == {"weights", "step_logit", "actor_logstd", "critic"}
    assert found["prediction"] == {"encoder", "lstm", "model", "prior"}


def test_in_a_loose_planner_it_reaches_everything() -> None:
    found = reached(planner(loose=True))
    assert {"weights", "step_logit", "encoder", "lstm", "model", "prior"} <= found["ppo"]


def test_more_ascent_gives_a_plan_that_the_model_thinks_better_of() -> None:
    agent, features = planner(), torch.randn(50, 16)
    with torch.no_grad():
        agent.step_logit.fill_(-5.3)  # a step of 1, small enough that none goes too far

    def expected(plan: torch.Tensor) -> float:
        actions = plan.tanh().unflatten(-1, (HORIZON, -1)).movedim(-2, 0)
        return float((agent.model(features, actions)[0] @ agent.weights).sum().detach())

    worth = [expected(agent.improved(features, HORIZON, n)) for n in (0, 1, 2, 8, 32)]
    assert worth == sorted(worth)
    assert worth[-1] > worth[0]


def test_horizon_and_iterations_are_changed_without_training_again(tmp_path: Path) -> None:
    policy = load_policy(trained(tmp_path, "ppo_planner", **KEEPER, total_timesteps=640))
    agent: Any = policy.agent
    with torch.no_grad():
        agent.weights.fill_(3.0)
    obs, actions = np.ones(policy.observation_size), list[np.ndarray]()
    for agent.horizon, agent.iterations in ((8, 2), (8, 0), (1, 2), (8, 2)):
        actions.append(policy(obs)[0])
    assert np.array_equal(actions[0], actions[3])
    assert len({tuple(action) for action in actions}) == 3


def test_unsupervised_planner_predicts_projections_of_what_it_observes(tmp_path: Path) -> None:
    run = trained(tmp_path, "ppo_planner", **KEEPER, total_timesteps=2560, unsupervised=True)
    sizes = json.loads((run / "agent.json").read_text())["agent"]
    assert sizes["sums"] == [f"projection {i}" for i in range(1, 9)]
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    wrong = [row["loss/prediction"] for row in rows]  # of another rollout each, so they vary
    assert np.mean(wrong[-10:]) < np.mean(wrong[:10])


def test_plan_longer_than_the_model_learns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        trained(tmp_path, "ppo_planner", **KEEPER, horizon=9)
    assert said(error) == "--horizon 9: it must be 8 or less"


def test_scene_without_sensors_to_sum_is_refused(tmp_path: Path, write_scene: WriteScene) -> None:
    texts = {"measure/rolled_in": "x(robot_at)", "observe": "robot_at"}
    scene = str(write_scene(texts))
    with pytest.raises(UserError) as error:
        trained(tmp_path / "runs", "ppo_planner", scene=(scene,))
    assert "so there is nothing to plan for; train with --unsupervised" in said(error)


# --- quoting its weights ---------------------------------------------------------------------


def test_weights_of_an_untrained_planner_are_checked_and_not_quoted(tmp_path: Path) -> None:
    run = trained(tmp_path / "runs", "ppo_planner", **KEEPER)
    out = tmp_path / "found.json"
    done = run_command(weights.__file__, run, "--episodes=2", f"--json={out}")
    found = json.loads(out.read_text())
    assert not found["plans"]
    assert "the weights are not quoted" in done.stdout
    assert "keeper/wide" in done.stdout
    assert "outcome  weight" not in done.stdout
    assert set(found["errors"]) == set(found["error"]) >= {"keeper/train", "keeper/wide"}


def test_weights_in_a_family_of_ones_own_need_its_references(tmp_path: Path) -> None:
    mine = shutil.copytree(load_scene("keeper/train").path.parent, tmp_path / "mine")
    train = mine / "train.xml"
    run = trained(tmp_path / "runs", "ppo_planner", scene=(str(train),))
    done = run_here(weights, run, "--episodes=2", cwd=tmp_path, status=1)
    assert "no complete references for this version of mine/train; compute" in done.stderr
    assert f"python eval/references.py {mine}" in done.stderr


def test_agent_that_does_not_plan_has_no_weights(tiny_keeper_run: Path) -> None:
    done = run_here(weights, tiny_keeper_run, status=1)
    assert done.stderr == (
        f"error: {tiny_keeper_run}: its agent does not plan, so it has no weights to be read\n"
    )


def test_weights_are_quoted_where_both_checks_pass_and_nowhere_else() -> None:
    found = {
        "outcomes": ["change of dirt", "change of soil"],
        "weights": [0.3, -0.4],
        "reached": {"dustpan": 0.7},
        "loose": False,
        "plans": True,
        "error": {"sweep/train": 0.4, "sweep/planter_open": 1.2},
    }
    text = weights.said(found)
    assert "reaches 0.70 of dustpan (0.6 needed): it does what weights say" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["sweep/train", "0.40", "yes"] in rows
    assert ["sweep/planter_open", "1.20", "no"] in rows
    assert ["change", "of", "soil", "-0.80"] in rows
    failing = {**found, "plans": False, "reached": {"dustpan": 0.5}}
    assert "-0.80" not in weights.said(failing)
    assert "the weights are not quoted" in weights.said({**failing, "loose": True})


def test_measure_is_known_as_a_weighted_sum_of_outcomes_or_not() -> None:
    rng = np.random.default_rng(0)
    changes = rng.integers(-1, 2, size=(50, 4, 3)).astype(float)
    parts = _parts(changes, changes @ [1.0, 0.5, 0.0])
    assert parts == pytest.approx([1, 0.5, 0], abs=1e-9)
    assert _parts(changes, np.abs(changes[..., 0])) is None
    assert _parts(changes, np.zeros((50, 4))) is None
