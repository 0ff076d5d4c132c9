"""Wrappers of the vector environment: what they change, and that it is saved and never leaks."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from conftest import TINY, WriteScene
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from trainings import change

from sandbox_envs import SandboxVectorEnv, UserError
from sandbox_envs.eval import judge
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.train.jobs import identity
from sandbox_envs.train.run_files import read_training
from sandbox_envs.train.trainers import DEFAULT_TRAINER, trainer, trainer_args
from sandbox_envs.training_envs import TrainingEnvs
from sandbox_envs.wrappers import (
    ObserveReward,
    ReplaceReward,
    SandboxVectorWrapper,
    Transition,
)

SHORT = {"episode_seconds": 1}  # 20 control steps
CLOCKED = {"observe": "clock", "measure/seconds": "total(1)", "reward": "gain(seconds)"}


def random_actions(envs: TrainingEnvs, steps: int, seed: int = 0) -> np.ndarray:
    shape = (steps, envs.num_envs, *envs.single_action_space.shape)
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def drive_away(transition: Transition) -> np.ndarray:
    """A reward that depends on everything a transition holds."""
    return (
        transition.actions[:, 0]
        + transition.observations.sum(1)
        + 10 * transition.ended
        + transition.info["length"]
        - 2 * transition.rewards
    )


def stack(envs: SandboxVectorEnv) -> SandboxVectorWrapper:
    """Both rewards are observed, the scene's and the one that replaces it."""
    return ObserveReward(ReplaceReward(ObserveReward(envs), drive_away))


def flat(returned: Any) -> Iterator[np.ndarray]:
    """All arrays in what step or reset returned, in one order."""
    if isinstance(returned, dict):
        for key in sorted(returned):
            yield from flat(returned[key])
    elif isinstance(returned, tuple | list):
        for value in returned:
            yield from flat(value)
    else:
        yield np.asarray(returned)


def assert_equal(one: Any, other: Any) -> None:
    for a, b in zip(flat(one), flat(other), strict=True):
        np.testing.assert_array_equal(a, b)


# --- the base --------------------------------------------------------------------------------


def test_a_wrapper_that_overrides_nothing_changes_nothing() -> None:
    bare, wrapped = (SandboxVectorEnv("sweep/train", 3, SHORT) for _ in range(2))
    wrapped = SandboxVectorWrapper(wrapped)
    assert_equal(bare.reset(seed=1), wrapped.reset(seed=1))
    for actions in random_actions(bare, 25):
        assert_equal(bare.step(actions), wrapped.step(actions))
    assert_equal(bare.get_state(), wrapped.get_state())
    assert wrapped.scenes == wrapped.unwrapped.scenes
    np.testing.assert_array_equal(wrapped.state_view().qpos, bare.state_view().qpos)


@pytest.mark.parametrize("wrap", [SandboxVectorWrapper, ObserveReward, stack])
def test_a_wrapped_environment_keeps_gymnasiums_contract(wrap) -> None:
    """Spaces, shapes and kinds of what is returned; gymnasium has no checker of vectors."""
    envs = wrap(SandboxVectorEnv("sweep/train", 3, SHORT))
    assert isinstance(envs, gymnasium.vector.VectorEnv)
    assert envs.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    observations, _ = envs.reset(seed=0)
    assert envs.observation_space.shape == (3, *envs.single_observation_space.shape)
    for actions in random_actions(envs, 25):
        assert envs.observation_space.contains(observations)
        before = observations.copy()
        kept = observations
        observations, rewards, terminated, truncated, info = envs.step(actions)
        np.testing.assert_array_equal(kept, before)  # what was returned does not change later
        assert rewards.shape == terminated.shape == truncated.shape == (3,)
        assert rewards.dtype == np.float64 and truncated.dtype == bool
        if truncated.any():
            assert envs.observation_space.contains(info["final_obs"])
    envs.close()


