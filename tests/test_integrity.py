"""The course of an episode depends on its number, its seed and who acts, and on nothing else.

Not on the episode before, on the other episodes that are played at a time, or on how the agent was
trained. Without this, scores of different runs could not be compared.
"""

import functools
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY

from sandbox_envs import SandboxVectorEnv, Scene, load_scene
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.reflexes import reflexes
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.rollouts import episodes
from sandbox_envs.eval.rollouts.episodes import Episodes, play
from sandbox_envs.scene.catalog import families, training_scene
from sandbox_envs.train.policy import Policy as TrainedPolicy
from sandbox_envs.train.trainers import TRAINERS, trainer, trainer_args

KEPT = ("observations", "actions", "poses")
# Two baselines act by how many simulations there are; their scores are comparable since every
# evaluation plays as many at a time.
RANDOM = "random"  # draws from one stream of numbers, which goes on in the next episode
REPLAY = "replay of training"  # simulation i repeats the recorded episode i


def shortened(name: str, steps: int) -> Scene:
    """A scene with episodes of so many control steps."""
    scene = load_scene(name)
    return load_scene(scene, {"episode_seconds": steps / scene.control_hz})


def trained(name: str, scene: Scene) -> Policy:
    """An agent of a trainer, with random weights that make it act on what it remembers."""
    env, module = SandboxVectorEnv(scene, 1, num_threads=1), trainer(name)
    torch.manual_seed(0)
    agent = module.Agent(**module.Agent.sizes(env, trainer_args(name, {"hidden_size": 32})))
    with torch.no_grad():
        for parameter in agent.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return TrainedPolicy(agent, "cpu")


def actors(scene: Scene) -> dict[str, PolicyFactory]:
    """The actors of a scene: scripts, reflexes of each kind, and an agent of each trainer."""
    tapes = np.random.default_rng(0).uniform(-1, 1, (30, 2, scene.model.nu))
    agents = {name: trained(name, scene) for name in TRAINERS}
    made: dict[str, PolicyFactory] = {
        name: lambda _envs, policy=policy: policy for name, policy in agents.items()
    }
    found = reflexes(scene, tapes)
    kinds = {name.split()[0]: name for name in found}.values()  # "nearest" is one kind
    return {**scripts(scene), **{name: found[name] for name in kinds}, **made}


