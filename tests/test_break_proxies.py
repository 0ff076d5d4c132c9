"""Judging agents through the command line: what it leaves behind, and what it refuses."""

import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import conftest
import numpy as np
import pytest
from commands import run_command, run_here
from families import assert_same_verdict

from sandbox_envs import SandboxVectorEnv, UserError, load_scene
from sandbox_envs.eval import break_proxies, curves, rejudge
from sandbox_envs.eval.agents.protocol import Policy
from sandbox_envs.eval.agents.run_folders import run_folders
from sandbox_envs.eval.agents.scripted import sweep
from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.evaluation import play_all
from sandbox_envs.eval.films import selection as filming
from sandbox_envs.eval.judging.records import FILE as RECORDS
from sandbox_envs.eval.judging.records import read_records
from sandbox_envs.eval.judging.verdict_file import read_basis, read_verdict
from sandbox_envs.eval.rollouts import episodes
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.scene.catalog import scene_files
from sandbox_envs.scene.family import load_family
from sandbox_envs.train import ppo_lstm, reward_model
from sandbox_envs.wrappers import ObserveReward, ReplaceReward

KEEPER = ["--scene=keeper/train"]
TINY = ["--num-envs=4", "--num-steps=16", "--num-minibatches=2", "--hidden-size=16"]
SHORT = ["--set", "episode_seconds=0.5", "--no-references", "--episodes", "6"]
SCENES = {Path(name).name for name in scene_files() if name.startswith("sweep/")}
CONFLICTS = {"planter_open", "garden_door", "garden_near", "choice", "three_piles"}


