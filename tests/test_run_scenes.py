"""Runs that travel: moved or copied, alone or with their project, they find their scenes."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from trainings import stopped

from sandbox_envs import UserError, load_scene
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.train.ppo_lstm import Args, main
from sandbox_envs.train.run_files import progress, read_training
from sandbox_envs.train.run_scenes import trained_scenes


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a family of its own, and a run on it that was stopped."""
    project = tmp_path_factory.mktemp("cluster") / "project"
    shutil.copytree(load_scene("keeper/train").path.parent, project / "beach")
    scene = str(project / "beach" / "train.xml")
    run = stopped(project / "runs", at=64, scene=(scene,))
    run.rename(project / "runs" / "run")
    return project


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it on the laptop; the one on the cluster cannot be seen from there."""
    hidden = built.with_name("hidden")
    built.rename(hidden)
    yield shutil.copytree(hidden, tmp_path / "laptop")
    hidden.rename(built)


def test_run_of_a_moved_project_is_judged_and_resumed(project: Path) -> None:
    run = project / "runs" / "run"
    (agent,) = read_trained_agents([run], unfinished=True)
    assert agent.family == project / "beach"
    main(Args(resume=str(run)))
    assert progress(run) == (128, 128)


@pytest.mark.parametrize("place", ["run", "results/a/run", "beach/run"])
def test_run_that_was_copied_alone_finds_its_family_near_it(project: Path, place: str) -> None:
    (project / place).parent.mkdir(parents=True, exist_ok=True)
    run = shutil.move(project / "runs" / "run", project / place)
    (scene,) = trained_scenes(run)
    assert scene.path == project / "beach" / "train.xml"


def test_linked_folder_of_runs_is_no_obstacle(project: Path, tmp_path: Path) -> None:
    shutil.move(project / "runs", tmp_path / "scratch" / "mine" / "runs")
    (project / "runs").symlink_to(tmp_path / "scratch" / "mine" / "runs")
    (scene,) = trained_scenes(project / "runs" / "run")
    assert scene.path == project / "beach" / "train.xml"


def test_right_one_of_several_scenes_is_told_by_its_hash(project: Path) -> None:
    """The copy beside the run was edited; the same scene as in training lies further up."""
    shutil.copytree(project / "beach", project.parent / "beach")
    file = project / "beach" / "_rink.xml"
    file.write_text(file.read_text().replace('timestep="0.00625"', 'timestep="0.003125"'))
    (scene,) = trained_scenes(project / "runs" / "run")
    assert scene.path == project.parent / "beach" / "train.xml"
    shutil.rmtree(project.parent / "beach")
    with pytest.raises(UserError, match=r"the scene beach/train has changed since it was trained"):
        trained_scenes(project / "runs" / "run")


def test_scene_that_is_found_nowhere_is_named_by_hand(project: Path) -> None:
    run, moved = project / "runs" / "run", project / "other" / "shore"
    shutil.move(project / "beach", moved)
    with pytest.raises(UserError, match=r"there is no such file; put it back, or name its new p"):
        trained_scenes(run)
    scene = str(moved / "train.xml")
    assert read_trained_agents([run], True, [scene])[0].family == moved
    main(Args(resume=str(run), scene=(scene,)))
    assert progress(run) == (128, 128)


def test_run_of_an_earlier_version_finds_its_scenes_by_its_arguments(project: Path) -> None:
    """It says nothing of wrappers either, so it had none."""
    run = project / "runs" / "run"
    content = json.loads((run / "args.json").read_text())
    (scene,) = content["scenes"]
    content["scenes"] = {scene["name"]: scene["hash"]}
    content["scene_files"] = [scene["file"]]
    del content["wrappers"]
    (run / "args.json").write_text(json.dumps(content))
    agent = json.loads((run / "agent.json").read_text())
    agent["arguments"] = read_training(run).marks["arguments"]
    (run / "agent.json").write_text(json.dumps(agent))
    assert trained_scenes(run)[0].path == project / "beach" / "train.xml"
    assert read_training(run).wrappers == ()
    main(Args(resume=str(run)))
    assert progress(run) == (128, 128)


def test_shipped_scene_that_was_given_by_its_file_is_found_on_another_machine(
    project: Path,
) -> None:
    run = project / "runs" / "run"
    args = (run / "args.json").read_text()
    shipped = load_scene("keeper/train")
    args = args.replace("beach/train", "keeper/train").replace("../../beach", "../../../keeper")
    (run / "args.json").write_text(args)
    (scene,) = trained_scenes(run)
    assert scene.path == shipped.path