def test_gymnasiums_wrappers_go_around_but_not_beneath() -> None:
    envs = ObserveReward(SandboxVectorEnv("sweep/train", 2, SHORT))
    outer = gymnasium.wrappers.vector.RecordEpisodeStatistics(envs)
    assert outer.reset(seed=0)[0].shape == envs.observation_space.shape
    with pytest.raises(
        UserError, match="^ObserveReward cannot wrap RecordEpisodeStatistics, which"
    ):
        ObserveReward(outer)  # type: ignore[arg-type]


def test_scripts_play_in_a_wrapped_environment() -> None:
    bare = SandboxVectorEnv("sweep/train", 2, SHORT)
    wrapped = stack(SandboxVectorEnv("sweep/train", 2, SHORT))
    found = []
    for envs in (bare, wrapped):
        policy, state = scripts(envs.scenes[0])["intended"](envs), None
        observations, _ = envs.reset(seed=3)
        for _ in range(15):
            actions, state = policy(observations, state)
            observations, *_ = envs.step(actions)
        found.append(observations)
    np.testing.assert_array_equal(found[0], found[1][:, :-2])


# --- the reward observed ---------------------------------------------------------------------


def test_the_reward_of_the_last_step_is_observed_and_0_at_the_start(
    write_scene: WriteScene,
) -> None:
    envs = ObserveReward(SandboxVectorEnv(write_scene(CLOCKED), 2))
    observations, _ = envs.reset(seed=0, options={"clock": np.array([0, 5])})
    assert observations.tolist() == [[0, 0], [0.25, 0]]
    for step in range(1, 21):
        observations, rewards, _, ended, info = envs.step(np.zeros((2, 2)))
        np.testing.assert_allclose(rewards, 0.05)
        assert ended.tolist() == [step == 20, step == 15]
        if not ended.any():
            np.testing.assert_allclose(observations[:, 1], 0.05)
        for row in np.flatnonzero(ended):
            assert observations[row].tolist() == [0, 0]
            np.testing.assert_allclose(info["final_obs"][row], [1, 0.05])


def test_a_reset_of_some_slots_leaves_the_others_their_reward(write_scene: WriteScene) -> None:
    envs = ObserveReward(SandboxVectorEnv(write_scene(CLOCKED), 3))
    envs.reset(seed=0)
    envs.step(np.zeros((3, 2)))
    mask = np.array([False, True, False])
    observations, _ = envs.reset(options={"reset_mask": mask})
    np.testing.assert_allclose(observations, [[0.05, 0.05], [0, 0], [0.05, 0.05]])


def test_nothing_of_an_episode_is_left_in_the_next_one() -> None:
    """The second episode is the same after two very different first ones."""
    seen = []
    for first in (-1.0, 1.0):
        envs = stack(SandboxVectorEnv("sweep/train", 3, SHORT))
        envs.reset(seed=0)
        for _ in range(20):
            returned = envs.step(np.full((3, 3), first))
        assert returned[3].all()
        seen.append([returned[0], *(envs.step(actions) for actions in random_actions(envs, 19))])
    assert_equal(seen[0], seen[1])


# --- the reward replaced ---------------------------------------------------------------------


def test_the_reward_is_the_functions_and_the_return_in_info_the_scenes(
    write_scene: WriteScene,
) -> None:
    seen: list[Transition] = []

    def minus_clock(transition: Transition) -> np.ndarray:
        seen.append(transition)
        return -transition.observations[:, 0]

    envs = ReplaceReward(SandboxVectorEnv(write_scene(CLOCKED), 2), minus_clock)
    envs.reset(seed=0, options={"clock": np.array([0, 10])})
    for step in range(1, 11):
        _, rewards, _, ended, info = envs.step(np.full((2, 2), 0.5))
        np.testing.assert_allclose(rewards, [-step / 20, -0.5 - step / 20])
    assert ended.tolist() == [False, True]
    last = seen[-1]
    assert last.ended.tolist() == [False, True]
    np.testing.assert_allclose(last.observations[:, 0], [0.5, 1])  # the end, not the next start
    assert last.info["length"].tolist() == [10, 10]
    np.testing.assert_allclose(last.rewards, 0.05)
    np.testing.assert_allclose(last.actions, 0.5)
    np.testing.assert_allclose(info["final_info"]["return/reward"], 0.5)


