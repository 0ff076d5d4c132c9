"""Judging any callable from Python, and using a loaded policy outside of this project's loops."""

import re
import shutil
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from commands import run_command
from conftest import TINY, WriteScene
from trainings import trained

from sandbox_envs import SandboxVectorEnv, UserError
from sandbox_envs.eval import judge
from sandbox_envs.eval.agents.scripted import patrol
from sandbox_envs.eval.judging.records import read_records
from sandbox_envs.eval.judging.verdict_file import read_verdict
from sandbox_envs.eval.pages.report import write_report
from sandbox_envs.eval.rollouts.planning import planned
from sandbox_envs.train.policy import Policy, load_policy
from sandbox_envs.train.ppo_lstm import Agent, Args, main
from sandbox_envs.wrappers import ReplaceReward


@pytest.fixture
def family(write_scene: WriteScene) -> Path:
    """A family of one scene with two actuators, whose episodes are four steps long."""
    return write_scene({"episode_seconds": "0.2"}).parent


def short(policy: Any, family: Path, **options: Any) -> dict[str, Any]:
    return judge(policy, family, **{"episodes": 4, "references": "none", **options})


def still(observations: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
    return np.zeros((len(observations), 2)), state


def refusal(policy: Any, family: Path, **options: Any) -> str:
    with pytest.raises(UserError) as error:
        short(policy, family, **options)
    return str(error.value)


# --- what a policy may return ----------------------------------------------------------------


@pytest.mark.parametrize(
    "actions",
    [
        np.zeros((4, 2), np.float32),
        np.zeros((4, 2), int),
        [[0, 0.0]] * 4,
        tuple([(0, 0)] * 4),
        torch.zeros(4, 2),
    ],
    ids=["float32", "whole numbers", "lists", "tuples", "tensor"],
)
def test_actions_of_any_kind_of_numbers_are_the_same(family: Path, actions: Any) -> None:
    assert short(lambda obs, state: (actions, state), family) == short(still, family)


@pytest.mark.parametrize("episodes", [2, 4])
@pytest.mark.parametrize("convert", [np.asarray, np.ndarray.tolist], ids=["array", "list"])
def test_actions_without_a_state_are_refused_with_the_way(
    family: Path, episodes: int, convert: Any
) -> None:
    """With two episodes, two rows of actions could be taken for a pair."""
    said = refusal(lambda obs, _: convert(still(obs, None)[0]), family, episodes=episodes)
    assert said.startswith("mini/train: the policy returned a ")
    assert "it must return a pair, as in `return actions, state`" in said


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (None, "the policy returned nothing; it must return a pair"),
        ((np.zeros((4, 2)), 0, 0), "the policy returned a tuple of 3; it must return a pair"),
        ((np.zeros(2), 0), "an array of (2,), and the scene needs (4, 2): one row per simulation"),
        ((np.zeros((4, 3)), 0), "an array of (4, 3), and the scene needs (4, 2)"),
        (([[0, 0], [0]], 0), "a list of 2 that cannot be read as numbers"),
        ((np.zeros((4, 2), complex), 0), "(4, 2) that cannot be read as numbers"),
        (([["0", "0"]] * 4, 0), "a list of 4 that cannot be read as numbers"),
        ((torch.zeros(4, 2, requires_grad=True), 0), "tensor.detach().cpu().numpy()"),
        ((np.full((4, 2), np.nan), 0), "an action is not a finite number"),
    ],
)
def test_what_cannot_be_acted_on_is_refused(family: Path, returned: Any, sentence: str) -> None:
    assert sentence in refusal(lambda obs, state: returned, family)


# --- what is checked before anything is played -----------------------------------------------


def unplayed(*_: Any) -> Any:
    pytest.fail("something was played before the arguments were checked")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"folder": __file__}, "nothing can be written there (it is a file, or in one)"),
        ({"folder": f"{__file__}/judged"}, "nothing can be written there (it is a file, or in one"),
        ({"folder": "/proc/judged"}, "/proc/judged: nothing can be written there"),
        ({"folder": "a\0b"}, "nothing can be written there"),
        ({"folder": "x", "name": "a/b"}, "films go to a folder of that name; leave out '/'"),
        ({"folder": "x", "name": ".."}, "films go to a folder of that name"),
        ({"folder": "x", "name": "a" * 300}, "keep it within 255 bytes"),
        ({"folder": "x", "name": "a\0b"}, "leave out '/' and zero bytes"),
        ({"name": 5}, "name is 5; it must be a text"),
        ({"folder": 7}, "folder is 7; give the path of a folder"),
        ({"budget": "x"}, "budget is 'x'; give a ReferenceBudget"),
        ({"episodes": 1}, "episodes is 1; it must be 2 or more"),
        ({"episodes": 2.5}, "episodes is 2.5; it must be a whole number, 2 or more"),
        ({"videos": 5}, "videos is 5; it must be 0 to 4"),
        ({"films": "none"}, "films is 'none'; it must be 'conflicts' or 'all'"),
        ({"references": "some"}, "references is 'some'; it must be 'stored' or 'compute' or"),
    ],
)
def test_wrong_arguments_are_found_first(
    family: Path, options: dict[str, Any], sentence: str
) -> None:
    assert sentence in refusal(unplayed, family, **options)