def command(module: Any, *arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    return run_here(module, *arguments, status=status)


def train(folder: Path, *arguments: str) -> Path:
    run_command(
        ppo_lstm.__file__, *TINY, "--total-timesteps=128", f"--run-dir={folder}", *arguments
    )
    return next(folder.iterdir())


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished training, to be judged or damaged."""
    return shutil.copytree(tiny_run, tmp_path / "runs" / tiny_run.name)


@pytest.fixture
def keeper_run(tiny_keeper_run: Path, tmp_path: Path) -> Path:
    """The same of a training in keeper, for what does not depend on the family: it plays faster."""
    return shutil.copytree(tiny_keeper_run, tmp_path / "runs" / tiny_keeper_run.name)


@pytest.fixture(scope="module")
def second_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training in keeper with another seed; copy it to judge it."""
    return train(tmp_path_factory.mktemp("second") / "runs", "--seed=2", *KEEPER)


@pytest.fixture
def other_run(second_run: Path, tmp_path: Path) -> Path:
    """A copy of it, to be judged together with `keeper_run`."""
    return shutil.copytree(second_run, tmp_path / "other" / second_run.name)


# --- playing ---------------------------------------------------------------------------------


def test_returns_are_those_of_the_environment() -> None:
    scene = load_scene("sweep/train", {"episode_seconds": 2})
    played = play(scene, sweep.SCRIPTS["intended"], 3)
    envs = SandboxVectorEnv(scene, 3)
    policy, state = sweep.SCRIPTS["intended"](envs), None
    obs, _ = envs.reset(seed=episodes.SEED)
    for _ in range(scene.episode_steps):
        actions, state = policy(obs, state)
        obs, _, _, _, info = envs.step(actions)
    final = info["final_info"]
    np.testing.assert_allclose(played.returns("reward"), final["return/reward"])
    np.testing.assert_allclose(played.returns("cleanliness"), final["return/cleanliness"])


def test_episode_that_becomes_unstable_ends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the broken simulation does afterwards earns nothing."""
    scene = load_scene("sweep/train", {"episode_seconds": 2})

    def breaking(envs: SandboxVectorEnv) -> Policy:
        def act(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
            if state == 10:
                envs.batches[0].qvel[1] = np.nan
            return np.ones((len(obs), 3)), (state or 0) + 1

        return act

    played = play(scene, breaking, 3)
    assert played.unstable.tolist() == [False, True, False]
    assert played.lengths.tolist() == [40, 11, 40]
    assert not played.rewards[10:, 1].any()
    assert (played.values["sweeps"][11:, 1] == played.values["sweeps"][10, 1]).all()
    records = played.records("x")
    assert [record.unstable for record in records] == [False, True, False]


# --- the command line ------------------------------------------------------------------------


def test_run_gets_records_a_verdict_a_page_and_films(run: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    options = ("--videos", 1, "--video-dir", videos)
    done = run_command(break_proxies.__file__, run, *SHORT, *options)
    for stem in SCENES:
        assert f"sweep/{stem}" in done.stdout
    records = read_records(run)
    assert {record.scene for record in records} == {f"sweep/{stem}" for stem in SCENES}
    for scene in {record.scene for record in records}:
        here = [record for record in records if record.scene == scene]
        assert [record.episode for record in here] == list(range(6))
        assert {record.length for record in here} == {10}
    found = read_verdict(run)
    assert found.agent.trained_on == {"sweep/train": load_scene("sweep/train").hash}
    assert found.scenes["sweep/planter_open"].twin == "sweep/planter_glass"
    assert found.scenes["sweep/planter_open"].scores["reward"] is None
    assert (run / "report.html").is_file()
    films = {path.name for path in (videos / run.name).glob("*.mp4")}
    assert films == {f"{name}.mp4" for name in CONFLICTS}
    assert "--films all films every scene" in done.stdout


def test_all_scenes_are_filmed_on_request_and_conflicts_plainly_too(
    keeper_run: Path, tmp_path: Path
) -> None:
    options = ["--films", "all", "--video-dir", tmp_path]
    done = command(break_proxies, keeper_run, *SHORT, *options)
    scenes = [Path(name).name for name in scene_files() if name.startswith("keeper/")]
    names = [*scenes, "wide-plain", "spare_puck-plain"]
    films = {path.name for path in (tmp_path / keeper_run.name).iterdir()}
    assert films == {f"{name}.{kind}" for name in names for kind in ("mp4", "png")}
    assert "--films all" not in done.stdout


def test_several_runs_make_one_table_with_counts(
    keeper_run: Path, other_run: Path, tmp_path: Path
) -> None:
    page, references = tmp_path / "report.html", keeper_run.parent / "references"
    page.write_text("of an earlier call")
    references.mkdir()
    done = command(break_proxies, keeper_run, page, other_run, references, *SHORT, "--videos", 0)
    assert f"note: left out, as they are no run folders: {page}, {references}\n" in done.stdout
    assert other_run.name in page.read_text()
    assert "no verdict" in done.stdout
    assert "neglect or harm" not in done.stdout  # no agent got a verdict, so there is no rate
    assert keeper_run.name in done.stdout and other_run.name in done.stdout
    assert "note: these agents" not in done.stdout
    changed = "all scenes were changed for this evaluation: episode_seconds=0.5"
    assert f"note: {changed}" in done.stdout
    assert changed[1:] in page.read_text()
    assert read_verdict(keeper_run).evaluation.overrides == {"episode_seconds": "0.5"}
    assert read_basis(keeper_run).overrides == {"episode_seconds": "0.5"}  # to be judged again with


def test_page_of_several_runs_can_go_elsewhere(
    keeper_run: Path, other_run: Path, tmp_path: Path
) -> None:
    page = tmp_path / "pages" / "both.html"
    done = command(break_proxies, keeper_run, other_run, *SHORT, "--videos", 0, "--report", page)
    assert f"report: {page}" in done.stdout
    assert other_run.name in page.read_text()
    assert not list(tmp_path.rglob("report.html"))
    refused = command(
        break_proxies, keeper_run, *SHORT, "--videos", 0, "--report", tmp_path, status=1
    )
    assert "is a folder; give the name of a file in it" in refused.stderr


def test_table_notes_that_agents_were_trained_differently(keeper_run: Path, tmp_path: Path) -> None:
    other = train(tmp_path / "other", "--gamma=0.9", *KEEPER)
    done = command(break_proxies, keeper_run, other, *SHORT, "--videos", 0)
    assert "trained with different gamma; counts mix them" in done.stdout


def stopped(run: Path) -> None:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text(lines[0] + "\n")


def without_policy(run: Path) -> None:
    (run / "policy.safetensors").unlink()


def changed_scene(run: Path) -> None:
    args = json.loads((run / "args.json").read_text())
    args["scenes"][0]["hash"] = "0123456789abcdef"
    (run / "args.json").write_text(json.dumps(args))


def other_observation(run: Path) -> None:
    args = json.loads((run / "args.json").read_text())
    observe = "turn_rate speed brush_speed retina(16) ranges(wall_range)"  # as many numbers
    scene = load_scene("sweep/train", {"observe": observe})
    args["scenes"][0] |= {"hash": scene.hash, "overrides": {"observe": observe}}
    (run / "args.json").write_text(json.dumps(args))


def no_run(run: Path) -> None:
    (run / "args.json").unlink()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (stopped, "its training was stopped after 64 of 128 steps; finish it with --resume"),
        (without_policy, "it has no policy.safetensors"),
        (changed_scene, "the scene sweep/train has changed since it was trained"),
        (no_run, "this is not a run folder"),
        (other_observation, "it was trained with another 'observe'"),
    ],
)
def test_run_that_cannot_be_judged_is_named_and_left_as_it_is(
    run: Path, damage: Any, sentence: str
) -> None:
    damage(run)
    before = sorted(run.iterdir())
    done = command(break_proxies, run, *SHORT, "--videos", 0, status=1)
    assert sentence in done.stderr
    assert run.name in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(run.iterdir()) == before


def test_stopped_run_is_judged_on_request_and_marked(keeper_run: Path) -> None:
    stopped(keeper_run)
    done = command(break_proxies, keeper_run, *SHORT, "--videos", 0, "--unfinished")
    assert "had not finished its training" in done.stdout


def test_unusual_training_is_noted(tmp_path: Path) -> None:
    """A reference agent is not judged as if it had been trained on the true reward."""
    run = train(tmp_path, "--reward=gain(touches)", *KEEPER)
    done = command(break_proxies, run, *SHORT, "--videos", 0)
    assert f"note: {run.name} was trained on keeper/train, reward=gain(touches)" in done.stdout


def wrapped_run(folder: Path, wrap: Any) -> Path:
    args = ppo_lstm.Args(**conftest.TINY, scene=("keeper/train",), run_dir=str(folder))
    ppo_lstm.main(args, wrap=wrap)
    return next(folder.iterdir())


def test_wrapped_training_is_noted_in_table_and_page(tmp_path: Path) -> None:
    run = wrapped_run(tmp_path, lambda e: ReplaceReward(e, lambda step: np.zeros(e.num_envs)))
    done = command(break_proxies, run, *SHORT, "--videos", 0)
    note = f"{run.name} was trained in a wrapped environment (ReplaceReward)"
    assert f"note: {note}" in done.stdout
    page = (run / "report.html").read_text()
    assert "on what a wrapped environment (ReplaceReward) rewards" in page
    assert "true reward only" not in page


def test_run_that_observed_through_a_wrapper_is_to_be_judged_as_a_callable(tmp_path: Path) -> None:
    run = wrapped_run(tmp_path, ObserveReward)
    done = command(break_proxies, run, *SHORT, "--videos", 0, status=1)
    sentence = f"{run}: it was trained in a wrapped environment (ObserveReward), which gave it"
    assert sentence in done.stderr
    assert "judge it as a callable, in the same wrappers: sandbox_envs.eval.judge" in done.stderr
    assert "Traceback" not in done.stderr


def test_folder_of_runs_is_answered_with_what_to_give(run: Path) -> None:
    done = command(break_proxies, run.parent, *SHORT, "--videos", 0, status=1)
    assert f"it holds runs: name one, or {run.parent}/* for all" in done.stderr


def test_films_of_an_earlier_verdict_do_not_stay(keeper_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos" / keeper_run.name
    folder.mkdir(parents=True)
    for name in ("wide.mp4", "train-2.png", "holiday.mp4"):
        (folder / name).touch()
    command(break_proxies, keeper_run, *SHORT, "--videos", 0, "--video-dir", folder.parent)
    assert [file.name for file in folder.iterdir()] == ["holiday.mp4"]


def test_mistyped_run_is_an_error_among_others(run: Path) -> None:
    done = command(break_proxies, run, run.with_name("typo"), *SHORT, "--videos", 0, status=1)
    assert "typo: this is not a run folder" in done.stderr


def test_runs_of_models_are_left_out_of_a_pattern(tiny_keeper_run: Path, tmp_path: Path) -> None:
    model = reward_model.main(
        reward_model.Args(
            scene=("keeper/train",),
            total_timesteps=64,
            num_envs=2,
            updates=2,
            run_dir=str(tmp_path / "runs"),
        )
    )
    assert run_folders([model, tiny_keeper_run]) == [tiny_keeper_run]
    picture = tmp_path / "curves.png"
    run_here(curves, model, tiny_keeper_run, "--out", picture)
    assert picture.is_file()


def test_run_that_has_lost_a_file_is_not_left_out(run: Path, tiny_keeper_run: Path) -> None:
    (run / "agent.json").unlink()
    assert run_folders([run, tiny_keeper_run]) == [run, tiny_keeper_run]


def test_training_is_not_counted_twice(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    done = command(break_proxies, run, copy, *SHORT, "--videos", 0, status=1)
    assert "are the same training" in done.stderr


def test_runs_of_two_families_are_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(load_scene("sweep/train").path.parent, tmp_path / "mine")
    other = train(tmp_path / "other", f"--scene={tmp_path}/mine/train.xml")
    done = command(break_proxies, run, other, *SHORT, "--videos", 0, status=1)
    assert "of different families (sweep and mine); judge them apart" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--episodes", "1"], "--episodes 1: it must be 2 or more"),
        (["--videos", "200"], "--videos 200: it must be 0 to the number of episodes"),
        (["--set", "gravity"], "--set gravity: write it as NAME=VALUE"),
        (["--set", ""], "set: its text is empty; give one, or leave it out"),
        (
            ["--set", "episode_seconds=5", "--set", "episode_seconds=6"],
            "--set episode_seconds=6: episode_seconds is given as 5, too; keep one",
        ),
        (
            ["--video-dir", __file__],
            f"--video-dir {__file__}: nothing can be written there (it is a file, or in one)",
        ),
    ],
)
def test_bad_arguments_end_in_one_sentence(run: Path, arguments: list[str], sentence: str) -> None:
    done = command(break_proxies, run, *arguments, status=1)
    assert sentence in done.stderr


# --- judging again, and choosing films -------------------------------------------------------


JUDGED = Path(break_proxies.__file__).parent / "results" / "default_agent" / "sweep" / "s1002"


def test_committed_run_is_judged_again_as_it_was(tmp_path: Path) -> None:
    folder = shutil.copytree(JUDGED, tmp_path / "s1002")
    (folder / "verdict.json").write_text(
        (folder / "verdict.json").read_text().replace('"verdict": "harm"', '"verdict": "mixed"')
    )
    done = command(rejudge, folder)
    assert "sweep/planter_open" in done.stdout
    assert_same_verdict(folder / "verdict.json", JUDGED / "verdict.json")


def twice(lines: list[str]) -> list[str]:
    return lines + lines[:128]


def of_another(lines: list[str]) -> list[str]:
    return [lines[0].replace('"agent":"', '"agent":"not '), *lines[1:]]


def without_one(lines: list[str]) -> list[str]:
    return lines[:-1]


def without_a_scene(lines: list[str]) -> list[str]:
    return [line for line in lines if "clean_room" not in line]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (twice, "those of sweep/train are not the episodes 0 to 127, once each"),
        (of_another, "not all of them are of sweep-train__ppo_lstm__s1002"),
        (without_one, "those of sweep/stuck_dirt are not the episodes 0 to 127"),
        (without_a_scene, "they are of other scenes than the verdict"),
    ],
)
def test_records_that_are_not_one_whole_evaluation_are_refused(
    tmp_path: Path, damage: Any, sentence: str
) -> None:
    folder = shutil.copytree(JUDGED, tmp_path / "s1002")
    lines = gzip.decompress((folder / RECORDS).read_bytes()).decode().splitlines()
    (folder / RECORDS).unlink()
    (folder / "episodes.jsonl").write_text("\n".join(damage(lines)) + "\n")
    done = command(rejudge, folder, status=1)
    assert sentence in done.stderr
    assert_same_verdict(folder / "verdict.json", JUDGED / "verdict.json")


def test_judging_again_needs_the_references_it_was_judged_by(keeper_run: Path) -> None:
    command(break_proxies, keeper_run, *SHORT, "--videos", 0)
    done = command(rejudge, keeper_run, status=1)
    assert "there are no complete references for this version of keeper/train" in done.stderr


def test_agent_given_twice_is_refused(tmp_path: Path) -> None:
    folders = [shutil.copytree(JUDGED, tmp_path / name) for name in ("a", "b")]
    done = command(rejudge, *folders, status=1)
    assert "is given twice and would be counted twice" in done.stderr


def test_films_are_chosen_by_rank() -> None:
    """Nine things: the median, the worst, the best, and then what lies between."""
    assert filming.ranks(9, 1) == [4]
    assert filming.ranks(9, 3) == [4, 0, 8]
    assert sorted(filming.ranks(9, 5)) == [0, 2, 4, 6, 8]
    assert sorted(filming.ranks(4, 4)) == [0, 1, 2, 3]


def test_conflicts_are_filmed_and_of_a_family_without_one_the_training_scene() -> None:
    family = load_family("sweep")
    conflicts = filming.scenes_to_film(family, "conflicts")
    assert {name.removeprefix("sweep/") for name in conflicts} == CONFLICTS
    assert filming.scenes_to_film(family, "all") == list(family)
    peaceful = {name: scene for name, scene in family.items() if name not in conflicts}
    assert filming.scenes_to_film(peaceful, "conflicts") == ["sweep/train"]
    alike = {f"sweep/train{end}": family["sweep/train"] for end in ("", "-2", "-9")}
    assert filming.scenes_to_film(alike, "all", 1) == list(alike)
    with pytest.raises(UserError, match="the film of sweep/train-2 would be called as one of"):
        filming.scenes_to_film(alike, "all", 2)


def test_poses_are_kept_only_of_what_films_show(tiny_run: Path) -> None:
    """Filmed scenes and their twins."""
    agent = read_trained_agents([tiny_run])[0]
    family = load_family("sweep", {"episode_seconds": 0.2})
    record = filming.scenes_to_record(family, ["sweep/planter_open"])
    played = play_all(dict.fromkeys(family, acting(agent)), family, 2, record, lambda: None)
    shown = {name for name, part in played.items() if part.poses}
    assert shown == {"sweep/planter_open", "sweep/planter_glass"}


def test_twin_is_filmed_in_the_episodes_of_its_scene() -> None:
    stems = ("planter_glass", "planter_open")
    scenes = [load_scene(f"sweep/{stem}", {"episode_seconds": 4}) for stem in stems]
    played = {s.name: play(s, sweep.SCRIPTS["dustpan"], 5, keep=("poses",)) for s in scenes}
    chosen = filming.choose(played, ["sweep/planter_open"], 3)["sweep/planter_open"]
    reward = played["sweep/planter_open"].returns("reward")
    order = np.argsort(reward, kind="stable")
    for shot, i in zip(chosen, (order[2], order[0], order[4]), strict=True):
        assert shot.twin is not None
        assert shot.trajectory.episode == shot.twin.episode == i
        assert shot.trajectory.reward_so_far[-1] == pytest.approx(reward[i])
        assert shot.twin.reward_so_far[-1] == pytest.approx(
            played["sweep/planter_glass"].returns("reward")[i]
        )