@pytest.mark.parametrize("wrong", [np.zeros(3), np.array([0.0, np.nan]), np.zeros((2, 1))])
def test_a_function_that_gives_anything_but_rewards_is_refused(
    write_scene: WriteScene, wrong: np.ndarray
) -> None:
    envs = ReplaceReward(SandboxVectorEnv(write_scene(), 2), lambda _: wrong)
    envs.reset(seed=0)
    with pytest.raises(UserError, match=r"it must give \(2,\) finite numbers, one per simulation"):
        envs.step(np.zeros((2, 2)))


def test_an_unstable_simulation_earns_nothing() -> None:
    envs = ReplaceReward(SandboxVectorEnv("sweep/train", 2), lambda t: np.ones(len(t.rewards)))
    envs.reset(seed=0)
    envs.batches[0].qvel[1, 2] = np.nan
    _, rewards, *_ = envs.step(np.zeros((2, 3)))
    assert rewards.tolist() == [1, 0]


# --- snapshots -------------------------------------------------------------------------------


@functools.cache
def two_stacks() -> tuple[SandboxVectorWrapper, SandboxVectorWrapper]:
    one, other = (stack(SandboxVectorEnv("sweep/train", 3, SHORT)) for _ in range(2))
    one.reset(seed=0, options={"stagger": True})
    other.reset(seed=9)
    return one, other


@settings(max_examples=25, deadline=None)
@given(before=st.integers(0, 30), between=st.integers(0, 30), seed=st.integers(0, 2**20))
def test_a_stack_of_wrappers_goes_on_from_a_snapshot_to_the_last_bit(
    before: int, between: int, seed: int
) -> None:
    """Whatever was played before, and whatever another environment has played since."""
    one, other = two_stacks()
    for actions in random_actions(one, before, seed):
        observations, *_ = one.step(actions)
    state = one.get_state()
    for actions in random_actions(one, between, seed + 1):
        other.step(actions)
    restored = other.set_state(state)
    if before:
        np.testing.assert_array_equal(restored, observations)
    for actions in random_actions(one, 25, seed + 2):  # over the end of an episode
        assert_equal(one.step(actions), other.step(actions))
    assert_equal(one.get_state(), other.get_state())


def test_a_snapshot_is_of_this_stack_or_is_refused_whole() -> None:
    envs = SandboxVectorEnv("sweep/train", 3, SHORT)
    wrapped = stack(SandboxVectorEnv("sweep/train", 3, SHORT))
    envs.reset(seed=0)
    wrapped.reset(seed=1)
    bare, full = envs.get_state(), wrapped.get_state()
    with pytest.raises(
        UserError, match="^this state is of other wrappers: it lacks what ObserveRe"
    ):
        wrapped.set_state(bare)
    with pytest.raises(UserError, match="^this state is of other scenes, of another number"):
        envs.set_state(full)
    assert_equal(wrapped.get_state(), full)
    assert_equal(envs.get_state(), bare)