@pytest.mark.parametrize(
    "name", ["verdict.json", "report.html", "episodes.jsonl.gz", "episodes.jsonl"]
)
def test_folders_in_the_place_of_results_are_found_first(
    family: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "judged" / name).mkdir(parents=True)
    said = refusal(unplayed, family, folder=tmp_path / "judged")
    assert f"{name} is a folder; give the name of a file in it" in said


def test_file_in_the_place_of_the_films_is_found_first(family: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").write_text("")
    said = refusal(unplayed, family, folder=tmp_path)
    assert "videos/policy: nothing can be written there (it is a file, or in one)" in said
    short(still, family, folder=tmp_path, videos=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "episodes.jsonl.gz",
        "mini",
        "report.html",
        "verdict.json",
        "videos",
    ]


@pytest.mark.parametrize("family", [None, ["sweep"], 3, ""])
def test_what_names_no_family_is_refused(family: Any) -> None:
    assert "; give the name of one, or the path of a folder" in refusal(unplayed, family)


@pytest.mark.parametrize("no", [False, None])
def test_references_may_be_left_out_in_the_usual_ways(family: Path, no: Any) -> None:
    assert short(still, family, references=no) == short(still, family, references="none")


def test_folder_is_made_only_once_there_is_something_to_write(family: Path, tmp_path: Path) -> None:
    refusal(lambda obs, state: None, family, folder=tmp_path / "new" / "deep")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        (lambda observations: observations, "a policy itself takes two, (observations, state)"),
        (planned("reward"), "as what planned(...) returns does, add scripted=True"),
        (3, "policy is of type int; it must be a callable (observations, state) ->"),
        ("idel", "mini/train has no script 'idel'; did you mean 'idle'?"),
        (gymnasium.Env, "the policy cannot be called with two arguments, as a policy is"),
    ],
)
def test_what_is_no_policy_is_refused_first(family: Path, policy: Any, sentence: str) -> None:
    assert sentence in refusal(policy, family)


def test_run_folder_is_answered_with_the_function_that_loads_it(
    tiny_run: Path, family: Path
) -> None:
    assert "give sandbox_envs.train.policy.load_policy('" in refusal(tiny_run, family)


# --- scripts ---------------------------------------------------------------------------------


def test_scripts_are_judged_by_their_name_or_as_functions_of_the_environment(family: Path) -> None:
    by_name = short("idle", family)
    assert by_name["agent"]["name"] == "script idle"

    def mine(envs: SandboxVectorEnv) -> Any:
        assert envs.num_envs == 4
        low, high = envs.scenes[0].model.actuator_ctrlrange.T
        return lambda obs, state: (np.tile(-(high + low) / (high - low), (len(obs), 1)), state)

    as_function = short(mine, family, scripted=True, name="script idle")
    assert as_function == by_name


def test_shipped_script_passed_as_a_function_is_answered_with_the_way(family: Path) -> None:
    said = refusal(patrol.SCRIPTS["intended"], family)
    assert "if it makes a policy for an environment" in said and "add scripted=True" in said
    assert "the script returned an object of type tuple" in refusal(
        lambda envs: (1, 2), family, scripted=True
    )


# --- what it leaves behind -------------------------------------------------------------------


def test_folder_holds_records_verdict_page_and_films(family: Path, tmp_path: Path) -> None:
    folder = tmp_path / "judged" / "still"
    found = short(still, family, folder=folder, name="stands still")
    assert len(read_records(folder)) == 4
    assert read_verdict(folder).to_json() == found
    page = (folder / "report.html").read_text()
    [film] = re.findall(r'src="([^"]+\.mp4)"', page)
    assert film == "videos/stands%20still/train.mp4"
    assert (folder / "videos" / "stands still" / "train.mp4").stat().st_size > 1000
    moved = shutil.move(folder, tmp_path / "elsewhere")
    assert (Path(moved) / film.replace("%20", " ")).is_file()


# --- a loaded policy in other loops ----------------------------------------------------------


@pytest.fixture(scope="module")
def policy(tiny_run: Path) -> Policy:
    return load_policy(tiny_run)


@pytest.fixture(scope="module")
def observations() -> np.ndarray:
    """(3, size) float32, the first observations of three episodes."""
    return SandboxVectorEnv("sweep/train", 3).reset(seed=0)[0]


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.astype(np.float64),
        np.ndarray.tolist,
        torch.as_tensor,
        np.asfortranarray,
        lambda x: np.broadcast_to(x, x.shape),
    ],
    ids=["float64", "list", "tensor", "columns first", "read-only"],
)
def test_loaded_policy_reads_numbers_of_any_kind(
    policy: Policy, observations: np.ndarray, convert: Any
) -> None:
    expected, state = policy(observations, None)
    actions, given = policy(convert(observations))
    np.testing.assert_array_equal(actions, expected)
    np.testing.assert_array_equal(
        policy(convert(observations), given)[0], policy(observations, state)[0]
    )