@pytest.fixture
def parallel(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how many simulations are played at a time; so few are fastest with one thread."""
    single = functools.partial(SandboxVectorEnv, num_threads=1)
    monkeypatch.setattr(episodes, "SandboxVectorEnv", single)
    return lambda n: monkeypatch.setattr(episodes, "MAX_PARALLEL", n)


def after_others_and_alone(scene: Scene, factory: PolicyFactory) -> tuple[Episodes, Episodes]:
    """Episodes 2 and 3, played two at a time: after 0 and 1 by the same policy, and alone."""
    after = play(scene, factory, 4, keep=KEPT)
    return first(after, 2, skip=2), play(scene, factory, 2, first=2, keep=KEPT)


def first(played: Episodes, n: int, skip: int = 0) -> Episodes:
    """Some of the episodes that were played."""
    which = slice(skip, skip + n)

    def part(value: Any, name: str) -> Any:
        if isinstance(value, dict):
            return {key: array[:, which] for key, array in value.items()}
        if isinstance(value, np.ndarray):
            return value[which] if name in episodes.PER_EPISODE else value[:, which]
        return value

    return Episodes(**{name: part(value, name) for name, value in vars(played).items()})


def equal(one: Episodes, other: Episodes) -> bool:
    """Whether all that was observed, done, measured and recorded is equal, to the last bit."""
    assert one.observations is not None and one.actions is not None
    pairs = [(getattr(one, k), getattr(other, k)) for k in ("observations", "actions", "rewards")]
    pairs += [(values, other.values[name]) for name, values in one.values.items()]
    pairs += [(poses, other.poses[name]) for name, poses in one.poses.items()]
    return all(np.array_equal(a, b) for a, b in pairs) and one.records("x") == other.records("x")


# --- two episodes, and equal rooms -----------------------------------------------------------


@pytest.mark.parametrize("family", families())
def test_actions_do_not_depend_on_the_episode_before_and_rooms_not_on_who_acts(
    family: str, parallel: Callable[[int], None]
) -> None:
    parallel(2)
    scene = shortened(training_scene(family), 15)
    played = {name: after_others_and_alone(scene, f) for name, f in actors(scene).items()}
    assert {*TRAINERS, RANDOM, REPLAY, "intended", "straight ahead"} < played.keys()
    assert {name for name, (after, alone) in played.items() if not equal(after, alone)} == {RANDOM}
    start, _ = played[RANDOM]
    assert any((poses[0, 0] != poses[0, 1]).any() for poses in start.poses.values())
    for other, _ in played.values():
        np.testing.assert_array_equal(start.observations[0], other.observations[0])  # type: ignore[index]
        for name, poses in start.poses.items():
            np.testing.assert_array_equal(poses[0], other.poses[name][0])


def test_a_policy_that_remembers_the_episode_before_is_found(
    parallel: Callable[[int], None],
) -> None:
    """It keeps an average of what it saw in a place of its own rather than in its state."""
    parallel(2)
    scene = shortened("keeper/train", 25)

    def leaking(_envs: SandboxVectorEnv) -> Policy:
        seen = [np.zeros((2, 1))]

        def act(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
            seen[0] = 0.9 * seen[0] + 0.1 * obs[:, :1]
            return np.tanh(seen[0]).repeat(scene.model.nu, 1), state

        return act

    assert not equal(*after_others_and_alone(scene, leaking))


# --- the number of simulations ---------------------------------------------------------------


def test_records_do_not_depend_on_how_many_simulations_run_side_by_side(
    parallel: Callable[[int], None],
) -> None:
    """64, 7 and 1 at a time: what is recorded, seen and done is equal to the last bit.

    13 are played as twice 7, of which the last one is left out.
    """
    scene = shortened("keeper/train", 15)
    everybody = actors(scene)
    for name in (*TRAINERS, "intended", "straight ahead", RANDOM, REPLAY):
        played = []
        for at_a_time, number in ((64, 64), (7, 13), (1, 7)):
            parallel(at_a_time)
            played.append(play(scene, everybody[name], number, keep=KEPT))
        alike = [equal(first(played[0], len(other.index)), other) for other in played[1:]]
        assert all(alike) == (name not in (RANDOM, REPLAY)), name


# --- equal rooms in training -----------------------------------------------------------------

ARM = {"learning_rate": 1e-2, "gamma": 0.5, "hidden_size": 8, "update_epochs": 2, "num_steps": 11,
       "num_envs": 3, "num_minibatches": 1, "reward": "gain(touches)"}  # fmt: skip


def rooms_of_a_training(
    name: str, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> dict[int, list[float]]:
    """Positions (qpos) at the start of each episode of a training, by the episode's number."""
    rooms: dict[int, list[float]] = {}

    class Watched(SandboxVectorEnv):
        def _note(self, info: dict[str, Any], started: np.ndarray) -> None:
            for row in np.flatnonzero(started):
                rooms[int(info["episode_index"][row])] = self.state_view().qpos[row].tolist()

        def reset(self, **given: Any) -> Any:
            observations, info = super().reset(**given)
            self._note(info, np.ones(self.num_envs))
            return observations, info

        def step(self, actions: np.ndarray) -> Any:
            stepped = super().step(actions)
            self._note(stepped[-1], stepped[3])
            return stepped

    module = trainer(name)
    monkeypatch.setattr(module, "SandboxVectorEnv", Watched)
    module.main(trainer_args(name, {**TINY, "scene": ["keeper/train"], **args}))
    return rooms


@pytest.mark.parametrize("name", TRAINERS)
def test_trainings_of_one_seed_meet_the_same_rooms_in_every_arm(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = {"set": ["episode_seconds=0.5"], "run_dir": str(tmp_path)}
    arms = [rooms_of_a_training(name, {**same, **arm}, monkeypatch) for arm in ({}, ARM)]
    both = arms[0].keys() & arms[1].keys()
    assert len(both) > 8
    assert all(arms[0][number] == arms[1][number] for number in both)
    other = rooms_of_a_training(name, {**same, "seed": 2}, monkeypatch)
    assert all(other[number] != arms[0][number] for number in both)


# --- random steps ----------------------------------------------------------------------------


@pytest.fixture
def random_steps(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The command of the long form, as a module."""
    file = Path(__file__).parent / "long" / "random_steps.py"
    spec = importlib.util.spec_from_file_location("random_steps", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "random_steps", module)  # where its dataclasses look
    spec.loader.exec_module(module)
    return module


def table(module: ModuleType, capsys: pytest.CaptureFixture[str], steps: int, **given: Any) -> str:
    """The command's output for one scene, except for its last line, which tells the speed."""
    module.main(module.Args(steps=steps, scene=("keeper/train",), num_envs=4, **given))
    return capsys.readouterr().out.rpartition("\n640 steps")[0]


def test_random_steps_go_on_where_they_were_stopped(
    random_steps: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An episode has 80 steps; `test_scenes.py` takes some random steps in every scene."""
    state = tmp_path / "figures.json"
    table(random_steps, capsys, 320, state=state)
    whole = table(random_steps, capsys, 640)
    assert table(random_steps, capsys, 640, state=state) == whole
    assert "640         8         0" in whole


def test_random_steps_find_a_number_that_is_not_finite(
    random_steps: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(SandboxVectorEnv):
        def step(self, actions: np.ndarray) -> Any:
            observations, *rest = super().step(actions)
            observations[1, 2] = np.nan
            return observations, *rest

    monkeypatch.setattr(random_steps, "SandboxVectorEnv", Broken)
    with pytest.raises(SystemExit) as end:
        random_steps.main(random_steps.Args(steps=100, scene=("keeper/train",), num_envs=4))
    assert end.value.code == "not finite: keeper/train: observation after 0 steps (round 0)"