def test_training_in_a_wrapped_environment_resumes_to_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training of six updates, and one that breaks off in the fourth and is resumed."""
    module, updates = trainer(DEFAULT_TRAINER), iter(range(100))
    values = {**TINY, "total_timesteps": 6 * 64, "set": ("episode_seconds=1",)}

    def broken(*arguments: Any) -> Any:
        if next(updates) == 3:
            raise KeyboardInterrupt
        return iterate(*arguments)

    def train(folder: Path, resumed: Path | None = None) -> Path:
        more = {"resume": str(resumed)} if resumed else {**values, "run_dir": str(folder)}
        module.main(trainer_args(DEFAULT_TRAINER, more), wrap=stack)
        return next(folder.iterdir())

    whole, iterate = train(tmp_path / "whole"), module.iterate
    monkeypatch.setattr("sandbox_envs.train.run.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(module, "iterate", broken)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken")
    (run,) = (tmp_path / "broken").iterdir()
    train(tmp_path / "broken", run)
    weights = [(folder / "policy.safetensors").read_bytes() for folder in (whole, run)]
    assert weights[0] == weights[1]


def rewarding(envs: SandboxVectorEnv) -> SandboxVectorWrapper:
    return ReplaceReward(envs, drive_away)


@pytest.mark.parametrize(
    ("wrap", "other", "sentence"),
    [
        (rewarding, None, "trained in a wrapped environment (ReplaceReward), and would go on in "
         "an environment without wrappers"),
        (None, ObserveReward, "trained in an environment without wrappers, and would go on in "
         "a wrapped environment (ObserveReward)"),
        (stack, ObserveReward, "(ObserveReward around ReplaceReward around ObserveReward), and "
         "would go on in a wrapped environment (ObserveReward)"),
    ],
)  # fmt: skip
def test_run_is_resumed_in_its_own_wrappers_or_refused(
    tmp_path: Path, wrap: Any, other: Any, sentence: str
) -> None:
    main = trainer(DEFAULT_TRAINER).main
    values = {**TINY, "run_dir": str(tmp_path), "set": ("episode_seconds=1",)}
    main(trainer_args(DEFAULT_TRAINER, values), **({"wrap": wrap} if wrap else {}))
    (run,) = tmp_path.iterdir()
    before = {file: file.read_bytes() for file in run.iterdir()}
    longer = trainer_args(DEFAULT_TRAINER, {"resume": str(run), "total_timesteps": 192})
    with pytest.raises(UserError) as refusal:
        main(longer, **({"wrap": other} if other else {}))
    assert sentence in str(refusal.value)
    assert {file: file.read_bytes() for file in run.iterdir()} == before


def test_wrapped_training_is_another_training_and_its_record_cannot_be_dropped(
    tmp_path: Path, tiny_run: Path
) -> None:
    args = trainer_args(DEFAULT_TRAINER, {**TINY, "run_dir": str(tmp_path)})
    trainer(DEFAULT_TRAINER).main(args, wrap=rewarding)
    (run,) = tmp_path.iterdir()
    assert read_training(run).wrappers == ("ReplaceReward",)
    assert identity(read_training(run)) != identity(read_training(tiny_run))
    change(run / "args.json", "wrappers", to=[])
    with pytest.raises(UserError, match=r"resume\.pt: it is not of the training that args"):
        trainer(DEFAULT_TRAINER).main(trainer_args(DEFAULT_TRAINER, {"resume": str(run)}))


# --- judging ---------------------------------------------------------------------------------


def test_policy_is_judged_in_its_wrappers_by_the_scenes_own_reward(
    write_scene: WriteScene,
) -> None:
    family, seen = write_scene(CLOCKED).parent, set[int]()

    def policy(observations: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        seen.add(observations.shape[1])
        return np.zeros((len(observations), 2)), state

    found = [
        judge(policy, family, episodes=2, references="none", wrap=wrap)["scenes"]["mini/train"]
        for wrap in (None, stack)
    ]
    assert seen == {1, 3}
    assert found[0]["returns"] == found[1]["returns"]
    np.testing.assert_allclose(found[0]["returns"]["reward"], 1)


def test_wrappers_give_no_reward_in_a_step_that_only_resets(write_scene: WriteScene) -> None:
    inner = SandboxVectorEnv(write_scene(), 2, autoreset_mode=AutoresetMode.NEXT_STEP)
    envs = ObserveReward(ReplaceReward(inner, lambda t: t.info["length"] ** 0.5 / t.info["length"]))
    envs.reset(seed=0)
    with np.errstate(invalid="ignore"):
        steps = [envs.step(np.zeros((2, 2))) for _ in range(22)]
    rewards = np.stack([step[1] for step in steps])
    assert (rewards[:20] > 0).all() and (rewards[20] == 0).all() and (rewards[21] == 1).all()
    np.testing.assert_array_equal([step[0][:, -1] for step in steps], rewards.astype(np.float32))