def test_one_observation_gives_one_action_as_among_others(
    policy: Policy, observations: np.ndarray
) -> None:
    beside, states = policy(observations, None)
    alone, state = policy(observations[1], None)
    assert alone.shape == (3,)
    np.testing.assert_allclose(alone, beside[1], atol=1e-5)
    next_alone, _ = policy(observations[2], state)
    next_beside, _ = policy(np.tile(observations[2], (3, 1)), states)
    np.testing.assert_allclose(next_alone, next_beside[1], atol=1e-5)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (np.zeros(5), "this policy observes 83 numbers, the scene gives 5"),
        (np.zeros((2, 3, 83)), r"the observations have shape \(2, 3, 83\)"),
        (0.0, r"the observations have shape \(\)"),
        ([[1.0], [1.0, 2.0]], "the observations cannot be read as numbers"),
        ({"state": 1}, "the observations cannot be read as numbers"),
    ],
)
def test_other_observations_are_refused(policy: Policy, given: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        policy(given, None)


@pytest.mark.parametrize("other", [0, "state", ()], ids=repr)
def test_state_of_other_episodes_is_refused(
    policy: Policy, observations: np.ndarray, other: Any
) -> None:
    with pytest.raises(UserError, match="the state is not of 3 episodes"):
        policy(observations, other)
    _, of_two = policy(observations[:2], None)
    with pytest.raises(UserError, match="the state is not of 3 episodes"):
        policy(observations, of_two)


def test_verdict_on_a_trained_policy_says_which_training_and_wrappers_it_is_of(
    family: Path, tmp_path: Path
) -> None:
    def wrap(envs: SandboxVectorEnv) -> ReplaceReward:
        return ReplaceReward(envs, lambda _terms: np.ones(envs.num_envs))

    args = {**TINY, "scene": (str(family / "train.xml"),), "run_dir": str(tmp_path), "seed": 4}
    main(Args(**args), wrap=wrap)
    (run,) = tmp_path.glob("*__ppo_lstm__*")
    agent = short(load_policy(run), family, folder=tmp_path / "judged", videos=0)["agent"]
    assert (agent["trainer"], agent["seed"], agent["steps"]) == ("ppo_lstm", 4, 128)
    assert "ReplaceReward" in (tmp_path / "judged" / "report.html").read_text()
    assert short(still, family)["agent"] == {
        "name": "policy", "unfinished": False, "trained_on": {}, "args": {},
    }  # fmt: skip


@pytest.mark.parametrize("alter", ["weights", "hook"])
def test_an_altered_agent_is_not_taken_for_the_one_that_was_trained(
    tmp_path: Path, tiny_keeper_run: Path, alter: str, capsys: pytest.CaptureFixture[str]
) -> None:
    policies = {name: load_policy(tiny_keeper_run) for name in ("whole", "altered")}
    agent = policies["altered"].agent
    assert isinstance(agent, Agent)
    if alter == "weights":
        with torch.no_grad():
            next(agent.actor.parameters()).mul_(0.5)
    else:
        agent.actor.register_forward_hook(lambda _module, _inputs, output: output * 0)
    said = {}
    for name, policy in policies.items():
        judge(policy, "keeper", name=name, episodes=2, folder=tmp_path / name, videos=0)
        said[name] = capsys.readouterr().out
    assert "the verdict says nothing of its training" in said["altered"]
    assert "note" not in said["whole"]
    trainers = [read_verdict(tmp_path / name).agent.trainer for name in policies]
    assert trainers == ["ppo_lstm", None]
    page = (tmp_path / "altered" / "report.html").read_text()
    assert "This is a policy of whose training nothing is recorded" in page
    assert "Learning curves" not in page
    both = tmp_path / "both.html"
    write_report([tmp_path / name for name in policies], tmp_path, both)
    assert "2 agents acted, without learning meanwhile" in both.read_text()


def test_pages_about_scripts_say_of_none_that_it_was_trained(family: Path, tmp_path: Path) -> None:
    for script in ("idle", "random"):
        short(script, family, folder=tmp_path / script, videos=0)
    page = (tmp_path / "idle" / "report.html").read_text()
    assert "<h1>What a policy does where" in page and "was trained" not in page
    both = tmp_path / "both.html"
    write_report([tmp_path / "idle", tmp_path / "random"], tmp_path, both)
    text = both.read_text()
    assert "<h1>What 2 agents do where" in text and "Each is a policy of whose training" in text
    assert "the same seed" not in text


def test_policy_does_not_act_at_another_rate_than_it_was_trained_at(tmp_path: Path) -> None:
    run = trained(tmp_path / "runs", scene=("keeper/train",), set=("control_hz=40",))
    rates = "it was trained at 40 actions per second, and keeper/train takes 20"
    assert rates in refusal(load_policy(run), Path("keeper"))
    film = tmp_path / "film.mp4"
    played = run_command(
        "sandbox_envs.play", "keeper/train", "--policy", run, "--video", film, status=1
    )
    assert rates in played.stderr and "--set control_hz=" in played.stderr
    assert not film.exists()
